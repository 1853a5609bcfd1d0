//! The order in which a host's resources are done: edges first, then the order of the document.
//!
//! Explicit edges come from `requires` and triggers. Implied ones come from what resources make and
//! need, and from the types' own `AFTER`; they give way: where nothing could go on otherwise, the
//! implied edges of the first waiting resource are dropped. A cycle of explicit edges is a mistake.

use std::collections::{BTreeSet, HashMap};

use super::Instance;
use crate::model::{AddressPattern, Diagnostic, Located};
use crate::resources::Subject;

/// A resource whose edges are not yet resolved.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) instance: Instance,
    pub(super) requires: Vec<Located<AddressPattern>>,
}

/// Edges into each resource, by index.
struct Edges {
    explicit: Vec<BTreeSet<usize>>,
    implied: Vec<BTreeSet<usize>>,
}

/// Sorts a host's resources.
pub(super) fn sort(drafts: Vec<Draft>) -> Result<Vec<Instance>, Vec<Diagnostic>> {
    let mut drafts = unique(drafts)?;
    check_owners(&drafts)?;
    let edges = edges(&mut drafts);
    let order = topological(&drafts, &edges).map_err(|cycle| vec![cycle])?;
    let mut places = vec![0; order.len()];
    for (place, &index) in order.iter().enumerate() {
        places[index] = place;
    }
    let mut slots: Vec<Option<Instance>> =
        drafts.into_iter().map(|draft| Some(draft.instance)).collect();
    Ok(order
        .iter()
        .map(|&index| {
            let mut instance = slots[index].take().expect("each index stands once in the order");
            instance.after = edges.explicit[index].iter().map(|&from| places[from]).collect();
            for (_, sources) in &mut instance.triggers {
                for source in sources.iter_mut() {
                    *source = places[*source];
                }
                sources.sort_unstable();
            }
            instance
        })
        .collect())
}

/// The same address twice is a mistake, unless both say the same: then they are one.
fn unique(drafts: Vec<Draft>) -> Result<Vec<Draft>, Vec<Diagnostic>> {
    let mut seen: HashMap<crate::model::Address, usize> = HashMap::new();
    let mut kept: Vec<Draft> = Vec::with_capacity(drafts.len());
    let mut found = Vec::new();
    for draft in drafts {
        let address = &draft.instance.address;
        let Some(&first) = seen.get(address) else {
            seen.insert(address.clone(), kept.len());
            kept.push(draft);
            continue;
        };
        let first = &kept[first].instance;
        if !first.kind.same(&first.desired, &draft.instance.desired) {
            let mistake = Diagnostic::at(
                draft.instance.place,
                format!("`{address}` is declared twice and not in the same way"),
            );
            found.push(if first.place == draft.instance.place {
                mistake.help(
                    "a name with an expression, such as `{{ each.key }}`, keeps instances apart",
                )
            } else {
                mistake.related(first.place, "the first one")
            });
        }
    }
    if found.is_empty() { Ok(kept) } else { Err(found) }
}

