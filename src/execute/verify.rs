//! The last look at a host: what does not hold although it was done, and what was not done.

use std::collections::BTreeSet;

use super::apply::{Applied, Applying};
use crate::model::{Action, Attribute, Change, Difference, Outcome};
use crate::plan::Status;
use crate::resources::Verdict;

impl Applying {
    /// Looks whether everything is as wanted now.
    pub(super) fn verify(&mut self) {
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
            found.push((
                index,
                if changed.contains(&index) {
                    format!("not converged: it was done, and still differs: {why}")
                } else {
                    format!("not converged: something in this run changed it: {why}")
                },
            ));
        }
        for (index, message) in found {
            self.incident(Some(index), message);
        }
    }

    pub(super) fn summed(mut self) -> Applied {
        let blamed: BTreeSet<usize> =
            self.applied.incidents.iter().filter_map(|incident| incident.resource).collect();
        let settled = |index: &usize| {
            // What a change before it brought about already is done too; a trigger never is.
            let Status::Change(announced) = &self.run.plan.items[*index].status else {
                return false;
            };
            announced.fired.is_none() && self.holds(*index)
        };
        let trouble = !self.applied.incidents.is_empty();
        let open = self.run.plan.changes().map(|(index, _)| index).filter(|index| {
            trouble && !self.history.changed.contains(index) && !blamed.contains(index)
        });
        self.applied.not_done = open.filter(|index| !settled(index)).collect();
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
