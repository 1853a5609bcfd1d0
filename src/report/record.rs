//! What is kept of a run: who began it, what was asked for and what became of it. Where its end was not
//! written it is made up from what had happened until then.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod heard;

pub use heard::Story;

use super::events::{EndJson, EventJson, HostEndJson, NoteJson};
use super::view::{EndView, HostEndView};
use crate::model::{Change, Outcome, change::Fired};
use crate::plan::Problem;
use crate::plan::json::{PlanJson, acted};

/// The version of these forms: the first number changes when a reader of the old form would fail.
pub const FORMAT: &str = "1.0";

/// Who began a run and what was asked for. Times are RFC 3339, UTC.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RunJson {
    pub format_version: String,
    /// The program that did it.
    pub trueup_version: String,
    pub id: String,
    /// `user@controller`
    pub who: String,
    pub since: String,
    pub project: String,
    /// The inventory's path.
    pub inventory: String,
    pub selection: SelectionJson,
}

/// What the command line said of hosts, resources and vars.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelectionJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The part of the fleet that it was about, such as `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Values of `--var`, as they were typed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Names of those that went into something sensitive: their values are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensitive_vars: Vec<String>,
    /// The id of the saved plan that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_plan: Option<String>,
    /// The run that this one goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<String>,
    /// The run that this one is the way back of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
}

/// The outcome of a host on which a run that goes on is at work.
pub(super) const AT_WORK: &str = "at work";

/// Whether a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It came to its end, good or bad.
    Ended,
    /// It goes on.
    Running,
    /// The program was gone before it could say how the run ended.
    Interrupted,
}

/// What `trueup runs show --json` prints.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "a run of trueup")]
pub struct SummaryJson {
    pub run: RunJson,
    pub status: RunStatus,
    /// When it ended; of one that was interrupted, when something was last heard of it.
    pub ended: String,
    /// How long changes took; absent where the run did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Every host, in the order of their names.
    pub hosts: Vec<HostEndJson>,
    /// How many changes of each kind were done.
    pub counts: BTreeMap<String, usize>,
    /// What the program ended with; absent where the run did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<u8>,
}

/// What `trueup runs --json` prints.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RunsJson {
    pub format_version: String,
    /// The newest first.
    pub runs: Vec<ListedJson>,
}

/// A run in a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ListedJson {
    pub id: String,
    /// Enough of it to name the run here.
    pub short: String,
    pub project: String,
    pub who: String,
    pub since: String,
    /// The run that it took back, where it was a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// Whether it can be taken back, as far as the records here say: `-` (it changed nothing), `unknown`, `kept`, `taken back`,
    /// `in part` (taken back on some hosts), `no longer kept`.
    pub way_back: String,
    pub status: RunStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// How many hosts have each outcome.
    pub hosts: BTreeMap<String, usize>,
    /// How many changes of each kind were done.
    pub counts: BTreeMap<String, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<u8>,
}

impl SummaryJson {
    /// A run that ended.
    #[must_use]
    pub fn ended(run: RunJson, end: &EndView, exit_status: u8) -> Self {
        Self::told(run, EndJson::of(end, exit_status))
    }

    /// A run that ended, from the last line of what happened.
    #[must_use]
    pub fn told(run: RunJson, end: EndJson) -> Self {
        let EndJson { time, seconds, hosts, counts, exit_status, .. } = end;
        let (seconds, exit_status) = (Some(seconds), Some(exit_status));
        let status = RunStatus::Ended;
        Self { run, status, ended: time, seconds, hosts, counts, exit_status }
    }

    /// A run whose end is not written, from its plan and what happened.
    #[must_use]
    pub fn open(run: RunJson, status: RunStatus, plan: &PlanJson, story: &Story) -> Self {
        let hosts: Vec<HostEndJson> = heard::hosts(plan, story, status);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for host in &hosts {
            for action in host.done.iter().filter_map(|address| host.actions.get(address)).flatten()
            {
                *counts.entry(action.clone()).or_default() += 1;
            }
        }
        let last = story.events.iter().rev().find_map(EventJson::time).unwrap_or(&run.since);
        let ended = last.to_owned();
        Self { run, status, ended, seconds: None, hosts, counts, exit_status: None }
    }

