//! A plan to its form.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    ChangeJson, ContentJson, FORMAT, HostJson, InSetJson, OrphanJson, PlanJson, ProblemJson,
    SetJson, UndoesJson, WhyJson,
};
use crate::model::change::sha256_hex;
use crate::model::{Action, Address, Attribute, Body, Change, Difference, Outcome};
use crate::plan::document::{Document, HostPlan, HostState, Planned, Undoes};

impl PlanJson {
    /// The form of a plan.
    #[must_use]
    pub fn of(plan: &Document) -> Self {
        let sets = plan.sets(|_| true);
        let mut contents = BTreeMap::new();
        let mut set_of = BTreeMap::new();
        for (index, (hosts, _)) in sets.iter().enumerate() {
            set_of.extend(hosts.iter().map(|host| (*host, index)));
        }
        let hosts: Vec<HostJson> = plan
            .hosts
            .iter()
            .map(|host| host_json(host, set_of.get(host.host.as_str()).copied()))
            .collect();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut known = true;
        for (hosts, changes) in &sets {
            for planned in changes {
                known &= planned.change.action != Action::KnownAfter;
                for action in actions(&planned.change) {
                    *counts.entry(action).or_default() += hosts.len();
                }
                if planned.change.purged() > 0 {
                    let deletes = counts.entry(Action::Delete.word().to_owned()).or_default();
                    *deletes += planned.change.purged() * hosts.len();
                }
            }
        }
        let sets = sets.into_iter().map(|(hosts, changes)| SetJson {
            hosts: hosts.into_iter().map(ToOwned::to_owned).collect(),
            changes: changes
                .into_iter()
                .map(|planned| change_json(planned, &plan.stages, &mut contents))
                .collect(),
        });
        let sets: Vec<SetJson> = sets.collect();
        let errored = plan.outcomes().any(|outcome| outcome > Outcome::Changed);
        Self {
            format_version: FORMAT.to_owned(),
            trueup_version: env!("CARGO_PKG_VERSION").to_owned(),
            project: plan.project.clone(),
            inventory: plan.inventory.clone(),
            applyable: !errored && !sets.is_empty(),
            complete: !errored && known,
            errored,
            undoes: plan.undoes.as_ref().map(undoes),
            stages: plan.stages.clone(),
            hosts,
            sets,
            contents,
            counts,
        }
    }
}

fn undoes(undoes: &Undoes) -> UndoesJson {
    let Undoes { run, since, who, of } = undoes.clone();
    let verb = if of.is_some() { "rollback" } else { "apply" }.to_owned();
    UndoesJson { run, verb, of, who, since }
}

fn host_json(host: &HostPlan, set: Option<usize>) -> HostJson {
    let outcome = host.outcome().word().to_owned();
    let (message, help, problems) = match &host.state {
        HostState::Ended { message, help, .. } => (Some(message.clone()), help.clone(), Vec::new()),
        HostState::Compared { problems, .. } => {
            let problems = problems.iter().map(|problem| {
                let (address, place) = problem.resource.clone().unzip();
                ProblemJson { address, place, message: problem.message.clone() }
            });
            (None, None, problems.collect())
        }
    };
    let orphans = host.orphans.iter().map(|orphan| OrphanJson {
        address: orphan.address.clone(),
        becomes: orphan.becomes.clone(),
        run: orphan.run.clone(),
    });
    let (orphans, notes) = (orphans.collect(), host.notes.clone());
    HostJson { name: host.host.clone(), outcome, set, message, help, problems, orphans, notes }
}

/// What is done, as words.
#[must_use]
pub fn actions(change: &Change) -> Vec<String> {
    let action = match change.action {
        Action::Trigger => None,
        Action::Run => Some("run"),
        other => Some(other.word()),
    };
    let fired = change.fired.as_ref().map(|fired| fired.kind.word());
    action.into_iter().chain(fired).map(ToOwned::to_owned).collect()
}

/// The sides of each attribute, and which of them are sensitive.
#[derive(Default)]
struct Sides {
    before: Map<String, Value>,
    after: Map<String, Value>,
    before_sensitive: Map<String, Value>,
    after_sensitive: Map<String, Value>,
}

impl Sides {
    fn of(change: &Change, contents: &mut BTreeMap<String, ContentJson>) -> Self {
        let mut sides = Self::default();
        let mut body = |body: &Option<Body>| match body {
            None => Value::Null,
            Some(body) => {
                contents.entry(body.digest().to_owned()).or_insert_with(|| ContentJson::of(body));
                json!({ "sha256": body.digest(), "size": body.size() })
            }
        };
        for Attribute { name, difference } in &change.attributes {
            let (old, new) = match difference {
                Difference::Value { before, after } | Difference::Sensitive { before, after } => {
                    (json!(before), json!(after))
                }
                Difference::Content { before, after } => (body(before), body(after)),
                Difference::Secret { .. } => (Value::Null, Value::Null),
            };
            let name = (*name).to_owned();
            if matches!(difference, Difference::Sensitive { .. }) {
                let trees =
                    [(&mut sides.before_sensitive, &old), (&mut sides.after_sensitive, &new)];
                for (tree, _) in trees.into_iter().filter(|(_, side)| !side.is_null()) {
                    tree.insert(name.clone(), true.into());
                }
            }
            let many = change.attributes.iter().filter(|other| *other.name == name).count() > 1;
            for (side, value) in [(&mut sides.before, old), (&mut sides.after, new)] {
                if many {
                    let list = side.entry(name.clone()).or_insert_with(|| json!([]));
                    list.as_array_mut().expect("a list was put there").push(value);
                } else {
                    side.insert(name.clone(), value);
                }
            }
        }
        sides
    }
}

fn change_json(
    planned: &Planned,
    stages: &[String],
    contents: &mut BTreeMap<String, ContentJson>,
) -> ChangeJson {
    let change = &planned.change;
    let sides = Sides::of(change, contents);
    let address = Address::read(&planned.address);
    let (module, kind, name) =
        address.map_or_else(Default::default, |found| (found.module, found.kind, found.name));
    let actions = actions(change);
    let observed = sha256_hex(json!([actions, sides.before]).to_string().as_bytes());
    let because = change.fired.iter().flat_map(|fired| &fired.because);
    let why = planned.why.iter().map(|why| WhyJson {
        name: why.name.clone(),
        value: why.value.clone(),
        place: why.place.clone(),
        by: why.by.clone(),
    });
    ChangeJson {
        address: planned.address.clone(),
        module,
        r#type: kind.to_owned(),
        name,
        stage: stages.get(planned.stage).cloned().unwrap_or_default(),
        place: planned.place.clone(),
        actions,
        reason: change.note.clone(),
        before: sides.before,
        after: sides.after,
        after_unknown: (change.action == Action::KnownAfter).into(),
        before_sensitive: sides.before_sensitive,
        after_sensitive: sides.after_sensitive,
        because: because.map(ToString::to_string).collect(),
        owed_since: change.fired.as_ref().and_then(|fired| fired.owed.clone()),
        set: planned
            .set
            .as_ref()
            .map(|set| InSetJson { name: set.name.clone(), validate: set.validate.clone() }),
        origin: planned.origin.word().to_owned(),
        since: planned.origin.since().map(ToOwned::to_owned),
        dangers: planned.dangers.0.iter().map(|danger| danger.word().to_owned()).collect(),
        observed: format!("sha256:{observed}"),
        why: why.collect(),
    }
}
