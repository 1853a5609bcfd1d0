//! What a host has now against what a plan was made against: where the two differ, the plan is not done.

use std::collections::BTreeMap;

use super::document::{Planned, Problem};
use crate::model::{Action, Address, Change, Difference};

/// A resource that is no longer as it was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub address: String,
    /// What the plan saw, and what was found.
    pub planned: String,
    pub found: String,
}

/// Every resource of a host whose change would now be another than `planned`, or that cannot be done now.
#[must_use]
pub fn moved(planned: &[Planned], now: &[Planned], problems: &[Problem]) -> Vec<Moved> {
    let found: BTreeMap<&str, &Planned> =
        now.iter().map(|planned| (planned.address.as_str(), planned)).collect();
    let known: BTreeMap<&str, &Planned> =
        planned.iter().map(|planned| (planned.address.as_str(), planned)).collect();
    let named = problems.iter().filter_map(|problem| {
        let (address, _) = problem.resource.as_ref()?;
        Some((address.as_str(), problem.message.lines().next().unwrap_or_default()))
    });
    let barred: BTreeMap<&str, &str> = named.collect();
    let gone = planned.iter().filter_map(|one| {
        let now = found.get(one.address.as_str());
        let same = now.is_some_and(|now| now.change == one.change && now.stage == one.stage);
        let (planned, found) = match (now, barred.get(one.address.as_str())) {
            (Some(now), _) => sides(&one.change, &now.change),
            (None, Some(why)) => (before(&one.change), (*why).to_owned()),
            (None, None) => (before(&one.change), "as the plan wants it".to_owned()),
        };
        (!same).then(|| Moved { address: one.address.clone(), planned, found })
    });
    let wanted = || "as the files want it".to_owned();
    let new = now.iter().filter(|one| !known.contains_key(one.address.as_str())).map(|one| Moved {
        address: one.address.clone(),
        planned: wanted(),
        found: before(&one.change),
    });
    let broken = barred.iter().filter(|(address, _)| !known.contains_key(*address));
    let broken = broken.map(|(address, why)| Moved {
        address: (*address).to_owned(),
        planned: wanted(),
        found: (*why).to_owned(),
    });
    gone.chain(new).chain(broken).collect()
}

/// Both sides of what moved. Where what stands there is said alike, what else the changes say is added.
fn sides(planned: &Change, found: &Change) -> (String, String) {
    let (one, other) = (before(planned), before(found));
    if one != other {
        return (one, other);
    }
    let more = |change: &Change| {
        let fired = change.fired.as_ref().map(|fired| {
            let causes: Vec<String> = fired.because.iter().map(Address::short).collect();
            format!("{} because of {}", fired.kind.word(), causes.join(", "))
        });
        let note = change.note.as_ref().and_then(|note| note.lines().next());
        let said: Vec<&str> = note.into_iter().chain(fired.as_deref()).collect();
        if said.is_empty() { "nothing besides".to_owned() } else { said.join("; ") }
    };
    (format!("{one}: {}", more(planned)), format!("{other}: {}", more(found)))
}

/// What stands before a change, in a few words.
fn before(change: &Change) -> String {
    if change.action == Action::Create {
        return "nothing there".to_owned();
    }
    let sides = change.attributes.iter().map(|attribute| {
        let name = attribute.name;
        match &attribute.difference {
            Difference::Value { before, .. } => {
                format!("{name} {}", before.as_deref().unwrap_or("none"))
            }
            Difference::Content { before: Some(body), .. } => {
                let digest = body.digest().get(..12).unwrap_or_else(|| body.digest());
                let word = if body.size() == 1 { "byte" } else { "bytes" };
                format!("{name} sha256:{digest} ({} {word})", body.size())
            }
            Difference::Content { before: None, .. } => format!("no {name}"),
            Difference::Secret { .. } => format!("{name} (sensitive)"),
            Difference::Sensitive { before, .. } => {
                let digest = before.as_deref().unwrap_or("none");
                format!("{name} (sensitive) {}", digest.get(..12).unwrap_or(digest))
            }
        }
    });
    let sides: Vec<String> = sides.collect();
    match change.action {
        Action::Run => "a command that is to run".to_owned(),
        Action::Trigger => {
            let kind = change.fired.as_ref().map_or("trigger", |fired| fired.kind.word());
            format!("as the files want it, with a {kind} to come")
        }
        // What its own words say: known after what.
        Action::KnownAfter if sides.is_empty() => {
            let note = change.note.as_ref().and_then(|note| note.lines().last());
            format!("what is {}", note.unwrap_or("known only after what comes before it"))
        }
        _ if sides.is_empty() => "it is there".to_owned(),
        _ => sides.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Attribute;
    use crate::model::change::{Fired, TriggerKind};

    fn planned(change: Change) -> Planned {
        Planned {
            stage: 0,
            address: "m/service[nginx]".to_owned(),
            place: String::new(),
            change,
            set: None,
            origin: super::super::Origin::New,
            dangers: super::super::Dangers::default(),
            why: Vec::new(),
        }
    }

    fn told(one: Change, other: Change) -> (String, String) {
        let moved = moved(&[planned(one)], &[planned(other)], &[]);
        let [Moved { planned, found, .. }] = moved.as_slice() else { panic!("one moved") };
        (planned.clone(), found.clone())
    }

    #[test]
    fn what_stands_there_is_said_in_plain_words() {
        let stopped = || {
            let state = Attribute::value("state", Some("stopped"), Some("running"));
            Change::new(Action::Update, vec![state])
        };
        let address = Address::read("m/file[/x]").expect("an address");
        let fired = Fired { kind: TriggerKind::Restart, because: vec![address], owed: None };
        let trigger = Change { fired: Some(fired), ..Change::new(Action::Trigger, Vec::new()) };
        let known = Change::new(Action::KnownAfter, Vec::new()).note("known after package[nginx]");
        let (planned, found) = told(stopped(), trigger.clone());
        assert_eq!(
            (planned.as_str(), found.as_str()),
            ("state stopped", "as the files want it, with a restart to come")
        );
        assert_eq!(told(stopped(), known).1, "what is known after package[nginx]");
        let (planned, found) = told(Change { fired: trigger.fired, ..stopped() }, stopped());
        assert_eq!(planned, "state stopped: restart because of file[/x]");
        assert_eq!(found, "state stopped: nothing besides");
        let gone = Change::new(Action::Delete, Vec::new());
        assert_eq!(told(gone, stopped()).0, "it is there");
    }
}
