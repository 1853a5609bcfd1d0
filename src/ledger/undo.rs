//! What a run changed on a host, as it is kept there: a line of JSON for each resource, written before the
//! change, and copies of what stood at paths. What a host sends of it is bounded, checked, and about that
//! host alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::judge::short;
use super::{Entry, Ledger};
use crate::model::change::{Body, TriggerKind, sha256_hex};
use crate::model::{Change, RunId};
use crate::resolve::Instance;
use crate::resources::{Back, Erased};

/// How the change of one resource is undone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    pub address: String,
    /// `file:line` of its declaration.
    pub place: String,
    #[serde(default)]
    pub sensitive: bool,
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
}

impl Way {
    fn of(back: Back) -> Self {
        let text = back.text();
        let left = back.left.map(|left| {
            let short = |(key, value): (&str, String)| (key.to_owned(), short(&value));
            left.into_iter().map(short).collect()
        });
        let (kind, was) = (back.kind.to_owned(), back.was.as_deref().map(short));
        Self { kind, name: back.name, table: text, kept: back.kept, was, left }
    }
}

impl Undo {
    /// The trigger that went off, where this program knows its kind.
    #[must_use]
    pub fn trigger(&self) -> Option<(TriggerKind, &BTreeSet<String>)> {
        let (word, because) = self.fired.as_ref()?;
        Some((TriggerKind::of(word)?, because))
    }
}

impl Ledger {
    /// How a change that is about to be made from `against` is undone.
    #[must_use]
    pub fn undo(
        &self,
        (instance, place): (&Instance, String),
        against: &Erased,
        change: &Change,
    ) -> Undo {
        let inverse = instance.kind.inverse(&instance.desired, against, change);
        let address = instance.address.to_string();
        let because = |all: &[_]| all.iter().map(ToString::to_string).collect();
        let fired = change.fired.as_ref();
        Undo {
            entry: self.entries.get(&address).cloned(),
            address,
            place,
            sensitive: instance.sensitive,
            back: inverse.back.into_iter().map(Way::of).collect(),
            lost: inverse.lost,
            fired: fired.map(|fired| (fired.kind.word().to_owned(), because(&fired.because))),
        }
    }
}

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
    /// Why it is not to be used.
    pub foreign: Option<String>,
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
                (_, "= changes" | "= list" | "= sums" | "= copies") => section = &line[2..],
                ("changes", line) => match serde_json::from_str(line) {
                    Ok(undo) => kept.changes.push(undo),
                    Err(_) => kept.damaged += 1,
                },
                ("list", line) => kept.listed(line),
                ("sums", line) => {
                    sums.extend(line.split_once("  ").map(|(digest, number)| (number, digest)));
                }
                ("copies", line) => kept.copy(line, &sums, &mut lines),
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
            let body = Body { size, digest: (*digest).to_owned(), bytes: None };
            self.copies.insert(number.to_owned(), body);
        } else if let Some(number) = line.strip_prefix("b ") {
            let text: String = lines.by_ref().take_while(|line| *line != ".").collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok();
            if let (Some(body), Some(bytes)) = (self.copies.get_mut(number), bytes)
                && sha256_hex(&bytes) == body.digest
            {
                body.bytes = Some(bytes.into());
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

    /// Whether nothing is kept of that run.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.damaged == 0
    }
}

/// The runs of an answer to `undoable`, the newest last.
#[must_use]
pub fn runs(answer: &[u8]) -> Vec<RunId> {
    let text = String::from_utf8_lossy(answer);
    let all: BTreeSet<RunId> = text.lines().filter_map(RunId::parse).collect();
    all.into_iter().collect()
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
        assert_eq!(body.bytes.as_deref(), Some(b"old\n".as_slice()));
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
        assert_eq!(body.bytes, None);
    }

    #[test]
    fn only_ids_of_runs_are_runs() {
        let (one, two) = (RunId::new(1, 0), RunId::new(2, 0));
        assert_eq!(runs(format!("{two}\n..\n*\n{one}\n").as_bytes()), [one, two]);
    }
}
