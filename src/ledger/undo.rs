//! What a run changed on a host, as it is kept there: a line of JSON for each resource, written before the
//! change, and copies of what stood at paths. What a host sends of it is bounded, checked, and about that
//! host alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::judge::short;
use super::{Entry, Ledger, is_false};
use crate::model::Body;
use crate::model::change::{TriggerKind, sha256_hex};
use crate::model::{Change, RunId};
use crate::resolve::Instance;
use crate::resources::{Back, Erased, Inverse, LOGIN};

/// How the change of one resource is undone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The step that makes the change. It stands first: the host's shell looks for it there (back.sh, `did`).
    #[serde(default)]
    pub seq: u64,
    pub address: String,
    /// `file:line` of its declaration.
    pub place: String,
    #[serde(default)]
    pub sensitive: bool,
    /// Seconds that a step of it may take, where the files say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// What was remembered of it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
    /// In the order in which it was changed.
    #[serde(default)]
    pub back: Vec<Way>,
    /// What stays as it is.
    #[serde(default)]
    pub lost: Vec<String>,
    /// What went off because others changed: the word of its kind, and their addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired: Option<(String, BTreeSet<String>)>,
}

/// [`Back`], written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    /// TOML, on one line.
    pub table: String,
    #[serde(default)]
    pub kept: bool,
    /// The first digits of the digest of that content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// What the run left there, long values by their digests; `None` where that is nothing.
    pub left: Option<BTreeMap<String, String>>,
    /// It is done once more, behind what set it off.
    #[serde(default, skip_serializing_if = "is_false")]
    pub again: bool,
}

impl Way {
    fn of(back: Back) -> Self {
        let text = back.text();
        let left = back.left.map(|left| {
            let short = |(key, value): (&str, String)| (key.to_owned(), short(&value));
            left.into_iter().map(short).collect()
        });
        let (kind, kept, again) = (back.kind.to_owned(), back.kept, back.again);
        let was = back.was.as_deref().map(short);
        Self { kind, name: back.name, table: text, kept, was, left, again }
    }
}

impl Undo {
    /// Whose what it makes is where the files do not say: the login's, by number.
    pub fn owned(&mut self, login: u32) {
        let absent = |way: &&mut Way| way.table.contains("state = \"absent\"");
        for way in self.back.iter_mut().filter(absent) {
            if let Some(left) = way.left.as_mut().filter(|_| PATHS.contains(&way.kind.as_str())) {
                left.insert(LOGIN.to_owned(), login.to_string());
            }
        }
    }

    /// The trigger that went off and goes off again on the way back, where this program knows its kind.
    #[must_use]
    pub fn trigger(&self) -> Option<(TriggerKind, &BTreeSet<String>)> {
        let (word, because) = self.fired.as_ref()?;
        Some((TriggerKind::of(word)?, because))
    }
}

impl Ledger {
    /// How a change that is about to be made from `against` is undone. `first` is what the run found there before
    /// it changed anything: what came with something else since goes first on the way back, and hears of nothing.
    #[must_use]
    pub fn undo(
        &self,
        (instance, place): (&Instance, String),
        (first, against): (Option<&Erased>, &Erased),
        change: &Change,
    ) -> Undo {
        let inverse = instance.kind.inverse(&instance.desired, against, change);
        let came = first.and_then(|first| instance.kind.came(&instance.desired, first, change));
        let mut inverse = came.clone().map_or(inverse, Inverse::of);
        let address = instance.address.to_string();
        let because = |all: &[_]| all.iter().map(ToString::to_string).collect();
        let fired = change.fired.as_ref().filter(|_| came.is_none());
        if instance.kept_back() && inverse.back.iter().any(|back| back.again) {
            inverse.back.retain(|back| !back.again);
            inverse.lost.push(UNKEPT.to_owned());
        }
        Undo {
            seq: 0,
            entry: self.entries.get(&address).cloned(),
            address,
            place,
            sensitive: instance.sensitive,
            timeout: instance.timeout,
            back: inverse.back.into_iter().map(Way::of).collect(),
            lost: inverse.lost,
            fired: fired.map(|fired| (fired.kind.word().to_owned(), because(&fired.because))),
        }
    }
}

/// Types of what has an owner.
const PATHS: [&str; 2] = ["file", "directory"];

/// Why a command that would be run again is not.
const UNKEPT: &str =
    "it is not run again: a sensitive value is in it, and no host keeps such a command";

/// Lines for what is kept of a run.
///
/// # Panics
/// Never: they have string keys only.
#[must_use]
pub fn lines(all: &[Undo]) -> String {
    let line = |undo| serde_json::to_string(undo).expect("a line with string keys is JSON");
    all.iter().map(|undo| line(undo) + "\n").collect()
}

/// All that a host keeps of one run.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub changes: Vec<Undo>,
    /// Lines of it that cannot be read.
    pub damaged: usize,
    /// By path: its number, and the kind of what stood there.
    list: HashMap<String, (String, String)>,
    copies: HashMap<String, Body>,
    marks: Marks,
    /// Why it is not to be used.
    pub foreign: Option<String>,
}

