//! The controller goes away: the step in flight ends, no later one begins, nothing of ours is left.

use std::time::{Duration, Instant};

use super::bench::{Bench, changes, steps};
use super::session::{Edit, frame};
use super::shells::{Shell, everywhere};

const STEPS: &str = r#"
[command.one]
command = "touch ROOT/begun; sleep 0.5; echo one >>ROOT/log"
[command.two]
command = "echo two >>ROOT/log"
[file."ROOT/three"]
content = "three\n"
"#;

/// Sends all steps and waits until the first has begun.
fn begin(bench: &mut Bench) -> Result<(), String> {
    let items = bench.items(STEPS);
    let observed = bench.look(&items)?;
    assert_eq!(changes(&items, &observed).len(), 3);
    let (script, contents) = steps(&items, &observed, || bench.session.seq());
    let seq = bench.session.seq();
    bench.session.send(&frame(seq, &script, &contents));
    until("the first step begins", || bench.tree.join("begun").exists())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if holds() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err(format!("it never came that {what}"))
}

/// What must hold when the shell has ended on its own after the first step.
fn ended_after_one(bench: &mut Bench) -> Result<(), String> {
    bench.session.wait()?;
    let log = std::fs::read_to_string(bench.tree.join("log")).unwrap_or_default();
    if log != "one\n" || bench.tree.join("three").exists() {
        return Err(format!("it did {log:?} and {:?}", bench.tree()));
    }
    let left = std::fs::read_dir(&bench.state).map_or(0, Iterator::count);
    if left == 0 { Ok(()) } else { Err(format!("{left} folders of the session are left")) }
}

/// A killed client: both of its pipes close.
pub fn is_killed(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    begin(&mut bench)?;
    bench.session.hang_up();
    ended_after_one(&mut bench)
}

/// A host that goes down, or an administrator: the shell is asked to end.
pub fn is_told_to_end(shell: &Shell, edits: &[Edit], signal: &str) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    begin(&mut bench)?;
    let pid = bench.session.child.id().to_string();
    let kill = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
    kill.map_err(|error| error.to_string())?;
    ended_after_one(&mut bench)
}

/// A content that stops coming: its temporary file goes when the client does, and at a signal.
pub fn stops_in_a_content(
    shell: &Shell,
    edits: &[Edit],
    signal: Option<&str>,
) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let items = bench.items("[file.\"ROOT/a\"]\ncontent = \"0123456789\"");
    let observed = bench.look(&items)?;
    let (script, contents) = steps(&items, &observed, || bench.session.seq());
    let seq = bench.session.seq();
    let bytes = frame(seq, &script, &contents);
    bench.session.send(&bytes[..bytes.len() - 38]);
    until("the temporary file is there", || !bench.tree().0.is_empty())?;
    match signal {
        None => bench.session.shut(),
        Some(signal) => {
            let pid = bench.session.child.id().to_string();
            let kill = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
            kill.map_err(|error| error.to_string())?;
            // What waits for the rest of the content sees the end of it with the client.
            std::thread::sleep(Duration::from_millis(50));
            bench.session.shut();
        }
    }
    bench.session.wait()?;
    let left = bench.tree();
    if left.0.is_empty() { Ok(()) } else { Err(format!("left: {left:?}")) }
}

/// Who has heard the end may kill the shell at once: nothing is left to be removed then.
pub fn nothing_is_left_at_the_end(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let items =
        bench.items("[command.one]\ncommand = \"touch ROOT/ran\"\ncreates = \"ROOT/ran\"\n");
    bench.apply(&items)?.done(&items)?;
    let left = std::fs::read_dir(&bench.state).map_or(0, Iterator::count);
    if left == 0 { Ok(()) } else { Err(format!("{left} folders of the session are left")) }
}

#[test]
fn nothing_is_left_when_the_end_is_told() {
    everywhere(|shell| nothing_is_left_at_the_end(shell, &[]));
}

/// A hangup alone is no reason to end: the link may still be there.
pub fn hangs_up(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    begin(&mut bench)?;
    let pid = bench.session.child.id().to_string();
    let kill = std::process::Command::new("kill").args(["-s", "HUP", &pid]).status();
    kill.map_err(|error| error.to_string())?;
    let three = bench.tree.join("three");
    until("the last step is done", || three.exists())
}

#[test]
fn a_killed_client_stops_the_work_after_the_step_in_flight() {
    everywhere(|shell| is_killed(shell, &[]));
}

#[test]
fn a_signal_to_end_is_heeded_after_the_step_in_flight() {
    everywhere(|shell| is_told_to_end(shell, &[], "TERM"));
    everywhere(|shell| is_told_to_end(shell, &[], "INT"));
}

#[test]
fn a_hangup_is_ignored() {
    everywhere(|shell| hangs_up(shell, &[]));
}

#[test]
fn a_content_that_stops_coming_leaves_nothing() {
    everywhere(|shell| stops_in_a_content(shell, &[], None));
    everywhere(|shell| stops_in_a_content(shell, &[], Some("TERM")));
}
