//! The resource types. Each is one file: how its table reads, what it asks a host, what the answer
//! means, what differs, and the steps that mend it. All of it is pure; nothing here does I/O.
//!
//! A new type is one file and one line in [`REGISTRY`].

mod able;
mod about;
mod access;
mod account;
mod answers;
mod authorized_key;
mod block;
mod claim;
mod command;
mod content;
mod directory;
mod entries;
mod file;
mod group;
pub mod input;
mod inverse;
mod key_table;
mod kind;
mod line;
mod mistake;
mod package;
mod path;
mod public_key;
mod record;
mod service;
mod set;
mod several;
mod stats;
mod symlink;
mod text;
mod user;

use std::fmt::Debug;

use crate::model::change::TriggerKind;
use crate::model::{AddressPattern, Attribute, Body, Change, Diagnostic, Located, WayIn};
use crate::shell::{Script, Step};

pub use about::About;
pub use claim::Claim;
pub use input::{Bodies, Input};
pub use inverse::{Back, Copy, Inverse, LOGIN, Left};
pub use kind::{Erased, Kind, Part, ResourceType};
pub use record::{Parting, Record};
pub use set::{Member, STAGED, SetStep};
pub use stats::{Stats, stat_about};
pub use text::next_line;

/// Every resource type, in the order in which hosts are asked about them.
pub static REGISTRY: &[&dyn ResourceType] = &[
    &Kind::<group::Group>::NEW,
    &Kind::<user::User>::NEW,
    &Kind::<package::Package>::NEW,
    &Kind::<directory::Directory>::NEW,
    &Kind::<file::File>::NEW,
    &Kind::<symlink::Symlink>::NEW,
    &Kind::<line::Line>::NEW,
    &Kind::<block::Block>::NEW,
    &Kind::<authorized_key::AuthorizedKey>::NEW,
    &Kind::<command::Command>::NEW,
    &Kind::<service::Service>::NEW,
];

/// The type of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn ResourceType> {
    REGISTRY.iter().copied().find(|kind| kind.name() == name)
}

