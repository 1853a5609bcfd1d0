//! One whole session with each shell that a host may have as its /bin/sh, as src/execute holds it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use trueup::resources::{Erased, REGISTRY, ResourceType};
use trueup::shell::frame::{opening, program, seal};
use trueup::shell::{Answer, AnswerKind, Limits, PATH, Reader, START, Script, Step, prelude};

use crate::support::sent;

const NONCE: &str = "00112233445566778899aabbccddeeff";

/// A shell with the tools that it finds.
pub struct Shell {
    pub name: &'static str,
    words: Vec<PathBuf>,
    path: String,
}

/// A resource of a type.
pub type Item = (&'static dyn ResourceType, Erased);

/// dash, bash and busybox with the tools of this machine; busybox with its own applets.
pub fn shells() -> Vec<Shell> {
    let busybox = || vec![tool("busybox"), "sh".into()];
    let gnu = |name, words| Shell { name, words, path: PATH.to_owned() };
    vec![
        gnu("dash", vec![tool("dash")]),
        gnu("bash --posix", vec![tool("bash"), "--posix".into()]),
        gnu("busybox sh", busybox()),
        Shell { name: "busybox alone", words: busybox(), path: applets().display().to_string() },
    ]
}

impl Shell {
    /// Whether it has the tools that the other shells have too.
    pub fn has_gnu_tools(&self) -> bool {
        self.path == PATH
    }

    /// Runs one program; gives its answers. `state` is where private files of the session go.
    pub fn run(&self, state: &Path, script: &Script, contents: &[Arc<[u8]>]) -> Vec<Answer> {
        let mut child = Command::new("/usr/bin/env")
            .arg("-i")
            .args([format!("PATH={}", self.path).as_str(), "LC_ALL=C"])
            .args(&self.words)
            .args(["-c", START])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell that starts");
        let mut input = child.stdin.take().expect("a pipe");
        let bytes = dialogue(state, script, contents);
        let writer = std::thread::spawn(move || input.write_all(&bytes));
        let output = child.wait_with_output().expect("a shell that ends");
        writer.join().expect("a writer that ends").expect("a shell that reads to the end");
        answers(self.name, &output.stdout)
    }

    /// What each resource is observed as, or why that is not known.
    pub fn look(&self, state: &Path, items: &[Item]) -> Vec<Result<Erased, String>> {
        let mut script = Script::new();
        for (seq, (kind, desired)) in (1_u32..).zip(items) {
            question(&mut script, seq, *kind, &[desired]);
        }
        let answers = self.run(state, &script, &[]);
        assert_eq!(answers.len(), items.len(), "{}: one answer for each question", self.name);
        let each = items.iter().zip(answers);
        each.map(|((kind, desired), answer)| kind.observe(&[desired], &answer.payload).remove(0))
            .collect()
    }

    /// Runs steps, each guarded; fails where one does not do its work.
    pub fn apply(&self, state: &Path, steps: &[Step]) -> Result<(), String> {
        let mut script = Script::new();
        for (seq, step) in (1_u32..).zip(steps) {
            script.text("go ").number(seq).text(" ").number(step.bytes()).text(" && {\n");
            script.script(&step.script).text("\nend $?\n}\n");
        }
        let contents: Vec<Arc<[u8]>> = steps.iter().filter_map(sent).collect();
        let answers = self.run(state, &script, &contents);
        match answers.iter().position(|answer| answer.kind != AnswerKind::Done) {
            None if answers.len() == steps.len() => Ok(()),
            None => Err(format!("{} answers for {} steps", answers.len(), steps.len())),
            Some(at) => Err(format!(
                "{}\n  says {}",
                String::from_utf8_lossy(steps[at].script.bytes()),
                String::from_utf8_lossy(&answers[at].payload)
            )),
        }
    }
}

/// A question about resources of one type, as src/execute/probe.rs asks it.
pub fn question(script: &mut Script, seq: u32, kind: &dyn ResourceType, items: &[&Erased]) {
    let mut inner = Script::new();
    kind.probe(items, &mut inner);
    script.text("A=$(\n").script(&inner).text("\n)\nask ").number(seq).text(" $? \"$A\"\n");
}

/// All that is written to the shell in a session of one program.
fn dialogue(state: &Path, script: &Script, contents: &[Arc<[u8]>]) -> Vec<u8> {
    let mut libraries: Vec<&str> = Vec::new();
    for library in REGISTRY.iter().flat_map(|kind| kind.library()) {
        if !libraries.contains(library) {
            libraries.push(library);
        }
    }
    let text = prelude(NONCE, "0123456789abcdef", &libraries);
    let text = String::from_utf8(text).expect("the prelude is UTF-8");
    let private = "n=/var/lib/trueup";
    assert!(text.contains(private), "the prelude's folder for private files is another one now");
    let text = text.replace(private, &format!("n={}", state.display()));
    let mut bytes = opening(text.as_bytes());
    bytes.extend(program(0, script.bytes()));
    for content in contents {
        bytes.extend_from_slice(content);
        bytes.extend(seal(NONCE));
    }
    bytes.extend_from_slice(b"Q 0 0\n");
    bytes
}

/// The answers between the greeting and the end.
fn answers(shell: &str, output: &[u8]) -> Vec<Answer> {
    let mut reader = Reader::new(NONCE, Limits::default());
    reader.push(output);
    let mut answers = Vec::new();
    while let Some(answer) = reader.next().expect("answers in the form of the wire") {
        answers.push(answer);
    }
    let last = answers.pop();
    let whole = last.is_some_and(|last| last.kind == AnswerKind::End) && !answers.is_empty();
    assert!(whole, "{shell} ended before its program: {}", String::from_utf8_lossy(output));
    answers.remove(0);
    answers
}

/// Where a program is; the test fails where it is missing.
fn tool(name: &str) -> PathBuf {
    let found = PATH.split(':').map(|folder| Path::new(folder).join(name));
    let mut found = found.filter(|path| path.exists());
    found.next().unwrap_or_else(|| panic!("this test needs {name}: install it"))
}

/// A folder with busybox under the name of each of its applets.
fn applets() -> PathBuf {
    let busybox = tool("busybox");
    let list = Command::new(&busybox).arg("--list").output().expect("busybox");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("applets");
    std::fs::create_dir_all(&folder).expect("a folder for busybox");
    for name in String::from_utf8_lossy(&list.stdout).split_whitespace() {
        // There already, from an earlier run or one beside this.
        let _ = std::os::unix::fs::symlink(&busybox, folder.join(name));
    }
    folder
}

/// A folder in memory where there is one: the tests would wait for the disk otherwise.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("resources-").tempdir_in(base).expect("a temporary folder")
}
