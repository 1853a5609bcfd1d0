//! A whole plan as data: what every view of it is made from, and what a saved plan holds.

use std::hash::{Hash, Hasher};

use super::danger::Dangers;
use crate::model::{Change, Outcome};

/// The plan of a run, for all its hosts.
#[derive(Debug, Clone, Default)]
pub struct Document {
    pub project: String,
    /// The inventory's path, as the project names it.
    pub inventory: String,
    pub stages: Vec<String>,
    pub hosts: Vec<HostPlan>,
    /// The run that it takes back, where it is a way back.
    pub undoes: Option<Undoes>,
}

/// A run that is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undoes {
    pub run: String,
    /// When it began: RFC 3339, UTC.
    pub since: String,
    /// Who began it; empty where no host says.
    pub who: String,
    /// The run that it took back itself.
    pub of: Option<String>,
}

impl Undoes {
    /// What it was, when, and whose.
    #[must_use]
    pub fn told(&self) -> String {
        let what = match &self.of {
            None => "apply".to_owned(),
            Some(of) => format!("rollback of run {of}"),
        };
        let when = self.since.replace('T', " ").replace('Z', " UTC");
        let who = if self.who.is_empty() { String::new() } else { format!(", by {}", self.who) };
        format!("{what}, {when}{who}")
    }
}

/// A host in a plan.
#[derive(Debug, Clone)]
pub struct HostPlan {
    pub host: String,
    pub state: HostState,
    /// What the files declared once and declare no more.
    pub orphans: Vec<Orphaned>,
    /// What is to be known of it besides, such as who is at work there.
    pub notes: Vec<String>,
}

/// What the files declared once and declare no more, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphaned {
    pub address: String,
    /// What `--prune` does with it, or why it stays.
    pub becomes: String,
    /// The run that applied it last.
    pub run: String,
}

/// What planning gave for a host.
#[derive(Debug, Clone)]
pub enum HostState {
    /// It was compared. Where there is a problem, nothing will be done.
    Compared { changes: Vec<Planned>, problems: Vec<Problem> },
    /// It could not be compared.
    Ended { outcome: Outcome, message: String, help: Option<String> },
}

/// A resource that changes.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Index of its stage.
    pub stage: usize,
    /// `module/type[name]`.
    pub address: String,
    /// `file:line` of its declaration.
    pub place: String,
    pub change: Change,
    pub origin: Origin,
    /// The set that it goes in with.
    pub set: Option<InSet>,
    pub dangers: Dangers,
    /// Where the values that went into it come from, where that was asked for. No part of what makes
    /// two hosts' changes the same.
    pub why: Vec<Why>,
}

/// A set as its members show it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InSet {
    /// `module/set[name]`.
    pub name: String,
    /// What must succeed before its members go in, as it is written.
    pub validate: Option<String>,
}

/// What moved, so that a resource differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It was not applied before, or nobody knows: a trigger, what is known later.
    #[default]
    New,
    /// The files say something else than they did when it was applied last.
    Files,
    /// The host has something else than the run with this id left there.
    Host(String),
    Both(String),
}

impl Origin {
    /// The word in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Files => "change",
            Self::Host(_) => "drift",
            Self::Both(_) => "both",
        }
    }

    /// The run that left what the host had, where the host moved.
    #[must_use]
    pub fn since(&self) -> Option<&str> {
        match self {
            Self::New | Self::Files => None,
            Self::Host(run) | Self::Both(run) => Some(run),
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// `nginx/params.workers`, `vars.domain`, `facts.cpus`.
    pub name: String,
    pub value: String,
    /// `file:line`, where a file says it.
    pub place: Option<String>,
    /// Who says it: `default`, `group web`, `with, from vars.workers`.
    pub by: String,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
            && self.stage == other.stage
            && self.place == other.place
            && self.change == other.change
            && self.origin == other.origin
            && self.set == other.set
    }
}

impl Eq for Planned {}

impl Hash for Planned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.stage, &self.address, &self.change, &self.origin, &self.set).hash(state);
    }
}

/// Something wrong with one resource, or with a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Address and place, where it is about a resource.
    pub resource: Option<(String, String)>,
    pub message: String,
}

impl HostPlan {
    /// The host's outcome as far as the plan goes.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match &self.state {
            HostState::Compared { problems, .. } if !problems.is_empty() => Outcome::Refused,
            HostState::Compared { changes, .. } if !changes.is_empty() => Outcome::Changed,
            HostState::Compared { .. } => Outcome::Ok,
            HostState::Ended { outcome, .. } => *outcome,
        }
    }

    /// What will be done: nothing where the host has a problem.
    #[must_use]
    pub fn changes(&self) -> &[Planned] {
        match &self.state {
            HostState::Compared { changes, problems } if problems.is_empty() => changes,
            _ => &[],
        }
    }
}

/// Hosts whose lists are the same, each list once.
pub type Sets<'d> = Vec<(Vec<&'d str>, Vec<&'d Planned>)>;

impl Document {
    /// Each distinct set of changes among those that `part` chooses, with the hosts that share it, the
    /// rarest first; among equals in the order of their hosts. Hosts without a change are in none.
    #[must_use]
    pub fn sets(&self, part: impl Fn(&Planned) -> bool) -> Sets<'_> {
        let mut sets: Sets<'_> = Vec::new();
        let mut seen = std::collections::HashMap::new();
        for host in &self.hosts {
            let these: Vec<&Planned> = host.changes().iter().filter(|each| part(each)).collect();
            if these.is_empty() {
                continue;
            }
            let at = *seen.entry(these.clone()).or_insert_with(|| {
                sets.push((Vec::new(), these));
                sets.len() - 1
            });
            sets[at].0.push(&host.host);
        }
        sets.sort_by_key(|(hosts, _)| hosts.len());
        sets
    }

    /// Only what moved on hosts: what the files alone ask for is left out.
    #[must_use]
    pub fn drift(&self) -> Self {
        let hosts = self.hosts.iter().map(|host| {
            let mut host = host.clone();
            if let HostState::Compared { changes, .. } = &mut host.state {
                changes.retain(|planned| planned.origin.since().is_some());
            }
            if !host.orphans.is_empty() {
                let count = host.orphans.len();
                host.notes.push(format!("not looked at, as no longer declared: {count}"));
            }
            host.orphans.clear();
            host
        });
        Self { hosts: hosts.collect(), ..self.clone() }
    }

    /// How many things go, on all hosts together: resources, and entries of folders and keys that are purged.
    #[must_use]
    pub fn removals(&self) -> usize {
        let changes = self.hosts.iter().flat_map(HostPlan::changes);
        changes.map(|planned| planned.change.removals()).sum()
    }

    /// The outcome of each host.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> + Clone {
        self.hosts.iter().map(HostPlan::outcome)
    }
}
