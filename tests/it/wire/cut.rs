//! A whole apply as one stream of bytes, cut after every byte: only whole steps were done.
//!
//! The stream is recorded from a real session (types, steps and frames as src/execute makes them) and
//! played into a fresh copy of the tree. How many steps a cut allows is known from the frames alone: a
//! program's bytes must all be there before its first step, a content and the line after it before the
//! step that reads it. The tree must then be exactly what so many steps leave.
//!
//! A plain run plays a sample: every offset within three bytes of a border, and a stride between. With
//! TRUEUP_FULL=1 it plays every offset.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use trueup::shell::frame::opening;
use trueup::shell::{AnswerKind, Limits, Reader};

use super::bench::{self, folder};
use super::session::{Edit, NONCE, Session, frame, prelude_with};
use super::shells::{SHELLS, Shell, say};
use super::tree::{Entry, Tree, What};

/// What is there before.
const FILES: [(&str, &str, u32); 4] = [
    ("old.conf", "the old content\n", 0o644),
    ("loose.conf", "kept\n", 0o666),
    ("gone.conf", "to go\n", 0o600),
    ("notes", "one\n", 0o644),
];

/// One wave: the module's text, and what each of its steps does to the tree.
struct Turn {
    module: &'static str,
    steps: &'static [fn(&mut Tree)],
}

/// Text that a shell would read as more than text, and bytes that are no text.
const ODD: &str = "it's $(touch x) `y`\\\n\n";

static TURNS: [Turn; 2] = [
    Turn {
        module: r#"
[directory."ROOT/new"]
mode = "0750"
[file."ROOT/new/a b"]
content = "a\n"
mode = "0640"
[file."ROOT/new/odd"]
content = "it's $(touch x) `y`\\\n\n"
[file."ROOT/new/empty"]
content = ""
mode = "0600"
[file."ROOT/old.conf"]
content = "the new content\nno line break at its end"
[command.log]
command = "cat; cat <&3; echo ran >>ROOT/log"
creates = "ROOT/log"
"#,
        steps: &[
            |tree| tree.folder("new", 0o750),
            |tree| tree.file("new/a b", b"a\n", 0o640),
            |tree| tree.file("new/odd", ODD.as_bytes(), 0o644),
            |tree| tree.file("new/empty", b"", 0o600),
            |tree| tree.file("old.conf", b"the new content\nno line break at its end", 0o644),
            |tree| tree.file("log", b"ran\n", 0o600),
        ],
    },
    Turn {
        module: r#"
[file."ROOT/loose.conf"]
mode = "0600"
[symlink."ROOT/link"]
target = "new/a b"
[symlink."ROOT/old-link"]
target = "new"
[file."ROOT/gone.conf"]
state = "absent"
[directory."ROOT/empty"]
state = "absent"
[line.two]
path = "ROOT/notes"
line = "two"
[file."ROOT/last"]
content = "last\n"
mode = "0444"
"#,
        steps: &[
            |tree| tree.file("loose.conf", b"kept\n", 0o600),
            |tree| tree.link("link", "new/a b"),
            |tree| tree.link("old-link", "new"),
            |tree| drop(tree.0.remove("gone.conf")),
            |tree| drop(tree.0.remove("empty")),
            |tree| tree.file("notes", b"one\ntwo\n", 0o644),
            |tree| tree.file("last", b"last\n", 0o444),
        ],
    },
];

impl Tree {
    fn set(&mut self, name: &str, what: What, mode: u32) {
        let owner = self.0["old.conf"].owner;
        self.0.insert(name.to_owned(), Entry { what, mode, owner });
    }

    fn file(&mut self, name: &str, content: &[u8], mode: u32) {
        self.set(name, What::File(content.to_vec()), mode);
    }

    fn folder(&mut self, name: &str, mode: u32) {
        self.set(name, What::Folder, mode);
    }

    fn link(&mut self, name: &str, target: &str) {
        self.set(name, What::Link(target.to_owned()), 0);
    }
}

/// A place to play in; its paths stand in the stream, so each has a recording of its own.
struct Stage {
    tree: PathBuf,
    state: PathBuf,
    _folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = folder();
        let (tree, state) = (folder.path().join("tree"), folder.path().join("state"));
        Self { tree, state, _folder: folder }
    }

    /// The tree as it is before.
    fn reset(&self) {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let _ = std::fs::remove_dir_all(&self.tree);
        let _ = std::fs::remove_dir_all(&self.state);
        std::fs::create_dir_all(self.tree.join("empty")).expect("a folder");
        for (name, content, mode) in FILES {
            let path = self.tree.join(name);
            std::fs::write(&path, content).expect("a file");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("its mode");
        }
        symlink("empty", self.tree.join("old-link")).expect("a link");
    }

    /// Folders of sessions that were not removed.
    fn left(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.state).into_iter().flatten();
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

/// A stream and what it does.
struct Recording {
    bytes: Vec<u8>,
    /// Where the opening ends.
    opening: usize,
    /// Where frames and contents begin and end.
    borders: Vec<usize>,
    /// How many bytes each step needs.
    needs: Vec<usize>,
    /// The tree after no step, one, two …
    trees: Vec<Tree>,
}

