//! What the host's shell keeps of a run while it goes on: the lock, the journal and its marks, the ledger.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use trueup::shell::{Answer, AnswerKind, Script};

use super::bench::{Bench, said};
use super::session::{Edit, frame};
use super::shells::{Shell, everywhere};

/// What a run says of itself.
const ME: &str = "me@here, run 01JD7C0000000000000000000A, since then";

fn base(bench: &Bench) -> String {
    bench.state.display().to_string()
}

/// A file of the host's memory.
fn state(bench: &Bench, name: &str) -> PathBuf {
    bench.state.join("p/h").join(name)
}

fn text(bench: &Bench, name: &str) -> String {
    fs::read_to_string(state(bench, name)).unwrap_or_default()
}

/// An error unless the step did its work.
fn done(answer: &Answer) -> Result<(), String> {
    if answer.kind == AnswerKind::Done { Ok(()) } else { Err(said(answer)) }
}

/// An error unless the step failed with these words.
fn failed(answer: &Answer, words: &str) -> Result<(), String> {
    if answer.kind == AnswerKind::Failed && said(answer).contains(words) {
        return Ok(());
    }
    Err(format!("{:?}, not a failure with {words:?}: {}", answer.kind, said(answer)))
}

/// Begins anew after a step that failed.
fn anew(bench: &mut Bench) -> Result<(), String> {
    let mut script = Script::new();
    script.text("F=\n");
    bench.session.exchange(&script, &[]).map(|_| ())
}

/// Takes the lock of one host in the folder `base`.
fn hold(bench: &mut Bench, base: &str, seconds: &str, who: &str) -> Result<Answer, String> {
    anew(bench)?;
    bench.step("hold", &["p/h", base, seconds, who])
}

/// A bench that holds the lock in its own folder.
fn holding(shell: &Shell, edits: &[Edit]) -> Result<Bench, String> {
    let mut bench = Bench::new(shell, edits);
    let base = base(&bench);
    done(&hold(&mut bench, &base, "0", ME)?)?;
    Ok(bench)
}

/// Lines of a run are there before its steps, and each step is marked when it begins and when it ends.
pub(super) fn steps_are_marked(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = holding(shell, edits)?;
    done(&bench.step_reading("note", b"[\"a run\"]\n")?)?;
    let begins = text(&bench, "journal");
    if !begins.starts_with("\nboot ") || !begins.contains("\n[\"a run\"]\n") {
        return Err(format!("the journal begins so: {:?}", text(&bench, "journal")));
    }
    let running = bench.step(
        "running() { grep -qx \"begun $S\" \"$state/journal\" && ! grep -qx \"done $S\" \"$state/journal\" || \
         fail 'its mark is not that of a step that runs'; }; running",
        &[],
    )?;
    done(&running)?;
    let broken = bench.step("fail no", &[])?;
    failed(&broken, "no")?;
    let journal = text(&bench, "journal");
    let has = |word: &str, seq: u64| journal.lines().any(|line| line == format!("{word} {seq}"));
    if !has("done", running.seq) || !has("failed", broken.seq) || has("done", broken.seq) {
        return Err(format!("the marks of both ends: {journal}"));
    }
    anew(&mut bench)?;
    // A second wave writes behind the first, and again which boot it is.
    done(&bench.step_reading("note", b"[\"more\"]\n")?)?;
    let journal = text(&bench, "journal");
    if journal.matches("\nboot ").count() != 2 || !journal.contains("\n[\"more\"]\n") {
        return Err(format!("the second wave: {journal}"));
    }
    Ok(())
}

/// A ledger is the old one or the new one, and the journal that it has taken in goes with the old.
pub(super) fn ledger_is_whole(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = holding(shell, edits)?;
    done(&bench.step_reading("note", b"[\"a run\"]\n")?)?;
    done(&bench.step_reading("settle", b"first\n")?)?;
    if text(&bench, "ledger") != "first\n" || state(&bench, "journal").exists() {
        return Err("the journal was not taken in".to_owned());
    }
    done(&bench.step_reading("note", b"[\"another\"]\n")?)?;
    done(&bench.step_reading("settle aside", b"second\n")?)?;
    if text(&bench, "ledger.damaged") != "first\n" || text(&bench, "ledger") != "second\n" {
        return Err("the old one is not beside the new one".to_owned());
    }
    // The third comes half, and the controller is gone.
    let content: Arc<[u8]> = Arc::from(&b"third, which is cut\n"[..]);
    let seq = bench.session.seq();
    let mut script = Script::new();
    script.text("go ").number(seq).text(" ").number(content.len() as u64);
    script.text(" && {\nsettle\nend $?\n}\n");
    let end = bench.session.seq();
    let bytes = frame(end, &script, &[Arc::clone(&content)]);
    let whole = bytes.len() - content.len() - 33;
    bench.session.send(&bytes[..whole + 7]);
    bench.session.shut();
    bench.session.wait()?;
    if text(&bench, "ledger") != "second\n" || state(&bench, "ledger.new").exists() {
        return Err(format!("a ledger that was cut: {:?}", text(&bench, "ledger")));
    }
    Ok(())
}

