//! A folder of its own, a shell on it, and resources probed and applied there: src/execute in small.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use trueup::model::Change;
use trueup::resources::{Erased, Part, REGISTRY, Verdict};
use trueup::shell::{Answer, AnswerKind, Script};

use super::declare::{Item, declare};
use super::session::{Edit, Session, prelude_with};
use super::shells::Shell;
use super::tree::Tree;
use crate::support::sent;

/// A folder in memory where there is one: these tests wait for the disk otherwise.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("wire-").tempdir_in(base).expect("a temporary folder")
}

/// A session on a folder.
pub struct Bench {
    pub session: Session,
    /// Managed things are in here, and nothing else.
    pub tree: PathBuf,
    /// Where the shell keeps its private files.
    pub state: PathBuf,
    folder: TempDir,
}

/// What a program of steps and probes gave.
pub struct Wave {
    /// One for each step.
    pub results: Vec<Answer>,
    /// The probes that came with them.
    pub observed: Vec<Result<Erased, String>>,
}

/// An observed state for each item, or why there is none.
pub type States = Vec<Result<Erased, String>>;

impl Bench {
    pub fn new(shell: &Shell, edits: &[Edit]) -> Self {
        Self::start(folder(), |_| shell.start(), edits)
    }

    /// A bench whose shell is started by `command`, which is told the tree.
    pub fn start(
        folder: TempDir,
        command: impl Fn(&Path) -> std::process::Command,
        edits: &[Edit],
    ) -> Self {
        let tree = folder.path().join("tree");
        let state = folder.path().join("state");
        std::fs::create_dir_all(&tree).expect("a folder");
        let prelude = prelude_with(&state.display().to_string(), edits);
        let session = Session::open(command(&tree), &prelude);
        Self { session, tree, state, folder }
    }

    /// The folder above tree and state: for what is not to be touched.
    pub fn outside(&self) -> &Path {
        self.folder.path()
    }

    /// Resources from a module's text; `ROOT` is the tree.
    #[track_caller]
    pub fn items(&self, text: &str) -> Vec<Item> {
        declare(&text.replace("ROOT", &self.tree.display().to_string()))
    }

    /// Probes.
    pub fn look(&mut self, items: &[Item]) -> Result<States, String> {
        let mut script = Script::new();
        let asked = ask(items, &mut script, || self.session.seq());
        let answers = self.session.exchange(&script, &[])?;
        Ok(observe(items, &asked, &answers))
    }

    /// Does the changes that `observed` calls for and probes again.
    pub fn wave(&mut self, items: &[Item], observed: &States) -> Result<Wave, String> {
        let (mut script, contents) = steps(items, observed, || self.session.seq());
        let asked = ask(items, &mut script, || self.session.seq());
        let answers = self.session.exchange(&script, &contents)?;
        let observed = observe(items, &asked, &answers);
        let results =
            answers.into_iter().filter(|answer| answer.kind != AnswerKind::Data).collect();
        Ok(Wave { results, observed })
    }

    /// Probes, does what differs and probes again.
    pub fn apply(&mut self, items: &[Item]) -> Result<Wave, String> {
        let observed = self.look(items)?;
        self.wave(items, &observed)
    }

    /// Runs shell text as one step.
    pub fn step(&mut self, text: &'static str, arguments: &[&str]) -> Result<Answer, String> {
        let seq = self.session.seq();
        let mut inner = Script::new();
        inner.text(text).args(arguments);
        let mut script = Script::new();
        guarded(&mut script, seq, None, &inner);
        let answers = self.session.exchange(&script, &[])?;
        answers.into_iter().next().ok_or_else(|| "the step did not answer".into())
    }

    /// As [`Self::step`], with a content that it reads.
    pub fn step_reading(&mut self, text: &'static str, content: &[u8]) -> Result<Answer, String> {
        let seq = self.session.seq();
        let mut inner = Script::new();
        inner.text(text);
        let mut script = Script::new();
        guarded(&mut script, seq, Some(content), &inner);
        let answers = self.session.exchange(&script, &[Arc::from(content)])?;
        answers.into_iter().next().ok_or_else(|| "the step did not answer".into())
    }

    /// What stands in the tree.
    pub fn tree(&self) -> Tree {
        Tree::of(&self.tree)
    }

    /// A file in the tree.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.tree.join(name);
        std::fs::write(&path, content).expect("a file in the tree");
        path
    }
}

