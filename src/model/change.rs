//! What a change is: its action, and each attribute that differs as a fact of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::{Address, Body, Key, Secret};

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Create,
    Update,
    Delete,
    /// Runs something: a command.
    Run,
    /// Only because something else changes: restart, reload, run.
    Trigger,
    /// What it will be can be known only after an opaque change before it.
    KnownAfter,
}

impl Action {
    /// The mark in front of a changed resource.
    #[must_use]
    pub const fn glyph(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::Delete => "-",
            Self::Run | Self::Trigger => "!",
            Self::KnownAfter => "?",
        }
    }

    /// The word in counts: `3 updates`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Run => "command",
            Self::Trigger => "trigger",
            Self::KnownAfter => "known after",
        }
    }
}

/// SHA-256 of `bytes` in lowercase hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lowercase hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// How one attribute differs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Difference {
    /// A short value; `None` is "not there".
    Value { before: Option<String>, after: Option<String> },
    /// A content, shown as a unified diff.
    Content { before: Option<Body>, after: Option<Body> },
    /// A value that is sensitive whatever the files say, such as a password's hash.
    Secret { before: Option<Secret>, after: Option<Secret> },
    /// It differs, and nobody may see how: keyed digests ([`Key::digest`]) of both sides.
    Sensitive { before: Option<String>, after: Option<String> },
}

/// Attributes that say who may do what, and no value of the user.
const ACCESS: [&str; 3] = ["mode", "owner", "group"];

/// A name that lives as long as the program, as those of types and attributes do: for what is read back
/// from a file. Each distinct one is kept once.
#[must_use]
pub fn word(name: &str) -> &'static str {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(word) = known.get(name) {
        return word;
    }
    let new: &'static str = name.to_owned().leak();
    known.insert(new);
    new
}

/// One attribute of a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    pub name: &'static str,
    pub difference: Difference,
}

impl Attribute {
    /// A short value that differs.
    #[must_use]
    pub fn value(
        name: &'static str,
        before: Option<impl fmt::Display>,
        after: Option<impl fmt::Display>,
    ) -> Self {
        Self {
            name,
            difference: Difference::Value {
                before: before.map(|value| value.to_string()),
                after: after.map(|value| value.to_string()),
            },
        }
    }

    /// A content that differs.
    #[must_use]
    pub const fn content(before: Option<Body>, after: Option<Body>) -> Self {
        Self { name: "content", difference: Difference::Content { before, after } }
    }
}

impl Attribute {
    /// A sensitive value that differs.
    #[must_use]
    pub const fn secret(name: &'static str, before: Option<Secret>, after: Option<Secret>) -> Self {
        Self { name, difference: Difference::Secret { before, after } }
    }

    /// As `self`, with keyed digests in the place of its values.
    fn masked(&mut self, key: &Key) {
        let text = |value: &Option<String>| {
            value.as_ref().map(|value| key.digest(&sha256_hex(value.as_bytes())))
        };
        let body = |body: &Option<Body>| body.as_ref().map(|body| key.digest(body.digest()));
        let secret = |value: &Option<Secret>| {
            value.as_ref().map(|value| key.digest(&sha256_hex(value.reveal())))
        };
        let (before, after) = match &self.difference {
            Difference::Value { before, after } => (text(before), text(after)),
            Difference::Content { before, after } => (body(before), body(after)),
            Difference::Secret { before, after } => (secret(before), secret(after)),
            Difference::Sensitive { .. } => return,
        };
        self.difference = Difference::Sensitive { before, after };
    }
}

/// Of a note only where an edit is and after what it is known: the rest may quote what was declared.
fn plain_note(note: &str) -> Option<String> {
    let place = note.lines().next().filter(|line| line.starts_with("in /"));
    let place =
        place.and_then(|line| line.split(": + ").next()).map(|line| line.trim_end_matches(':'));
    let after = note.lines().last().filter(|line| line.starts_with("known after "));
    let lines: Vec<&str> = place.into_iter().chain(after).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// What a trigger does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriggerKind {
    Reload,
    Restart,
    Run,
}

impl TriggerKind {
    /// Every one.
    const ALL: [Self; 3] = [Self::Reload, Self::Restart, Self::Run];

    /// The one with this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The key by which a resource says it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Reload => "reload_on",
            Self::Restart => "restart_on",
            Self::Run => "run_on",
        }
    }

    /// The word in a plan: `reload, because …`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Run => "run",
        }
    }
}

/// A trigger that goes off, with the changed resources that it names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fired {
    pub kind: TriggerKind,
    pub because: Vec<Address>,
    /// The run that called for it and ended before it was done.
    pub owed: Option<String>,
}

