//! An apply for machines: one JSON object on each line, as it happens; the plan first, the end last.

use std::collections::BTreeMap;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{EndView, HostEndView};
use crate::model::event::Stepped;
use crate::model::{Action, Address, Change, Event};
use crate::plan::Document;
use crate::plan::json::{PlanJson, ProblemJson, actions};

/// The version of these lines: the first number changes when a reader of the old form would fail.
pub const FORMAT: &str = "1.0";

/// A line of `trueup apply --json`. `time` is RFC 3339, UTC.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[schemars(title = "a line of trueup apply --json")]
pub enum EventJson {
    /// Something else is at work on a host: why it is waited for, so many seconds at most. The one line that may
    /// stand before the plan.
    HostWaiting { time: String, host: String, seconds: u32, message: String },
    /// What will be done.
    Plan { format_version: String, time: String, plan: Box<PlanJson> },
    /// A stage begins on so many hosts.
    StageStarted { time: String, stage: String, hosts: usize },
    /// Work on a host begins, in each stage that has some.
    HostStarted { time: String, host: String },
    /// A resource is being changed.
    StepStarted { time: String, host: String, address: String },
    /// With --verbose: what its program printed, a few times a second.
    StepOutput { time: String, host: String, address: String, text: String },
    /// It was changed.
    StepDone { time: String, host: String, address: String },
    /// It could not be changed, and why.
    StepFailed { time: String, host: String, address: String, message: String },
    /// It was not begun, because one before it failed.
    StepSkipped { time: String, host: String, address: String },
    /// The plan named it, and at its turn there was nothing to do; why, where that holds no sensitive value.
    StepNeedless {
        time: String,
        host: String,
        address: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// A host is done; where that did not go well, why.
    HostFinished {
        time: String,
        host: String,
        outcome: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The last line.
    End(EndJson),
}

/// What became of a run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EndJson {
    pub format_version: String,
    pub time: String,
    pub seconds: f64,
    /// Every host, in the order of their names.
    pub hosts: Vec<HostEndJson>,
    /// How many changes of each kind were done.
    pub counts: BTreeMap<String, usize>,
    /// What the program ends with.
    pub exit_status: u8,
    /// The run, where it is recorded: `trueup runs show` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The run that it took back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
}

/// What became of a host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HostEndJson {
    pub host: String,
    /// Of runs that were merged: the one that says this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// `ok`, `changed`, `failed`, `unreachable`, `refused`, `unknown`, `rolled back`, `not attempted`; of a run that
    /// goes on also `at work`.
    pub outcome: String,
    /// Addresses that were changed, in their order.
    pub done: Vec<String>,
    /// Addresses that the plan named and that were not changed.
    pub not_done: Vec<String>,
    /// Addresses that the plan named and for which there was nothing to do at their turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needless: Vec<NoteJson>,
    pub problems: Vec<ProblemJson>,
    /// What a reader should know of changes that were done, and of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteJson>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What `done` and `not_done` are, by address, in the words of a plan's `actions`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub actions: BTreeMap<String, Vec<String>>,
    /// Addresses among them whose trigger goes off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggered: Vec<String>,
    /// Triggers that were not done though their cause was, such as `reload of nginx/service[nginx]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// What a reader should know of a resource, or of the host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NoteJson {
    /// Absent where it is about the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub message: String,
}

impl NoteJson {
    /// That there was nothing to do, and why, where that may be told.
    pub(super) fn needless(address: &str, why: Option<&str>) -> Self {
        let message = match why {
            Some(why) => format!("nothing to do at its turn: {why}"),
            None => "nothing to do at its turn".to_owned(),
        };
        Self { address: Some(address.to_owned()), message }
    }
}

/// The time of now.
#[must_use]
pub fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

impl EventJson {
    /// The first line.
    #[must_use]
    pub fn plan(plan: &Document) -> Self {
        let plan = Box::new(PlanJson::of(plan));
        Self::Plan { format_version: FORMAT.to_owned(), time: now(), plan }
    }