impl Wave {
    /// An error unless all steps were done and everything is as wanted now.
    pub fn done(&self, items: &[Item]) -> Result<(), String> {
        for result in &self.results {
            if result.kind != AnswerKind::Done {
                return Err(format!("{:?}: {}", result.kind, said(result)));
            }
        }
        for (item, observed) in items.iter().zip(&self.observed) {
            let state = observed.as_ref().map_err(Clone::clone)?;
            let verdict = item.kind.diff(&item.desired, state);
            if !matches!(verdict, Verdict::Same(_)) && item.kind.verifiable(&item.desired) {
                return Err(format!("{} differs after apply: {verdict:?}", item.name));
            }
        }
        Ok(())
    }

    /// An error unless the step failed and said so with these words.
    pub fn failed(&self, step: usize, words: &str) -> Result<(), String> {
        let result = self.results.get(step).ok_or("the step did not answer")?;
        if result.kind != AnswerKind::Failed || !said(result).contains(words) {
            return Err(format!(
                "{:?}, not a failure with {words:?}: {}",
                result.kind,
                said(result)
            ));
        }
        Ok(())
    }
}

/// What an answer says.
pub fn said(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.payload).into_owned()
}

/// Asks about all items, one question a type; gives the numbers of the questions and what they are about.
pub fn ask(
    items: &[Item],
    script: &mut Script,
    mut seq: impl FnMut() -> u64,
) -> Vec<(u64, Vec<usize>)> {
    let mut asked = Vec::new();
    for kind in REGISTRY {
        let these: Vec<usize> =
            (0..items.len()).filter(|&index| items[index].kind.name() == kind.name()).collect();
        if these.is_empty() {
            continue;
        }
        let wanted: Vec<&Erased> = these.iter().map(|&index| &items[index].desired).collect();
        let mut inner = Script::new();
        kind.probe(&wanted, &mut inner);
        let number = seq();
        script.text("A=$(\n").script(&inner).text("\n)\nask ").number(number).text(" $? \"$A\"\n");
        asked.push((number, these));
    }
    asked
}

/// What the answers say of each item.
pub fn observe(items: &[Item], asked: &[(u64, Vec<usize>)], answers: &[Answer]) -> States {
    let mut observed: States = items.iter().map(|_| Err("not asked".into())).collect();
    for (number, these) in asked {
        let Some(answer) = answers.iter().find(|answer| answer.seq == *number) else { continue };
        let wanted: Vec<&Erased> = these.iter().map(|&index| &items[index].desired).collect();
        let states = items[these[0]].kind.observe(&wanted, &answer.payload);
        for (&index, state) in these.iter().zip(states) {
            observed[index] = state;
        }
    }
    observed
}

/// The steps for what differs, as a wave makes them, and their contents.
pub fn steps(
    items: &[Item],
    observed: &States,
    mut seq: impl FnMut() -> u64,
) -> (Script, Vec<Arc<[u8]>>) {
    let mut script = Script::new();
    let mut contents = Vec::new();
    let mut folders = std::collections::BTreeSet::new();
    let changes = changes(items, observed);
    for group in changes
        .chunk_by(|(one, _), (other, _)| items[*one].kind.name() == items[*other].kind.name())
    {
        let parts: Vec<Part<'_>> = group
            .iter()
            .map(|(index, change)| Part {
                desired: &items[*index].desired,
                observed: observed[*index].as_ref().expect("a change was compared"),
                change,
                timeout: None,
            })
            .collect();
        for (_, step) in items[group[0].0].kind.steps(&parts) {
            let content = sent(&step);
            guarded(&mut script, seq(), content.as_deref(), &step.script);
            contents.extend(content);
            folders.extend(step.folder);
        }
    }
    if !folders.is_empty() {
        script.text("sync --").args(&folders).text(" 2>/dev/null || sync\n");
    }
    (script, contents)
}

/// What differs, with the item's index.
pub fn changes(items: &[Item], observed: &States) -> Vec<(usize, Change)> {
    let verdict = |index: usize| {
        let item = &items[index];
        observed[index].as_ref().ok().map(|state| item.kind.diff(&item.desired, state))
    };
    (0..items.len())
        .filter_map(|index| match verdict(index)? {
            Verdict::Change(change) | Verdict::Blocked { then: change, .. } => {
                Some((index, change))
            }
            Verdict::Same(_) | Verdict::Refused(_) => None,
        })
        .collect()
}

/// One step, closed in itself.
pub fn guarded(script: &mut Script, seq: u64, content: Option<&[u8]>, step: &Script) {
    let bytes = content.map_or(-1, |content| content.len() as i128);
    script.text("go ").number(seq).text(" ").number(bytes).text(" && {\n");
    script.script(step).text("\nend $?\n}\n");
}
