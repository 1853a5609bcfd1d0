//! The order in which a host's resources are done: edges first, then the order of the document.
//!
//! Explicit edges come from `requires` and triggers. Implied ones come from what resources make and
//! need, and from the types' own `AFTER`; they give way: where nothing could go on otherwise, the
//! implied edges of the first waiting resource are dropped. A cycle of explicit edges is a mistake.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::circle::cycle;
use super::conflict::{check_owners, unique};
use super::memo::Memo;
use super::sets::{self, Declared, Group};
use super::{Desired, Instance, LeftOut};
use crate::model::change::TriggerKind;
use crate::model::{Address, AddressPattern, Diagnostic, Located, Span};
use crate::resources::Subject;

/// A resource whose edges are not yet resolved.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) instance: Arc<Instance>,
    pub(super) requires: Vec<Located<AddressPattern>>,
    /// A number for everything of it that the order depends on.
    pub(super) shape: u32,
}

/// A draft of a host, in the order of the document.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) draft: Arc<Draft>,
    /// Index of its stage.
    pub(super) stage: usize,
    /// Where its module is used.
    pub(super) used: Span,
}

/// The order of a host's resources, and the edges that the files say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Which resource of the document comes at each place.
    pub(super) sequence: Vec<usize>,
    /// The stage of each place.
    pub(super) stages: Vec<usize>,
    /// The places that the files say come before each place.
    pub(super) after: Vec<Vec<usize>>,
    /// What goes off at each place when which others change.
    pub(super) triggers: Vec<Vec<(TriggerKind, Vec<usize>)>>,
}

impl Desired {
    /// The stage that a resource belongs to.
    #[must_use]
    pub fn stage(&self, index: usize) -> usize {
        self.order.stages[index]
    }

    /// The resource that is declared for `subject` and that the selection leaves out.
    #[must_use]
    pub fn unselected(&self, subject: &Subject) -> Option<&Address> {
        self.unselected.get(subject)
    }

    /// Resources that the files say come before one.
    #[must_use]
    pub fn after(&self, index: usize) -> &[usize] {
        &self.order.after[index]
    }

    /// What goes off at a resource when which others change.
    #[must_use]
    pub fn triggers(&self, index: usize) -> &[(TriggerKind, Vec<usize>)] {
        &self.order.triggers[index]
    }

    /// Triggers of resources here that are not in `selected`, set off by some that are.
    pub(super) fn triggers_beside(&self, selected: &Self) -> Vec<LeftOut> {
        let chosen: HashSet<&Address> =
            selected.resources.iter().map(|instance| &instance.address).collect();
        let mut beside = Vec::new();
        for (index, instance) in self.resources.iter().enumerate() {
            if chosen.contains(&instance.address) {
                continue;
            }
            for (kind, sources) in self.triggers(index) {
                let causes = sources.iter().map(|&source| &self.resources[source].address);
                beside.extend(causes.filter(|cause| chosen.contains(cause)).map(|cause| {
                    let address = instance.address.clone();
                    LeftOut { cause: cause.clone(), kind: *kind, address }
                }));
            }
        }
        beside
    }
}

/// Orders by the shapes and stages that they were made for.
pub(super) type Orders = Memo<Vec<(u32, usize)>, Result<Arc<Order>, Vec<Diagnostic>>>;

/// Edges into each resource, by index.
pub(super) struct Edges {
    pub(super) explicit: Vec<BTreeSet<usize>>,
    implied: Vec<BTreeSet<usize>>,
    triggers: Vec<Vec<(TriggerKind, Vec<usize>)>>,
    /// The members of its set, of each that is in one.
    pub(super) mates: HashMap<usize, BTreeSet<usize>>,
}

/// Sorts a host's resources. Hosts whose resources have the same shapes share one order.
pub(super) fn sort(
    placed: Vec<Placed>,
    declared: &[Declared],
    orders: &Orders,
    found: &mut Vec<Diagnostic>,
) -> Option<Desired> {
    let placed = unique(placed, found);
    let groups = sets::groups(declared, &placed, found);
    let shapes = placed.iter().map(|placed| (placed.draft.shape, placed.stage));
    // Behind the shapes, the members of each set.
    let members = groups.iter().enumerate().flat_map(|(nth, group)| {
        group.members.iter().map(move |&member| (u32::MAX, nth << 32 | member))
    });
    let key = shapes.chain(members).collect();
    let order = orders.get(key, || {
        let mut mistakes = check_owners(&placed);
        let edges = edges(&placed, &groups);
        match topological(&placed, &edges) {
            Ok(sequence) if mistakes.is_empty() => Ok(Arc::new(finish(&placed, &edges, sequence))),
            Ok(_) => Err(mistakes),
            Err(cycle) => {
                mistakes.push(cycle);
                Err(mistakes)
            }
        }
    });
    let order = order.map_err(|mistakes| found.extend(mistakes)).ok()?;
    let resources =
        order.sequence.iter().map(|&index| Arc::clone(&placed[index].draft.instance)).collect();
    let sets = sets::together(groups, &order.sequence);
    let (left_out, unselected) = (Vec::new(), HashMap::new());
    Some(Desired { resources, sets, left_out, beside: None, unselected, order })
}

