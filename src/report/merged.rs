//! Runs that several controllers did on parts of one fleet, put together as one: what became of every host, once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counted;
use super::events::HostEndJson;
use super::record::{FORMAT, RunJson, RunStatus, SelectionJson, SummaryJson};
use crate::model::{Outcome, RunId, Shard};

mod text;

pub use text::{end, render};

/// What `trueup runs merge --json` prints.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "runs of trueup, merged")]
pub struct MergedJson {
    pub format_version: String,
    pub project: String,
    /// The oldest first.
    pub runs: Vec<PartJson>,
    /// Shards of which there is no run, such as `2/16` or `4-7/16`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_shards: Vec<String>,
    /// Runs that one of these goes on with, and that are not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_runs: Vec<String>,
    /// Interrupted, where one of the runs was, left hosts of which that is not known or at which nothing was tried, and no
    /// other went on with it.
    pub status: RunStatus,
    /// When the first began.
    pub since: String,
    /// When the last ended.
    pub ended: String,
    /// How long changes took in the run in which they took longest.
    pub seconds: f64,
    /// Every host once, in the order of their names, with the `run` that this is said by.
    pub hosts: Vec<HostEndJson>,
    /// How many changes of each kind were done in all runs.
    pub counts: BTreeMap<String, usize>,
    /// What one run of all hosts would have ended with; 3 also where something is missing.
    pub exit_status: u8,
}

/// One of the runs, without its hosts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PartJson {
    pub run: RunJson,
    pub status: RunStatus,
    pub ended: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// How many hosts have each outcome.
    pub hosts: BTreeMap<String, usize>,
    pub counts: BTreeMap<String, usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<u8>,
}

/// The runs that were interrupted before all of their hosts had an outcome, and with which no other went on: what both left
/// open their hosts say. One that had only to write down its own end left nothing open.
fn open(runs: &[PartJson]) -> impl Iterator<Item = &PartJson> {
    let resumed: HashSet<&String> =
        runs.iter().filter_map(|part| part.run.selection.resumes.as_ref()).collect();
    let left = [Outcome::Unknown.word(), Outcome::NotAttempted.word()];
    runs.iter().filter(move |part| {
        part.status == RunStatus::Interrupted
            && left.iter().any(|word| part.hosts.contains_key(*word))
            && !resumed.contains(&part.run.id)
    })
}

/// What of a host counts that is in several runs, none of which goes on with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// Nobody knows: it is a mistake.
    Refused,
    /// What the run says that began last.
    Latest,
}

/// Runs that are to be put together.
#[derive(Debug, Default)]
pub struct Merging {
    /// By their ids, which sort by time.
    parts: BTreeMap<String, PartJson>,
    hosts: Vec<HostEndJson>,
}

impl Merging {
    /// Takes a run.
    ///
    /// # Errors
    /// When it cannot be one of several.
    pub fn run(&mut self, summary: SummaryJson) -> Result<(), String> {
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for host in &summary.hosts {
            // Of one that goes on there are others, and it is refused below.
            if Outcome::of(&host.outcome).is_none() && summary.status != RunStatus::Running {
                let (name, word) = (shown(&host.host), shown(&host.outcome));
                return Err(format!("host `{name}` has an outcome that is none: `{word}`"));
            }
            *outcomes.entry(host.outcome.clone()).or_default() += 1;
        }
        let SummaryJson { run, status, ended, seconds, hosts, counts, exit_status } = summary;
        let id = run.id.clone();
        let part = PartJson { run, status, ended, seconds, hosts: outcomes, counts, exit_status };
        self.part(part)?;
        self.hosts
            .extend(hosts.into_iter().map(|host| HostEndJson { run: Some(id.clone()), ..host }));
        Ok(())
    }

    /// Takes runs that were put together already.
    ///
    /// # Errors
    /// When they cannot be some of several.
    pub fn merged(&mut self, merged: MergedJson) -> Result<(), String> {
        version(&merged.format_version)?;
        for part in merged.runs {
            self.part(part)?;
        }
        let known =
            |host: &HostEndJson| host.run.as_ref().is_some_and(|run| self.parts.contains_key(run));
        if let Some(host) = merged.hosts.iter().find(|host| !known(host)) {
            return Err(format!("no run in it says what it says of host `{}`", shown(&host.host)));
        }
        self.hosts.extend(merged.hosts);
        Ok(())
    }

