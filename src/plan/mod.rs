//! Desired and observed to a plan: pure, total, deterministic.
//!
//! Each resource is compared with the state that the changes before it will leave: what they make is
//! there, what they edit is edited. What nobody can know before an opaque change was done (a package,
//! a command) is named as known after it.

mod danger;
mod document;
pub mod json;
mod moved;
pub mod saved;
mod wave;

use std::collections::{HashMap, HashSet};

use crate::model::change::{Fired, TriggerKind};
use crate::model::{Action, Address, Attribute, Change, Difference};
use crate::resolve::{Desired, Instance};
use crate::resources::{Erased, Subject, Verdict};

pub use danger::{Danger, Dangers, Guarded, dangers, guarded, told, window};
pub use document::{
    Document, HostPlan, HostState, InSet, Origin, Orphaned, Planned, Problem, Sets, Undoes, Why,
};
pub use moved::{Moved, moved};
pub use wave::next_wave;

/// The plan of one host: an item for each of its resources, in their order.
#[derive(Debug)]
pub struct Plan {
    pub items: Vec<Item>,
}

/// What becomes of one resource.
#[derive(Debug, Clone)]
pub struct Item {
    pub status: Status,
    /// The state that it was compared with: what the host has, or what will be when its turn comes.
    /// `None` where the host could not say.
    pub against: Option<Erased>,
    /// What moved, where a ledger says it.
    pub origin: Origin,
}

/// Whether a resource changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Nothing to do, and why.
    Same(String),
    Change(Change),
    /// It cannot be done as things are; the host is not touched.
    Problem(String),
}

impl Item {
    fn new(status: Status, against: Option<&Erased>) -> Self {
        Self { status, against: against.cloned(), origin: Origin::New }
    }
}

impl Plan {
    /// Lets go of the states of what stays as it is, where nothing is to be applied.
    pub fn release(&mut self) {
        for item in self.items.iter_mut().filter(|item| matches!(item.status, Status::Same(_))) {
            item.against = None;
        }
    }

    /// The items that change, with their index.
    pub fn changes(&self) -> impl Iterator<Item = (usize, &Change)> {
        self.items.iter().enumerate().filter_map(|(index, item)| match &item.status {
            Status::Change(change) => Some((index, change)),
            _ => None,
        })
    }

    /// The items that cannot be done, with their index.
    pub fn problems(&self) -> impl Iterator<Item = (usize, &str)> {
        self.items.iter().enumerate().filter_map(|(index, item)| match &item.status {
            Status::Problem(why) => Some((index, why.as_str())),
            _ => None,
        })
    }

    /// Whether nothing is to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none() && self.problems().next().is_none()
    }
}

/// What happened before this comparison: nothing for a first plan.
#[derive(Debug, Default)]
pub struct History {
    /// Resources whose turn is over; they are not compared again.
    pub past: HashSet<usize>,
    /// Those of them that were changed.
    pub changed: HashSet<usize>,
    /// Triggers that a run before called for and did not do.
    pub owed: HashMap<usize, Fired>,
}

/// Compares what a host should be with what it is.
///
/// # Panics
/// When `observed` has not one state for each resource.
#[must_use]
pub fn compare(desired: &Desired, observed: &[Result<Erased, String>], history: &History) -> Plan {
    assert_eq!(observed.len(), desired.resources.len(), "one observed state for each resource");
    let mut world = World::default();
    let mut items = Vec::with_capacity(observed.len());
    for (index, (instance, observed)) in desired.resources.iter().zip(observed).enumerate() {
        if history.past.contains(&index) {
            world.changed.extend(history.changed.get(&index));
            items.push(Item::new(Status::Same("done".into()), None));
            continue;
        }
        let owed = history.owed.get(&index);
        let item = world.item(desired, index, (observed, owed));
        if let (Status::Change(change), Some(against)) = (&item.status, &item.against) {
            world.enter(index, instance, change, against);
        }
        items.push(item);
    }
    Plan { items }
}

/// What the changes so far will have made of the host.
#[derive(Default)]
struct World {
    /// States that changes will leave, by family of types and subject.
    states: HashMap<(&'static str, String), Erased>,
    made: HashSet<Subject>,
    changed: HashSet<usize>,
    /// The last opaque change so far.
    opaque: Option<Address>,
}

impl World {
    fn item(
        &self,
        desired: &Desired,
        index: usize,
        (observed, owed): (&Result<Erased, String>, Option<&Fired>),
    ) -> Item {
        let instance = &desired.resources[index];
        let kind = instance.kind;
        let key = (kind.family(), kind.subject(&instance.desired).to_owned());
        let against = match (self.states.get(&key), observed) {
            (Some(predicted), _) => predicted,
            (None, Ok(observed)) => observed,
            (None, Err(why)) => {
                return Item::new(Status::Problem(why.clone()), None);
            }
        };
        let mut new = false;
        let verdict = kind.diff(&instance.desired, against);
        let status = match self.beyond(verdict, kind.exposed(&instance.desired)) {
            Verdict::Same(why) => Ok(why),
            Verdict::Change(change) => Err(change),
            Verdict::Refused(why) => {
                return Item::new(Status::Problem(why), Some(against));
            }
            Verdict::Blocked { need, message, then } => {
                let made = need.as_ref().is_some_and(|need| self.made.contains(need));
                new = made;
                match &self.opaque {
                    _ if made && then.action != Action::KnownAfter => Err(then),
                    Some(opaque) => Err(known_after(then, opaque)),
                    None => {
                        let left = need.and_then(|need| not_selected(desired, &need));
                        let status = Status::Problem(left.unwrap_or(message));
                        return Item::new(status, Some(against));
                    }
                }
            }
        };
        let fired = match (self.fired(desired, index), owed.cloned()) {
            (Some(fired), Some(owed)) => Some(fired.and(owed)),
            (fired, owed) => fired.or(owed),
        };
        let fired =
            fired.filter(|_| !new && kind.heeds(&instance.desired, against, status.as_ref().err()));
        let status = match (status, fired) {
            (Ok(why), None) => Status::Same(why),
            (Ok(_), fired) => {
                let mut change = Change::new(Action::Trigger, kind.runs(&instance.desired));
                change.fired = fired;
                Status::Change(change)
            }
            (Err(mut change), fired) => {
                change.fired = fired;
                if let Some(package) = self.replaces(instance, &change) {
                    change = change
                        .and_note(format!("replaces what {package} leaves there, if anything"));
                }
                Status::Change(change)
            }
        };
        Item::new(status, Some(against))
    }

