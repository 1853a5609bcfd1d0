//! Projects of many hosts and of many resources, for `trueup check`.

use std::fmt::Write as _;
use std::path::Path;

/// Hosts in groups of 100, each with 50 files, 10 directories, 10 symlinks, 20 packages, 10 users,
/// 10 lines and 3 services. `own` of the files name the host, 20 less those the group's vars.
pub fn hosts(folder: &Path, hosts: usize, own: usize, facts: bool) -> Result<(), String> {
    write(
        folder,
        "trueup.toml",
        "[project]\nname = \"bench\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"all\"\n\
         hosts = \"all\"\nmodules = [{ use = \"app\", with = { workers = \"{{ vars.workers }}\" } }]\n",
    )?;
    let mut inventory = String::from("[vars]\ndomain = \"shop.example\"\nworkers = 2\n");
    for group in 0..hosts.div_ceil(100) {
        let _ = writeln!(
            inventory,
            "[groups.g{group}]\nhosts = [\"h{group}-[001:{:03}].shop.example\"]\nvars = {{ workers = \
             {}, rack = \"r{}\" }}",
            hosts.min(100),
            group % 7 + 2,
            group % 20
        );
    }
    write(folder, "inventory.toml", &inventory)?;
    let lines = "{% for i in range(end=20) %}line {{ i }} of {{ vars.domain }}\n{% endfor %}";
    let fact = if facts { "{{ facts.cpus }} " } else { "" };
    let text = format!("{fact}{{{{ params.workers }}}} {{{{ vars.rack }}}}\n{lines}");
    write(folder, "modules/app/templates/group.tera", &text)?;
    write(
        folder,
        "modules/app/templates/host.tera",
        "{{ host.name }}\n{% include \"group.tera\" %}",
    )?;
    let mut module = String::from("[params]\nworkers = { type = \"integer\", min = 1 }\n");
    for i in 0..10 {
        let _ = writeln!(module, "[directory.\"/srv/d{i}\"]\nmode = \"0755\"\nowner = \"root\"");
        let _ = writeln!(module, "[symlink.\"/srv/l{i}\"]\ntarget = \"/srv/d{i}\"");
        let _ = writeln!(module, "[user.user{i}]\nuid = {}\nshell = \"/bin/sh\"", 3000 + i);
        let _ = writeln!(
            module,
            "[line.l{i}]\npath = \"/srv/lines\"\nline = \"o{i} = {{{{ vars.rack }}}}\"\nmatch = \"^o{i} \""
        );
    }
    for i in 0..50 {
        let content = if i < own {
            "template = \"host.tera\"".to_owned()
        } else if i < 20 {
            "template = \"group.tera\"".to_owned()
        } else {
            format!("content = \"{i} of {{{{ vars.domain }}}}\"")
        };
        let _ = writeln!(module, "[file.\"/srv/d{}/f{i}\"]\n{content}\nmode = \"0644\"", i % 10);
    }
    for i in 0..20 {
        let _ = writeln!(module, "[package.pkg{i}]");
    }
    for i in 0..3 {
        let _ = writeln!(
            module,
            "[service.svc{i}]\nstate = \"running\"\nrestart_on = [\"file[/srv/d{i}/*]\"]"
        );
    }
    write(folder, "modules/app/module.toml", &module)
}

/// Files in a row, each after the one before by `requires`, with expressions of their own.
pub fn chain(folder: &Path, resources: usize) -> Result<(), String> {
    write(
        folder,
        "trueup.toml",
        "[project]\nname = \"bench\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"all\"\n\
         hosts = \"all\"\nmodules = [\"app\"]\n",
    )?;
    write(folder, "inventory.toml", "[groups.all-of-them]\nhosts = [\"h[01:10]\"]\n")?;
    let mut module = String::new();
    for i in 0..resources {
        let _ = writeln!(module, "[file.\"/srv/f{i}\"]\ncontent = \"{i} on {{{{ host.name }}}}\"");
        if i > 0 {
            let _ = writeln!(module, "requires = [\"file[/srv/f{}]\"]", i - 1);
        }
    }
    write(folder, "modules/app/module.toml", &module)
}

fn write(folder: &Path, path: &str, text: &str) -> Result<(), String> {
    crate::plans::write(&folder.join(path), text.as_bytes())
}