    fn part(&mut self, part: PartJson) -> Result<(), String> {
        version(&part.run.format_version)?;
        let id = part.run.id.clone();
        if RunId::parse(&id).is_none_or(|parsed| parsed.as_str() != id) {
            return Err(format!("`{}` is no id of a run", shown(&id)));
        }
        if part.status == RunStatus::Running {
            return Err(format!("run {id} still goes on\n  help: wait for its end"));
        }
        if let Some(first) = self.parts.values().next() {
            let (one, other) = (&first.run.project, &part.run.project);
            if one != other {
                let (one, other) = (shown(one), shown(other));
                return Err(format!(
                    "run {id} is one of project `{other}`, and others are of `{one}`"
                ));
            }
            if first.run.selection.undoes.is_some() != part.run.selection.undoes.is_some() {
                return Err(format!(
                    "run {id} and others are not of one kind: a rollback is not merged with applies"
                ));
            }
        }
        if self.parts.insert(id.clone(), part).is_some() {
            return Err(format!("run {id} is given twice\n  help: name each run once"));
        }
        Ok(())
    }

    /// All as one, and what a reader should know of it. Its exit status is left to who knows the rule.
    ///
    /// # Errors
    /// When they are none of one whole, and why.
    pub fn merge(mut self, overlap: Overlap) -> Result<(MergedJson, Vec<String>), String> {
        let Some(first) = self.parts.values().next() else {
            return Err("there is no run to merge".to_owned());
        };
        let project = first.run.project.clone();
        let missing_shards = self.missing_shards()?;
        let hosts = std::mem::take(&mut self.hosts);
        let hosts = self.once(hosts, overlap)?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (word, count) in self.parts.values().flat_map(|part| &part.counts) {
            let sum = counts.entry(word.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        let resumed = self.parts.values().filter_map(|part| part.run.selection.resumes.as_ref());
        let missing_runs: BTreeSet<&String> =
            resumed.filter(|id| !self.parts.contains_key(*id)).collect();
        let missing_runs = missing_runs.into_iter().cloned().collect();
        let notes = self.notes();
        let runs: Vec<PartJson> = self.parts.into_values().collect();
        let whole = open(&runs).next().is_none();
        let status = if whole { RunStatus::Ended } else { RunStatus::Interrupted };
        // RFC 3339 in UTC sorts by time.
        let since = runs.iter().map(|part| part.run.since.clone()).min().unwrap_or_default();
        let ended = runs.iter().map(|part| part.ended.clone()).max().unwrap_or_default();
        let seconds = runs.iter().filter_map(|part| part.seconds).fold(0.0, f64::max);
        let format_version = FORMAT.to_owned();
        let merged = MergedJson {
            format_version,
            project,
            runs,
            missing_shards,
            missing_runs,
            status,
            since,
            ended,
            seconds,
            hosts,
            counts,
            exit_status: 0,
        };
        Ok((merged, notes))
    }

    /// Shards of which there is no run, neighbours together.
    fn missing_shards(&self) -> Result<Vec<String>, String> {
        let mut there: BTreeMap<Shard, &String> = BTreeMap::new();
        for (id, part) in &self.parts {
            let Some(text) = &part.run.selection.shard else { continue };
            let shard = Shard::parse(text);
            let wrong = || format!("run {id} names a shard that is none: `{}`", shown(text));
            there.entry(shard.ok_or_else(wrong)?).or_insert(id);
        }
        let Some((&first, run)) = there.first_key_value() else { return Ok(Vec::new()) };
        if let Some((other, another)) = there.iter().find(|(shard, _)| shard.of != first.of) {
            return Err(format!(
                "these runs are not shards of one whole: {first} (run {run}) and {other} (run {another}) are among them\n  \
                 help: name the runs of one round: trueup runs lists what is recorded here"
            ));
        }
        let mut missing = Vec::new();
        let mut next = 1;
        let ends = there.keys().map(|shard| shard.index).chain([first.of.saturating_add(1)]);
        for index in ends {
            match index.saturating_sub(next) {
                0 => {}
                1 => missing.push(format!("{next}/{}", first.of)),
                _ => missing.push(format!("{next}-{}/{}", index - 1, first.of)),
            }
            next = index.saturating_add(1);
        }
        Ok(missing)
    }

    /// Every host once, by name.
    fn once(
        &self,
        mut hosts: Vec<HostEndJson>,
        overlap: Overlap,
    ) -> Result<Vec<HostEndJson>, String> {
        hosts.sort_by(|one, other| (&one.host, &one.run).cmp(&(&other.host, &other.run)));
        let mut all: Vec<HostEndJson> = Vec::with_capacity(hosts.len());
        let (mut both, mut first) = (0, Vec::new());
        for host in hosts {
            let Some(known) = all.last_mut().filter(|known| known.host == host.host) else {
                all.push(host);
                continue;
            };
            let of = |host: &HostEndJson| host.run.clone().unwrap_or_default();
            let (one, other) = (of(known), of(&host));
            if one == other {
                let name = shown(&host.host);
                return Err(format!("run {one} says twice what became of host `{name}`"));
            }
            if self.goes_on_with(&one, &other) {
                let later = std::mem::replace(known, host);
                followed(known, later);
            } else if overlap == Overlap::Latest || self.goes_on_with(&other, &one) {
                followed(known, host);
            } else {
                both += 1;
                if first.len() < SHOWN {
                    first.push(format!("{} (runs {one}, {other})", shown(&host.host)));
                }
            }
        }
        if both == 0 {
            return Ok(all);
        }
        let more = both - first.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let are = if both == 1 { "is" } else { "are" };
        Err(format!(
            "{} {are} in more than one of these runs, and none of those goes on with another: {}{more}\n  \
             help: leave out the one that was done again, or take what the run says that began last: --latest",
            counted(both, "host"),
            first.join(", ")
        ))
    }

    /// Whether a run was begun by `--resume` of another, or of one that was.
    fn goes_on_with(&self, later: &str, earlier: &str) -> bool {
        let before = |id: &str| self.parts.get(id)?.run.selection.resumes.as_deref();
        let mut chain = std::iter::successors(before(later), |id| before(id)).take(RESUMED);
        chain.any(|id| id == earlier)
    }

    /// What a reader should know: what the runs do not have in common.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut differ = |what: &str, of: &dyn Fn(&RunJson) -> String| {
            let all: BTreeSet<String> = self.parts.values().map(|part| of(&part.run)).collect();
            if all.len() > 1 {
                let first: Vec<String> = all.iter().take(SHOWN).map(|one| shown(one)).collect();
                notes.push(format!("these runs have not the same {what}: {}", first.join(", ")));
            }
        };
        differ("version of trueup", &|run| run.trueup_version.clone());
        differ("inventory", &|run| run.inventory.clone());
        let differ: Vec<&str> = ASKED
            .iter()
            .filter(|(_, of)| {
                let all: BTreeSet<String> =
                    self.parts.values().map(|part| of(&part.run.selection)).collect();
                all.len() > 1
            })
            .map(|(flag, _)| *flag)
            .collect();
        if !differ.is_empty() {
            let differ = differ.join(", ");
            notes.push(format!("these runs were not asked for the same: they differ in {differ}"));
        }
        notes
    }
}

