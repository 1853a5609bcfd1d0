//! What cannot be known before an opaque change: one plan and one apply on a host where a package
//! brings the folder, the config, the user and the unit that later resources need.

use crate::support::{Project, lab, lab::left_out, lab::own};

#[test]
fn a_package_with_its_config_a_line_its_user_and_its_service_in_one_apply() {
    if left_out() {
        return;
    }
    let _host = own("spare2");
    let lab = lab();
    lab.on("spare2", "apt-get -qq -y purge lab-daemon >/dev/null 2>&1; rm -rf /etc/lab-daemon* /srv/owned; : >/var/log/lab-daemon.log");
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"waves\"\ninventory = \"inventory.toml\"\n\
             [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"daemon\"]\n",
        )
        .file("inventory.toml", "[hosts.spare2]\n")
        .file(
            "modules/daemon/module.toml",
            r#"
[package.lab-daemon]

[file."/etc/lab-daemon.conf"]
content = "from = trueup\n"
owner = "lab-daemon"
mode = "0640"

[line.unit]
path = "/lib/systemd/system/lab-daemon.service"
line = "; looked at by trueup"
requires = ["package[lab-daemon]"]

[file."/srv/owned"]
content = "x\n"
owner = "lab-daemon"

[service.lab-daemon]
state = "running"
enabled = true
reload_on = ["file[/etc/lab-daemon.conf]"]
"#,
        );
    let unit = "test -e /lib/systemd/system/lab-daemon.service || test -e /usr/lib/systemd/system/lab-daemon.service";
    assert_ne!(lab.try_on("spare2", unit, b"").0, 0, "the unit comes with the package");
    let plan = project.on_lab(&["plan", "--detailed-exitcode"]).expect(2);
    insta::assert_snapshot!("waves_plan", plan.stdout);
    let apply = project.on_lab(&["apply", "--yes", "--verbose"]).expect(0);
    assert!(apply.stderr.contains("1 connection, 3 exchanges,"), "one wave more: {}", apply.stderr);
    let state = lab.on(
        "spare2",
        "cat /etc/lab-daemon.conf; stat -c '%a %U' /etc/lab-daemon.conf /srv/owned; systemctl is-active lab-daemon; \
         grep -c 'looked at' /lib/systemd/system/lab-daemon.service; cut -d ' ' -f 1 /var/log/lab-daemon.log",
    );
    assert_eq!(
        state, "from = trueup\n640 lab-daemon\n644 lab-daemon\nactive\n1\nstart\nreload\n",
        "started by its package, reloaded once for its config"
    );
    let again = project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(again.last_line(), "Plan: 1 host: 1 unchanged.");
}

#[test]
fn a_trigger_runs_once_and_only_when_its_source_changes() {
    if left_out() {
        return;
    }
    let _host = own("spare2");
    let lab = lab();
    lab.on("spare2", "rm -rf /srv/t; systemctl restart lab-svc3; : >/run/lab-svc3.log");
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"t\"\ninventory = \"inventory.toml\"\n\
             [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
        )
        .file("inventory.toml", "[vars]\nrelease = 1\n[hosts.spare2]\n")
        .file(
            "modules/m/module.toml",
            r#"
[directory."/srv/t"]

[file."/srv/t/{{ each.key }}"]
for_each = ["a", "b", "c"]
content = "{{ each.key }} {{ vars.release }}\n"

[file."/srv/t/static"]
content = "static\n"

[command.count]
command = "echo ran >>/srv/t/count"
run_on = ["file[/srv/t/*]"]

[service.lab-svc3]
reload_on = ["file[/srv/t/a]"]
restart_on = ["file[/srv/t/static]"]
"#,
        );
    project.on_lab(&["apply", "--yes"]).expect(0);
    let log = || {
        lab.on(
            "spare2",
            "cat /srv/t/count; cut -d ' ' -f 1 /run/lab-svc3.log; : >/run/lab-svc3.log",
        )
    };
    assert_eq!(log(), "ran\nstart\n", "a restart does what the reload would");
    project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
    let plan = project.on_lab(&["plan", "--var", "release=2"]).expect(0);
    insta::assert_snapshot!("triggers_plan", plan.stdout);
    project.on_lab(&["apply", "--yes", "--var", "release=2"]).expect(0);
    assert_eq!(log(), "ran\nran\nreload\n");
    let none = project.on_lab(&["apply", "--yes", "--var", "release=2"]).expect(0);
    assert_eq!(none.last_line(), "Plan: 1 host: 1 unchanged.");
    assert_eq!(log(), "ran\nran\n");
}
