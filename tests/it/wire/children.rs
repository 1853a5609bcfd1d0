//! What steps start: it cannot eat the program, hold the session up, or go on for ever.

use std::time::{Duration, Instant};

use trueup::shell::{AnswerKind, Script};

use super::bench::{Bench, said};
use super::session::Edit;
use super::shells::{Shell, everywhere};

/// Commands, a probe and a validator that read whatever is open, between steps with contents.
pub fn cannot_eat_the_program(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let items = bench.items(
        r#"
[file."ROOT/first"]
content = "first\n"
validate = "cat; cat <&3; cat <&4; true"
[command.eater]
command = "cat; cat <&3; cat <&4; cat <&5; echo eaten >>ROOT/log"
unless = "cat; cat <&3; test -e ROOT/log"
[file."ROOT/last"]
content = "last\n"
"#,
    );
    bench.apply(&items)?.done(&items)?;
    let log = std::fs::read_to_string(bench.tree.join("log")).unwrap_or_default();
    if log == "eaten\n" { Ok(()) } else { Err(format!("the command ran as {log:?}")) }
}

/// What a step starts and gives nothing to read finds the end at once.
pub fn reads_nothing(shell: &Shell, edits: &[Edit], text: &'static str) -> Result<(), String> {
    let answer = Bench::new(shell, edits).step(text, &[])?;
    if answer.kind == AnswerKind::Done && answer.payload.is_empty() {
        return Ok(());
    }
    Err(format!("{text}: {:?}: {}", answer.kind, said(&answer)))
}

/// A program left running in the background holds its output open, but not the session.
pub fn background_does_not_hold_up(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let items =
        bench.items("[command.daemon]\ncommand = 'sleep 5 & echo $! >ROOT/pid; echo started'");
    let start = Instant::now();
    let wave = bench.apply(&items)?;
    let took = start.elapsed();
    let pid = std::fs::read_to_string(bench.tree.join("pid")).map_err(|error| error.to_string())?;
    let alive = std::path::Path::new("/proc").join(pid.trim()).exists();
    let _ = std::process::Command::new("kill").arg(pid.trim()).status();
    wave.done(&items)?;
    if took > Duration::from_secs(3) {
        return Err(format!("the session waited {took:?} for it"));
    }
    if said(&wave.results[0]) != "started" || !alive {
        return Err(format!("{:?}, alive: {alive}", said(&wave.results[0])));
    }
    Ok(())
}

/// A step or a probe that takes too long is ended, and says so.
pub fn has_a_time_limit(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for text in ["run 1 sleep 20", "try 1 sleep 20"] {
        let mut bench = Bench::new(shell, edits);
        let start = Instant::now();
        let answer = bench.step(text, &[])?;
        // The shell's own "Terminated" is nobody's output.
        let told = said(&answer).trim_end() == "timed out after 1 s";
        if start.elapsed() > Duration::from_secs(8) || !told {
            return Err(format!("{text}: after {:?}: {answer:?}", start.elapsed()));
        }
    }
    // What a command says is that, and not how a shell around it ended; any other end has its status.
    for (step, told) in [
        ("command_to 1 - / 'exec sleep 20' '' '' '' '' ''", "timed out after 1 s"),
        ("command_to 1 - / 'echo one; sleep 20' '' '' '' '' ''", "timed out after 1 s\none"),
        ("command_to 9 - / 'echo two; exit 124' '' '' '' '' ''", "exit status 124:\ntwo"),
    ] {
        let mut bench = Bench::new(shell, edits);
        let said = said(&bench.step(step, &[])?);
        if said.trim_end() != told {
            return Err(format!("{step}: {said:?}"));
        }
    }
    let mut bench = Bench::new(shell, edits);
    let seq = bench.session.seq();
    let mut script = Script::new();
    script.text("timeout() { if [ $1 = -k ]; then shift; set -- -k 1 1 sleep 20; fi; env timeout \"$@\"; }\n");
    script.text("A=$(who -; held 60 true; echo $?)\nask ").number(seq).text(" 0 \"$A\"\n");
    let answers = bench.session.exchange(&script, &[])?;
    let status = answers.first().map(said).unwrap_or_default();
    if status == "124" {
        Ok(())
    } else {
        Err(format!("a probe that is too late has status {status}"))
    }
}

/// Programs die of a closed pipe as they do at a prompt: a loop in front of head(1) ends.
pub fn dies_of_a_closed_pipe(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let start = Instant::now();
    let text = "run 4 /bin/sh -c 'while :; do echo y; done | head -n 1'";
    let answer = bench.step(text, &[])?;
    if said(&answer) == "y" && start.elapsed() < Duration::from_secs(3) {
        return Ok(());
    }
    Err(format!(
        "after {:?}: {}",
        start.elapsed(),
        said(&answer).chars().take(200).collect::<String>()
    ))
}

