//! What a view is made from: plain data about hosts, built by the verbs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Change, Outcome};

/// One resource that changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChangeView {
    /// Index of its stage.
    pub stage: usize,
    /// `module/type[name]`.
    pub address: String,
    /// `file:line` of its declaration.
    pub place: String,
    pub change: Change,
}

/// Something wrong with one resource, or with a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProblemView {
    /// Address and place, where it is about a resource.
    pub resource: Option<(String, String)>,
    pub message: String,
}

/// A host in a plan.
#[derive(Debug, Clone)]
pub struct HostPlanView {
    pub host: String,
    pub state: PlanState,
}

/// What planning gave for a host.
#[derive(Debug, Clone)]
pub enum PlanState {
    Compared { changes: Vec<ChangeView>, problems: Vec<ProblemView> },
    Ended { outcome: Outcome, message: String, help: Option<String> },
}

impl HostPlanView {
    /// The host's outcome as far as the plan goes.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match &self.state {
            PlanState::Compared { problems, .. } if !problems.is_empty() => Outcome::Failed,
            PlanState::Compared { changes, .. } if !changes.is_empty() => Outcome::Changed,
            PlanState::Compared { .. } => Outcome::Ok,
            PlanState::Ended { outcome, .. } => *outcome,
        }
    }
}

/// A whole plan.
#[derive(Debug)]
pub struct PlanView {
    pub stages: Vec<String>,
    pub hosts: Vec<HostPlanView>,
}

/// A host at the end of an apply.
#[derive(Debug)]
pub struct HostEndView {
    pub host: String,
    pub outcome: Outcome,
    pub done: Vec<Change>,
    pub problems: Vec<ProblemView>,
    /// Addresses of resources that were done, with what a reader should know of it.
    pub notes: Vec<(String, String)>,
    pub help: Option<String>,
    /// Addresses that the plan named and that were not done, with their changes.
    pub not_done: Vec<(String, Change)>,
    /// Triggers among them whose cause was done, such as `reload of nginx/service[nginx]`.
    pub lost: Vec<String>,
}

/// The end of an apply.
#[derive(Debug)]
pub struct EndView {
    pub hosts: Vec<HostEndView>,
    pub time: Duration,
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
    /// Its content, or the size of one that is no text.
    pub content: Option<Result<String, usize>>,
}