/// What became of a change that a run was about to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It was made, or may have been.
    Done,
    /// Its step failed.
    Failed,
    /// Its step was not begun.
    Not,
}

/// What the journal of a run says of its steps.
#[derive(Debug, Clone, Default)]
struct Marks {
    begun: BTreeSet<u64>,
    failed: BTreeSet<u64>,
    /// Whether it is there, and nothing of it can have been lost since.
    whole: bool,
}

impl Marks {
    /// A line of it: `whole`, `begun SEQ`, `failed SEQ`.
    fn read(&mut self, line: &str) {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("whole", _) => self.whole = true,
            ("begun", seq) => self.begun.extend(seq.parse::<u64>().ok()),
            ("failed", seq) => self.failed.extend(seq.parse::<u64>().ok()),
            _ => {}
        }
    }
}

/// What is kept of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied<'k> {
    /// The number of its copy, and the content.
    File(&'k str, &'k Body),
    /// It was larger than what is kept.
    Large,
    Missing,
}

impl Kept {
    /// Reads the answer of `undo`.
    #[must_use]
    pub fn read(answer: &[u8]) -> Self {
        let text = String::from_utf8_lossy(answer);
        let mut kept = Self::default();
        let mut section = "";
        let mut sums: HashMap<&str, &str> = HashMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            match (section, line) {
                (_, "= changes" | "= list" | "= sums" | "= copies" | "= marks") => {
                    section = &line[2..];
                }
                ("changes", line) => match serde_json::from_str(line) {
                    Ok(undo) => kept.changes.push(undo),
                    Err(_) => kept.damaged += 1,
                },
                ("list", line) => kept.listed(line),
                ("sums", line) => {
                    sums.extend(line.split_once("  ").map(|(digest, number)| (number, digest)));
                }
                ("copies", line) => kept.copy(line, &sums, &mut lines),
                ("marks", line) => kept.marks.read(line),
                (_, line) => kept.foreign = line.strip_prefix("= foreign ").map(str::to_owned),
            }
        }
        kept
    }

    /// A line of its list: `N SEQ KIND META PATH`.
    fn listed(&mut self, line: &str) {
        let mut words = line.splitn(5, ' ');
        let (Some(number), _, Some(kind), _, Some(path)) =
            (words.next(), words.next(), words.next(), words.next(), words.next())
        else {
            self.damaged += 1;
            return;
        };
        let first = (number.to_owned(), kind.to_owned());
        self.list.entry(path.to_owned()).or_insert(first);
    }

    /// The size of a copy, or its content.
    fn copy<'t>(
        &mut self,
        line: &str,
        sums: &HashMap<&str, &str>,
        lines: &mut impl Iterator<Item = &'t str>,
    ) {
        if let Some((number, size)) = line.strip_prefix("s ").and_then(|rest| rest.split_once(' '))
            && let (Some(digest), Ok(size)) = (sums.get(number), size.parse())
            && digest.len() == 64
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            let body = Body::away(size, *digest);
            self.copies.insert(number.to_owned(), body);
        } else if let Some(number) = line.strip_prefix("b ") {
            let text: String = lines.by_ref().take_while(|line| *line != ".").collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok();
            if let (Some(body), Some(bytes)) = (self.copies.get_mut(number), bytes)
                && sha256_hex(&bytes) == body.digest()
            {
                *body = Body::of(bytes);
            }
        }
    }

    /// What is kept of the content of a path.
    #[must_use]
    pub fn of(&self, path: &str) -> Copied<'_> {
        match self.list.get(path) {
            Some((_, kind)) if kind == "large" => Copied::Large,
            Some((number, kind)) if kind == "file" => match self.copies.get(number) {
                Some(body) => Copied::File(number, body),
                None => Copied::Missing,
            },
            _ => Copied::Missing,
        }
    }

    /// What became of a change.
    #[must_use]
    pub fn came(&self, undo: &Undo) -> Came {
        match &self.marks {
            marks if marks.failed.contains(&undo.seq) => Came::Failed,
            marks if marks.whole && !marks.begun.contains(&undo.seq) => Came::Not,
            _ => Came::Done,
        }
    }

    /// Whether nothing is kept of that run.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.damaged == 0
    }
}

/// A run of which a host keeps something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRun {
    pub id: RunId,
    /// Who began it.
    pub who: String,
    /// The run that it took back, where it was a way back.
    pub of: Option<RunId>,
    /// Whether it changed something there.
    pub changed: bool,
    /// Whether what it changed was taken back since.
    pub back: bool,
}

/// Characters of who began a run that are taken over, at most.
const WHO: usize = 300;

