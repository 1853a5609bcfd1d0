//! Somebody wants the run to end: once, twice, or by going away. The report comes always.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{project, stable};
use crate::support::{Project, lab, lab::left_out, lab::own};

const STEPS: &str = r#"
[command.one]
command = "touch /var/tmp/sig-begun; sleep 4; touch /var/tmp/sig-one"
creates = "/var/tmp/sig-one"
[command.two]
command = "touch /var/tmp/sig-two"
creates = "/var/tmp/sig-two"
[command.three]
command = "touch /var/tmp/sig-three"
creates = "/var/tmp/sig-three"
requires = ["command[two]"]
"#;

/// Starts an apply whose first step runs when this returns.
fn begin(inventory: &str, host: &str) -> (Child, Project, tempfile::TempDir) {
    lab().on(host, "rm -f /var/tmp/sig-*");
    let project = project(inventory, STEPS);
    let (mut command, home) = project.lab_command_cleared(&["apply", "--yes"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let since = Instant::now();
    while lab().try_on(host, "test -e /var/tmp/sig-begun", b"").0 != 0 {
        assert!(since.elapsed() < Duration::from_secs(30), "the step never began");
        std::thread::sleep(Duration::from_millis(50));
    }
    (run, project, home)
}

fn signal(run: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &run.id().to_string()]).status();
    assert!(status.expect("kill").success());
}

fn finished(mut run: Child) -> (i32, String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    run.stdout.take().expect("a pipe").read_to_string(&mut out).expect("UTF-8");
    run.stderr.take().expect("a pipe").read_to_string(&mut err).expect("UTF-8");
    (run.wait().expect("the run").code().unwrap_or(-1), out, err)
}

fn end(text: &str) -> String {
    stable(text.split_once("Plan: ").expect("a plan").1)
}

/// What the steps have left.
fn left(host: &str) -> String {
    lab().on(host, "cd /var/tmp; ls sig-* | tr '\\n' ' '")
}

/// T30: once.
#[test]
fn the_first_signal_lets_the_step_end_and_begins_no_other() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    for (name, user) in [("INT", "root"), ("TERM", "deploy"), ("HUP", "root")] {
        let inventory = format!(
            "[hosts.odd1]\nconnection = {{ user = \"{user}\", become = \"{}\" }}\n",
            if user == "root" { "no" } else { "sudo" }
        );
        let (run, _project, _home) = begin(&inventory, "odd1");
        signal(&run, name);
        let (status, out, err) = finished(run);
        assert_eq!(status, 3, "{out}{err}");
        assert!(err.contains("stopping after the steps that run now"), "{err}");
        insta::assert_snapshot!("stopped_soon", end(&out));
        assert_eq!(left("odd1"), "sig-begun sig-one ", "SIG{name}");
    }
}

/// T30: twice.
#[test]
fn the_second_signal_waits_for_nothing_and_still_reports() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let (run, _project, _home) = begin("[hosts.odd1]\n", "odd1");
    signal(&run, "INT");
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    signal(&run, "INT");
    let (status, out, err) = finished(run);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(status, 3, "{out}{err}");
    insta::assert_snapshot!("stopped_now", end(&out));
    std::thread::sleep(Duration::from_secs(6));
    assert!(!left("odd1").contains("sig-two"), "nothing was begun after it");
}

/// T30: a pipe that nobody reads.
#[test]
fn a_reader_that_goes_away_changes_nothing_on_hosts() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let (mut run, _project, _home) = begin("[hosts.odd1]\n", "odd1");
    drop(run.stdout.take());
    let status = run.wait().expect("the run").code();
    assert_eq!(status, Some(0));
    assert_eq!(left("odd1"), "sig-begun sig-one sig-three sig-two ");
}
