//! Hosts that cannot be reached or do not let us in: each reason provoked for real, and what is said of
//! it.

use std::fmt::Write as _;

use super::{project, stable};
use crate::support::{lab, lab::left_out, lab::own};

/// A resource that needs a shell and nothing else.
const MODULE: &str = "[file.\"/etc/x\"]\ncontent = \"x\\n\"\n";

#[test]
fn each_way_not_to_get_in_is_told_apart() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    for user in ["nologin", "restricted", "copies", "expired", "oldpass", "wrongkey"] {
        lab.login("odd1", user);
    }
    lab.on(
        "odd1",
        "usermod -s /usr/sbin/nologin nologin; usermod -s /bin/rbash restricted; chage -E 1 expired; \
         passwd -q -e oldpass; rm /home/wrongkey/.ssh/authorized_keys; \
         printf 'Match User copies\\n  ForceCommand internal-sftp\\n' >/etc/ssh/sshd_config.d/zz.conf; \
         systemctl reload ssh",
    );
    let mut inventory = String::from(
        "[hosts.a-nobody-listens]\naddress = \"odd1\"\nconnection = { port = 9 }\n\
         [hosts.b-no-such-name]\naddress = \"no-such-name.invalid\"\n\
         [hosts.c-times-out]\naddress = \"10.213.7.254\"\n\
         [hosts.d-wrong-user]\naddress = \"odd1\"\nconnection = { user = \"nobody-there\" }\n\
         [hosts.e-no-key-file]\naddress = \"odd1\"\nconnection = { user = \"wrongkey\", identity = \"/nowhere/id\" }\n",
    );
    for user in ["wrongkey", "nologin", "restricted", "copies", "expired", "oldpass"] {
        let _ = writeln!(
            inventory,
            "[hosts.f-{user}]\naddress = \"odd1\"\nconnection = {{ user = \"{user}\" }}"
        );
    }
    let project = project(&inventory, MODULE);
    let begun = std::time::Instant::now();
    let plan = project.on_lab(&["plan", "--connect-timeout", "2"]).expect(3);
    assert!(begun.elapsed().as_secs() < 15, "each within its time");
    insta::assert_snapshot!("not_let_in", stable(&plan.stdout));
    let apply =
        project.on_lab(&["apply", "--yes", "--limit", "f-nologin", "--connect-timeout", "2"]);
    let apply = apply.expect(3);
    insta::assert_snapshot!("not_let_in_apply", stable(&apply.stdout));
    lab.on("odd1", "rm /etc/ssh/sshd_config.d/zz.conf; systemctl reload ssh");
}

#[test]
fn a_host_without_a_shell_says_so() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    let project = project("[hosts.odd1]\nconnection = { user = \"deploy\" }\n", MODULE);
    lab.bash_on("odd1", "mv /usr/bin/sh /usr/bin/sh.away");
    let plan = project.on_lab(&["plan"]);
    lab.bash_on("odd1", "mv /usr/bin/sh.away /usr/bin/sh");
    insta::assert_snapshot!("no_shell", stable(&plan.expect(3).stdout));
}

#[test]
fn a_changed_host_key_shows_both_fingerprints_and_nothing_is_sent() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let project = project("[hosts.odd1]\nconnection = { user = \"deploy\" }\n", MODULE);
    let address = lab().address("odd1");
    project.file(
        "known_hosts",
        format!(
            "{address},other ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTX\n"
        ),
    );
    let config = ssh_config_with(&project, "known_hosts");
    let before = logins("odd1");
    let plan = project.run(&["plan", "--ssh-config", &config]).expect(3);
    let text = plan.stdout.replace(&project.path().display().to_string(), "PROJECT");
    insta::assert_snapshot!("changed_key", keys(&stable(&text)));
    assert_eq!(logins("odd1"), before, "nobody logged in");
}

/// The lab's ssh config with another file of known hosts.
pub fn ssh_config_with(project: &crate::support::Project, known: &str) -> String {
    let config = std::fs::read_to_string(lab().ssh_config()).expect("the lab's ssh config");
    let line = regex::Regex::new(r"(?m)^\s*UserKnownHostsFile .*$").expect("a regex");
    let file = format!("UserKnownHostsFile {}/{known}", project.path().display());
    project.file("ssh_config", line.replace_all(&config, file.as_str()).as_ref());
    project.path().join("ssh_config").to_str().expect("UTF-8").to_owned()
}

/// The lab's own host key, which each image has anew, out of a text.
pub fn keys(text: &str) -> String {
    let lab = std::fs::read_to_string(lab().ssh_config()).expect("the lab's ssh config");
    let folder = lab.lines().find_map(|line| {
        line.trim().strip_prefix("IdentityFile \"")?.strip_suffix("/id_ed25519\"")
    });
    let key = format!("{}/host_key.pub", folder.expect("the lab's key"));
    let said = std::process::Command::new("ssh-keygen").args(["-lf", &key]).output();
    let said = String::from_utf8(said.expect("ssh-keygen").stdout).expect("UTF-8");
    let print = said.split(' ').nth(1).expect("a fingerprint");
    text.replace(print, "SHA256:LAB")
}

/// Logins that the host has seen.
fn logins(host: &str) -> String {
    lab().on(host, "journalctl -b -u ssh -o cat --no-pager | grep -c '^Accepted' || true")
}

#[test]
fn what_needs_root_is_refused_in_the_plan_for_a_login_that_is_not() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    lab().login("odd1", "mere");
    lab().on("odd1", "mkdir -p /srv/open && chown mere: /srv/open && rm -rf /srv/open/*");
    let project = project(
        "[hosts.odd1]\nconnection = { user = \"mere\" }\n",
        r#"
[package.curl]
[user.somebody]
[file."/etc/of-root"]
content = "x\n"
[directory."/srv/open/new"]
[file."/srv/open/new/mine"]
content = "x\n"
[file."/srv/open/of-other"]
content = "x\n"
owner = "www-data"
[file."/etc/hostname"]
content = "odd1\n"
[service.ssh]
state = "running"
"#,
    );
    let plan = project.on_lab(&["plan"]).expect(3);
    insta::assert_snapshot!("not_root", stable(&plan.stdout));
    let words = ["apply", "--yes", "--target", "m/directory[/srv/open/new]"];
    let words = [&words[..], &["--target", "m/file[/srv/open/new/mine]"]].concat();
    project.on_lab(&words).expect(0);
    assert_eq!(lab().on("odd1", "stat -c %U /srv/open/new/mine"), "mere\n");
}
