//! What a host remembers of a project: what was applied last, what is owed, and who is at work.
//!
//! It says of a plan what moved (the host, the files or both), what nobody declares any more, and what is still
//! to be done. The file and the journal beside it are written by the host's own shell.

mod back;
mod format;
mod journal;
mod judge;
mod orphans;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::change::TriggerKind;

pub use back::{Trail, WayBack, way_back};
pub use format::{Damage, Memory, read};
pub use journal::{Notes, is_about};
pub use orphans::Orphan;
pub use undo::{Came, Kept, KeptRun, Undo, lines, runs};

/// Functions of the host's shell: the folder of state, the lock, the ledger and its journal.
pub const LIBRARY: &str = include_str!("ledger.sh");

/// Functions of the host's shell: copies of what a run changes, and the way back to them.
pub const KEPT: &str = include_str!("kept.sh");

/// Functions of the host's shell: what a run changed, and how that is undone.
pub const BACK: &str = include_str!("back.sh");

/// Functions of the host's shell: who watches over a change that may cut us off, and puts it back.
pub const CONFIRM: &str = include_str!("confirm.sh");

/// What a host remembers of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Counts the times that it was written whole.
    pub serial: u64,
    /// By their addresses.
    pub entries: BTreeMap<String, Entry>,
    pub owed: Vec<Owed>,
    /// The run whose journal is there, and whether it came to its end.
    pub last: Option<LastRun>,
    /// Whether a journal lies beside it, which the next apply takes in.
    pub open: bool,
}

/// The run that wrote last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    pub run: String,
    /// `USER@MACHINE` of the controller.
    pub who: String,
}

/// A resource as it was applied last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Stands for all that the files said of it.
    pub mark: String,
    /// What it is on the host, as [`identity`](crate::resources::ResourceType) says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<String>,
    /// Its attributes: what a host that did not move still has. Of a content the first 16 hex digits of
    /// its SHA-256, so too of a sensitive value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub record: BTreeMap<String, String>,
    /// What takes it away, as [`Parting`](crate::resources::Parting) says it.
    #[serde(default, skip_serializing_if = "Parted::is_nothing")]
    pub parting: Parted,
    /// The run that applied it: an ULID, which says when.
    pub run: String,
    /// Whether an apply of this project made it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub made: bool,
    /// The apply that was to bring it about did not come so far, or it did not hold after it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsettled: bool,
    /// What was on its way when that apply ended early: each of it may hold now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming: Option<BTreeMap<String, String>>,
}

/// [`Parting`](crate::resources::Parting), written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parted {
    #[default]
    Nothing,
    Goes(String),
    Made(String),
    Asked(String),
    Stays(String),
}

impl Parted {
    const fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's way")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A trigger that a change called for and that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// What is to be restarted, reloaded or run.
    pub address: String,
    /// `reload`, `restart` or `run`.
    pub kind: String,
    /// What changed.
    pub because: BTreeSet<String>,
    /// The run in which it changed.
    pub run: String,
}

impl Owed {
    /// What is to be done, where this program knows it.
    #[must_use]
    pub fn trigger(&self) -> Option<TriggerKind> {
        TriggerKind::of(&self.kind)
    }
}
