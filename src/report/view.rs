//! What a view is made from: plain data about hosts, built by the verbs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::AT_WORK;
use crate::model::{Change, Outcome, RunId};
use crate::plan::Problem;

/// A host at the end of an apply.
#[derive(Debug)]
pub struct HostEndView {
    pub host: String,
    pub outcome: Outcome,
    /// The run goes on, and is at work on it: the outcome is not known yet.
    pub at_work: bool,
    /// Addresses that were done, with their changes.
    pub done: Vec<(String, Change)>,
    pub problems: Vec<Problem>,
    /// What a reader should know, with the address of the resource that it is about, else of the host.
    pub notes: Vec<(Option<String>, String)>,
    /// Addresses that the plan named and for which there was nothing to do at their turn, and why.
    pub needless: Vec<(String, String)>,
    pub help: Option<String>,
    /// Addresses that the plan named and that were not done, with their changes.
    pub not_done: Vec<(String, Change)>,
    /// Triggers among them whose cause was done, such as `reload of nginx/service[nginx]`.
    pub lost: Vec<String>,
}

impl HostEndView {
    /// How it ended, in a word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        if self.at_work { AT_WORK } else { self.outcome.word() }
    }
}

/// The end of an apply.
#[derive(Debug)]
pub struct EndView {
    pub hosts: Vec<HostEndView>,
    pub time: Duration,
    /// The run, where it is recorded.
    pub run: Option<RunView>,
    /// The id of the run that was taken back.
    pub undoes: Option<String>,
}

/// A run as a reader names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    pub id: RunId,
    /// Enough of its first letters to name it among the others.
    pub short: String,
}

/// What a check found, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckView {
    /// Whether the check passed.
    pub good: bool,
    pub errors: usize,
    pub warnings: usize,
    pub hosts: usize,
    pub modules: usize,
    /// Of all hosts together.
    pub resources: usize,
}

/// Groups, with the groups in them and the hosts that are in them directly.
#[derive(Debug)]
pub struct GraphView {
    pub groups: BTreeMap<String, (Vec<String>, Vec<String>)>,
    /// Hosts of no group.
    pub alone: Vec<String>,
}

/// A value of a host and what was said about it, the one that counts first.
#[derive(Debug)]
pub struct ExplainedView {
    pub name: String,
    pub value: String,
    pub said: Vec<SaidView>,
    /// Whether it is computed from facts that only stand in.
    pub facts: bool,
}

/// One thing that was said about a value.
#[derive(Debug)]
pub struct SaidView {
    pub value: String,
    /// `file:line`; `None` for the command line.
    pub place: Option<String>,
    pub by: String,
}

/// A resource as it is written for a host.
#[derive(Debug)]
pub struct RenderedView {
    pub address: String,
    pub place: String,
    pub keys: Vec<(String, String)>,
    /// Its content, or the size of one that is no text, or of one that is large.
    pub content: Option<Result<String, (&'static str, u64)>>,
}
