//! Time-outs: what runs over one is ended on the host, by the host itself where nobody is left to ask for
//! it, and the other hosts go on.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::project;
use crate::support::{Output, lab, lab::left_out, lab::own};

/// Waits until nothing on the host runs that has these words.
#[track_caller]
fn gone(host: &str, words: &str) {
    let since = Instant::now();
    let count = format!("pgrep -fc '{words}' || true");
    while lab().on(host, &count).trim() != "0" {
        assert!(since.elapsed() < Duration::from_secs(60), "`{words}` still runs on {host}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn last(output: &Output) -> &str {
    output.stdout.split_once("Plan: ").expect("a plan").1
}

#[test]
fn a_step_over_its_time_ends_with_all_that_it_started() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let project = project(
        "[hosts.odd1]\n",
        "[command.hangs]\ncommand = \"sleep 4243 & sleep 4244 | sleep 4245; sleep 4246\"\ntimeout = \"2s\"\n",
    );
    let apply = project.on_lab(&["apply", "--yes"]).expect(3);
    let told = last(&apply);
    assert!(told.contains("m/command[hangs]") && told.contains("timed out after 2 s"), "{told}");
    assert_eq!(lab().on("odd1", "pgrep -fc '[s]leep 424[3456]' || true"), "0\n");
}

#[test]
fn a_host_ends_a_step_in_time_though_its_controller_was_killed() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    lab().on("odd1", "rm -f /var/tmp/begun /var/tmp/after");
    let project = project(
        "[hosts.odd1]\n",
        "[command.hangs]\ncommand = \"touch /var/tmp/begun; sleep 4247\"\ncreates = \"/var/tmp/never\"\n\
         timeout = \"8s\"\n[command.after]\ncommand = \"touch /var/tmp/after\"\ncreates = \"/var/tmp/after\"\n\
         requires = [\"command[hangs]\"]\n",
    );
    let (mut command, _home) = project.lab_command_cleared(&["apply", "--yes"]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
    let since = Instant::now();
    while lab().try_on("odd1", "test -e /var/tmp/begun", b"").0 != 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "the step never began");
        std::thread::sleep(Duration::from_millis(50));
    }
    run.kill().expect("it runs");
    run.wait().expect("it ended");
    gone("odd1", "[s]leep 4247");
    gone("odd1", "[r]ead -r p; eval");
    assert_ne!(
        lab().try_on("odd1", "test -e /var/tmp/after", b"").0,
        0,
        "nothing was begun after it"
    );
    let runs = project.run(&["runs"]).expect(0);
    assert!(runs.stdout.contains("interrupted: 1 unknown"), "{}", runs.stdout);
    let plan = project.on_lab(&["plan", "--detailed-exitcode"]).expect(2);
    assert_eq!(plan.last_line(), "Plan: 1 host: 1 to change. 2 commands.", "{}", plan.stdout);
}

#[test]
fn a_host_over_its_time_is_given_up_and_the_others_go_on() {
    if left_out() {
        return;
    }
    let (_host, _web) = (own("odd1"), own("web"));
    lab().on("web1", "rm -f /etc/limit");
    lab().on("odd1", "rm -f /etc/limit /var/tmp/after");
    let project = project(
        "[hosts.odd1]\n[hosts.web1]\n",
        "[command.hangs]\ncommand = \"sleep 4248\"\ntimeout = \"20s\"\nwhen = \"host.name == 'odd1'\"\n\
         [command.after]\ncommand = \"touch /var/tmp/after\"\ncreates = \"/var/tmp/after\"\n\
         when = \"host.name == 'odd1'\"\nrequires = [\"command[hangs]\"]\n\
         [file.\"/etc/limit\"]\ncontent = \"x\\n\"\nwhen = \"host.name == 'web1'\"\n",
    );
    let apply = project.on_lab(&["apply", "--yes", "--host-timeout", "5"]).expect(3);
    let told = last(&apply);
    assert!(told.contains("--host-timeout"), "{told}");
    assert!(told.contains("Applied to 1 of 2 hosts"), "{told}");
    assert_eq!(lab().on("web1", "cat /etc/limit"), "x\n");
    gone("odd1", "[s]leep 4248");
    assert_ne!(
        lab().try_on("odd1", "test -e /var/tmp/after", b"").0,
        0,
        "nothing was begun after it"
    );
}
