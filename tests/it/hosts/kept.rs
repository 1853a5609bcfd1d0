//! Connections that are kept for the next run: used again, ended on request, and never trusted where they may lead
//! elsewhere or nowhere.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::MutexGuard;

use tempfile::TempDir;

use crate::support::{Output, Project, lab, lab::left_out, lab::own};

const MODULE: &str = "[file.\"/etc/kept.conf\"]\ncontent = \"{{ vars.text }}\\n\"\n";

/// Somebody whose runs keep their connections.
struct Somebody {
    project: Project,
    state: TempDir,
}

impl Somebody {
    fn new(host: &str) -> Self {
        let inventory = format!("[vars]\ntext = \"one\"\n[hosts.{host}]\n");
        let state = tempfile::tempdir().expect("a temporary folder");
        Self { project: Project::of(&inventory, MODULE), state }
    }

    fn run_with(&self, words: &[&str], more: &[(&str, &str)]) -> Output {
        let state = self.state.path().display().to_string();
        let ours = [("XDG_STATE_HOME", state.as_str()), ("TRUEUP_PERSIST", "60")];
        self.project.on_lab_with(words, &[&ours, more].concat())
    }

    /// Plans, and says how many connections that made.
    fn planned(&self, more: &[(&str, &str)]) -> u32 {
        let plan = self.run_with(&["plan", "--verbose"], more).expect(0);
        let cost = plan.stderr.lines().last().unwrap_or_default().to_owned();
        cost.split(' ').next().and_then(|count| count.parse().ok()).expect("the cost")
    }

    fn kept(&self) -> usize {
        std::fs::read_dir(self.folder()).map_or(0, Iterator::count)
    }

    fn folder(&self) -> std::path::PathBuf {
        self.state.path().join("trueup/kept")
    }

    /// The socket of the one that is kept.
    fn socket(&self) -> std::path::PathBuf {
        let first = std::fs::read_dir(self.folder()).expect("a folder").flatten().next();
        first.expect("a kept connection").path()
    }

    fn disconnected(&self) -> String {
        let state = self.state.path().display().to_string();
        self.project.run_with(&["disconnect"], &[("XDG_STATE_HOME", &state)]).expect(0).stdout
    }
}

impl Drop for Somebody {
    fn drop(&mut self) {
        self.disconnected();
    }
}

/// The host, and somebody whose first run logged in there; none where tests on hosts are left out.
fn logged_in() -> Option<(MutexGuard<'static, ()>, Somebody)> {
    if left_out() {
        return None;
    }
    let host = own("spare1");
    let somebody = Somebody::new("spare1");
    assert_eq!(somebody.planned(&[]), 1, "the first one logs in");
    Some((host, somebody))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a folder").permissions().mode() & 0o7777
}

#[test]
fn the_next_run_logs_in_no_more_until_somebody_disconnects() {
    let Some((_host, somebody)) = logged_in() else { return };
    assert_eq!(somebody.planned(&[]), 0, "the next one does not");
    assert_eq!(somebody.kept(), 1);
    assert_eq!(mode(&somebody.folder()), 0o700, "nobody else can get at it");
    let apply = somebody.run_with(&["apply", "--yes", "--verbose"], &[]).expect(0);
    assert!(apply.stderr.contains("0 connections, "), "{}", apply.stderr);
    assert_eq!(somebody.planned(&[("TRUEUP_PERSIST", "0")]), 1, "who wants none uses none");
    assert_eq!(somebody.disconnected(), "1 kept connection ended.\n");
    assert_eq!(somebody.disconnected(), "No connection was kept.\n");
    assert_eq!((somebody.kept(), somebody.planned(&[])), (0, 1));
}

#[test]
fn what_leads_nowhere_any_more_is_made_anew() {
    let Some((_host, somebody)) = logged_in() else { return };
    // All sessions of the host end; the master notices nothing until it is used.
    lab().on("spare1", "pkill -KILL -f '^sshd: root' ; true");
    assert_eq!(somebody.planned(&[]), 1, "a run goes on with a new connection");
    // A socket behind which nobody is.
    let socket = somebody.socket();
    somebody.disconnected();
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
    assert_eq!(somebody.planned(&[]), 1);
}

#[test]
fn an_ssh_that_hangs_holds_up_nobody_for_long() {
    let Some((_host, somebody)) = logged_in() else { return };
    let socket = somebody.socket();
    let check = std::process::Command::new("ssh")
        .args(["-O", "check", "-S"])
        .arg(&socket)
        .arg("spare1")
        .output()
        .expect("ssh");
    let told = String::from_utf8_lossy(&check.stderr).into_owned();
    let number = told.split_once("pid=").and_then(|(_, rest)| rest.split_once(')'));
    let master = number.expect("a process").0.to_owned();
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill").args([name, &master]).status();
        assert!(sent.expect("kill").success());
    };
    signal("-STOP");
    assert_eq!(somebody.planned(&[]), 1, "a run goes on with a new connection");
    signal("-CONT");
    signal("-TERM");
}