/// Edges by places in the order instead of the document.
fn finish(placed: &[Placed], edges: &Edges, sequence: Vec<usize>) -> Order {
    let mut position = vec![0; sequence.len()];
    for (place, &index) in sequence.iter().enumerate() {
        position[index] = place;
    }
    let to_places = |from: &mut dyn Iterator<Item = &usize>| {
        let mut found: Vec<usize> = from.map(|&index| position[index]).collect();
        found.sort_unstable();
        found
    };
    Order {
        stages: sequence.iter().map(|&index| placed[index].stage).collect(),
        after: sequence.iter().map(|&index| to_places(&mut edges.explicit[index].iter())).collect(),
        triggers: sequence
            .iter()
            .map(|&index| {
                let all = edges.triggers[index].iter();
                all.map(|(kind, from)| (*kind, to_places(&mut from.iter()))).collect()
            })
            .collect(),
        sequence,
    }
}

/// Finds all edges. What comes before one member of a set comes before all of them.
fn edges(drafts: &[Placed], groups: &[Group<'_>]) -> Edges {
    let count = drafts.len();
    let mut edges = Edges {
        explicit: vec![BTreeSet::new(); count],
        implied: vec![BTreeSet::new(); count],
        triggers: vec![Vec::new(); count],
        mates: HashMap::new(),
    };
    let selector = Selector::new(drafts);
    for (at, Placed { draft, .. }) in drafts.iter().enumerate() {
        for pattern in &draft.requires {
            edges.explicit[at].extend(selector.select(at, &pattern.value));
        }
        let instance = &draft.instance;
        for trigger in instance.kind.triggers(&instance.desired) {
            let sources = selector.select(at, &trigger.on.value);
            edges.explicit[at].extend(&sources);
            edges.triggers[at].push((trigger.kind, sources));
        }
    }
    imply(drafts, &mut edges.implied);
    for group in groups {
        for edges in [&mut edges.explicit, &mut edges.implied] {
            let all = group.members.iter().flat_map(|&member| edges[member].iter().copied());
            let before: BTreeSet<usize> =
                all.filter(|from| !group.members.contains(from)).collect();
            group.members.iter().for_each(|&member| edges[member].extend(&before));
        }
        let members = group.members.iter().map(|&member| (member, group.members.clone()));
        edges.mates.extend(members);
    }
    edges
}

/// Finds resources by patterns.
struct Selector<'d> {
    drafts: &'d [Placed],
    by_kind: HashMap<(&'d str, &'d str), Vec<usize>>,
    by_address: HashMap<(&'d str, &'d str, &'d str), usize>,
}

impl<'d> Selector<'d> {
    fn new(drafts: &'d [Placed]) -> Self {
        let (mut by_kind, mut by_address) = (HashMap::<_, Vec<usize>>::new(), HashMap::new());
        for (index, placed) in drafts.iter().enumerate() {
            let address = &placed.draft.instance.address;
            by_kind.entry((address.module.as_str(), address.kind)).or_default().push(index);
            by_address.insert((address.module.as_str(), address.kind, &*address.name), index);
        }
        Self { drafts, by_kind, by_address }
    }

    /// What a pattern selects, read in the module of the resource `at`, which a glob never selects.
    fn select(&self, at: usize, pattern: &AddressPattern) -> Vec<usize> {
        let own = &self.drafts[at].draft.instance.address.module;
        let module = pattern.module().unwrap_or(own);
        let found: Vec<usize> = if let Some(name) = pattern.literal() {
            let found = self.by_address.get(&(module, pattern.kind(), name));
            return found.copied().into_iter().collect();
        } else {
            let all = self.by_kind.get(&(module, pattern.kind())).into_iter().flatten();
            let matches =
                |index: &usize| pattern.matches(&self.drafts[*index].draft.instance.address, own);
            all.copied().filter(matches).collect()
        };
        found.into_iter().filter(|&index| index != at).collect()
    }
}

/// The edges that nobody had to write.
fn imply(drafts: &[Placed], implied: &mut [BTreeSet<usize>]) {
    let mut makers: HashMap<Subject, usize> = HashMap::new();
    let mut by_kind: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut removed: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, Placed { draft, .. }) in drafts.iter().enumerate() {
        let instance = &draft.instance;
        for subject in instance.kind.provides(&instance.desired) {
            makers.entry(subject).or_insert(index);
        }
        let key = (instance.address.module.as_str(), instance.kind.name());
        by_kind.entry(key).or_default().push(index);
        if let Some(path) = instance.kind.removes(&instance.desired) {
            removed.insert(path, index);
        }
    }
    for (path, &inner) in &removed {
        let mut above = *path;
        while let Some((folder, _)) = above.rsplit_once('/') {
            above = folder;
            if let Some(&outer) = removed.get(above) {
                implied[outer].insert(inner);
            }
        }
    }
    for (index, Placed { draft, .. }) in drafts.iter().enumerate() {
        let instance = &draft.instance;
        for want in instance.kind.wants(&instance.desired) {
            implied[index].extend(maker(&makers, want).filter(|&maker| maker != index));
        }
        for kind in instance.kind.after() {
            let key = (instance.address.module.as_str(), *kind);
            implied[index].extend(by_kind.get(&key).into_iter().flatten());
        }
    }
}