/// One shell has the lock, for as long as it lives; who comes second hears who that is.
pub(super) fn one_holds_it(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut first = holding(shell, edits)?;
    let base = base(&first);
    let mut second = Bench::new(shell, edits);
    let told = "another apply is at work there: me@here, run 01JD7C";
    failed(&hold(&mut second, &base, "0", "you")?, told)?;
    // It is still there when the first has done something.
    done(&first.step("true", &[])?)?;
    failed(&hold(&mut second, &base, "1", "you")?, told)?;
    first.session.child.kill().map_err(|error| error.to_string())?;
    first.session.child.wait().map_err(|error| error.to_string())?;
    done(&hold(&mut second, &base, "5", "you")?)?;
    if !text(&first, "lock").contains(" you") && !text(&first, "lock.d/holder").contains(" you") {
        return Err(format!("who holds it does not say so: {:?}", text(&first, "lock")));
    }
    Ok(())
}

/// What a process left that is gone holds nothing: not in another boot, not under a number that is another's now.
pub(super) fn the_dead_hold_nothing(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let base = base(&bench);
    fs::create_dir_all(state(&bench, "")).map_err(|error| error.to_string())?;
    let dead = "dead() { remembers p/h \"$1\"; booted; started $$; echo \"$$ $T $boot me\" >\"$state/lock\"; \
                holder || { fail 'who lives holds it'; return; }; \
                echo \"$$ 1 $boot me\" >\"$state/lock\"; ! holder || { fail 'another process now'; return; }; \
                echo \"$$ $T elsewhere me\" >\"$state/lock\"; ! holder || fail 'another boot'; }; dead";
    done(&bench.step(dead, &[&base])?)
}

