//! `trueup check` of growing fleets: `cargo bench --bench check`. Wall time and memory of the whole
//! program, over 100, 1,000 and 10,000 hosts of 113 resources each, and over 100, 1,000 and 10,000
//! resources on 10 hosts: a curve that bends upwards would show work that grows with the square.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a program that prints figures"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 5;

fn main() {
    println!("{RUNS} runs each; median of the wall time, maximum of the memory\n");
    println!("{:44} {:>8} {:>9} {:>12}", "hosts × 113 resources", "s", "MiB", "µs a host");
    for (name, own, facts) in [
        ("a tenth of the files differs by host", 5, false),
        ("the same, and facts are named", 5, true),
        ("every file differs by host", 50, false),
    ] {
        for hosts in [100, 1_000, 10_000] {
            let measured = measure(|folder| fleet(folder, hosts, own, facts));
            row(&format!("{hosts:>6}, {name}"), measured, hosts);
        }
    }
    println!("\n{:44} {:>8} {:>9} {:>12}", "10 hosts × resources", "s", "MiB", "µs each");
    for resources in [100, 1_000, 10_000] {
        let measured = measure(|folder| large(folder, resources));
        row(&format!("{resources:>6}, each after the one before"), measured, resources * 10);
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn row(name: &str, (time, memory): (Duration, u64), parts: usize) {
    let each = time.as_secs_f64() * 1e6 / parts as f64;
    println!("{name:44} {:8.3} {:9.1} {each:12.2}", time.as_secs_f64(), memory as f64 / 1024.0);
}

/// The median time and the largest memory of checking a project, in KiB.
fn measure(make: impl FnOnce(&Path)) -> (Duration, u64) {
    let project = tempfile::tempdir().expect("a temporary folder");
    make(project.path());
    let mut runs: Vec<(Duration, u64)> = (0..RUNS).map(|_| check(project.path())).collect();
    runs.sort();
    let memory = runs.iter().map(|run| run.1).max().unwrap_or(0);
    (runs[RUNS / 2].0, memory)
}

/// One run: its time, and the most memory that it had, as proc(5) tells while it runs.
fn check(project: &Path) -> (Duration, u64) {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_trueup"))
        .arg("-C")
        .arg(project)
        .args(["check", "--strict"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program");
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let size = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        memory = memory.max(size.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("its status") {
            assert!(status.success(), "the project has mistakes");
            return (begun.elapsed(), memory);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

/// Hosts in groups of 100, each with 50 files, 10 directories, 10 symlinks, 20 packages, 10 users,
/// 10 lines and 3 services. `own` of the files name the host, 20 less those the group's vars.
fn fleet(folder: &Path, hosts: usize, own: usize, facts: bool) {
    write(
        folder,
        "trueup.toml",
        "[project]\nname = \"bench\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"all\"\n\
         hosts = \"all\"\nmodules = [{ use = \"app\", with = { workers = \"{{ vars.workers }}\" } }]\n",
    );
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
    write(folder, "inventory.toml", &inventory);
    let lines = "{% for i in range(end=20) %}line {{ i }} of {{ vars.domain }}\n{% endfor %}";
    let fact = if facts { "{{ facts.cpus }} " } else { "" };
    let text = format!("{fact}{{{{ params.workers }}}} {{{{ vars.rack }}}}\n{lines}");
    write(folder, "modules/app/templates/group.tera", &text);
    write(
        folder,
        "modules/app/templates/host.tera",
        "{{ host.name }}\n{% include \"group.tera\" %}",
    );
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
    write(folder, "modules/app/module.toml", &module);
}

/// Files in a row, each after the one before by `requires`, with expressions of their own.
fn large(folder: &Path, resources: usize) {
    write(
        folder,
        "trueup.toml",
        "[project]\nname = \"bench\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"all\"\n\
         hosts = \"all\"\nmodules = [\"app\"]\n",
    );
    write(folder, "inventory.toml", "[groups.all-of-them]\nhosts = [\"h[01:10]\"]\n");
    let mut module = String::new();
    for i in 0..resources {
        let _ = writeln!(module, "[file.\"/srv/f{i}\"]\ncontent = \"{i} on {{{{ host.name }}}}\"");
        if i > 0 {
            let _ = writeln!(module, "requires = [\"file[/srv/f{}]\"]", i - 1);
        }
    }
    write(folder, "modules/app/module.toml", &module);
}
