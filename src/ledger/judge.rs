//! What a ledger makes of a plan: which differences are drift, and what is owed.

use std::collections::HashMap;

use super::{Entry, Ledger, Parted};
use crate::model::change::Fired;
use crate::model::{Action, Address, Attribute, Change, Difference};
use crate::plan::{Origin, Plan, Status};
use crate::resolve::{Desired, Instance};
use crate::resources::Parting;

/// Hex digits of a digest that a ledger keeps.
const DIGITS: usize = 16;

impl Ledger {
    /// What is remembered of a resource that was applied in `run`. `made` where this apply makes it.
    #[must_use]
    pub fn entry(&self, instance: &Instance, run: &str, made: bool) -> Entry {
        let known = self.entries.get(&instance.address.to_string());
        let record = instance.kind.record(&instance.desired).into_iter();
        let record = record.map(|(key, value)| (key.to_owned(), short(&value))).collect();
        Entry {
            mark: instance.mark().to_owned(),
            identity: instance.kind.identity(&instance.desired),
            record,
            parting: parted(instance),
            run: run.to_owned(),
            made: made || known.is_some_and(|known| known.made),
            ..Entry::default()
        }
    }

    /// Whether it remembers a resource as it is declared now, and as something that holds.
    #[must_use]
    pub fn knows(&self, instance: &Instance) -> bool {
        let known = self.entries.get(&instance.address.to_string());
        known.is_some_and(|known| known.mark == instance.mark() && !known.unsettled)
    }

    /// Triggers that are owed, by the places of their resources.
    #[must_use]
    pub fn due(&self, desired: &Desired) -> HashMap<usize, Fired> {
        let places: HashMap<String, usize> = desired
            .resources
            .iter()
            .enumerate()
            .map(|(index, instance)| (instance.address.to_string(), index))
            .collect();
        let mut due: HashMap<usize, Fired> = HashMap::new();
        for owed in &self.owed {
            let (Some(&place), Some(kind)) = (places.get(&owed.address), owed.trigger()) else {
                continue;
            };
            let because = owed.because.iter().filter_map(|address| Address::read(address));
            let fired = Fired { kind, because: because.collect(), owed: Some(owed.run.clone()) };
            match due.remove(&place) {
                Some(other) => due.insert(place, other.and(fired)),
                None => due.insert(place, fired),
            };
        }
        due
    }

    /// Says of each change in a plan whether the host moved, the files or both.
    pub fn judge(&self, plan: &mut Plan, desired: &Desired) {
        for (index, item) in plan.items.iter_mut().enumerate() {
            let instance = &desired.resources[index];
            let Status::Change(change) = &item.status else { continue };
            let entry = self.entries.get(&instance.address.to_string());
            item.origin = entry.map_or(Origin::New, |entry| origin(entry, instance, change));
        }
    }
}

/// What moved, of a change of a resource that was applied before.
fn origin(entry: &Entry, instance: &Instance, change: &Change) -> Origin {
    // What always runs says nothing of the host.
    let always = change.action == Action::Run && !instance.kind.verifiable(&instance.desired);
    if always || matches!(change.action, Action::Trigger | Action::KnownAfter) {
        return Origin::New;
    }
    let files = entry.mark != instance.mark();
    if entry.unsettled && entry.coming.is_none() {
        // It never held as this apply wanted it.
        return Origin::Files;
    }
    if !files && entry.coming.is_none() {
        return Origin::Host(entry.run.clone());
    }
    let host = match change.action {
        Action::Create => !entry.record.is_empty() && entry.coming.is_none(),
        _ => change.attributes.iter().any(|attribute| moved(entry, attribute)),
    };
    match (files || entry.coming.is_some(), host) {
        (_, false) => Origin::Files,
        (true, true) => Origin::Both(entry.run.clone()),
        (false, true) => Origin::Host(entry.run.clone()),
    }
}

/// Whether the host has another value than the last apply left there. Of what was not declared then
/// nothing is known.
fn moved(entry: &Entry, attribute: &Attribute) -> bool {
    let Some(then) = entry.record.get(attribute.name) else { return false };
    let now = match &attribute.difference {
        Difference::Value { before, .. } => before.as_deref().map(short),
        Difference::Content { before, .. } => before.as_ref().map(|body| short(body.digest())),
        Difference::Secret { before, .. } => {
            before.as_ref().map(|value| short(&String::from_utf8_lossy(value.reveal())))
        }
        Difference::Sensitive { .. } => return false,
    };
    let coming = entry.coming.as_ref().and_then(|coming| coming.get(attribute.name));
    now.as_ref() != Some(then) && (coming.is_none() || now.as_ref() != coming)
}

/// A value as a ledger keeps it: digests by their first digits, long texts by their digest.
pub(super) fn short(value: &str) -> String {
    let digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digest || value.len() > 200 {
        let digest = if digest {
            value.to_owned()
        } else {
            crate::model::change::sha256_hex(value.as_bytes())
        };
        return digest[..DIGITS].to_owned();
    }
    value.to_owned()
}

/// What becomes of a resource when nobody declares it, for the ledger. A sensitive text is not kept.
fn parted(instance: &Instance) -> Parted {
    let bare = |table: String| {
        let kept = !instance.kept_back() || table.len() <= "{ state = \"absent\" }".len();
        kept.then_some(table)
    };
    let hidden = || Parted::Stays("a sensitive value went into it, which is not kept".to_owned());
    match instance.kind.parting(&instance.desired) {
        Parting::Nothing => Parted::Nothing,
        Parting::Goes(table) => bare(table).map_or_else(hidden, Parted::Goes),
        Parting::GoesIfMade(table) => bare(table).map_or_else(hidden, Parted::Made),
        Parting::GoesIfAsked(table) => bare(table).map_or_else(hidden, Parted::Asked),
        Parting::Stays(why) => Parted::Stays(why.to_owned()),
    }
}