/// Applies the turns in a real session and keeps what was sent.
fn record(stage: &Stage) -> Recording {
    stage.reset();
    let prelude = prelude_with(&stage.state.display().to_string(), &[]);
    let bytes = opening(&prelude);
    let mut session = Session::open(SHELLS[0].start(), &prelude);
    let before = Tree::of(&stage.tree);
    let mut recording = Recording {
        opening: bytes.len(),
        borders: vec![bytes.len()],
        bytes,
        needs: Vec::new(),
        trees: vec![before],
    };
    for turn in &TURNS {
        turn.play(stage, &mut session, &mut recording);
    }
    recording.bytes.extend_from_slice(b"Q 0 0\n");
    session.close().expect("a session that ends");
    let last = recording.trees.last().expect("a tree");
    let differs = Tree::of(&stage.tree).against(last);
    assert!(differs.is_empty(), "the recorded session itself: {differs}");
    recording
}

impl Turn {
    /// A probe, then the steps with the probe that follows them.
    fn play(&self, stage: &Stage, session: &mut Session, recording: &mut Recording) {
        let module = self.module.replace("ROOT", &stage.tree.display().to_string());
        let items = super::declare::declare(&module);
        let mut script = trueup::shell::Script::new();
        let asked = bench::ask(&items, &mut script, || session.seq());
        let answers = recording.send(session, &script, &[]);
        let observed = bench::observe(&items, &asked, &answers);
        let (mut script, contents) = bench::steps(&items, &observed, || session.seq());
        bench::ask(&items, &mut script, || session.seq());
        let answers = recording.send(session, &script, &contents);
        let done = answers.iter().filter(|answer| answer.kind == AnswerKind::Done).count();
        assert_eq!(done, self.steps.len(), "{answers:?}");
        // Contents stand in the order of the steps that read them.
        let text = String::from_utf8_lossy(script.bytes()).into_owned();
        let frame_end = recording.borders[recording.borders.len() - 1 - 2 * contents.len()];
        let mut need = frame_end;
        let mut read = 0;
        let heads = text.lines().filter(|line| line.starts_with("go ") && line.ends_with("&& {"));
        for (head, step) in heads.zip(self.steps) {
            if !head.contains(" -1 ") {
                read += 1;
                let after = recording.borders.len() - 1 - 2 * (contents.len() - read);
                need = recording.borders[after];
            }
            recording.needs.push(need);
            let mut tree = recording.trees.last().expect("a tree").clone();
            step(&mut tree);
            recording.trees.push(tree);
        }
    }
}

impl Recording {
    /// Sends a program for real and keeps its bytes and borders.
    fn send(
        &mut self,
        session: &mut Session,
        script: &trueup::shell::Script,
        contents: &[std::sync::Arc<[u8]>],
    ) -> Vec<trueup::shell::Answer> {
        // `exchange` takes the next number for the program's end.
        let seq = session.seq() + 1;
        let frame_only = frame(seq, script, &[]);
        self.borders.push(self.bytes.len() + frame_only.len());
        let mut at = self.bytes.len() + frame_only.len();
        for content in contents {
            self.borders.push(at + content.len());
            at += content.len() + NONCE.len() + 1;
            self.borders.push(at);
        }
        self.bytes.extend(frame(seq, script, contents));
        session.exchange(script, contents).expect("an exchange")
    }

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

    /// The same stream with edits in the prelude.
    fn edited(&self, stage: &Stage, edits: &[Edit]) -> Self {
        let mut bytes = opening(&prelude_with(&stage.state.display().to_string(), edits));
        let moved = |at: usize| at - self.opening + bytes.len();
        let edited = Self {
            opening: bytes.len(),
            borders: self.borders.iter().copied().map(moved).collect(),
            needs: self.needs.iter().copied().map(moved).collect(),
            trees: self.trees.clone(),
            bytes: Vec::new(),
        };
        bytes.extend_from_slice(&self.bytes[self.opening..]);
        Self { bytes, ..edited }
    }

    /// Plays the first `cut` bytes and looks what they did.
    fn play(&self, stage: &Stage, shell: &Shell, cut: usize) -> Result<(), String> {
        stage.reset();
        let said = run(shell, &self.bytes[..cut])?;
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
    super::shells::everywhere(|shell| falls_when_shifted(shell, &[]));
}

/// The bytes of a stream are also good when they come a few at a time.
#[test]
fn pieces_of_a_stream_may_come_late() {
    super::shells::everywhere(|shell| in_pieces(shell, &[]));
}

/// Plays a whole recording in small pieces, slowly.
pub fn in_pieces(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let stage = Stage::new();
    let recording = record(&stage).edited(&stage, edits);
    stage.reset();
    let prelude = prelude_with(&stage.state.display().to_string(), edits);
    let mut session = Session::open(shell.start(), &prelude);
    for piece in recording.bytes[recording.opening..].chunks(97) {
        std::thread::sleep(Duration::from_millis(2));
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