/// The runs of an answer to `undoable`, the newest last.
#[must_use]
pub fn runs(answer: &[u8]) -> Vec<KeptRun> {
    let text = String::from_utf8_lossy(answer);
    let mut all: BTreeMap<RunId, (KeptRun, Vec<RunId>)> = BTreeMap::new();
    let mut last = None;
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "=" {
            last = rest.strip_prefix("run ").and_then(RunId::parse);
            if let Some(id) = &last {
                let (who, of) = (String::new(), None);
                let run = KeptRun { id: id.clone(), who, of, changed: false, back: false };
                all.insert(id.clone(), (run, Vec::new()));
            }
        }
        let Some((run, by)) = last.as_ref().and_then(|id| all.get_mut(id)) else { continue };
        match word {
            "who" => run.who = rest.chars().take(WHO).collect(),
            "of" => run.of = RunId::parse(rest),
            "back" => by.extend(RunId::parse(rest)),
            "did" => run.changed = true,
            _ => {}
        }
    }
    // A way back that was taken back itself counts no more. It is newer than what it took back.
    let mut undone: BTreeSet<RunId> = BTreeSet::new();
    for (id, (_, by)) in all.iter().rev() {
        if by.iter().any(|by| !undone.contains(by)) {
            undone.insert(id.clone());
        }
    }
    let each = all.into_values().map(|(run, _)| KeptRun { back: undone.contains(&run.id), ..run });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_as_it_was_written() {
        let undo = Undo {
            address: "m/file[/etc/a b]".into(),
            back: vec![Way {
                kind: "file".into(),
                name: "/etc/a b".into(),
                kept: true,
                ..Way::default()
            }],
            ..Undo::default()
        };
        let digest = sha256_hex(b"old\n");
        let answer = format!(
            "= changes\n{}broken\n= list\n1 5 file 81a4:0:0 /etc/a b\n2 6 large 81a4:0:0 /etc/large\n\
             = sums\n{digest}  1\n= copies\ns 1 4\nb 1\nb2xkCg==\n.\n",
            lines(std::slice::from_ref(&undo)),
        );
        let kept = Kept::read(answer.as_bytes());
        assert_eq!((kept.changes.as_slice(), kept.damaged), ([undo].as_slice(), 1));
        let Copied::File("1", body) = kept.of("/etc/a b") else { panic!("it is kept") };
        assert_eq!(body.bytes().map(AsRef::as_ref), Some(b"old\n".as_slice()));
        assert_eq!(kept.of("/etc/large"), Copied::Large);
        assert_eq!(kept.of("/etc/none"), Copied::Missing);
        assert!(Kept::read(b"").is_empty());
    }

    #[test]
    fn a_content_that_is_not_its_digests_is_none() {
        let answer = format!(
            "= list\n1 5 file 81a4:0:0 /a\n= sums\n{}  1\n= copies\ns 1 4\nb 1\nb2xkCg==\n.\n",
            "0".repeat(64)
        );
        let kept = Kept::read(answer.as_bytes());
        let Copied::File(_, body) = kept.of("/a") else { panic!("it is kept") };
        assert_eq!(body.bytes(), None);
    }

    #[test]
    fn only_ids_of_runs_are_runs() {
        let (one, two) = (RunId::new(1, 0), RunId::new(2, 0));
        let answer =
            format!("= run {two}\ndid\n= run ..\ndid\nwho x\n= run *\n= run {one}\nwho me@here\n");
        let found = runs(answer.as_bytes());
        let facts = found.iter().map(|run| (&run.id, run.changed, run.who.as_str()));
        assert_eq!(facts.collect::<Vec<_>>(), [(&one, false, "me@here"), (&two, true, "")]);
    }

    #[test]
    fn a_run_is_back_until_its_way_back_is_taken_back() {
        let id = |number| RunId::new(number, 0);
        let said = |number: u64, by: &[u64]| {
            let by: Vec<String> = by.iter().map(|by| format!("back {}\n", id(*by))).collect();
            format!("= run {}\ndid\n{}", id(number), by.concat())
        };
        let back = |text: String| -> Vec<bool> {
            runs(text.as_bytes()).into_iter().map(|run| run.back).collect()
        };
        assert_eq!(back(said(1, &[2]) + &said(2, &[])), [true, false]);
        assert_eq!(back(said(1, &[2]) + &said(2, &[3]) + &said(3, &[])), [false, true, false]);
        assert_eq!(back(said(1, &[2, 4]) + &said(2, &[3]) + &said(3, &[])), [true, true, false]);
        // By itself.
        assert_eq!(back(said(1, &[1])), [true]);
    }

    #[test]
    fn marks_tell_what_became_of_a_change_where_none_can_be_lost() {
        let became = |marks: &str, seq: u64| {
            let kept = Kept::read(format!("= marks\n{marks}").as_bytes());
            kept.came(&Undo { seq, ..Undo::default() })
        };
        let marks = "begun 3\ndone 3\nbegun 4\nfailed 4\n";
        for (seq, came) in [(3, Came::Done), (4, Came::Failed), (5, Came::Not)] {
            assert_eq!(became(&format!("whole\n{marks}"), seq), came);
        }
        assert_eq!(became(marks, 5), Came::Done);
    }
}