#[test]
fn another_config_or_agent_is_another_connection() {
    let Some((_host, somebody)) = logged_in() else { return };
    assert_eq!(somebody.planned(&[("SSH_AUTH_SOCK", "/nonexistent")]), 1);
    assert_eq!(somebody.planned(&[]), 0);
    let config = lab().ssh_config();
    let mine = somebody.state.path().join("config");
    let text = std::fs::read_to_string(config).expect("the config");
    std::fs::write(&mine, format!("# mine\n{text}")).expect("a config");
    let mine = mine.display().to_string();
    let state = somebody.state.path().display().to_string();
    let variables = [("XDG_STATE_HOME", state.as_str()), ("TRUEUP_PERSIST", "60")];
    let words = ["plan", "--verbose", "--ssh-config", &mine];
    let planned = |count: &str| {
        let plan = somebody.project.run_with(&words, &variables).expect(0);
        assert!(plan.stderr.contains(count), "{}", plan.stderr);
    };
    planned("1 connection, ");
    // One that only includes it, and where what that says is another thing later.
    let outer = format!("Include \"{mine}\"\n");
    std::fs::rename(&mine, format!("{mine}.d")).expect("another name");
    std::fs::write(&mine, outer.replace(&mine, &format!("{mine}.d"))).expect("a config");
    planned("1 connection, ");
    planned("0 connections, ");
    std::fs::write(format!("{mine}.d"), format!("# changed\n{text}")).expect("a config");
    planned("1 connection, ");
    // What a program decides nobody knows before.
    std::fs::write(format!("{mine}.d"), format!("Match exec \"true\"\n{text}")).expect("a config");
    planned("1 connection, ");
    planned("1 connection, ");
}

#[test]
fn a_folder_that_others_may_enter_keeps_nothing() {
    let Some((_host, somebody)) = logged_in() else { return };
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(somebody.folder(), open).expect("a mode");
    assert_eq!(somebody.planned(&[]), 1, "who could have put a socket there is not spoken to");
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(somebody.folder(), private).expect("a mode");
    assert_eq!(somebody.planned(&[]), 0);
}

#[test]
fn what_may_cut_off_a_login_ends_with_its_run() {
    let Some((_host, somebody)) = logged_in() else { return };
    somebody.run_with(&["apply", "--yes", "--var", "text=two", "--confirm", "20"], &[]).expect(0);
    assert_eq!(
        somebody.planned(&[("TRUEUP_PERSIST", "60")]),
        1,
        "nobody can tell from it that logins work"
    );
    lab().on("spare1", "rm -rf /etc/kept.conf");
}

/// What ssh was asked for of ciphers by a verb: the first one of each start of it, where `ssh` is this text.
fn ciphers(somebody: &Somebody, (verb, ssh): (&str, &str), config: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = ssh.replace("LOG", &at("log"));
    std::fs::write(at("ssh"), format!("#!/bin/sh\n{text}\n")).expect("a program");
    let runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(at("ssh"), runs).expect("a mode");
    let theirs = std::fs::read_to_string(lab().ssh_config()).expect("the config");
    std::fs::write(at("config"), format!("{theirs}\nHost *\n{config}\n")).expect("a config");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let variables = [("PATH", path.as_str()), ("TRUEUP_PERSIST", "0")];
    let config = at("config");
    let words: Vec<&str> = verb.split(' ').chain(["--ssh-config", &config]).collect();
    somebody.project.run_with(&words, &variables).expect(0);
    let log = std::fs::read_to_string(at("log")).unwrap_or_default();
    let first = |line: &str| line.split([' ', ',']).nth(1).unwrap_or_default().to_owned();
    log.lines().map(first).collect()
}

#[test]
fn the_fast_cipher_comes_first_where_nobody_names_another() {
    let Some((_host, somebody)) = logged_in() else { return };
    // What ssh makes of its config, and then ssh itself.
    let real = "/usr/bin/ssh -G \"$@\" | grep ^ciphers >>LOG; exec /usr/bin/ssh \"$@\"";
    let aes = std::fs::read_to_string("/proc/cpuinfo").expect("the processor").contains(" aes");
    let fast = if aes { "aes256-gcm@openssh.com" } else { "chacha20-poly1305@openssh.com" };
    assert_eq!(ciphers(&somebody, ("plan", real), ""), [fast]);
    assert_eq!(
        ciphers(&somebody, ("plan", real), "  ciphers=aes128-ctr,aes256-ctr"),
        ["aes128-ctr"]
    );
    // An ssh that does not know how it is asked is asked for nothing.
    let old = "c=$(sed -n 's/^ *Ciphers/ciphers/p' \"$2\"); echo \"${c:-none none}\" >>LOG\n\
               [ -z \"$c\" ] || { echo \"$2 line 9: Bad SSH2 cipher spec '${c#* }'.\" >&2; exit 255; }\n\
               exec /usr/bin/ssh \"$@\"";
    let asked: &[&str] = if aes { &["^aes256-gcm@openssh.com", "none"] } else { &["none"] };
    assert_eq!(ciphers(&somebody, ("plan", old), ""), asked);
    // Who asks for a host's key asks that way too.
    let trust = ciphers(&somebody, ("trust spare1 --yes", old), "");
    assert_eq!(trust[..asked.len()], *asked);
}
