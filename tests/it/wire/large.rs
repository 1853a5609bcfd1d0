//! Contents above 1 MiB: read in whole blocks, refused where they were spoiled on their way, and not read again where
//! nobody touched what was written of them.

use std::fs;
use std::os::unix::fs::FileExt as _;

use trueup::model::change::sha256_hex;
use trueup::shell::frame::{program, seal_of};
use trueup::shell::{Answer, AnswerKind, Script};

use super::bench::{Bench, guarded, said};
use super::session::{Edit, Made, NONCE, body};
use super::shells::{Shell, everywhere};

const MIB: usize = 1 << 20;

/// Bytes that are no two blocks alike.
fn content(length: usize) -> Vec<u8> {
    (0..=250).cycle().flat_map(|byte| [byte; 1000]).take(length).collect()
}

/// Puts `new` at `a` in the place of what has the digest `old`, by a content that is sealed as one of a file, and
/// looks at it in the same program, behind `between`.
fn put(
    bench: &mut Bench,
    (old, new): (Option<&str>, &[u8]),
    good: bool,
    between: &'static str,
) -> Result<Vec<Answer>, String> {
    let path = bench.tree.join("a").display().to_string();
    let digest = sha256_hex(new);
    let (mut script, mut inner) = (Script::new(), Script::new());
    let meta = if old.is_some() { "-" } else { "absent" };
    inner.text("put").args([&path, meta, old.unwrap_or("-"), "00644", "", "", "60", ""]);
    let [step, look, next, end] = std::array::from_fn(|_| bench.session.seq());
    guarded(&mut script, step, Some(new), &inner);
    script.text("for p in").arg(&path).text("; do :; done\n").text(between);
    script
        .text("\nA=$(\ncontents")
        .args([&format!("{digest}  {path}"), &path])
        .text("\n)\nask ")
        .number(look);
    script.text(" $? \"$A\"\n");
    guarded(&mut script, next, Some(b"behind"), &Script::new());
    let mut bytes = program(end, script.bytes());
    bytes.extend(body(new, bench.session.made));
    bytes.extend(seal_of(NONCE, good.then_some(&digest)));
    bytes.extend_from_slice(b"behind");
    bytes.extend(format!("{NONCE}\n").into_bytes());
    bench.session.send(&bytes);
    bench.session.answers(end)
}

fn right(answers: &[Answer], step: AnswerKind) -> Result<(), String> {
    let kinds: Vec<AnswerKind> = answers.iter().map(|answer| answer.kind).collect();
    let next = if step == AnswerKind::Done { AnswerKind::Done } else { AnswerKind::Skipped };
    let wanted = [step, AnswerKind::Data, next];
    let told: Vec<String> = answers.iter().map(said).collect();
    if kinds == wanted { Ok(()) } else { Err(format!("{kinds:?}, not {wanted:?}: {told:?}")) }
}

/// Sizes around whole blocks come as they were sent.
fn comes_whole(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for length in [1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 5] {
        for made in ways(shell) {
            comes(shell, edits, (length, made)).map_err(|why| format!("{made:?}: {why}"))?;
        }
    }
    Ok(())
}

/// What may be done to a content for this shell.
fn ways(shell: &Shell) -> Vec<Made> {
    [vec![Made::Nothing], shell.parts()].concat()
}

/// A step that makes `a`, and its path.
fn fresh(bench: &Bench) -> (String, Script) {
    let path = bench.tree.join("a").display().to_string();
    let mut step = Script::new();
    step.text("put").args([&path, "absent", "-", "00644", "", "", "60", ""]);
    (path, step)
}

fn comes(shell: &Shell, edits: &[Edit], (length, made): (usize, Made)) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    bench.session.made = made;
    let new = content(length);
    let answers = put(&mut bench, (None, &new), true, "")?;
    right(&answers, AnswerKind::Done)?;
    if fs::read(bench.tree.join("a")).ok().as_deref() != Some(&new) || !said(&answers[1]).is_empty()
    {
        return Err(format!("{length} bytes came otherwise"));
    }
    bench.session.close()
}

