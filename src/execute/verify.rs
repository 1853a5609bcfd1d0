//! The last look at a host: what does not hold although it was done, and what was not done.

use std::collections::BTreeSet;

use super::apply::{Applied, Applying};
use super::failpoint::failpoint;
use super::stepped::Needless;
use crate::model::{Action, Address, Attribute, Change, Difference, Outcome};
use crate::plan::Status;
use crate::resources::Verdict;

impl Applying {
    /// Looks whether everything is as wanted now.
    pub(super) fn verify(&mut self) {
        failpoint!("through");
        let blamed: BTreeSet<usize> =
            self.applied.incidents.iter().filter_map(|incident| incident.resource).collect();
        let changed = &self.history.changed;
        let mut found = Vec::new();
        for (index, observed) in self.observed.iter().enumerate() {
            let instance = &self.run.desired.resources[index];
            let announced = matches!(self.run.plan.items[index].status, Status::Change(_));
            if blamed.contains(&index)
                || !instance.kind.verifiable(&instance.desired)
                || announced && !changed.contains(&index)
            {
                continue;
            }
            let why = match observed {
                Err(why) => why.clone(),
                Ok(state) => match instance.kind.diff(&instance.desired, state) {
                    Verdict::Same(_) => continue,
                    Verdict::Refused(why) => why,
                    Verdict::Blocked { message, .. } => message,
                    Verdict::Change(change) => differs(&change),
                },
            };
            let plain = if changed.contains(&index) {
                "not converged: it was done, and still differs"
            } else {
                "not converged: something in this run changed it"
            };
            found.push((index, why, plain));
        }
        for (index, why, plain) in found {
            self.incident(Some(index), (format!("{plain}: {why}"), plain));
            // What does not hold was not done.
            self.applied.done.retain(|(done, _)| *done != index);
        }
    }

    /// Whether something does not hold that a stage of these is to bring about.
    pub(super) fn unsettled(&self, of: impl Fn(usize) -> bool) -> bool {
        let wrong = self.applied.incidents.iter().filter_map(|incident| incident.resource);
        !self.over && wrong.map(|index| self.run.desired.stage(index)).any(of)
    }

    /// Why a resource that the plan named was left as it was.
    fn needless(&self, resource: usize) -> Needless {
        let fired = match &self.run.plan.items[resource].status {
            Status::Change(change) if change.action == Action::Trigger => change.fired.as_ref(),
            _ => None,
        };
        let causes = fired.map(|fired| fired.because.iter().map(Address::short));
        let why = causes.map_or_else(
            || self.same.get(&resource).cloned().unwrap_or_else(|| "it is as wanted".to_owned()),
            |causes| format!("{} did not change", causes.collect::<Vec<_>>().join(", ")),
        );
        Needless { resource, why, stepped: false }
    }

    pub(super) fn summed(mut self) -> Applied {
        // Where nobody knows which member of a set is to blame, none of them is done.
        let alone = self.applied.incidents.iter().filter(|incident| !incident.set);
        let blamed: BTreeSet<usize> = alone.filter_map(|incident| incident.resource).collect();
        let settled = |index: &usize| {
            // What a change before it brought about already is done too; a trigger never is.
            let Status::Change(announced) = &self.run.plan.items[*index].status else {
                return false;
            };
            announced.fired.is_none() && self.holds(*index)
        };
        let trouble = !self.applied.incidents.is_empty();
        let stepped: BTreeSet<usize> =
            self.applied.needless.iter().map(|needless| needless.resource).collect();
        let open = self.run.plan.changes().map(|(index, _)| index).filter(|index| {
            let done = self.history.changed.contains(index) || stepped.contains(index);
            !done && !blamed.contains(index) && !self.put_back.contains(index)
        });
        let (open, needless): (Vec<usize>, Vec<usize>) =
            open.partition(|index| trouble && !settled(index));
        let needless: Vec<Needless> =
            needless.into_iter().map(|index| self.needless(index)).collect();
        self.applied.not_done = open;
        self.applied.needless.extend(needless);
        self.applied.needless.sort_by_key(|needless| needless.resource);
        self.applied.outcome = match self.applied.outcome {
            known @ (Outcome::Unknown | Outcome::RolledBack) => known,
            _ if self.barred => Outcome::Refused,
            _ if trouble => Outcome::Failed,
            _ if self.applied.done.is_empty() => Outcome::Ok,
            _ => Outcome::Changed,
        };
        self.applied
    }
}

/// What a change that should not be there any more would do, in a few words.
fn differs(change: &Change) -> String {
    if change.attributes.is_empty() {
        return format!("{} would be next", change.action.word());
    }
    if change.action == Action::Run {
        return "its probe still asks for it".to_owned();
    }
    let fact = |attribute: &Attribute| match &attribute.difference {
        Difference::Value { before, after } => {
            let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
            format!("{} is {}, wanted is {}", attribute.name, word(before), word(after))
        }
        Difference::Content { .. } => "its content".to_owned(),
        Difference::Secret { .. } | Difference::Sensitive { .. } => {
            format!("{} differs", attribute.name)
        }
    };
    change.attributes.iter().map(fact).collect::<Vec<_>>().join("; ")
}
