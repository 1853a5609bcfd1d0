//! The work that tests and the bench measure: 113 resources a host, of all everyday types.

/// How much of each type a host has.
pub struct Size {
    /// The project's name: what a host remembers of one size is not mixed up with another.
    pub project: &'static str,
    pub packages: Vec<String>,
    /// Users, directories, symlinks and lines: this many of each.
    pub each: usize,
    pub files: usize,
    pub services: usize,
}

impl Size {
    /// 113 resources: 20 packages, 10 users, 10 directories, 50 files, 10 symlinks, 10 lines, 3 services.
    pub fn small() -> Self {
        let packages = (1..=20).map(|number| format!("lab-pkg{number:02}")).collect();
        Self { project: "work", packages, each: 10, files: 50, services: 3 }
    }

    /// How many resources each host has.
    pub const fn resources(&self) -> usize {
        self.packages.len() + 4 * self.each + self.files + self.services
    }
}

/// The files of the project, by path: for hosts `web1` … as the lab names them.
pub fn files(hosts: &[&str], size: &Size) -> Vec<(&'static str, String)> {
    let list: Vec<String> = hosts.iter().map(|host| format!("{host:?}")).collect();
    vec![
        ("trueup.toml", PROJECT.replace("NAME", size.project)),
        ("inventory.toml", INVENTORY.replace("HOSTS", &list.join(", "))),
        ("modules/work/module.toml", module(size)),
        ("modules/work/templates/site.conf.tera", TEMPLATE.to_owned()),
    ]
}

/// Takes back what the work makes, the packages not, and lets the host forget it: shell text for a host.
pub const UNDO: &str = "systemctl -q disable --now lab-svc1 lab-svc2 lab-svc3 2>&1
for user in $(sed -n 's/^\\(work[0-9]*\\):.*/\\1/p' /etc/passwd); do userdel -rf $user >/dev/null 2>&1; done
rm -rf /srv/work-* /var/lib/trueup/work
sed -i '/^# work line/d' /etc/issue /etc/issue.net
! grep -q ^work /etc/passwd";

const PROJECT: &str = r#"[project]
name = "NAME"
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

/// Packages, users, directories, symlinks, lines, files, services: type by type, as people write them.
fn module(size: &Size) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for package in &size.packages {
        let _ = writeln!(text, "[package.{package:?}]");
    }
    for number in 1..=size.each {
        let _ = writeln!(
            text,
            "[user.work{number}]\nshell = \"/bin/bash\"\ncomment = \"worker {number}\""
        );
    }
    for number in 1..=size.each {
        let _ = writeln!(
            text,
            "[directory.\"/srv/work-d{number}\"]\nmode = \"0750\"\nowner = \"work{number}\""
        );
    }
    for number in 1..=size.each {
        let _ =
            writeln!(text, "[symlink.\"/srv/work-l{number}\"]\ntarget = \"/srv/work-d{number}\"");
    }
    for number in 1..=size.each {
        let file = if number <= size.each / 2 { "/etc/issue" } else { "/etc/issue.net" };
        let _ =
            writeln!(text, "[line.l{number}]\npath = \"{file}\"\nline = \"# work line {number}\"");
    }
    let _ = writeln!(
        text,
        "[file.\"/srv/work-d1/site{{{{ each.value }}}}.conf\"]\nfor_each = \"{{{{ range(start=1, end={}) }}}}\"\n\
         template = \"site.conf.tera\"\nmode = \"0640\"",
        size.files + 1
    );
    for number in 1..=size.services {
        let _ = writeln!(text, "[service.lab-svc{number}]\nstate = \"running\"\nenabled = true");
    }
    text
}