/// What was not what was planned changes nothing, and what comes behind it is in step.
pub fn spoiled_is_refused(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for (length, made) in ways(shell).into_iter().flat_map(|made| [(5, made), (2 * MIB + 9, made)])
    {
        let mut bench = Bench::new(shell, edits);
        bench.session.made = made;
        let before = bench.tree();
        let answers = put(&mut bench, (None, &content(length)), false, "")?;
        right(&answers, AnswerKind::Failed)?;
        if !said(&answers[0]).contains("was changed after this was planned") {
            return Err(said(&answers[0]));
        }
        if bench.tree() != before {
            return Err(bench.tree().against(&before));
        }
        bench.session.close()?;
    }
    Ok(())
}

/// A large content of a step that does not run is read all the same, part by part, and what comes behind it is in step.
pub fn unread_is_thrown_away(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for made in ways(shell) {
        let mut bench = Bench::new(shell, edits);
        bench.session.made = made;
        let (mut script, mut fails) = (Script::new(), Script::new());
        fails.text("fail no");
        let [first, second, third] = std::array::from_fn(|_| bench.session.seq());
        let new = content(2 * MIB + 9);
        guarded(&mut script, first, Some(&new), &fails);
        guarded(&mut script, second, Some(&new), &fails);
        guarded(&mut script, third, Some(b"behind"), &fails);
        let contents = [new.clone().into(), new.into(), b"behind".as_slice().into()];
        let answers = bench.session.exchange(&script, &contents)?;
        let kinds: Vec<AnswerKind> = answers.iter().map(|answer| answer.kind).collect();
        if kinds != [AnswerKind::Failed, AnswerKind::Skipped, AnswerKind::Skipped] {
            return Err(format!("{made:?}: {kinds:?}"));
        }
        bench.session.close()?;
    }
    Ok(())
}

/// Who is asked to stop while a content is on its way finishes what needs it, and begins nothing else.
pub fn stops_behind_its_parts(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let items = bench.items("[file.\"ROOT/none\"]\nstate = \"absent\"\n");
    bench.look(&items)?;
    let (mut script, (path, inner)) = (Script::new(), fresh(&bench));
    let [step, next, end] = std::array::from_fn(|_| bench.session.seq());
    let new = content(2 * MIB);
    guarded(&mut script, step, Some(&new), &inner);
    guarded(&mut script, next, None, &Script::new());
    let mut bytes = program(end, script.bytes());
    let program = bytes.len();
    bytes.extend(body(&new, Made::Parts));
    bytes.extend(format!("{NONCE}\n").into_bytes());
    // Where the first part ends, and in the line of the second.
    let part = program + (bytes.len() - program - NONCE.len() - 1) / 4;
    let pause = || std::thread::sleep(std::time::Duration::from_millis(200));
    bench.session.send(&bytes[..part + 40]);
    pause();
    let pid = bench.session.child.id().to_string();
    let kill = std::process::Command::new("kill").args(["-s", "USR1", &pid]).status();
    kill.map_err(|error| error.to_string())?;
    pause();
    bench.session.send(&bytes[part + 40..]);
    let answers = bench.session.answers(end)?;
    let kinds: Vec<AnswerKind> = answers.iter().map(|answer| answer.kind).collect();
    if kinds != [AnswerKind::Done, AnswerKind::Skipped] || fs::read(path).ok() != Some(new) {
        return Err(format!("{kinds:?}: {:?}", answers.iter().map(said).collect::<Vec<_>>()));
    }
    bench.session.close()
}

/// A part that does not begin as ours do ends the session, and nothing of it is used.
pub fn another_part_is_no_part(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let before = bench.tree();
    let (mut script, (_, inner)) = (Script::new(), fresh(&bench));
    let [step, end] = std::array::from_fn(|_| bench.session.seq());
    let new = content(2 * MIB);
    guarded(&mut script, step, Some(&new), &inner);
    let mut bytes = program(end, script.bytes());
    let at = bytes.len();
    bytes.extend(body(&new, Made::Nothing));
    bytes[at] = b'x';
    bytes.extend(format!("{NONCE}\n").into_bytes());
    bench.session.send(&bytes);
    match bench.session.answers(end) {
        Ok(answers) => {
            Err(format!("it was taken: {}", answers.iter().map(said).collect::<String>()))
        }
        Err(_) if bench.tree() == before => Ok(()),
        Err(_) => Err(bench.tree().against(&before)),
    }
}