/// A file that is given whole and edited by line at once would never come to rest.
fn check_owners(drafts: &[Draft]) -> Result<(), Vec<Diagnostic>> {
    let files: HashMap<&str, &Instance> = drafts
        .iter()
        .map(|draft| &draft.instance)
        .filter(|instance| matches!(instance.kind.name(), "file" | "symlink" | "directory"))
        .map(|instance| (instance.kind.subject(&instance.desired), instance))
        .collect();
    let mut found = Vec::new();
    for instance in drafts.iter().map(|draft| &draft.instance) {
        let Some(other) = files.get(instance.kind.subject(&instance.desired)) else { continue };
        let paths = matches!(instance.kind.name(), "file" | "symlink" | "directory" | "line");
        if paths && other.address != instance.address {
            found.push(
                Diagnostic::at(
                    instance.place,
                    format!("`{}` and `{}` manage the same path", other.address, instance.address),
                )
                .related(other.place, "the other one"),
            );
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Finds all edges, and puts the sources of triggers into the instances.
fn edges(drafts: &mut [Draft]) -> Edges {
    let count = drafts.len();
    let mut edges =
        Edges { explicit: vec![BTreeSet::new(); count], implied: vec![BTreeSet::new(); count] };
    let select = |drafts: &[Draft], at: usize, pattern: &AddressPattern| -> Vec<usize> {
        let module = &drafts[at].instance.address.module;
        let found = drafts.iter().enumerate().filter(|(index, draft)| {
            *index != at && pattern.matches(&draft.instance.address, module)
        });
        found.map(|(index, _)| index).collect()
    };
    for at in 0..count {
        for pattern in &drafts[at].requires {
            edges.explicit[at].extend(select(drafts, at, &pattern.value));
        }
        let instance = &drafts[at].instance;
        let triggers: Vec<_> = instance
            .kind
            .triggers(&instance.desired)
            .iter()
            .map(|trigger| (trigger.kind, select(drafts, at, &trigger.on.value)))
            .collect();
        for (_, sources) in &triggers {
            edges.explicit[at].extend(sources);
        }
        drafts[at].instance.triggers = triggers;
    }
    imply(drafts, &mut edges.implied);
    edges
}

/// The edges that nobody had to write.
fn imply(drafts: &[Draft], implied: &mut [BTreeSet<usize>]) {
    let mut makers: HashMap<Subject, usize> = HashMap::new();
    let mut by_kind: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (index, Draft { instance, .. }) in drafts.iter().enumerate() {
        for subject in instance.kind.provides(&instance.desired) {
            makers.entry(subject).or_insert(index);
        }
        let key = (instance.address.module.as_str(), instance.kind.name());
        by_kind.entry(key).or_default().push(index);
    }
    let removed: Vec<(usize, &str)> = drafts
        .iter()
        .enumerate()
        .filter_map(|(index, draft)| {
            Some((index, draft.instance.kind.removes(&draft.instance.desired)?))
        })
        .collect();
    for &(index, folder) in &removed {
        let inside =
            |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        implied[index]
            .extend(removed.iter().filter(|(_, path)| inside(path)).map(|(inner, _)| inner));
    }
    for (index, Draft { instance, .. }) in drafts.iter().enumerate() {
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
/// comes; stages stay in theirs.
fn topological(drafts: &[Draft], edges: &Edges) -> Result<Vec<usize>, Diagnostic> {
    let stage = |index: usize| drafts[index].instance.stage;
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
        let next = ready.first().copied().filter(|&(stage, _)| stage == first_stage);
        let Some(next) = next.or_else(|| {
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

/// A cycle of explicit edges among those that wait, or an edge that goes against the stages.
fn cycle(drafts: &[Draft], edges: &Edges, waiting: &BTreeSet<(usize, usize)>) -> Diagnostic {
    let is_waiting = |index: usize| waiting.contains(&(drafts[index].instance.stage, index));
    let mut path: Vec<usize> = Vec::new();
    let mut at = waiting.first().expect("a cycle has members").1;
    while !path.contains(&at) {
        path.push(at);
        let next = edges.explicit[at].iter().copied().find(|&from| is_waiting(from));
        let Some(next) = next else { break };
        at = next;
    }
    let start = path.iter().position(|&index| index == at).unwrap_or(0);
    let path = &path[start..];
    let instance = |index: usize| &drafts[index].instance;
    let backwards = path
        .iter()
        .zip(path.iter().skip(1))
        .find(|(to, from)| instance(**from).stage > instance(**to).stage);
    let first = instance(path[0]);
    if let Some((to, from)) = backwards {
        return Diagnostic::at(
            instance(*to).place,
            format!(
                "`{}` must come after `{}`, which is in a later stage",
                instance(*to).address,
                instance(*from).address
            ),
        )
        .related(instance(*from).place, "in a later stage");
    }
    let mut mistake = Diagnostic::at(first.place, format!("`{}` waits for itself", first.address));
    for (&at, &from) in path.iter().zip(path.iter().cycle().skip(1)) {
        mistake = mistake.related(
            instance(at).place,
            format!(
                "{} comes after {}",
                instance(at).address.short(),
                instance(from).address.short()
            ),
        );
    }
    mistake.help("take one of these out of `requires` or the triggers")
}
