//! What a host has now against what a plan was made against: where the two differ, the plan is not done.

use std::collections::BTreeMap;

use super::document::Planned;
use crate::model::{Action, Change, Difference};

/// A resource that is no longer as it was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub address: String,
    /// What the plan saw, and what was found.
    pub planned: String,
    pub found: String,
}

/// Every resource of a host whose change would now be another than `planned`.
#[must_use]
pub fn moved(planned: &[Planned], now: &[Planned]) -> Vec<Moved> {
    let found: BTreeMap<&str, &Planned> =
        now.iter().map(|planned| (planned.address.as_str(), planned)).collect();
    let known: BTreeMap<&str, &Planned> =
        planned.iter().map(|planned| (planned.address.as_str(), planned)).collect();
    let gone = planned.iter().filter_map(|one| {
        let now = found.get(one.address.as_str());
        let same = now.is_some_and(|now| now.change == one.change && now.stage == one.stage);
        (!same).then(|| Moved {
            address: one.address.clone(),
            planned: before(&one.change),
            found: now.map_or_else(|| "as the plan wants it".to_owned(), |now| before(&now.change)),
        })
    });
    let new = now.iter().filter(|one| !known.contains_key(one.address.as_str())).map(|one| Moved {
        address: one.address.clone(),
        planned: "as the files want it".to_owned(),
        found: before(&one.change),
    });
    gone.chain(new).collect()
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
                let digest = body.digest.get(..12).unwrap_or(&body.digest);
                format!("{name} sha256:{digest} ({} bytes)", body.size)
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
    if sides.is_empty() { format!("{} to be done", change.action.word()) } else { sides.join(", ") }
}
