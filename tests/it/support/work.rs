//! The work that tests and the bench measure: 113 resources a host, of all everyday types.

/// The files of the project, by path: for hosts `web1` … as the lab names them.
pub fn files(hosts: &[&str]) -> Vec<(&'static str, String)> {
    let list: Vec<String> = hosts.iter().map(|host| format!("{host:?}")).collect();
    vec![
        ("trueup.toml", PROJECT.to_owned()),
        ("inventory.toml", INVENTORY.replace("HOSTS", &list.join(", "))),
        ("modules/work/module.toml", module()),
        ("modules/work/templates/site.conf.tera", TEMPLATE.to_owned()),
    ]
}

/// Takes away what an apply made, but for the packages: shell text for the host.
pub const UNDO: &str =
    "for n in 1 2 3 4 5 6 7 8 9 10; do userdel work$n; groupdel work$n; done 2>/dev/null
rm -rf /srv/work-* /var/lib/trueup/work /home/work[0-9]*
sed -i '/# work line/d' /etc/issue /etc/issue.net
systemctl disable --now lab-svc1 lab-svc2 lab-svc3 2>/dev/null
true";

/// How many resources each host has.
pub const RESOURCES: usize = 113;

const PROJECT: &str = r#"[project]
name = "work"
inventory = "inventory.toml"

[[stage]]
name = "all"
hosts = "web"
modules = ["work"]
"#;

const INVENTORY: &str = r#"[vars]
domain = "work.example"
[groups.web]
hosts = [HOSTS]
vars = { workers = 4 }
"#;

const TEMPLATE: &str = "# {{ host.name }}: site {{ each.value }} of {{ vars.domain }}
workers {{ vars.workers }}
{% for number in range(end=20) %}upstream {{ each.value }}-{{ number }} 10.0.0.{{ number }}
{% endfor %}";

/// 20 packages, 10 users, 10 directories, 10 symlinks, 10 lines, 50 files, 3 services: type by type, as people write them.
fn module() -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for number in 1..=20 {
        let _ = writeln!(text, "[package.lab-pkg{number:02}]");
    }
    for number in 1..=10 {
        let _ = writeln!(
            text,
            "[user.work{number}]\nshell = \"/bin/bash\"\ncomment = \"worker {number}\""
        );
    }
    for number in 1..=10 {
        let _ = writeln!(
            text,
            "[directory.\"/srv/work-d{number}\"]\nmode = \"0750\"\nowner = \"work{number}\""
        );
    }
    for number in 1..=10 {
        let _ =
            writeln!(text, "[symlink.\"/srv/work-l{number}\"]\ntarget = \"/srv/work-d{number}\"");
    }
    for number in 1..=10 {
        let file = if number <= 5 { "/etc/issue" } else { "/etc/issue.net" };
        let _ =
            writeln!(text, "[line.l{number}]\npath = \"{file}\"\nline = \"# work line {number}\"");
    }
    text.push_str(
        "[file.\"/srv/work-d1/site{{ each.value }}.conf\"]\nfor_each = \"{{ range(start=1, end=51) }}\"\n\
         template = \"site.conf.tera\"\nmode = \"0640\"\n",
    );
    for number in 1..=3 {
        let _ = writeln!(text, "[service.lab-svc{number}]\nstate = \"running\"\nenabled = true");
    }
    text
}
