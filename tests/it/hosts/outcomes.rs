//! How a host can end: each outcome provoked for real, and the others left alone by it.

use super::logins::keys;
use super::{project, stable};
use crate::support::{Project, lab, lab::left_out, lab::own};

#[test]
fn a_host_that_fails_stops_there_and_leaves_the_others_alone() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let lab = lab();
    for host in ["web1", "web2", "web3"] {
        lab.on(host, "rm -rf /etc/first.conf /etc/checked.conf /etc/after.conf; echo old >/etc/checked.conf; systemctl start lab-svc1");
    }
    let project = project(
        "[vars]\ngood = true\n[hosts.web1]\n[hosts.web2]\nvars = { good = false }\n[hosts.web3]\n\
         [hosts.gone]\naddress = \"10.213.7.254\"\n",
        r#"
[file."/etc/first.conf"]
content = "first\n"

[file."/etc/checked.conf"]
content = "good = {{ vars.good }}\n"
validate = "grep -qx 'good = true' {{ candidate }} || { echo 'candidate: good is not true' >&2; exit 3; }"

[file."/etc/after.conf"]
content = "after\n"

[service.lab-svc1]
restart_on = ["file[/etc/checked.conf]"]
"#,
    );
    let apply = project.on_lab(&["apply", "--yes", "--connect-timeout", "2"]).expect(3);
    let end = apply.stdout.split_once("Plan: ").expect("a plan").1;
    insta::assert_snapshot!("a_host_that_fails", stable(end));
    assert_eq!(
        lab.on("web2", "cat /etc/first.conf /etc/checked.conf; ls /etc/after.conf 2>&1; ls -A /etc | grep -c trueup || true"),
        "first\nold\nls: cannot access '/etc/after.conf': No such file or directory\n0\n",
        "what was done stays, the old file is untouched, nothing came after, no temporary file is left"
    );
    assert_eq!(lab.on("web3", "cat /etc/checked.conf /etc/after.conf"), "good = true\nafter\n");
}

#[test]
fn a_connection_that_dies_in_a_step_is_unknown_and_resolved_by_the_next_plan() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    lab().on("web4", "rm -f /etc/one.conf /etc/two.conf /var/tmp/cut");
    let project = project(
        "[hosts.web4]\n",
        r#"
[file."/etc/one.conf"]
content = "one\n"

[command.cut]
command = "touch /var/tmp/cut; pkill -9 -f '[r]ead -r p; eval'"
creates = "/var/tmp/cut"

[file."/etc/two.conf"]
content = "two\n"
"#,
    );
    let apply = project.on_lab(&["apply", "--yes"]).expect(3);
    let end = apply.stdout.split_once("Plan: ").expect("a plan").1;
    insta::assert_snapshot!("a_connection_that_dies", stable(end));
    let plan = project.on_lab(&["plan", "--detailed-exitcode"]).expect(2);
    assert_eq!(plan.last_line(), "Plan: 1 host: 1 to change. 1 create.", "{}", plan.stdout);
    project.on_lab(&["apply", "--yes"]).expect(0);
    project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_host_that_refuses_us_or_that_we_refuse_says_why() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let unknown = Project::new();
    unknown.file("known_hosts", "");
    let config = std::fs::read_to_string(lab().ssh_config()).expect("the lab's ssh config");
    let known = regex::Regex::new(r"(?m)^\s*UserKnownHostsFile .*$").expect("a regex");
    let line = format!("UserKnownHostsFile {}/known_hosts", unknown.path().display());
    unknown.file("ssh_config", known.replace_all(&config, line.as_str()).as_ref());
    let project = project(
        "[hosts.web1]\n[hosts.web2-plain]\nconnection = { become = \"sudo\" }\n\
         [hosts.web3]\nconnection = { user = \"nobody\" }\n[hosts.web4-askpw]\nconnection = { become = \"sudo\" }\n",
        "[file.\"/etc/x\"]\ncontent = \"x\\n\"\n",
    );
    let plan = project.on_lab(&["plan", "--limit", "not web1"]).expect(3);
    insta::assert_snapshot!("refused", stable(&plan.stdout));
    let config = unknown.path().join("ssh_config");
    let words = ["plan", "--limit", "web1", "--ssh-config", config.to_str().expect("UTF-8")];
    let plan = project.run(&words).expect(3);
    insta::assert_snapshot!("unknown_key", keys(&stable(&plan.stdout)));
}