/// Only who names the run that holds it ends that, behind the step that it is in; and nothing is forgotten meanwhile.
pub(super) fn unlocked_by_its_run(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut first = holding(shell, edits)?;
    done(&first.step_reading("note", b"[\"a run\"]\n")?)?;
    let base = base(&first);
    let mut second = Bench::new(shell, edits);
    let unlock = "unlocks() { remark \"$(unlock p/h \"$@\")\"; }; unlocks";
    let said_of = |bench: &mut Bench, run: &str| -> Result<String, String> {
        Ok(said(&bench.step(unlock, &[&base, run, "you@there"])?))
    };
    for run in ["01JD7C0000000000000000000B", "", "01JD", "*"] {
        let told = said_of(&mut second, run)?;
        if !told.contains("run 01JD7C0000000000000000000A,") {
            return Err(format!("run {run:?} is another one: {told:?}"));
        }
    }
    let forget = "forgets() { remark \"$(forget p/h \"$1\")\"; }; forgets";
    let told = said(&second.step(forget, &[&base])?);
    if !told.starts_with("lock me@here") || !state(&first, "journal").exists() {
        return Err(format!("it was forgotten while somebody worked: {told:?}"));
    }
    done(&first.step("true", &[])?)?;
    // It is in a step for a second: what runs ends, and what is private goes.
    let seq = first.session.seq();
    let mut script = Script::new();
    script.text("go ").number(seq).text(" -1 && {\nprivate\nsleep 1\nend $?\n}\n");
    let end = first.session.seq();
    first.session.send(&frame(end, &script, &[]));
    let private = |bench: &Bench| {
        let entries = fs::read_dir(&bench.state).into_iter().flatten().filter_map(Result::ok);
        let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.find(|name| name.starts_with("trueup."))
    };
    let start = Instant::now();
    while private(&first).is_none() {
        if start.elapsed() > Duration::from_secs(10) {
            return Err("the step does not begin".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = said_of(&mut second, "01JD7C0000000000000000000A")?;
    if !told.trim().is_empty() {
        return Err(format!("it does not end: {told:?}"));
    }
    first.session.wait()?;
    private(&first).map_or(Ok(()), |name| Err(format!("it left its private folder {name}")))
}

/// A folder that somebody else put there is not worked in.
pub(super) fn only_our_own_folder(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let elsewhere = bench.outside().join("elsewhere");
    let made = fs::create_dir_all(&elsewhere)
        .and_then(|()| fs::create_dir_all(bench.state.join("p")))
        .and_then(|()| symlink(&elsewhere, bench.state.join("p/h")));
    made.map_err(|error| error.to_string())?;
    let base = base(&bench);
    failed(&hold(&mut bench, &base, "0", ME)?, "is not a folder of this login's alone")?;
    let empty = fs::read_dir(&elsewhere).is_ok_and(|mut entries| entries.next().is_none());
    if empty { Ok(()) } else { Err("something was written there".to_owned()) }
}

/// What is remembered is told again unless stat says the same of it as then, in the same boot.
pub(super) fn stands_as_it_was(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = holding(shell, edits)?;
    done(&bench.step_reading("note", b"[\"a run\"]\n")?)?;
    let base = base(&bench);
    for (seen, boot, lines, same) in [
        ("a\nb\nc", "", "a\nb", true),
        ("a\nb\nc", "", "b\nc", true),
        ("a\nb\nc", "", "a\nc", false),
        ("a\nb\nc", "another", "a\nb", false),
        ("xa\nb\nc", "", "a\nb", false),
        ("a\nbx\nc", "", "a\nb", false),
        ("", "", "a\nb", false),
        ("a\n\nb", "none", "", false),
        ("a\n\nb", "", "x", false),
    ] {
        let told = "told() { booted; seen=\"$1\n\"; boot_then=${3:-$boot}; [ \"$3\" != none ] || boot_then=; \
                    M=$(recall p/h \"$2\" \"$boot_then\" \"$4\"); :; }; told";
        let answer = bench.step(told, &[seen, &base, boot, lines])?;
        done(&answer)?;
        let said = said(&answer);
        let (head, rest) = said.split_once("\n@").ok_or("it does not say whether it stands")?;
        let right = if same {
            rest == "same"
        } else {
            rest.starts_with("from\n= journal\n= ledger\n") && rest.contains("[\"a run\"]")
        };
        if !head.starts_with("= boot ") || !head.contains("\n= lock ") || !right {
            return Err(format!("{seen:?} {boot} {lines:?}: {said}"));
        }
    }
    let plain = bench.step("told() { M=$(recall p/h \"$1\"); :; }; told", &[&base])?;
    let plain = said(&plain);
    if plain.contains("\n@") || !plain.contains("[\"a run\"]") {
        return Err(format!("nobody keeps it: {plain}"));
    }
    // What cannot be read is not nothing.
    let fails = "told() { M=$(cat() { return 5; }; recall p/h \"$1\"); M=$?; }; told";
    let fails = said(&bench.step(fails, &[&base])?);
    if fails != "5" {
        return Err(format!("it could not be read: {fails}"));
    }
    // Another login's is elsewhere than stat was asked.
    let told = "told() { booted; seen='a\n'; M=$(U=1000 HOME=$1/home; p=$HOME/.local/state/trueup/p/h; \
                mkdir -p \"$p\"; echo x >\"$p/ledger\"; recall p/h '' \"$boot\" a); }; told";
    let other = said(&bench.step(told, &[&base])?);
    if !other.ends_with("\n= ledger\nx") || other.contains("\n@") {
        return Err(format!("another login's: {other}"));
    }
    Ok(())
}

/// A saved plan is used up once.
pub(super) fn spent_once(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = holding(shell, edits)?;
    done(&bench.step("spend", &["01JD7C0000000000000000000C", "R"])?)?;
    failed(&bench.step("spend", &["01JD7C0000000000000000000C", "R"])?, "applied here already")?;
    anew(&mut bench)?;
    done(&bench.step("spend", &["01JD7C0000000000000000000D", "R"])?)
}

#[test]
fn steps_are_marked_in_the_journal_when_they_begin_and_when_they_end() {
    everywhere(|shell| steps_are_marked(shell, &[]));
}

#[test]
fn a_ledger_is_the_old_one_or_the_new_one() {
    everywhere(|shell| ledger_is_whole(shell, &[]));
}

#[test]
fn one_shell_holds_the_lock_for_as_long_as_it_lives() {
    everywhere(|shell| one_holds_it(shell, &[]));
}

#[test]
fn a_dead_holder_holds_nothing() {
    everywhere(|shell| the_dead_hold_nothing(shell, &[]));
}

#[test]
fn an_apply_is_ended_by_the_name_of_its_run() {
    everywhere(|shell| unlocked_by_its_run(shell, &[]));
}

#[test]
fn a_folder_of_somebody_else_is_not_worked_in() {
    everywhere(|shell| only_our_own_folder(shell, &[]));
}

#[test]
fn what_is_remembered_stands_as_long_as_stat_says_the_same() {
    everywhere(|shell| stands_as_it_was(shell, &[]));
}

#[test]
fn a_saved_plan_is_used_up_once() {
    everywhere(|shell| spent_once(shell, &[]));
}
