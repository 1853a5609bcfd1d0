//! `trueup trust`: keys are shown and filed where ssh looks, through the user's own ssh config.

use std::path::Path;

use super::logins::{keys, ssh_config_with};
use super::{project, stable};
use crate::support::{Project, lab, lab::left_out, lab::own};

const MODULE: &str = "[command.c]\ncommand = \"true\"\nunless = \"true\"\n";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTX";

fn shown(project: &Project, text: &str) -> String {
    let folder = project.path().display().to_string();
    keys(&stable(&text.replace(&folder, "PROJECT")))
}

/// The fingerprint of the lab's host key.
fn fingerprint(project: &Project, config: &str) -> String {
    let text =
        project.run(&["trust", "odd1", "--ssh-config", config, "--fingerprint", WRONG]).stdout;
    let at = text.find("SHA256:").expect("a fingerprint");
    text[at..].split_whitespace().next().expect("a word").to_owned()
}

const WRONG: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn a_key_is_shown_and_filed_and_a_changed_one_is_not_replaced_unasked() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let project = project("[hosts.odd1]\nconnection = { user = \"deploy\" }\n", MODULE);
    let config = ssh_config_with(&project, "deep/known");
    let trust = |more: &[&str]| {
        let words = [&["trust", "odd1", "--ssh-config", config.as_str()], more].concat();
        project.run(&words)
    };
    let known = || std::fs::read_to_string(project.path().join("deep/known")).unwrap_or_default();
    let silent = trust(&[]).expect(1);
    assert!(silent.stderr.contains("no terminal to ask on"), "{}", silent.stderr);

    let wrong = trust(&["--fingerprint", WRONG]).expect(3);
    assert_eq!(known(), "", "nothing was filed");
    let right = fingerprint(&project, &config);
    let first = trust(&["--fingerprint", &right]).expect(0);
    let again = trust(&["--yes"]).expect(0);
    project.run(&["plan", "--ssh-config", &config, "--detailed-exitcode"]).expect(0);
    let mode = std::os::unix::fs::MetadataExt::mode(
        &std::fs::metadata(project.path().join("deep/known")).expect("the file"),
    );
    assert_eq!(mode & 0o777, 0o600);

    let address = lab().address("odd1");
    project.file("deep/known", format!("# mine\n{address},other {OTHER}\nlast {OTHER}"));
    let changed = trust(&["--yes"]).expect(3);
    assert!(
        known().contains("# mine") && !known().contains("AAAAC3NzaC1lZDI1NTE5AAAAIB"),
        "it stays"
    );
    let replaced = trust(&["--yes", "--replace"]).expect(0);
    let text = known();
    assert!(
        text.starts_with(&format!("# mine\nother {OTHER}\nlast {OTHER}\n{address} ssh-ed25519 ")),
        "{text}"
    );
    project.run(&["plan", "--ssh-config", &config, "--detailed-exitcode"]).expect(0);

    let all: Vec<String> = [wrong, first, again, changed, replaced]
        .iter()
        .map(|output| shown(&project, &output.stdout))
        .collect();
    insta::assert_snapshot!("trust", all.join("--\n"));
}

#[test]
fn ports_aliases_jumps_and_hashed_names_of_the_config_are_heeded() {
    if left_out() {
        return;
    }
    let (_host, _jump) = (own("odd1"), own("spare1"));
    let lab = lab();
    lab.on("odd1", "printf 'Port 22\\nPort 2222\\n' >/etc/ssh/sshd_config.d/zz-port.conf; systemctl restart ssh");
    let project = project(
        "[hosts.ported]\naddress = \"odd1\"\nconnection = { port = 2222 }\n[hosts.aliased]\n[hosts.jumped]\n",
        MODULE,
    );
    let address = lab.address("odd1");
    let own_lines = std::fs::read_to_string(lab.ssh_config()).expect("the lab's ssh config");
    let known = Path::new("known").display().to_string();
    let config = ssh_config_with(&project, &known);
    let text = std::fs::read_to_string(&config).expect("the config");
    let lab_known =
        own_lines.lines().find(|line| line.contains("UserKnownHostsFile")).expect("a line");
    let more = format!(
        "Host aliased\n    HostName {address}\n    HostKeyAlias the-alias\n    HashKnownHosts yes\n\
         Host jumped\n    HostName {address}\n    ProxyJump spare1\nHost spare1\n{lab_known}\n{text}"
    );
    project.file("ssh_config", more);
    let words = ["trust", "ported", "aliased", "jumped", "--yes", "--ssh-config", &config];
    let output = project.run(&words).expect(0);
    insta::assert_snapshot!("trust_config", shown(&project, &output.stdout));
    let filed = std::fs::read_to_string(project.path().join("known")).expect("the file");
    assert!(filed.contains(&format!("[{address}]:2222 ssh-ed25519")), "{filed}");
    assert!(filed.contains("|1|"), "hashed as the config says: {filed}");
    assert!(!filed.contains("the-alias"), "{filed}");
    project.run(&["plan", "--ssh-config", &config, "--detailed-exitcode"]).expect(0);
    lab.on("odd1", "rm /etc/ssh/sshd_config.d/zz-port.conf; systemctl restart ssh");
}
