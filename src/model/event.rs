//! What the engine says while it works: the only channel from `execute` to a view.

use super::Address;

/// How a host ended. The worst of all hosts decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing was to change.
    Ok,
    /// All of the plan was done and seen to hold.
    Changed,
    /// Not begun, because the run ended before.
    NotAttempted,
    /// Reached, but not what we may work with, or no longer what was planned against.
    Refused,
    Unreachable,
    /// The connection was lost after a change began: what stands must be read from the host.
    Unknown,
    Failed,
    /// Not confirmed in time: the host itself put back what the run changed.
    RolledBack,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Changed,
        Self::NotAttempted,
        Self::Refused,
        Self::Unreachable,
        Self::Unknown,
        Self::Failed,
        Self::RolledBack,
    ];

    /// The one with this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }

    /// The word in summaries.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Changed => "changed",
            Self::NotAttempted => "not attempted",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::RolledBack => "rolled back",
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stepped {
    Done,
    /// And why, without a sensitive value.
    Failed(String),
    /// Not begun, because one before it failed.
    Skipped,
}

/// Something that happened on a host, as it happens. Hosts are named by their index in the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A stage begins on so many hosts.
    Stage { stage: usize, hosts: usize },
    /// A host is through with the stage.
    Through { host: usize },
    /// A host's connection is being made.
    Started { host: usize },
    /// Something else is at work on a host, and why it is waited for, so many seconds at most.
    Waiting { host: usize, seconds: u32, why: String },
    /// A host was probed and compared.
    Planned { host: usize },
    /// A step is running now that is about these resources.
    Applying { host: usize, addresses: Vec<Address> },
    /// The program of a step printed something.
    Said { host: usize, address: Address, text: String },
    /// A step ended that is about these resources.
    Stepped { host: usize, addresses: Vec<Address>, how: Stepped },
    /// A resource that the plan named was as wanted at its turn, and why, where that may be told.
    Needless { host: usize, address: Address, why: Option<String> },
    /// A host is done; where that did not go well, why.
    Finished { host: usize, outcome: Outcome, why: Option<String> },
}

impl Event {
    /// The host that it is about, if it is about one.
    #[must_use]
    pub const fn host(&self) -> Option<usize> {
        match self {
            Self::Stage { .. } => None,
            Self::Through { host }
            | Self::Started { host }
            | Self::Waiting { host, .. }
            | Self::Planned { host }
            | Self::Applying { host, .. }
            | Self::Said { host, .. }
            | Self::Stepped { host, .. }
            | Self::Needless { host, .. }
            | Self::Finished { host, .. } => Some(*host),
        }
    }
}
