//! T32: the program stands still in the middle of an apply, beyond its limits, and goes on.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::VARIABLE;
use crate::ledger::{Bench, kill, until};

/// A program that is stopped does not outlive its test.
pub(super) struct Stopped(
    Option<Child>,
    #[expect(dead_code, reason = "it goes with the test")] TempDir,
);

impl Stopped {
    /// The number of its process.
    pub(super) fn process(&self) -> u32 {
        self.0.as_ref().expect("a program that was not resumed").id()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
        }
    }
}

/// Starts an apply that stands still at a point, until the file at the path is gone.
pub(super) fn stopped(bench: &Bench, point: &str, words: &[&str]) -> Stopped {
    let mark = bench.path("reached");
    let (mut command, home) = bench.project.command_cleared(words);
    command.env(VARIABLE, format!("{point}=wait {}", mark.display()));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the program");
    let process = child.id();
    let stopped = Stopped(Some(child), home);
    until("the point is reached", || mark.exists());
    kill("STOP", process);
    stopped
}

/// Lets it go on, and gives its status and what it said.
pub(super) fn resumed(bench: &Bench, mut stopped: Stopped) -> (Option<i32>, String) {
    let child = stopped.0.take().expect("a program that was not resumed");
    fs::remove_file(bench.path("reached")).expect("a file");
    kill("CONT", child.id());
    let output = child.wait_with_output().expect("its end");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

const TWO_WAVES: &str = r#"
[file."ROOT/a"]
content = "release {{ vars.release }}\n"
[command.told]
command = "cat ROOT/a >>ROOT/told"
run_on = ["file[ROOT/a]"]
[command.make]
command = "echo base >ROOT/made{{ vars.release }}"
creates = "ROOT/made{{ vars.release }}"
[line.l]
path = "ROOT/made{{ vars.release }}"
line = "release {{ vars.release }}"
requires = ["command[make]"]
"#;

fn apply(release: &str) -> Vec<String> {
    ["apply", "--yes", "--var"]
        .iter()
        .map(|word| (*word).to_owned())
        .chain([release.to_owned()])
        .collect()
}

/// The host did all of it meanwhile, and the time for the host is over: what is told is what the host says.
#[test]
fn who_slept_past_the_time_limit_reads_the_host_before_it_says_anything() {
    let bench = Bench::new(TWO_WAVES);
    let words = ["apply", "--yes", "--host-timeout", "4", "--var", "release=1"];
    let child = stopped(&bench, "stepped#1", &words);
    until("the host is through with the wave", || bench.path("made1").exists());
    std::thread::sleep(Duration::from_secs(5));
    let (status, told) = resumed(&bench, child);
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("not through within 4 s"), "{told}");
    assert!(!told.contains("Not done: m/file"), "{told}");
    assert_eq!(bench.text("told"), "release 1\n", "once");
    let plan = bench.run(&["plan", "--var", "release=1"]).expect(0).stdout;
    assert!(
        plan.contains("m/line[l]") && !plan.contains("/a]"),
        "only the last wave is open: {plan}"
    );
    assert!(!plan.contains("owed"), "{plan}");
    bench.run(&["apply", "--yes", "--var", "release=1"]).expect(0);
    assert_eq!(bench.text("told"), "release 1\n", "once");
    assert_eq!(bench.text("made1"), "base\nrelease 1\n");
}

/// Somebody ended its apply meanwhile and made another one: what it was about to send changes nothing.
#[test]
fn who_was_ended_while_it_slept_changes_nothing_any_more() {
    let bench = Bench::new(TWO_WAVES);
    let words = apply("release=1");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let child = stopped(&bench, "wave#2", &words);
    let held = bench.run(&["unlock", "here"]).stderr;
    let run = held.split("run ").nth(1).and_then(|rest| rest.split(',').next()).expect("a run");
    let run = run.to_owned();
    bench.run(&["apply", "--yes", "--lock-timeout", "0", "--var", "release=2"]).expect(3);
    bench.run(&["unlock", "here", "--run", &run, "--yes"]).expect(0);
    bench.run(&["apply", "--yes", "--lock-timeout", "0", "--var", "release=2"]).expect(0);
    let (status, told) = resumed(&bench, child);
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("m/line[l]") && !told.contains("Applied to 1 host"), "{told}");
    assert_eq!(bench.text("made1"), "base\n", "its second wave was not done");
    assert_eq!(bench.text("made2"), "base\nrelease 2\n");
    assert_eq!(bench.text("a"), "release 2\n");
    let plan = bench.run(&["plan", "--var", "release=2"]).expect(0);
    assert_eq!(plan.last_line(), "Plan: 1 host: 1 unchanged.");
    // Its id is an old one now: it ends nobody's apply.
    let child = stopped(&bench, "wave#1", &["apply", "--yes", "--var", "release=3"]);
    let old = bench.run(&["unlock", "here", "--run", &run, "--yes"]).expect(3);
    assert!(old.stderr.contains("it is another run's"), "{}", old.stderr);
    let (status, told) = resumed(&bench, child);
    assert_eq!((status, bench.text("a").as_str()), (Some(0), "release 3\n"), "{told}");
}

/// Who has the fewest records still keeps that of a run that goes on.
#[test]
fn the_record_of_a_run_that_goes_on_is_not_pruned() {
    let bench = Bench::new(TWO_WAVES);
    let settings = fs::read_to_string(bench.project.path().join("trueup.toml")).expect("a file");
    bench.project.file("trueup.toml", format!("{settings}[runs]\nkeep = 1\n"));
    let stopped = stopped(&bench, "wave#2", &["apply", "--yes", "--var", "release=1"]);
    let refused = ["apply", "--yes", "--lock-timeout", "0", "--var", "release=2"];
    bench.run(&refused).expect(3);
    bench.run(&refused).expect(3);
    let listed = bench.run(&["runs"]).expect(0).stdout;
    assert!(listed.contains("running"), "{listed}");
    let (status, told) = resumed(&bench, stopped);
    assert_eq!(status, Some(0), "{told}");
    assert!(!told.contains("not recorded") && !told.contains("not whole"), "{told}");
}

/// A host is begun when its record says so: while that cannot be written, nothing is done, and what it says is true. Of a
/// record that says nothing at all nobody can know what is gone of it.
#[test]
fn nothing_is_begun_of_which_the_record_does_not_say_so() {
    for (event, told) in [("event#1", "1 unknown"), ("event#2", "1 not attempted")] {
        let bench = Bench::new(TWO_WAVES);
        let mark = bench.path("reached");
        let (mut command, _home) =
            bench.project.command_cleared(&["apply", "--yes", "--var", "release=1"]);
        command.env(VARIABLE, format!("{event}=wait {}", mark.display()));
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
        until("the point is reached", || mark.exists());
        std::thread::sleep(Duration::from_millis(1500));
        let begun = bench.path("a").exists();
        child.kill().expect("a program to kill");
        child.wait().expect("its end");
        assert!(!begun, "it was begun before that was written down");
        let listed = bench.run(&["runs"]).expect(0).stdout;
        assert!(listed.contains(told), "{event}: {listed}");
    }
}