/// Who makes a subject; for a path, who makes the nearest folder above it.
fn maker(makers: &HashMap<Subject, usize>, want: Subject) -> impl Iterator<Item = usize> + use<> {
    let mut want = want;
    let found = loop {
        if let Some(&index) = makers.get(&want) {
            break Some(index);
        }
        match want {
            Subject::Path(path) => match path.rsplit_once('/') {
                Some((above, _)) if !above.is_empty() => want = Subject::Path(above.to_owned()),
                _ => break None,
            },
            _ => break None,
        }
    };
    found.into_iter()
}

/// The order, or the cycle that prevents one. Of all that may come next, the first in the document
/// comes; stages stay in theirs, and the members of a set next to each other.
fn topological(drafts: &[Placed], edges: &Edges) -> Result<Vec<usize>, Diagnostic> {
    let stage = |index: usize| drafts[index].stage;
    let mut strong: Vec<usize> = edges.explicit.iter().map(BTreeSet::len).collect();
    let mut weak: Vec<usize> = edges
        .implied
        .iter()
        .enumerate()
        .map(|(at, sources)| sources.iter().filter(|&&from| stage(from) <= stage(at)).count())
        .collect();
    let mut outgoing: Vec<Vec<(usize, bool)>> = vec![Vec::new(); drafts.len()];
    for at in 0..drafts.len() {
        for &from in &edges.explicit[at] {
            outgoing[from].push((at, true));
        }
        for &from in edges.implied[at].iter().filter(|&&from| stage(from) <= stage(at)) {
            outgoing[from].push((at, false));
        }
    }
    let mut waiting: BTreeSet<(usize, usize)> =
        (0..drafts.len()).map(|index| (stage(index), index)).collect();
    let mut ready: BTreeSet<(usize, usize)> =
        waiting.iter().copied().filter(|&(_, at)| strong[at] + weak[at] == 0).collect();
    let mut order = Vec::with_capacity(drafts.len());
    while let Some(&(first_stage, _)) = waiting.first() {
        let mates = order.last().and_then(|last| edges.mates.get(last));
        let mates = mates.into_iter().flatten().map(|&mate| (stage(mate), mate));
        let mates: Vec<(usize, usize)> = mates.filter(|mate| waiting.contains(mate)).collect();
        let next = mates.iter().copied().find(|mate| ready.contains(mate));
        let next = next.or_else(|| mates.iter().copied().find(|&(_, at)| strong[at] == 0));
        let first = ready.first().copied().filter(|&(stage, _)| stage == first_stage);
        let Some(next) = next.or(first).or_else(|| {
            let mut stage = waiting.iter().copied().take_while(|&(stage, _)| stage == first_stage);
            stage.find(|&(_, at)| strong[at] == 0)
        }) else {
            return Err(cycle(drafts, edges, &waiting));
        };
        waiting.remove(&next);
        ready.remove(&next);
        order.push(next.1);
        for &(to, is_strong) in &outgoing[next.1] {
            let count = if is_strong { &mut strong } else { &mut weak };
            count[to] = count[to].saturating_sub(1);
            if strong[to] + weak[to] == 0 && waiting.contains(&(stage(to), to)) {
                ready.insert((stage(to), to));
            }
        }
    }
    Ok(order)
}
