//! A whole apply as one stream of bytes, cut after every byte: only whole steps were done.
//!
//! The stream is recorded from a real session (types, steps and frames as src/execute makes them) and
//! played into a fresh copy of the tree. How many steps a cut allows is known from the frames alone: a
//! program's bytes must all be there before its first step, a content and the line after it before the
//! step that reads it. The tree must then be exactly what so many steps leave.
//!
//! A plain run plays a sample: every offset within three bytes of a border, and a stride between. With
//! `TRUEUP_FULL=1` it plays every offset.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use trueup::shell::{AnswerKind, Limits, Reader};

use super::bench::{Bench, steps};
use super::recording::{Recording, Stage, record};
use super::session::{Edit, Made, NONCE, Session, body, frame_by};
use super::shells::{SHELLS, Shell, everywhere, say};
use super::tree::Tree;

impl Recording {
    /// How many steps a cut allows.
    fn allowed(&self, cut: usize) -> usize {
        self.needs.iter().filter(|need| **need <= cut).count()
    }

    /// The offsets to play.
    fn offsets(&self, shell: &Shell, full: bool) -> Vec<usize> {
        let end = self.bytes.len();
        if full {
            return (0..=end).collect();
        }
        let near = self.borders.iter().flat_map(|border| border.saturating_sub(3)..border + 4);
        // Each shell starts elsewhere, so that together they play more.
        let first = 23 * SHELLS.iter().position(|other| other.name == shell.name).unwrap_or(0);
        let prelude = (first..self.opening).step_by(307);
        let rest = (self.opening + first..=end).step_by(97);
        let all: BTreeSet<usize> = near.chain(prelude).chain(rest).chain([end]).collect();
        all.into_iter().filter(|offset| *offset <= end).collect()
    }

    /// Plays the first `cut` bytes and looks what they did.
    fn play(&self, stage: &Stage, shell: &Shell, cut: usize) -> Result<(), String> {
        stage.reset();
        let said = run(shell, &self.bytes[..cut])?;
        if cut < self.opening && !said.is_empty() {
            return Err("a part of the prelude ran".into());
        }
        let tree = Tree::of(&stage.tree);
        let allowed = self.allowed(cut);
        let temporary = tree.temporary();
        if !temporary.is_empty() {
            return Err(format!("temporary files are left: {temporary:?}"));
        }
        if !self.trees.contains(&tree) {
            let near = tree.against(&self.trees[allowed]);
            return Err(format!("the tree is one that no whole steps leave: {near}"));
        }
        if tree != self.trees[allowed] {
            return Err(format!("not {allowed} steps: {}", tree.against(&self.trees[allowed])));
        }
        if !stage.left().is_empty() {
            return Err(format!("a session's folder is left: {:?}", stage.left()));
        }
        let told = told(&said)?;
        if told == allowed { Ok(()) } else { Err(format!("{told} steps told, {allowed} done")) }
    }
}

/// How many steps the answers call done.
fn told(said: &[u8]) -> Result<usize, String> {
    let mut reader = Reader::new(NONCE, Limits::default());
    reader.push(said);
    let mut told = 0;
    while let Some(answer) = reader.next().map_err(|error| error.to_string())? {
        match answer.kind {
            AnswerKind::Done => told += 1,
            AnswerKind::Failed | AnswerKind::Skipped => return Err(format!("{answer:?}")),
            _ => {}
        }
    }
    Ok(told)
}

/// Gives a shell these bytes and the end of its input; what it wrote until it ended.
fn run(shell: &Shell, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut child = shell
        .start()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdout = child.stdout.take().expect("a pipe");
    let (done, ended) = channel();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stdout.read_to_end(&mut said);
        let _ = done.send(said);
    });
    // A shell that ended early does not read all.
    let _ = child.stdin.take().expect("a pipe").write_all(bytes);
    let said = ended.recv_timeout(Duration::from_secs(20));
    if said.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    said.map_err(|_| "the shell lives on".to_owned()).and_then(|said| match status.code() {
        Some(_) => Ok(said),
        None => Err(format!("the shell was killed: {status}")),
    })
}

/// Plays the offsets in two threads; gives how many of how many, or what went wrong, the first few.
fn play_all(shell: &Shell, full: bool) -> Result<(usize, usize), String> {
    let (results, all) = channel();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let results = results.clone();
            scope.spawn(move || {
                let stage = Stage::new();
                let recording = record(&stage);
                let mut wrong = Vec::new();
                let offsets = recording.offsets(shell, full);
                let mine = offsets.iter().copied().skip(half).step_by(2);
                let mut count = 0;
                for cut in mine {
                    count += 1;
                    if let Err(why) = recording.play(&stage, shell, cut) {
                        wrong.push(format!("cut at {cut} of {}: {why}", recording.bytes.len()));
                    }
                    if wrong.len() > 4 {
                        break;
                    }
                }
                let all = recording.bytes.len() + 1;
                results.send(((count, all), wrong)).expect("the test still listens");
            });
        }
    });
    drop(results);
    let (counts, wrong): (Vec<(usize, usize)>, Vec<Vec<String>>) = all.iter().unzip();
    let wrong = wrong.concat();
    let played = counts.iter().map(|(count, _)| count).sum();
    if wrong.is_empty() { Ok((played, counts[0].1)) } else { Err(wrong.join("\n")) }
}