/// Nobody may read a content: who does says nothing.
const BLIND: &str = "sha256sum() { return 1; }\n";

/// Whether the host says the time of a change to less than a second.
fn exact(shell: &Shell) -> bool {
    let said =
        |tool| std::process::Command::new(tool).args(["-c", "%z", "/proc/self/exe"]).output();
    let said = shell.tool("stat").and_then(|tool| said(tool).ok());
    said.is_some_and(|said| !String::from_utf8_lossy(&said.stdout).contains(".000000000"))
}

/// What was just written, and is as it was left, is not read again.
fn not_read_again(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let answers = put(&mut bench, (None, &content(2 * MIB)), true, BLIND)?;
    right(&answers, AnswerKind::Done)?;
    let looked = said(&answers[1]);
    match (exact(shell), looked.is_empty()) {
        (true, false) => Err(format!("it was read: {}", &looked[..looked.len().min(200)])),
        (false, true) => Err("it counts as untouched, and nobody can know".to_owned()),
        _ => bench.session.close(),
    }
}

/// What somebody wrote to behind us is read.
pub fn read_again_once_touched(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    const TOUCH: &str = "printf x | dd of=\"$p\" bs=1 conv=notrunc 2>/dev/null\n";
    let mut bench = Bench::new(shell, edits);
    let answers = put(&mut bench, (None, &content(2 * MIB)), true, TOUCH)?;
    right(&answers, AnswerKind::Done)?;
    let looked = said(&answers[1]);
    if looked.starts_with("d ") { bench.session.close() } else { Err("nobody saw it".to_owned()) }
}

/// An old file that somebody writes to while the new one comes is not replaced.
pub fn touched_while_it_came(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let old = content(2 * MIB);
    let path = bench.file("a", &old);
    // Written to by the program that tries the new file, which runs when all of it has come.
    let (mut script, mut inner) = (Script::new(), Script::new());
    let (path, digest) = (path.display().to_string(), sha256_hex(&old));
    let touch = format!("printf x | dd of='{path}' bs=1 conv=notrunc 2>/dev/null");
    inner.text("put").args([&path, "-", &digest, "-", "", &touch, "60", ""]);
    let new = content(3 * MIB);
    let seq = bench.session.seq();
    guarded(&mut script, seq, Some(&new), &inner);
    let answers = bench.session.exchange(&script, &[new.into()])?;
    let (kind, told) = (answers[0].kind, said(&answers[0]));
    if kind != AnswerKind::Failed || !told.contains("its content is not what this was planned") {
        return Err(format!("{kind:?}: {told}"));
    }
    let mut first = [0];
    let file = fs::File::open(&path).and_then(|file| file.read_at(&mut first, 0));
    if file.is_ok() && first == *b"x" {
        bench.session.close()
    } else {
        Err("it is gone".to_owned())
    }
}

#[test]
fn a_large_content_comes_as_it_was_sent() {
    everywhere(|shell| comes_whole(shell, &[]));
}

#[test]
fn a_large_content_that_nobody_reads_is_thrown_away() {
    everywhere(|shell| unread_is_thrown_away(shell, &[]));
}

#[test]
fn who_is_asked_to_stop_takes_the_parts_that_still_come() {
    everywhere(|shell| stops_behind_its_parts(shell, &[]));
}

#[test]
fn what_is_no_part_of_a_content_ends_the_session() {
    everywhere(|shell| another_part_is_no_part(shell, &[]));
}

#[test]
fn a_spoiled_content_is_refused() {
    everywhere(|shell| spoiled_is_refused(shell, &[]));
}

#[test]
fn what_was_written_is_read_again_only_where_somebody_touched_it() {
    everywhere(|shell| not_read_again(shell, &[]));
    everywhere(|shell| read_again_once_touched(shell, &[]));
}

#[test]
fn an_old_file_that_is_touched_while_the_new_one_comes_stays() {
    everywhere(|shell| touched_while_it_came(shell, &[]));
}
