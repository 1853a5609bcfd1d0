//! What a ledger makes of a plan: which differences are drift, what nobody declares any more, what is owed.

use std::collections::{BTreeSet, HashMap};

use super::{Entry, Ledger, Parted};
use crate::model::change::Fired;
use crate::model::{Action, Address, Attribute, Change, Difference};
use crate::plan::{Origin, Plan, Status};
use crate::resolve::{Desired, Instance};
use crate::resources::Parting;

/// Hex digits of a digest that a ledger keeps.
const DIGITS: usize = 16;

/// What the files declared once and declare no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub address: String,
    pub parting: Parted,
    /// The run that applied it last.
    pub run: String,
}

impl Ledger {
    /// What is remembered of a resource that was applied in `run`. `made` where this apply makes it.
    #[must_use]
    pub fn entry(&self, instance: &Instance, run: &str, made: bool) -> Entry {
        let known = self.entries.get(&instance.address.to_string());
        let record = instance.kind.record(&instance.desired).into_iter();
        let record = record.map(|(key, value)| (key.to_owned(), short(&value))).collect();
        Entry {
            mark: instance.mark.clone(),
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
        known.is_some_and(|known| known.mark == instance.mark && !known.unsettled)
    }

    /// What the files declared once and declare no more; nothing where not all that they declare is known.
    #[must_use]
    pub fn orphans(&self, desired: &Desired) -> Vec<Orphan> {
        let Some(beside) = desired.beside.as_ref().filter(|_| !self.entries.is_empty()) else {
            return Vec::new();
        };
        let declared: BTreeSet<String> = desired
            .resources
            .iter()
            .map(|instance| instance.address.to_string())
            .chain(beside.iter().map(ToString::to_string))
            .collect();
        let gone = self.entries.iter().filter(|(address, _)| !declared.contains(*address));
        gone.map(|(address, entry)| Orphan {
            address: address.clone(),
            parting: match &entry.parting {
                Parted::Made(_) if !entry.made => {
                    Parted::Stays("it was there before this project".to_owned())
                }
                other => other.clone(),
            },
            run: entry.run.clone(),
        })
        .collect()
    }

    /// What is not remembered any longer: nobody declares it, and it stays on the host whatever is asked for.
    #[must_use]
    pub fn forgotten(&self, desired: &Desired) -> BTreeSet<String> {
        let stays = |orphan: &Orphan| matches!(orphan.parting, Parted::Stays(_) | Parted::Nothing);
        let gone = self.orphans(desired).into_iter().filter(stays);
        gone.map(|orphan| orphan.address).collect()
    }

    /// What nobody declares any more of the text of files, by their paths: it goes when its file does.
    #[must_use]
    pub fn inside(&self, desired: &Desired) -> HashMap<String, Vec<String>> {
        let path = |table: &str| {
            let table = table.parse::<toml::Value>().ok()?;
            Some(table.get("path")?.as_str()?.to_owned())
        };
        let mut inside: HashMap<String, Vec<String>> = HashMap::new();
        for orphan in self.orphans(desired) {
            if let Parted::Goes(table) = &orphan.parting
                && let Some(path) = path(table)
            {
                inside.entry(path).or_default().push(orphan.address);
            }
        }
        inside
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

    /// Gives entries their new addresses, each once, where nothing is known of those yet.
    pub fn rename(&mut self, moved: &[(String, String)], desired: &Desired) {
        if moved.is_empty() {
            return;
        }
        let declared: BTreeSet<String> =
            desired.resources.iter().map(|instance| instance.address.to_string()).collect();
        for (from, to) in moved {
            if declared.contains(to)
                && !declared.contains(from)
                && !self.entries.contains_key(to)
                && let Some(entry) = self.entries.remove(from)
            {
                self.entries.insert(to.clone(), entry);
                for owed in self.owed.iter_mut().filter(|owed| owed.address == *from) {
                    owed.address.clone_from(to);
                }
                self.open = true;
            }
        }
    }
}

/// What moved, of a change of a resource that was applied before.
fn origin(entry: &Entry, instance: &Instance, change: &Change) -> Origin {
    if matches!(change.action, Action::Trigger | Action::KnownAfter) {
        return Origin::New;
    }
    let files = entry.mark != instance.mark;
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
        Difference::Content { before, .. } => before.as_ref().map(|body| short(&body.digest)),
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
