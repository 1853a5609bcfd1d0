//! Resource types behind one object-safe interface, so that the rooms above know no type.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{
    About, Back, Claim, Copy, Input, Inverse, Left, Member, Parting, Record, Resource, Subject,
    Trigger, Verdict, Work, path,
};
use crate::model::{Attribute, Body, Change, Diagnostic, WayIn};
use crate::shell::{Script, Step};

/// A desired or observed state of some type.
pub type Erased = Arc<dyn Any + Send + Sync>;

/// One change to be done, its states erased.
#[derive(Debug, Clone, Copy)]
pub struct Part<'w> {
    pub desired: &'w Erased,
    pub observed: &'w Erased,
    pub change: &'w Change,
    pub timeout: Option<u32>,
}

/// [`Resource`], object-safe.
pub trait ResourceType: Sync {
    fn name(&self) -> &'static str;
    fn family(&self) -> &'static str;
    fn about(&self) -> About;
    fn library(&self) -> &'static [&'static str];
    /// Whether two desired states say the same.
    fn same(&self, one: &Erased, other: &Erased) -> bool;
    fn after(&self) -> &'static [&'static str];
    fn in_folder(&self) -> bool;
    fn in_sets(&self) -> bool;
    fn opaque(&self) -> bool;
    fn grounds(&self) -> &'static [&'static str];
    fn repeatable(&self) -> bool;
    fn secret(&self) -> &'static [&'static str];
    /// # Errors
    /// All mistakes in the table.
    fn parse(&self, input: &Input<'_>) -> Result<Erased, Vec<Diagnostic>>;
    fn subject<'d>(&self, desired: &'d Erased) -> &'d str;
    fn body<'d>(&self, desired: &'d Erased) -> Option<&'d Body>;
    fn provides(&self, desired: &Erased) -> Vec<Subject>;
    fn frees(&self, desired: &Erased, observed: &Erased) -> Option<Subject>;
    fn removes<'d>(&self, desired: &'d Erased) -> Option<&'d str>;
    fn identity(&self, desired: &Erased) -> Vec<String>;
    fn wants(&self, desired: &Erased) -> Vec<Subject>;
    fn claims(&self, desired: &Erased) -> Vec<Claim>;
    fn among(&self, desired: &Erased, claims: &dyn Fn() -> Vec<Claim>) -> Option<Erased>;
    fn exposed(&self, desired: &Erased) -> Option<&'static str>;
    fn triggers<'d>(&self, desired: &'d Erased) -> &'d [Trigger];
    /// The paths of which it must be known what stands there, and in which folders they are.
    fn paths<'d>(&self, items: &[&'d Erased]) -> Vec<&'d str>;
    /// What is asked besides.
    fn rest(&self, items: &[&Erased], script: &mut Script);
    /// All that is asked about resources of this type alone.
    fn probe(&self, items: &[&Erased], script: &mut Script) {
        path::ask_stat(self.paths(items).into_iter(), &[], false, script);
        self.rest(items, script);
    }
    fn probe_seconds(&self, desired: &Erased) -> u32;
    fn observe(&self, items: &[&Erased], answer: &[u8]) -> Vec<Result<Erased, String>>;
    fn diff(&self, desired: &Erased, observed: &Erased) -> Verdict;
    fn returns(&self) -> bool;
    fn cuts(&self, desired: &Erased, change: &Change, way_in: &WayIn) -> Option<&'static str>;
    fn heeds(&self, desired: &Erased, observed: &Erased, change: Option<&Change>) -> bool;
    fn runs(&self, desired: &Erased) -> Vec<Attribute>;
    fn verifiable(&self, desired: &Erased) -> bool;
    fn record(&self, desired: &Erased) -> Record;
    fn parting(&self, desired: &Erased) -> Parting;
    fn inverse(&self, desired: &Erased, observed: &Erased, change: &Change) -> Inverse;
    fn came(&self, desired: &Erased, first: &Erased, change: &Change) -> Option<Back>;
    fn unlike(&self, desired: &Erased, observed: &Erased, left: &Left) -> Option<&'static str>;
    fn restoring(&self, desired: &Erased, copy: &Copy) -> Option<Erased>;
    fn predict(&self, desired: &Erased, observed: &Erased) -> Erased;
    fn member(&self, part: &Part<'_>) -> Option<Member>;
    fn steps(&self, parts: &[Part<'_>]) -> Vec<(Vec<usize>, Step)>;
}

impl std::fmt::Debug for dyn ResourceType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A resource type as a value.
#[derive(Debug)]
pub struct Kind<R>(PhantomData<fn() -> R>);

impl<R> Kind<R> {
    /// The one value of it.
    pub const NEW: Self = Self(PhantomData);
}

/// The state inside. A state of another type would be our bug.
fn typed<T: 'static>(state: &Erased) -> &T {
    state.downcast_ref().expect("a state is only ever handed to the type that made it")
}

impl<R: Resource> ResourceType for Kind<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }
    fn family(&self) -> &'static str {
        R::FAMILY
    }
    fn about(&self) -> About {
        R::ABOUT
    }
    fn library(&self) -> &'static [&'static str] {
        R::LIBRARY
    }
    fn same(&self, one: &Erased, other: &Erased) -> bool {
        let text = |state| format!("{:?}", typed::<R::Desired>(state));
        text(one) == text(other)
    }
    fn after(&self) -> &'static [&'static str] {
        R::AFTER
    }
    fn in_sets(&self) -> bool {
        R::IN_SETS
    }
    fn in_folder(&self) -> bool {
        R::IN_FOLDER
    }
    fn opaque(&self) -> bool {
        R::OPAQUE
    }
    fn grounds(&self) -> &'static [&'static str] {
        R::GROUNDS
    }
    fn repeatable(&self) -> bool {
        R::REPEATABLE
    }
    fn secret(&self) -> &'static [&'static str] {
        R::SECRET
    }
    fn parse(&self, input: &Input<'_>) -> Result<Erased, Vec<Diagnostic>> {
        R::parse(input).map(|desired| Arc::new(desired) as Erased)
    }
    fn subject<'d>(&self, desired: &'d Erased) -> &'d str {
        R::subject(typed(desired))
    }
    fn body<'d>(&self, desired: &'d Erased) -> Option<&'d Body> {
        R::body(typed(desired))
    }
    fn provides(&self, desired: &Erased) -> Vec<Subject> {
        R::provides(typed(desired))
    }
    fn frees(&self, desired: &Erased, observed: &Erased) -> Option<Subject> {
        R::frees(typed(desired), typed(observed))
    }
    fn removes<'d>(&self, desired: &'d Erased) -> Option<&'d str> {
        R::removes(typed(desired))
    }
    fn identity(&self, desired: &Erased) -> Vec<String> {
        R::identity(typed(desired))
    }
    fn wants(&self, desired: &Erased) -> Vec<Subject> {
        R::wants(typed(desired))
    }
    fn claims(&self, desired: &Erased) -> Vec<Claim> {
        R::claims(typed(desired))
    }
    fn among(&self, desired: &Erased, claims: &dyn Fn() -> Vec<Claim>) -> Option<Erased> {
        R::among(typed(desired), claims).map(|desired| Arc::new(desired) as Erased)
    }
    fn exposed(&self, desired: &Erased) -> Option<&'static str> {
        R::exposed(typed(desired))
    }
    fn triggers<'d>(&self, desired: &'d Erased) -> &'d [Trigger] {
        R::triggers(typed(desired))
    }
    fn paths<'d>(&self, items: &[&'d Erased]) -> Vec<&'d str> {
        let items: Vec<&R::Desired> = items.iter().map(|item| typed(item)).collect();
        R::paths(&items)
    }
    fn rest(&self, items: &[&Erased], script: &mut Script) {
        let items: Vec<&R::Desired> = items.iter().map(|item| typed(item)).collect();
        R::probe(&items, script);
    }
    fn probe_seconds(&self, desired: &Erased) -> u32 {
        R::probe_seconds(typed(desired))
    }
    fn observe(&self, items: &[&Erased], answer: &[u8]) -> Vec<Result<Erased, String>> {
        let items: Vec<&R::Desired> = items.iter().map(|item| typed(item)).collect();
        // A shell drops NUL bytes from all that it captures: such an answer is no shell's.
        if answer.contains(&0) {
            let why = "the host's answer holds a NUL byte, which nothing that it was asked prints";
            return items.iter().map(|_| Err(why.to_owned())).collect();
        }
        let observed = R::observe(&items, answer);
        assert_eq!(observed.len(), items.len(), "one observed state for each {}", R::NAME);
        observed.into_iter().map(|state| state.map(|state| Arc::new(state) as Erased)).collect()
    }
    fn diff(&self, desired: &Erased, observed: &Erased) -> Verdict {
        R::diff(typed(desired), typed(observed))
    }
    fn returns(&self) -> bool {
        R::RETURNS
    }
    fn cuts(&self, desired: &Erased, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        R::cuts(typed(desired), change, way_in)
    }
    fn heeds(&self, desired: &Erased, observed: &Erased, change: Option<&Change>) -> bool {
        R::heeds(typed(desired), typed(observed), change)
    }
    fn runs(&self, desired: &Erased) -> Vec<Attribute> {
        R::runs(typed(desired))
    }
    fn verifiable(&self, desired: &Erased) -> bool {
        R::verifiable(typed(desired))
    }
    fn record(&self, desired: &Erased) -> Record {
        R::record(typed(desired))
    }
    fn parting(&self, desired: &Erased) -> Parting {
        R::parting(typed(desired))
    }
    fn inverse(&self, desired: &Erased, observed: &Erased, change: &Change) -> Inverse {
        R::inverse(typed(desired), typed(observed), change)
    }
    fn came(&self, desired: &Erased, first: &Erased, change: &Change) -> Option<Back> {
        R::came(typed(desired), typed(first), change)
    }
    fn unlike(&self, desired: &Erased, observed: &Erased, left: &Left) -> Option<&'static str> {
        R::unlike(typed(desired), typed(observed), left)
    }
    fn restoring(&self, desired: &Erased, copy: &Copy) -> Option<Erased> {
        R::restoring(typed(desired), copy).map(|desired| Arc::new(desired) as Erased)
    }
    fn predict(&self, desired: &Erased, observed: &Erased) -> Erased {
        Arc::new(R::predict(typed(desired), typed(observed)))
    }
    fn member(&self, part: &Part<'_>) -> Option<Member> {
        R::member(&work(part))
    }
    fn steps(&self, parts: &[Part<'_>]) -> Vec<(Vec<usize>, Step)> {
        let work: Vec<Work<'_, R>> = parts.iter().map(work).collect();
        R::steps(&work)
    }
}

/// A part with its states as they are.
fn work<'w, R: Resource>(part: &Part<'w>) -> Work<'w, R> {
    Work {
        desired: typed(part.desired),
        observed: typed(part.observed),
        change: part.change,
        timeout: part.timeout,
    }
}