    /// Names of the hosts that did not end as the files say.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        let good = [Outcome::Ok.word(), Outcome::Changed.word()];
        let left = self.hosts.iter().filter(move |host| !good.contains(&host.outcome.as_str()));
        left.map(|host| host.host.as_str())
    }

    /// As it stands in a list.
    #[must_use]
    pub fn listed(&self, short: &str, way_back: &str) -> ListedJson {
        let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
        for host in &self.hosts {
            *hosts.entry(host.outcome.clone()).or_default() += 1;
        }
        ListedJson {
            id: self.run.id.clone(),
            short: short.to_owned(),
            project: self.run.project.clone(),
            who: self.run.who.clone(),
            since: self.run.since.clone(),
            undoes: self.run.selection.undoes.clone(),
            way_back: way_back.to_owned(),
            status: self.status,
            seconds: self.seconds,
            hosts,
            counts: self.counts.clone(),
            exit_status: self.exit_status,
        }
    }

    /// The end as apply has it.
    ///
    /// # Errors
    /// When a word in it is not known.
    pub fn view(&self) -> Result<EndView, String> {
        let hosts = self.hosts.iter().map(host_view).collect::<Result<_, _>>()?;
        let time = Duration::try_from_secs_f64(self.seconds.unwrap_or(0.0)).unwrap_or_default();
        let undoes = self.run.selection.undoes.clone();
        Ok(EndView { hosts, time, run: None, undoes })
    }
}

impl EventJson {
    /// When it happened.
    #[must_use]
    pub fn time(&self) -> Option<&str> {
        match self {
            Self::Plan { time, .. }
            | Self::HostWaiting { time, .. }
            | Self::StageStarted { time, .. }
            | Self::HostStarted { time, .. }
            | Self::StepStarted { time, .. }
            | Self::StepOutput { time, .. }
            | Self::StepDone { time, .. }
            | Self::StepFailed { time, .. }
            | Self::StepSkipped { time, .. }
            | Self::StepNeedless { time, .. }
            | Self::HostFinished { time, .. } => Some(time),
            Self::End(end) => Some(&end.time),
        }
    }
}

/// A host at the end of a run, as apply has it.
pub(super) fn host_view(host: &HostEndJson) -> Result<HostEndView, String> {
    let at_work = host.outcome == AT_WORK;
    let outcome = Outcome::of(&host.outcome).or_else(|| at_work.then_some(Outcome::Unknown));
    let outcome =
        outcome.ok_or_else(|| format!("an unknown outcome `{}`", host.outcome.escape_debug()));
    let changes = |addresses: &[String]| {
        let each = addresses.iter().map(|address| {
            let words = host.actions.get(address).map_or(&[][..], Vec::as_slice);
            let (action, fired) = acted(words, host.triggered.contains(address))?;
            let fired = fired.map(|kind| Fired { kind, because: Vec::new(), owed: None });
            Ok((address.clone(), Change { fired, ..Change::new(action, Vec::new()) }))
        });
        each.collect::<Result<Vec<_>, String>>()
    };
    let problems = host.problems.iter().map(|problem| Problem {
        resource: problem.address.clone().zip(Some(problem.place.clone().unwrap_or_default())),
        message: problem.message.clone(),
    });
    let note = |note: &NoteJson| (note.address.clone(), note.message.clone());
    let needless = |note: &NoteJson| Some((note.address.clone()?, note.message.clone()));
    Ok(HostEndView {
        host: host.host.clone(),
        outcome: outcome?,
        at_work,
        done: changes(&host.done)?,
        problems: problems.collect(),
        notes: host.notes.iter().map(note).collect(),
        needless: host.needless.iter().filter_map(needless).collect(),
        help: host.help.clone(),
        not_done: changes(&host.not_done)?,
        lost: host.lost.clone(),
    })
}