    /// The lines of something that happened; `name` is that of its host or stage.
    #[must_use]
    pub fn of(event: &Event, name: &str) -> Vec<Self> {
        let (time, host) = (now(), name.to_owned());
        match event {
            Event::Started { .. } => vec![Self::HostStarted { time, host }],
            Event::Stage { hosts, .. } => {
                vec![Self::StageStarted { time, stage: host, hosts: *hosts }]
            }
            Event::Planned { .. } | Event::Through { .. } => Vec::new(),
            Event::Waiting { seconds, why, .. } => {
                vec![Self::HostWaiting { time, host, seconds: *seconds, message: why.clone() }]
            }
            Event::Applying { addresses, .. } => {
                let line = |address: &Address| {
                    let (time, host) = (time.clone(), host.clone());
                    Self::StepStarted { time, host, address: address.to_string() }
                };
                addresses.iter().map(line).collect()
            }
            Event::Said { address, text, .. } => {
                let (address, text) = (address.to_string(), text.clone());
                vec![Self::StepOutput { time, host, address, text }]
            }
            Event::Stepped { addresses, how, .. } => {
                let line = |address: String| {
                    let (time, host) = (time.clone(), host.clone());
                    match how {
                        Stepped::Done => Self::StepDone { time, host, address },
                        Stepped::Failed(why) => {
                            let message = why.clone();
                            Self::StepFailed { time, host, address, message }
                        }
                        Stepped::Skipped => Self::StepSkipped { time, host, address },
                    }
                };
                addresses.iter().map(|address| line(address.to_string())).collect()
            }
            Event::Needless { address, why, .. } => {
                let (address, message) = (address.to_string(), why.clone());
                vec![Self::StepNeedless { time, host, address, message }]
            }
            Event::Finished { outcome, why, .. } => {
                let (outcome, message) = (outcome.word().to_owned(), why.clone());
                vec![Self::HostFinished { time, host, outcome, message }]
            }
        }
    }

    /// The last line.
    #[must_use]
    pub fn end(end: &EndView, exit_status: u8) -> Self {
        Self::End(EndJson::of(end, exit_status))
    }

    /// The line, with its line break.
    ///
    /// # Panics
    /// Never: its form has string keys only.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("a form with string keys is JSON") + "\n"
    }
}

impl EndJson {
    /// What became of a run that ends now.
    #[must_use]
    pub fn of(end: &EndView, exit_status: u8) -> Self {
        Self {
            format_version: FORMAT.to_owned(),
            time: now(),
            seconds: seconds(end),
            hosts: end.hosts.iter().map(host).collect(),
            counts: counts(end.hosts.iter().flat_map(|host| &host.done)),
            exit_status,
            run: end.run.as_ref().map(|run| run.id.to_string()),
            undoes: end.undoes.clone(),
        }
    }
}

/// How long changes took, in seconds to three places.
pub(super) fn seconds(end: &EndView) -> f64 {
    (end.time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// How many changes of each kind there are.
fn counts<'c>(all: impl Iterator<Item = &'c (String, Change)>) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, change) in all {
        // A command that runs of its own accord and because something changed runs once.
        let mut actions = actions(change);
        actions.dedup();
        for action in actions {
            *counts.entry(action).or_default() += 1;
        }
        if change.purged() > 0 {
            *counts.entry(Action::Delete.word().to_owned()).or_default() += change.purged();
        }
    }
    counts
}

fn host(host: &HostEndView) -> HostEndJson {
    let addresses =
        |all: &[(String, Change)]| all.iter().map(|(address, _)| address.clone()).collect();
    let problems = host.problems.iter().map(|problem| {
        let (address, place) = problem.resource.clone().unzip();
        ProblemJson { address, place, message: problem.message.clone() }
    });
    let note = |(address, message): &(Option<String>, String)| NoteJson {
        address: address.clone(),
        message: message.clone(),
    };
    let needless = |(address, message): &(String, String)| NoteJson {
        address: Some(address.clone()),
        message: message.clone(),
    };
    let all = || host.done.iter().chain(&host.not_done);
    let triggered = all().filter(|(_, change)| change.fired.is_some());
    HostEndJson {
        host: host.host.clone(),
        run: None,
        outcome: host.outcome.word().to_owned(),
        done: addresses(&host.done),
        not_done: addresses(&host.not_done),
        needless: host.needless.iter().map(needless).collect(),
        problems: problems.collect(),
        notes: host.notes.iter().map(note).collect(),
        help: host.help.clone(),
        actions: all().map(|(address, change)| (address.clone(), actions(change))).collect(),
        triggered: triggered.map(|(address, _)| address.clone()).collect(),
        lost: host.lost.clone(),
    }
}