/// A kind of thing that TOML can declare and a host can have. The functions stand in the order in
/// which they are used.
pub trait Resource: Send + Sync + 'static {
    /// What the files say, typed and checked.
    type Desired: Debug + Send + Sync + 'static;
    /// What a host has.
    type Observed: Debug + Clone + Send + Sync + 'static;

    /// The name in TOML and addresses.
    const NAME: &'static str;
    /// Types of one family have one type of observed state, and see each other's changes of a subject.
    const FAMILY: &'static str = Self::NAME;
    /// What the manual says of it.
    const ABOUT: About;
    /// Shell functions that its probe and steps call, on top of the wire's own.
    const LIBRARY: &'static [&'static str] = &[];
    /// Types whose resources in the same module come before, unless an explicit edge says otherwise.
    const AFTER: &'static [&'static str] = &[];
    /// Whether its resources can be members of a set.
    const IN_SETS: bool = false;
    /// Whether its subject is a path, and a change needs a login that can write in the folder around it.
    const IN_FOLDER: bool = false;
    /// Whether a change of it may change anything else on the host.
    const OPAQUE: bool = false;
    /// Files, given by their paths, that its answer hangs on alone: it stands as long as none of them was touched. Where
    /// its library was told what stat(1) said of them (`since` in the prelude), the answer is `@same` where that is so
    /// still, and begins with a line `@from` where not.
    const GROUNDS: &'static [&'static str] = &[];

    /// Whether a host can put back what a change of it did.
    const RETURNS: bool = false;
    /// Whether a step of it that failed may be tried again: it may fail for a while only, and a second
    /// time does no harm.
    const REPEATABLE: bool = false;
    /// Keys whose values nothing shows.
    const SECRET: &'static [&'static str] = &[];

    /// Reads its table.
    ///
    /// # Errors
    /// All mistakes in it.
    fn parse(input: &Input<'_>) -> Result<Self::Desired, Vec<Diagnostic>>;

    /// What it is about: two resources of a type with one subject see each other's changes.
    fn subject(desired: &Self::Desired) -> &str;

    /// What it is on its host, as words that nothing else has: two resources with one of them are about one
    /// thing, whatever their addresses are. Nothing where its address alone says it.
    fn identity(desired: &Self::Desired) -> Vec<String> {
        vec![format!("{} {}", Self::NAME, Self::subject(desired))]
    }

    /// The content that the files give it, if any.
    fn body(_desired: &Self::Desired) -> Option<&Body> {
        None
    }

    /// What exists after it, for others to come after it.
    fn provides(_desired: &Self::Desired) -> Vec<Subject> {
        Vec::new()
    }

    /// What others may have once the change is done, and may not before: a number.
    fn frees(_desired: &Self::Desired, _observed: &Self::Observed) -> Option<Subject> {
        None
    }

    /// The path that it takes away: a folder above it that goes too goes after it.
    fn removes(_desired: &Self::Desired) -> Option<&str> {
        None
    }

    /// What must exist before it.
    fn wants(_desired: &Self::Desired) -> Vec<Subject> {
        Vec::new()
    }

    /// What it says of paths and keys that others on the same host must know.
    fn claims(_desired: &Self::Desired) -> Vec<Claim> {
        Vec::new()
    }

    /// As `desired`, knowing what the others on its host claim; `None` where that is nothing to it.
    fn among(_desired: &Self::Desired, _claims: &dyn Fn() -> Vec<Claim>) -> Option<Self::Desired> {
        None
    }

    /// What it may do besides, after an opaque change: nobody can know it before.
    fn exposed(_desired: &Self::Desired) -> Option<&'static str> {
        None
    }

    /// What makes it act although nothing of its own differs.
    fn triggers(_desired: &Self::Desired) -> &[Trigger] {
        &[]
    }

    /// The paths of which it must be known what stands there: asked once for all types, and in the answer before what
    /// the probe asks.
    fn paths<'d>(_items: &[&'d Self::Desired]) -> Vec<&'d str> {
        Vec::new()
    }

    /// Asks a host about all of `items` with a handful of processes; changes nothing.
    fn probe(items: &[&Self::Desired], script: &mut Script);

    /// Seconds that programs of the user's may take in its probe.
    fn probe_seconds(_desired: &Self::Desired) -> u32 {
        0
    }

    /// Reads the answer: for each item what is there, or why that is not known.
    fn observe(items: &[&Self::Desired], answer: &[u8]) -> Vec<Result<Self::Observed, String>>;

    /// What differs.
    fn diff(desired: &Self::Desired, observed: &Self::Observed) -> Verdict;

    /// Why a mistake in such a change may keep us, or everybody, off the host; `None` where it does not.
    fn cuts(_desired: &Self::Desired, _change: &Change, _way_in: &WayIn) -> Option<&'static str> {
        None
    }

    /// Whether a trigger that goes off is to be heeded, beside the change that there is already.
    fn heeds(
        _desired: &Self::Desired,
        _observed: &Self::Observed,
        _change: Option<&Change>,
    ) -> bool {
        true
    }

    /// What a trigger that goes off runs, where a reader cannot know that from its name.
    fn runs(_desired: &Self::Desired) -> Vec<Attribute> {
        Vec::new()
    }

    /// Whether asking the host again shows that a change was done.
    fn verifiable(_desired: &Self::Desired) -> bool {
        true
    }

    /// What the host remembers of it.
    fn record(_desired: &Self::Desired) -> Record {
        Record::new()
    }

    /// What becomes of it when the files no longer declare it.
    fn parting(desired: &Self::Desired) -> Parting;

    /// The way back of a change that was made from `observed`.
    fn inverse(desired: &Self::Desired, observed: &Self::Observed, change: &Change) -> Inverse;

    /// The way back where it came with something else in the same run: a unit with its package. `first` is what was
    /// there before the run.
    fn came(_desired: &Self::Desired, _first: &Self::Observed, _change: &Change) -> Option<Back> {
        None
    }

    /// Which attribute of something that is to go again is not what a run left of it, of those that no change names.
    fn unlike(
        _desired: &Self::Desired,
        _observed: &Self::Observed,
        _left: &Left,
    ) -> Option<&'static str> {
        None
    }

    /// As `desired`, with the content of a copy that the host keeps; `None` for what has no content.
    fn restoring(_desired: &Self::Desired, _copy: &Copy) -> Option<Self::Desired> {
        None
    }

    /// The state that the change will leave.
    fn predict(desired: &Self::Desired, observed: &Self::Observed) -> Self::Observed;

    /// How it changes as a member of a set, where its type has such ([`Self::IN_SETS`]).
    fn member(_work: &Work<'_, Self>) -> Option<Member>
    where
        Self: Sized,
    {
        None
    }

    /// The steps that do `work`, in its order; each names the items (by index) that it does.
    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)>
    where
        Self: Sized;
}

/// One change to be done.
#[derive(Debug)]
pub struct Work<'w, R: Resource> {
    pub desired: &'w R::Desired,
    pub observed: &'w R::Observed,
    pub change: &'w Change,
    /// Seconds that its step may take, where the user set them.
    pub timeout: Option<u32>,
}

/// Something on a host that one resource makes and another needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    Path(String),
    User(String),
    Group(String),
    /// A systemd unit, with its suffix.
    Unit(String),
    /// A number of the user database that nobody has.
    FreeUid(u32),
    FreeGid(u32),
}

/// Acts when one of the named resources changes.
#[derive(Debug, Clone)]
pub struct Trigger {
    pub kind: TriggerKind,
    pub on: Located<AddressPattern>,
}

/// What comparing says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do, and why.
    Same(String),
    Change(Change),
    /// It cannot be done as the host is now. Where something before it makes `need`, or may make
    /// anything, the change is `then`; else this is told and the host is not touched.
    Blocked {
        need: Option<Subject>,
        message: String,
        then: Change,
    },
    /// It cannot be done, whatever comes before it.
    Refused(String),
}

/// Seconds that a step may take where nobody said: DESIGN's limits.
const STEP_SECONDS: u32 = 300;