#[test]
fn every_login_shell_and_userland_gives_the_same_plan() {
    if left_out() {
        return;
    }
    let (_web, _busybox) = (own("web"), own("busybox1"));
    let lab = lab();
    for host in ["web1", "web2", "web3", "web4", "busybox1"] {
        lab.on(host, "rm -rf /srv/shells; systemctl stop lab-svc2");
    }
    let logins =
        ["web1-deploy", "web2-fishy", "web3-tcshy", "web4-noisy", "busybox1", "busybox1-fishy"];
    let hosts: Vec<String> = logins.iter().map(|login| format!("[hosts.{login}]\n")).collect();
    let inventory = format!("[connection]\nbecome = \"sudo\"\n{}", hosts.concat());
    let project = project(
        &inventory,
        r#"
[directory."/srv/shells"]
mode = "0750"
group = "users"

[file."/srv/shells/it's $HOME `x` \\ \"é\""]
content = "quote ' dollar $x back \\ tick ` bang ! star *\n"

[symlink."/srv/shells/link"]
target = "it's $HOME"

[line.shells]
path = "/srv/shells/lines"
line = "a 'b' $c"

[command.lines]
command = "echo first >/srv/shells/lines"
creates = "/srv/shells/lines"

[service.lab-svc2]
state = "running"
"#,
    );
    // Two logins lead to one busybox host: one at a time.
    let (most, rest) = (["--limit", "not busybox1-fishy"], ["--limit", "busybox1-fishy"]);
    let plan = project.on_lab(&[&["plan"], &most[..]].concat()).expect(0);
    assert!(plan.stdout.contains("(5 hosts, the same 6 changes)"), "{}", plan.stdout);
    let plan = project.on_lab(&[&["plan"], &rest[..]].concat()).expect(0);
    assert!(plan.stdout.contains("(6 changes)"), "{}", plan.stdout);
    project.on_lab(&[&["apply", "--yes"], &most[..]].concat()).expect(0);
    for (limit, count) in [(most, "5 hosts: 5"), (rest, "1 host: 1")] {
        let again = project.on_lab(&[&["plan", "--detailed-exitcode"], &limit[..]].concat());
        assert_eq!(again.expect(0).last_line(), format!("Plan: {count} unchanged."));
    }
    let tree = |host| {
        lab.on(
            host,
            "cd /srv/shells && stat -c '%n %a %U %G' . * | sort; cat it* lines; readlink link",
        )
    };
    assert_eq!(tree("busybox1"), tree("web3"), "the same on GNU and busybox");
}

#[test]
fn a_link_that_is_cut_silently_is_noticed() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    lab().on("web4", "rm -f /var/tmp/slow /etc/one.conf /etc/two.conf");
    let project = project(
        "[hosts.web4]\n[hosts.web3]\n",
        r#"
[command.slow]
command = "touch /var/tmp/slow; sleep 90"
when = "host.name == 'web4'"
creates = "/var/tmp/slow-never"

[file."/etc/one.conf"]
content = "one\n"
"#,
    );
    let apply = std::thread::scope(|scope| {
        let run = scope.spawn(|| project.on_lab(&["apply", "--yes"]));
        while lab().try_on("web4", "test -e /var/tmp/slow", b"").0 != 0 {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        lab().link("cut", "web4");
        run.join().expect("the run")
    });
    lab().link("mend", "web4");
    lab().on("web4", "pkill -x sleep");
    let end = apply.expect(3).stdout;
    let end = end.split_once("Plan: ").expect("a plan").1;
    insta::assert_snapshot!("a_link_that_is_cut", stable(end));
}

/// T43: one machine under two names is refused where both declare the same thing, and only there; a clone of its number
/// is another machine.
#[test]
fn one_machine_under_two_names_is_seen() {
    if left_out() {
        return;
    }
    let _hosts = (own("odd1"), own("crowd1"));
    lab().on("odd1", "rm -f /etc/alias /etc/alias2");
    let clone = "cp /etc/machine-id /run/machine-id.was; cat >/etc/machine-id";
    let number = lab().on("odd1", "cat /etc/machine-id");
    lab().try_on("crowd1", clone, number.as_bytes());
    let inventory = "[hosts.odd1]\n[hosts.other]\naddress = \"odd1\"\n[hosts.crowd1]\n";
    let project = project(inventory, "[file.\"/etc/alias\"]\ncontent = \"x\\n\"\n");
    let refused = project.on_lab(&["apply", "--yes"]).expect(3);
    for (name, other) in [("odd1", "other"), ("other", "odd1")] {
        let told = format!(
            "{name}  refused: it is the same machine as {other}, and both declare file[/etc/alias]"
        );
        assert!(refused.stdout.contains(&told), "{}", refused.stdout);
    }
    assert!(refused.last_line().contains("Applied to 1 of 3 hosts"), "{}", refused.stdout);
    let stands = lab().try_on("odd1", "test ! -e /etc/alias", b"");
    assert_eq!(stands.0, 0, "nothing was done");
    project.on_lab(&["apply", "--yes", "--limit", "other"]).expect(0);
    // Names that are about different things are meant.
    project.file(
        "modules/m/module.toml",
        "[file.\"/etc/alias\"]\ncontent = \"x\\n\"\nwhen = \"host.name != 'other'\"\n\
         [file.\"/etc/alias2\"]\ncontent = \"x\\n\"\nwhen = \"host.name == 'other'\"\n",
    );
    project.on_lab(&["apply", "--yes"]).expect(0);
    lab().on("crowd1", "cat /run/machine-id.was >/etc/machine-id; rm -f /etc/alias");
    lab().on("odd1", "rm -f /etc/alias /etc/alias2");
}