fn every_cut_in(shell: &Shell) {
    let full = std::env::var("TRUEUP_FULL").as_deref() == Ok("1");
    let start = Instant::now();
    match play_all(shell, full) {
        Ok((count, all)) => say(&format!(
            "{}: cut at {count} of {all} offsets{} in {:.1} s",
            shell.name,
            if full { "" } else { " (at all with TRUEUP_FULL=1)" },
            start.elapsed().as_secs_f64()
        )),
        Err(wrong) => panic!("in {}:\n{wrong}", shell.name),
    }
}

#[test]
fn cut_anywhere_only_whole_steps_are_done_in_dash() {
    every_cut_in(&SHELLS[0]);
}

#[test]
fn cut_anywhere_only_whole_steps_are_done_in_bash() {
    every_cut_in(&SHELLS[1]);
}

#[test]
fn cut_anywhere_only_whole_steps_are_done_in_bash_as_sh() {
    every_cut_in(&SHELLS[2]);
}

#[test]
fn cut_anywhere_only_whole_steps_are_done_in_busybox() {
    every_cut_in(&SHELLS[3]);
}

/// Cuts near the borders only, with an edited prelude.
pub fn falls(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let stage = Stage::new();
    let recording = record(&stage).edited(&stage, edits);
    let near = |border: &usize| [border - 20, border - 3, border - 2, border - 1, *border];
    for cut in recording.borders.iter().flat_map(near) {
        recording.play(&stage, shell, cut).map_err(|why| format!("cut at {cut}: {why}"))?;
    }
    Ok(())
}

/// A content that lost a byte on its way: what follows stands where its line should be.
pub fn falls_when_shifted(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let stage = Stage::new();
    let mut recording = record(&stage).edited(&stage, edits);
    let content = b"the new content\n";
    let at = recording.bytes.windows(content.len()).position(|window| window == content);
    recording.bytes.remove(at.ok_or("the content is not in the stream")?);
    stage.reset();
    let before = Tree::of(&stage.tree).0["old.conf"].clone();
    run(shell, &recording.bytes)?;
    let after = Tree::of(&stage.tree).0["old.conf"].clone();
    if before == after { Ok(()) } else { Err(format!("{after:?} instead of {before:?}")) }
}

#[test]
fn a_content_that_lost_a_byte_is_not_used() {
    everywhere(|shell| falls_when_shifted(shell, &[]));
}

/// A content above the size that is read in one block, cut where blocks, parts and the content end.
fn large_is_old_or_new(shell: &Shell) -> Result<(), String> {
    const MIB: usize = 1 << 20;
    let new = "x".repeat(MIB + 70_000);
    let seal = NONCE.len() + 1;
    let whole = new.len();
    let reads = [0, 1, 65_536, MIB - 1, MIB, MIB + 1, whole - 1, whole, whole + seal - 1];
    // How much is missing at the end.
    let mut cuts: Vec<_> = reads.map(|read| (Made::Nothing, whole + seal - read)).into();
    for made in shell.parts() {
        let long = body(new.as_bytes(), made).len();
        let reads = [1, 40, long / 3, long / 2, long - 1, long + seal - 1];
        cuts.extend(reads.map(|read| (made, long + seal - read)));
    }
    for (made, missing) in cuts {
        let mut bench = Bench::new(shell, &[]);
        bench.file("a", "old\n");
        let before = bench.tree();
        let items = bench.items(&format!("[file.\"ROOT/a\"]\ncontent = \"{new}\"\n"));
        let observed = bench.look(&items)?;
        let (script, contents) = steps(&items, &observed, || bench.session.seq());
        let bytes = frame_by(made, (bench.session.seq(), &script), &contents);
        let cut = bytes.len() - missing;
        bench.session.send(&bytes[..cut]);
        bench.session.shut();
        bench.session.wait()?;
        let after = bench.tree();
        if before != after {
            let told = after.against(&before);
            return Err(format!("{made:?} cut {missing} bytes before its end: {told}"));
        }
    }
    Ok(())
}

#[test]
fn a_large_content_is_not_used_before_all_of_it_is_there() {
    everywhere(large_is_old_or_new);
}

/// The bytes of a stream are also good when they come a few at a time.
#[test]
fn pieces_of_a_stream_may_come_late() {
    everywhere(|shell| in_pieces(shell, &[]));
}

/// Plays a whole recording in small pieces, slowly. Where a guard was taken out, ever slower: on a busy
/// machine pieces wait for their reader and come together after all.
pub fn in_pieces(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let pauses: &[u64] = if edits.is_empty() { &[2] } else { &[2, 10, 50, 150] };
    pauses.iter().try_for_each(|pause| paced(shell, edits, Duration::from_millis(*pause)))
}

fn paced(shell: &Shell, edits: &[Edit], pause: Duration) -> Result<(), String> {
    let stage = Stage::new();
    let recording = record(&stage).edited(&stage, edits);
    stage.reset();
    let mut session = Session::open(shell.start(), &stage.prelude(edits));
    for piece in recording.bytes[recording.opening..].chunks(97) {
        std::thread::sleep(pause);
        session.send(piece);
    }
    session.shut();
    let mut done = 0;
    while let Some(answer) = session.answer()? {
        done += usize::from(answer.kind == AnswerKind::Done);
    }
    let steps = recording.needs.len();
    if done == steps { Ok(()) } else { Err(format!("{done} of {steps} steps were done")) }
}