/// Long output is kept at both ends, and binary output comes back in frames that still fit.
pub fn output_is_bounded(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let text =
        "run 20 /bin/sh -c 'echo start; head -c 300000 /dev/zero | tr \"\\0\" x; echo; echo stop'";
    let long = said(&bench.step(text, &[])?);
    let right = long.starts_with("start\n") && long.ends_with("\nstop") && long.len() < 70_000;
    if !right || !long.contains("bytes not shown") {
        return Err(format!("{} bytes: {}…", long.len(), &long[..long.len().min(40)]));
    }
    // As a command says by `max_output`: less or more, an odd number too, and the step after it as before.
    for (most, cut) in [(1025, 298_987), (200_000, 100_012), (400_000, 0)] {
        let text = format!("most={most}\n{text}");
        let long = said(&bench.step(text.leak(), &[])?);
        let mark = format!("[… {cut} bytes not shown …]\n");
        let kept = long.replacen(&mark, "", 1).len();
        let ends = long.starts_with("start\n") && long.ends_with("\nstop");
        // A line break is set before the mark, and the last one of all is not kept.
        let right = if cut == 0 { kept == 300_011 } else { kept == most };
        if !ends || !right || long.contains(&mark) != (cut > 0) {
            return Err(format!("of {most} bytes {kept} are kept: {}…", &long[..40]));
        }
    }
    let lines = "most=1024\nrun 20 /bin/sh -c 'seq 1 3000; echo end; printf open'";
    let counted = said(&bench.step(lines, &[])?);
    let mark = counted.lines().find(|line| line.starts_with("[…")).unwrap_or_default();
    let left = mark.split(' ').nth(4).and_then(|number| number.parse::<usize>().ok());
    let shown = counted.lines().count() - 1;
    if left.map(|left| left + shown) != Some(3002) || !mark.ends_with(" lines not shown …]") {
        return Err(format!("{shown} lines are kept, and it says {mark}"));
    }
    let long = said(&bench.step(text, &[])?);
    if !long.contains("[… 234476 bytes not shown …]") {
        return Err("one step's `most` is that of the next".to_owned());
    }
    let text = "run 20 /bin/sh -c 'printf \"a\\000b\\201\\210\\377\\n\\nc\"'";
    let odd = bench.step(text, &[])?.payload;
    let after = said(&bench.step("run 20 echo after", &[])?);
    if odd != b"ab\x81\x88\xff\n\nc" || after != "after" {
        return Err(format!("{:?}, then {after:?}", odd.escape_ascii().to_string()));
    }
    Ok(())
}

/// After a step that failed nothing more is done, and contents that still come are thrown away.
pub fn nothing_after_a_failure(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let items = bench.items(
        r#"
[file."ROOT/bad"]
content = "bad\n"
validate = "echo not good; exit 3"
[file."ROOT/later"]
content = "later\n"
[command.later]
command = "touch ROOT/ran"
[file."ROOT/last"]
content = "last\n"
"#,
    );
    let wave = bench.apply(&items)?;
    wave.failed(0, "validate said (exit status 3):\nnot good")?;
    let kinds: Vec<String> =
        wave.results[1..].iter().map(|result| format!("{:?}", result.kind)).collect();
    if kinds != ["Skipped"; 3] || !bench.tree().0.is_empty() {
        return Err(format!("{kinds:?}, {:?}", bench.tree()));
    }
    Ok(())
}

#[test]
fn children_cannot_eat_the_program() {
    everywhere(|shell| cannot_eat_the_program(shell, &[]));
}

#[test]
fn children_have_nothing_to_read() {
    for text in ["M=$(timeout 3 cat)", "try 3 cat", "run 3 cat"] {
        everywhere(|shell| reads_nothing(shell, &[], text));
    }
}

#[test]
fn background_programs_do_not_hold_the_session_up() {
    everywhere(|shell| background_does_not_hold_up(shell, &[]));
}

#[test]
fn steps_have_a_time_limit() {
    everywhere(|shell| has_a_time_limit(shell, &[]));
}

#[test]
fn programs_die_of_a_closed_pipe() {
    everywhere(|shell| dies_of_a_closed_pipe(shell, &[]));
}

#[test]
fn long_and_odd_output_comes_back_in_frames() {
    everywhere(|shell| output_is_bounded(shell, &[]));
}

#[test]
fn a_failure_ends_the_work_and_not_the_session() {
    everywhere(|shell| nothing_after_a_failure(shell, &[]));
}