    /// A verdict with what nobody can know of it because of an opaque change before.
    fn beyond(&self, verdict: Verdict, exposed: Option<&str>) -> Verdict {
        let (Some(opaque), Some(what)) = (&self.opaque, exposed) else { return verdict };
        match verdict {
            Verdict::Same(_) => {
                let then = Change::new(Action::KnownAfter, Vec::new());
                Verdict::Change(known_after(then.note(what), opaque))
            }
            Verdict::Change(change) => {
                let note = change
                    .note
                    .as_ref()
                    .map_or_else(|| what.into(), |note| format!("{note}\n{what}"));
                Verdict::Change(known_after(change.note(note), opaque))
            }
            verdict => verdict,
        }
    }

    /// The package of its module that may bring, before its turn, what a resource makes.
    fn replaces(&self, instance: &Instance, change: &Change) -> Option<String> {
        let package = self.opaque.as_ref().filter(|opaque| {
            opaque.kind == "package" && opaque.module == instance.address.module
        })?;
        let made = instance.kind.provides(&instance.desired);
        let path = made.iter().any(|subject| matches!(subject, Subject::Path(_)));
        let own = instance.kind.name() != "user" && change.action == Action::Create;
        (own && path).then(|| package.short())
    }

    /// The strongest trigger that goes off, with all that set it off.
    fn fired(&self, desired: &Desired, index: usize) -> Option<Fired> {
        let mut fired: Option<Fired> = None;
        for (kind, sources) in desired.triggers(index) {
            let because: Vec<Address> = sources
                .iter()
                .filter(|source| self.changed.contains(source))
                .map(|&source| desired.resources[source].address.clone())
                .collect();
            if !because.is_empty()
                && fired.as_ref().is_none_or(|fired| rank(fired.kind) < rank(*kind))
            {
                fired = Some(Fired { kind: *kind, because, owed: None });
            }
        }
        fired
    }

    /// Takes a change in.
    fn enter(&mut self, index: usize, instance: &Instance, change: &Change, against: &Erased) {
        let kind = instance.kind;
        self.changed.insert(index);
        if kind.opaque() {
            self.opaque = Some(instance.address.clone());
        }
        if change.action == Action::KnownAfter {
            return;
        }
        self.made.extend(kind.frees(&instance.desired, against));
        if change.action != Action::Delete {
            self.made.extend(kind.provides(&instance.desired));
        }
        let key = (kind.family(), kind.subject(&instance.desired).to_owned());
        self.states.insert(key, kind.predict(&instance.desired, against));
    }
}

/// Why something cannot be made, where what it needs is declared and the selection leaves it out.
fn not_selected(desired: &Desired, need: &Subject) -> Option<String> {
    desired.unselected(need).map(|_| missing(desired, need, ""))
}

/// That a host lacks what something needs: where it is declared and not selected, that, else `advice`.
#[must_use]
pub fn missing(desired: &Desired, need: &Subject, advice: &str) -> String {
    let what = match need {
        Subject::Path(path) => format!("{path} does not exist"),
        Subject::User(name) => format!("there is no user `{name}` on this host"),
        Subject::Group(name) => format!("there is no group `{name}` on this host"),
        Subject::Unit(name) => format!("there is no unit {name} on this host"),
        Subject::FreeUid(number) | Subject::FreeGid(number) => {
            format!("the number {number} is taken")
        }
    };
    match desired.unselected(need) {
        Some(address) => format!("{what}; {address} is declared, but not selected"),
        None => format!("{what}; {advice}"),
    }
}

/// A restart does all that a reload does.
const fn rank(kind: TriggerKind) -> u8 {
    match kind {
        TriggerKind::Reload => 0,
        TriggerKind::Restart => 1,
        TriggerKind::Run => 2,
    }
}

/// A change that cannot be seen whole before `opaque` was done. Of an edit of a file that is not there
/// yet its own lines are known.
fn known_after(mut then: Change, opaque: &Address) -> Change {
    let mut note = then.note.take().unwrap_or_default();
    if let [Attribute { difference: Difference::Content { after: Some(after), .. }, .. }] =
        then.attributes.as_slice()
        && then.action == Action::Update
    {
        let text = after
            .bytes()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        note.push_str(if lines.len() == 1 { ": + " } else { ":\n+ " });
        note.push_str(&lines.join("\n+ "));
        then = Change::new(Action::KnownAfter, Vec::new());
    }
    let after = format!("known after {}", opaque.short());
    then.note(if note.is_empty() { after } else { format!("{note}\n{after}") })
}
