//! What nobody declares any more and is to go, beside what is declared: before it, so that what is
//! declared hears of it, but for what others may still need until then.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Desired, Instance, Order, Together};
use crate::resources::Claim;

/// Types whose things go last: others may use them until they are changed themselves.
const LAST: [&str; 3] = ["package", "user", "group"];

impl Desired {
    /// Resources that stand in their order already, in one stage, each with those before it.
    #[must_use]
    pub fn in_order(resources: Vec<(Arc<Instance>, Vec<usize>)>) -> Self {
        let count = resources.len();
        let (resources, after) = resources.into_iter().unzip();
        let order = Order {
            sequence: (0..count).collect(),
            stages: vec![0; count],
            after,
            triggers: vec![Vec::new(); count],
        };
        Self {
            resources,
            sets: Vec::new(),
            left_out: Vec::new(),
            beside: None,
            unselected: HashMap::new(),
            order: Arc::new(order),
        }
    }

    /// As `self`, with `orphans`: the resources, and for each the place in `self` that it stood at.
    #[must_use]
    pub fn with_orphans(&self, mut orphans: Vec<Instance>) -> (Self, Vec<Option<usize>>) {
        let rank = |instance: &Instance| {
            let kind = instance.address.kind;
            let turn = match LAST.iter().position(|last| *last == kind) {
                Some(at) => at + 3,
                None if instance.kind.removes(&instance.desired).is_none() => 0,
                None if kind != "directory" => 1,
                None => 2,
            };
            (turn, instance.address.name.len())
        };
        orphans.sort_by(|one, other| {
            let ((one_rank, one_length), (other_rank, other_length)) = (rank(one), rank(other));
            // What is inside a file or a folder goes before it.
            let inner = one_rank.cmp(&other_rank).then(other_length.cmp(&one_length));
            inner.then_with(|| one.address.cmp(&other.address))
        });
        // A folder that goes may be empty once the others have gone.
        let known = self.resources.iter().map(|instance| &**instance).chain(&orphans);
        let claims: Vec<Claim> = known.flat_map(|one| one.kind.claims(&one.desired)).collect();
        let introduced = orphans.into_iter().map(|orphan| {
            match orphan.kind.among(&orphan.desired, &|| claims.clone()) {
                Some(desired) => Instance { desired, ..orphan },
                None => orphan,
            }
        });
        let (first, last): (Vec<_>, Vec<_>) =
            introduced.map(Arc::new).partition(|instance| !LAST.contains(&instance.address.kind));
        let (shift, count) = (first.len(), self.resources.len());
        let order = self.around(&first, &last);
        let resources: Vec<Arc<Instance>> =
            first.into_iter().chain(self.resources.iter().cloned()).chain(last).collect();
        let places = (0..resources.len()).map(|at| at.checked_sub(shift).filter(|at| *at < count));
        let places = places.collect();
        let left_out = self.left_out.clone();
        let (beside, unselected) = (self.beside.clone(), self.unselected.clone());
        let shifted = |set: &Together| Together {
            members: set.members.iter().map(|at| at + shift).collect(),
            ..set.clone()
        };
        let sets = self.sets.iter().map(shifted).collect();
        (Self { resources, sets, left_out, beside, unselected, order: Arc::new(order) }, places)
    }

    fn around(&self, first: &[Arc<Instance>], last: &[Arc<Instance>]) -> Order {
        let (shift, behind) = (first.len(), last.len());
        let old = &*self.order;
        let (begin, end) =
            (old.stages.first().copied().unwrap_or(0), old.stages.last().copied().unwrap_or(0));
        let moved = |places: &Vec<usize>| places.iter().map(|at| at + shift).collect::<Vec<_>>();
        let none = |count: usize| std::iter::repeat_n(Vec::new(), count);
        let after: Vec<Vec<usize>> =
            none(shift).chain(old.after.iter().map(moved)).chain(none(behind)).collect();
        let triggers = old.triggers.iter().enumerate().map(|(at, all)| {
            let instance = &self.resources[at];
            let mut all: Vec<_> = all.iter().map(|(kind, from)| (*kind, moved(from))).collect();
            for trigger in instance.kind.triggers(&instance.desired) {
                let heard = first.iter().enumerate().filter(|(_, orphan)| {
                    trigger.on.value.matches(&orphan.address, &instance.address.module)
                });
                let heard: Vec<usize> = heard.map(|(at, _)| at).collect();
                if !heard.is_empty() {
                    all.push((trigger.kind, heard));
                }
            }
            all
        });
        let quiet = |count: usize| std::iter::repeat_n(Vec::new(), count);
        let triggers = quiet(shift).chain(triggers).chain(quiet(behind)).collect();
        let stages = std::iter::repeat_n(begin, shift)
            .chain(old.stages.iter().copied())
            .chain(std::iter::repeat_n(end, behind))
            .collect();
        let count = shift + self.resources.len() + behind;
        Order { sequence: (0..count).collect(), stages, after, triggers }
    }
}