/// Names that a message has at most.
const SHOWN: usize = 5;

/// How often a run is gone on with at most: a record that says more is not believed.
const RESUMED: usize = 100;

/// A word of a record, for a message.
fn shown(word: &str) -> String {
    word.escape_debug().take(200).collect()
}

/// Whether the form is one that is read here.
fn version(format: &str) -> Result<(), String> {
    let (major, _) = FORMAT.split_once('.').unwrap_or((FORMAT, ""));
    match format.split_once('.') {
        Some((first, _)) if first == major => Ok(()),
        _ => Err(format!("its format is {}, and {FORMAT} is read here", shown(format))),
    }
}

/// What says which resources a run was asked for, and with which vars.
type Asked = (&'static str, fn(&SelectionJson) -> String);
const ASKED: [Asked; 5] = [
    ("--limit", |selection| format!("{:?}", selection.limit)),
    ("--tags", |selection| format!("{:?}", selection.tags)),
    ("--skip-tags", |selection| format!("{:?}", selection.skip_tags)),
    ("--target", |selection| format!("{:?}", selection.targets)),
    ("--var", |selection| format!("{:?} {:?}", selection.vars, selection.sensitive_vars)),
];

/// Puts a later run of a host behind an earlier one: how it ended is what the later one says, and what was done in
/// both is done.
fn followed(host: &mut HostEndJson, later: HostEndJson) {
    let earlier = std::mem::replace(host, later);
    if earlier.outcome == Outcome::RolledBack.word() {
        return;
    }
    let again: HashSet<&String> = host.done.iter().collect();
    let before: Vec<String> =
        earlier.done.into_iter().filter(|address| !again.contains(address)).collect();
    if !before.is_empty() && host.outcome == Outcome::Ok.word() {
        Outcome::Changed.word().clone_into(&mut host.outcome);
    }
    host.done.splice(0..0, before);
    for (address, actions) in earlier.actions {
        host.actions.entry(address).or_insert(actions);
    }
    host.triggered.extend(earlier.triggered);
    host.notes.splice(0..0, earlier.notes);
}
