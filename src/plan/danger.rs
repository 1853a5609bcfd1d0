//! What a reader must look at first: changes that take something away, stop something, or may cut off
//! the way to the host.

use std::fmt;

use super::Plan;
use crate::model::change::TriggerKind;
use crate::model::{Action, Change, Difference, WayIn};
use crate::resolve::{Desired, Instance};

/// A way in which a change is dangerous, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Danger {
    Deletes,
    Stops,
    Restarts,
    /// A mistake in it may keep us, or everybody, off the host.
    MayCutAccess,
    /// It runs a command of the user's.
    Runs,
    Reloads,
}

impl Danger {
    /// All, the worst first.
    pub const ALL: [Self; 6] =
        [Self::Deletes, Self::Stops, Self::Restarts, Self::MayCutAccess, Self::Runs, Self::Reloads];

    /// As a reader knows it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deletes => "deletes",
            Self::Stops => "stops",
            Self::Restarts => "restarts",
            Self::MayCutAccess => "may cut access",
            Self::Runs => "runs",
            Self::Reloads => "reloads",
        }
    }
}

/// All dangers of a change, the worst first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dangers(pub Vec<Danger>);

impl fmt::Display for Dangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|danger| danger.word()).collect();
        f.write_str(&words.join(", "))
    }
}

/// What is dangerous about a change.
#[must_use]
pub fn dangers(instance: &Instance, change: &Change, way_in: &WayIn) -> Dangers {
    let fired = |kind| change.fired.as_ref().is_some_and(|fired| fired.kind == kind);
    let stops = instance.address.kind == "service"
        && matches!(change.after("state"), Some("stopped" | "masked"));
    let found = [
        (Danger::Deletes, change.action == Action::Delete || purges(change)),
        (Danger::Stops, stops),
        (Danger::Restarts, fired(TriggerKind::Restart)),
        (Danger::MayCutAccess, instance.kind.cuts(&instance.desired, change, way_in).is_some()),
        (Danger::Runs, change.action == Action::Run || fired(TriggerKind::Run)),
        (Danger::Reloads, fired(TriggerKind::Reload)),
    ];
    Dangers(found.into_iter().filter(|(_, found)| *found).map(|(danger, _)| danger).collect())
}

/// Whether something goes that is one of several facts: an entry of a folder, a key of a user.
fn purges(change: &Change) -> bool {
    change.attributes.iter().any(|attribute| {
        matches!(attribute.name, "entry" | "key")
            && matches!(attribute.difference, Difference::Value { before: Some(_), after: None })
    })
}

/// Seconds in which a change that may cut access must be confirmed, where nobody says another time.
const WINDOW: u32 = 60;

/// Why a change must be confirmed, or the host puts it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    /// The files or the command line say so.
    Asked,
    /// It may cut off the way to the host, for this reason.
    Cuts(&'static str),
}

/// Whether a change must be confirmed, or the host puts it back, and why. `asked` is what the command line says of
/// all changes, in seconds; 0 is "not at all" there and in the files.
#[must_use]
pub fn guarded(
    instance: &Instance,
    change: &Change,
    (way_in, asked): (&WayIn, Option<u32>),
) -> Option<Guarded> {
    match instance.confirm.or(asked) {
        Some(0) => None,
        Some(_) => Some(Guarded::Asked),
        None => instance.kind.cuts(&instance.desired, change, way_in).map(Guarded::Cuts),
    }
}

/// Seconds in which the changes of a host must be confirmed that must be: the longest time that somebody says.
#[must_use]
pub fn window(desired: &Desired, plan: &Plan, asked: Option<u32>) -> u32 {
    let said = plan.changes().filter_map(|(index, _)| desired.resources[index].confirm);
    said.chain(asked).max().filter(|seconds| *seconds > 0).unwrap_or(WINDOW)
}

/// What a reader is told of a change that must be confirmed.
#[must_use]
pub fn told(instance: &Instance, change: &Change, (guarded, seconds): (Guarded, u32)) -> String {
    let name = instance.kind.name();
    let again = change.fired.as_ref().is_some_and(|fired| fired.kind == TriggerKind::Run);
    let mut told = if instance.kind.returns() {
        format!("confirm within {seconds} s, else the host puts it back")
    } else if again {
        format!(
            "confirm within {seconds} s, else the host puts files and services back, and runs this {name} once more"
        )
    } else {
        format!(
            "confirm within {seconds} s, else the host puts files and services back; this {name} stays"
        )
    };
    if let Guarded::Cuts(why) = guarded {
        told.push_str(": ");
        told.push_str(why);
    }
    told
}
