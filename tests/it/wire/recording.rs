//! A real session's bytes, with what they need and do: wherever they are cut, what must have come of it is
//! known without asking the shell.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use trueup::shell::frame::opening;
use trueup::shell::{Answer, AnswerKind, Script};

use super::bench::{self, folder};
use super::declare::declare;
use super::session::{Edit, NONCE, Session, frame, prelude_with};
use super::shells::SHELLS;
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
[file."ROOT/new/same"]
content = "a\n"
[file."ROOT/old.conf"]
content = "the new content\nno line break at its end"
[command.log]
command = "cat; cat <&3; umask 027; echo ran >>ROOT/log"
creates = "ROOT/log"
"#,
        steps: &[
            |tree| tree.folder("new", 0o750),
            |tree| tree.file("new/a b", b"a\n", 0o640),
            |tree| tree.file("new/odd", ODD.as_bytes(), 0o644),
            |tree| tree.file("new/empty", b"", 0o600),
            |tree| tree.file("new/same", b"a\n", 0o644),
            |tree| tree.file("old.conf", b"the new content\nno line break at its end", 0o644),
            |tree| tree.file("log", b"ran\n", 0o640),
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
pub struct Stage {
    pub tree: PathBuf,
    state: PathBuf,
    _folder: TempDir,
}

impl Stage {
    pub fn new() -> Self {
        let folder = folder();
        let (tree, state) = (folder.path().join("tree"), folder.path().join("state"));
        Self { tree, state, _folder: folder }
    }

    /// The tree as it is before.
    pub fn reset(&self) {
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

    /// The prelude, with its private files on this stage.
    pub fn prelude(&self, edits: &[Edit]) -> Vec<u8> {
        prelude_with(&self.state.display().to_string(), edits)
    }

    /// Folders of sessions that were not removed.
    pub fn left(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.state).into_iter().flatten();
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

/// A stream and what it does.
pub struct Recording {
    pub bytes: Vec<u8>,
    /// Where the opening ends.
    pub opening: usize,
    /// Where frames and contents begin and end.
    pub borders: Vec<usize>,
    /// How many bytes each step needs.
    pub needs: Vec<usize>,
    /// The tree after no step, one, two …
    pub trees: Vec<Tree>,
}

/// Applies the turns in a real session and keeps what was sent.
pub fn record(stage: &Stage) -> Recording {
    stage.reset();
    let prelude = stage.prelude(&[]);
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
        let items = declare(&module);
        let mut script = Script::new();
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
        script: &Script,
        contents: &[Arc<[u8]>],
    ) -> Vec<Answer> {
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

    /// The same stream with edits in the prelude.
    pub fn edited(&self, stage: &Stage, edits: &[Edit]) -> Self {
        let mut bytes = opening(&stage.prelude(edits));
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
}
