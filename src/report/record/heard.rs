//! What is known of hosts of a run whose end is not written: from its plan, and from what happened.

use std::collections::HashMap;

use super::super::events::{EventJson, HostEndJson, NoteJson};
use super::{AT_WORK, RunStatus};
use crate::model::Outcome;
use crate::plan::json::{HostJson, PlanJson, ProblemJson, SetJson};

/// What was written while a run went on.
#[derive(Debug)]
pub struct Story {
    pub events: Vec<EventJson>,
    /// Whether nothing is gone of it.
    pub whole: bool,
}

/// What events say of one host.
#[derive(Default)]
struct Heard {
    /// Whether anything was begun on it.
    begun: bool,
    done: Vec<String>,
    /// Addresses that failed, and why.
    failed: Vec<(String, String)>,
    /// Addresses for which there was nothing to do.
    needless: Vec<NoteJson>,
    /// Addresses whose step was begun and did not end.
    running: Vec<String>,
    outcome: Option<String>,
    /// Whether nothing is written of it, and something is gone of what was written.
    deaf: bool,
}

impl Heard {
    /// What was said of each host.
    fn each(events: &[EventJson]) -> HashMap<&str, Self> {
        let mut all: HashMap<&str, Self> = HashMap::new();
        for event in events {
            match event {
                EventJson::HostStarted { host, .. } => all.entry(host).or_default().begun = true,
                EventJson::StepStarted { host, address, .. } => {
                    all.entry(host).or_default().at_work().running.push(address.clone());
                }
                EventJson::StepDone { host, address, .. } => {
                    let heard = all.entry(host).or_default().at_work();
                    heard.done.push(address.clone());
                    heard.over(address);
                }
                EventJson::StepFailed { host, address, message, .. } => {
                    let heard = all.entry(host).or_default().at_work();
                    heard.failed.push((address.clone(), message.clone()));
                    heard.over(address);
                }
                EventJson::StepNeedless { host, address, message, .. } => {
                    let heard = all.entry(host).or_default().at_work();
                    heard.needless.push(NoteJson::needless(address, message.as_deref()));
                    heard.over(address);
                }
                EventJson::StepSkipped { host, address, .. } => {
                    all.entry(host).or_default().over(address);
                }
                EventJson::HostFinished { host, outcome, .. } => {
                    let heard = all.entry(host).or_default();
                    heard.outcome = Some(outcome.clone());
                    heard.running.clear();
                }
                _ => {}
            }
        }
        all
    }

    /// Something was begun on it: where its first line is damaged, a later one says so.
    const fn at_work(&mut self) -> &mut Self {
        self.begun = true;
        self
    }

    /// A step of this address ended.
    fn over(&mut self, address: &String) {
        self.running.retain(|running| running != address);
    }

    /// How the host ended, as far as that was said.
    fn outcome(&self, status: RunStatus) -> String {
        let open = match status {
            _ if !self.begun => Outcome::NotAttempted.word(),
            RunStatus::Running => AT_WORK,
            RunStatus::Ended | RunStatus::Interrupted => Outcome::Unknown.word(),
        };
        self.outcome.clone().unwrap_or_else(|| open.to_owned())
    }

    /// What is to be said of a host whose end was not heard.
    fn told(&self, status: RunStatus, outcome: &str) -> Option<String> {
        match (status, outcome) {
            _ if self.outcome.is_some() => None,
            (RunStatus::Running, AT_WORK) if self.running.is_empty() => None,
            (RunStatus::Running, AT_WORK) => Some(self.running.join(", ")),
            (RunStatus::Running, _) => Some("its turn is still to come".to_owned()),
            (_, word) if word == Outcome::Unknown.word() && self.deaf => {
                Some("nothing is written of what the run did on it".to_owned())
            }
            (_, word) if word == Outcome::Unknown.word() => {
                Some("the run was at work on it when something was last heard".to_owned())
            }
            _ => None,
        }
    }
}

/// What is known of each host that the plan names.
pub(super) fn hosts(plan: &PlanJson, story: &Story, status: RunStatus) -> Vec<HostEndJson> {
    let mut all = Heard::each(&story.events);
    let planned = plan.hosts.iter();
    let each = planned.map(|host| {
        let heard = all.remove(host.name.as_str()).unwrap_or_default();
        // What was done may be gone with what was said of it.
        let deaf = !story.whole && !heard.begun && heard.outcome.is_none();
        so_far(plan, host, (Heard { begun: heard.begun || deaf, deaf, ..heard }, status))
    });
    each.collect()
}

/// What is known of a host of a run whose end is not written.
fn so_far(plan: &PlanJson, planned: &HostJson, (heard, status): (Heard, RunStatus)) -> HostEndJson {
    let set = planned.set.and_then(|set| plan.sets.get(set));
    let changes = set.map_or(&[][..], |set: &SetJson| &set.changes);
    let problem = |address: &String, message: &str| {
        let change = changes.iter().find(|change| change.address == *address);
        let (message, place) = (message.to_owned(), change.map(|change| change.place.clone()));
        ProblemJson { address: Some(address.clone()), place, message }
    };
    let begun = planned.outcome == Outcome::Changed.word();
    let outcome = if begun { heard.outcome(status) } else { planned.outcome.clone() };
    let ran = "it ran then, and whether it was done is not known";
    let open = if begun { heard.told(status, &outcome) } else { None };
    let message = planned.message.iter().cloned().chain(open).map(|message| {
        let (address, place) = (None, None);
        ProblemJson { address, place, message }
    });
    let running = heard.running.iter().filter(|_| status != RunStatus::Running);
    let problems = message
        .chain(planned.problems.iter().cloned())
        .chain(heard.failed.iter().map(|(address, why)| problem(address, why)))
        .chain(running.map(|address| problem(address, ran)));
    // What ran then, or nobody knows of, is neither done nor not done.
    let over = |address: &String| {
        let needless = |note: &NoteJson| note.address.as_ref() == Some(address);
        let lists = [&heard.done, &heard.running];
        heard.deaf
            || lists.iter().any(|list| list.contains(address))
            || heard.needless.iter().any(needless)
    };
    let left = changes.iter().filter(|change| !over(&change.address));
    let actions = changes.iter().map(|change| (change.address.clone(), change.actions.clone()));
    let triggered = changes.iter().filter(|change| !change.because.is_empty());
    HostEndJson {
        host: planned.name.clone(),
        run: None,
        outcome,
        not_done: left.map(|change| change.address.clone()).collect(),
        actions: actions.collect(),
        triggered: triggered.map(|change| change.address.clone()).collect(),
        problems: problems.collect(),
        needless: heard.needless,
        notes: Vec::new(),
        help: planned.help.clone(),
        lost: Vec::new(),
        done: heard.done,
    }
}