impl Fired {
    /// Both together: the stronger kind, with all causes.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.kind = self.kind.max(other.kind);
        self.because.extend(other.because);
        self.because.sort();
        self.because.dedup();
        self.owed = self.owed.max(other.owed);
        self
    }
}

/// The change of one resource on one host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    pub action: Action,
    pub attributes: Vec<Attribute>,
    /// What a reader must know besides: why it runs, what is not known yet.
    pub note: Option<String>,
    /// The trigger that goes off with it.
    pub fired: Option<Fired>,
}

impl Change {
    /// A change with these attributes.
    #[must_use]
    pub const fn new(action: Action, attributes: Vec<Attribute>) -> Self {
        Self { action, attributes, note: None, fired: None }
    }

    /// How many things it takes away: itself, or what is one of several facts, such as an entry of a folder
    /// or a key of a user.
    #[must_use]
    pub fn removals(&self) -> usize {
        if self.action == Action::Delete {
            return 1;
        }
        let gone = |attribute: &&Attribute| {
            let goes = match &attribute.difference {
                Difference::Value { before, after } | Difference::Sensitive { before, after } => {
                    before.is_some() && after.is_none()
                }
                Difference::Content { .. } | Difference::Secret { .. } => false,
            };
            goes && matches!(attribute.name, "entry" | "key")
        };
        self.attributes.iter().filter(gone).count()
    }

    /// What it takes away besides what its action says, as so many deletes.
    #[must_use]
    pub fn purged(&self) -> usize {
        if self.action == Action::Delete { 0 } else { self.removals() }
    }

    /// What an attribute will be, where that is a short value.
    #[must_use]
    pub fn after(&self, name: &str) -> Option<&str> {
        let attribute = self.attributes.iter().find(|attribute| attribute.name == name)?;
        match &attribute.difference {
            Difference::Value { after, .. } => after.as_deref(),
            _ => None,
        }
    }

    /// Whether it holds values that are sensitive whatever the files say.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        let mut all = self.attributes.iter();
        all.any(|attribute| matches!(attribute.difference, Difference::Secret { .. }))
    }

    /// As `self`, for any reader: values that are sensitive whatever the files say are masked.
    #[must_use]
    pub fn shown(mut self, key: &Key) -> Self {
        let secrets = self.attributes.iter_mut();
        secrets
            .filter(|attribute| matches!(attribute.difference, Difference::Secret { .. }))
            .for_each(|attribute| attribute.masked(key));
        self
    }

    /// As `self`, for a reader who must not see the values: only that they differ.
    #[must_use]
    pub fn masked(mut self, key: &Key) -> Self {
        for attribute in &mut self.attributes {
            if !ACCESS.contains(&attribute.name) {
                attribute.masked(key);
            }
        }
        self.note = self.note.as_deref().and_then(plain_note);
        self
    }

    /// Adds a line to what a reader must know besides.
    #[must_use]
    pub fn and_note(mut self, line: impl fmt::Display) -> Self {
        self.note =
            Some(self.note.map_or_else(|| line.to_string(), |note| format!("{note}\n{line}")));
        self
    }

    /// Says what a reader must know besides.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_what_is_sensitive_keeps_where_and_after_what_alone() {
        let cases = [
            ("in /etc/x", Some("in /etc/x")),
            ("in /etc/x\nbehind `HUNTER2`", Some("in /etc/x")),
            (
                "in /etc/x: + HUNTER2\nknown after package[x]",
                Some("in /etc/x\nknown after package[x]"),
            ),
            (
                "in /x:\n+ HUNTER2\n+ known after\nknown after command[c]",
                Some("in /x\nknown after command[c]"),
            ),
            ("will run, because /HUNTER2 is not there", None),
        ];
        for (note, plain) in cases {
            assert_eq!(plain_note(note).as_deref(), plain, "{note}");
        }
    }

    #[test]
    fn what_is_purged_counts_as_so_many_deletes() {
        let entry = |before: Option<&str>| Attribute::value("entry", before, None::<&str>);
        let update = Change::new(Action::Update, vec![entry(Some("a")), entry(Some("b"))]);
        assert_eq!((update.removals(), update.purged()), (2, 2));
        let key = Key::new([7; 32]);
        let masked = update.clone().masked(&key);
        assert_eq!(masked.purged(), 2, "sensitive ones too");
        let delete = Change { action: Action::Delete, ..update };
        assert_eq!((delete.removals(), delete.purged()), (1, 0));
    }
}
