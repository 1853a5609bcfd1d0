//! Edges that lead round in a circle, with the place of each.

use std::collections::BTreeSet;

use super::Instance;
use super::order::{Draft, Edges, Placed};
use crate::model::{Diagnostic, Span};

/// A cycle of explicit edges among those that wait, or an edge that goes against the stages.
pub(super) fn cycle(
    drafts: &[Placed],
    edges: &Edges,
    waiting: &BTreeSet<(usize, usize)>,
) -> Diagnostic {
    let is_waiting = |index: usize| waiting.contains(&(drafts[index].stage, index));
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
    let instance = |index: usize| &drafts[index].draft.instance;
    let backwards = path
        .iter()
        .zip(path.iter().skip(1))
        .find(|(to, from)| drafts[**from].stage > drafts[**to].stage);
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
        .code("cycle")
        .related(instance(*from).place, "in a later stage");
    }
    let steps: Vec<(usize, usize)> =
        path.iter().copied().zip(path.iter().copied().cycle().skip(1)).collect();
    if let [(at, from)] = steps[..] {
        let (place, key) = says(&drafts[at], instance(from)).unwrap_or((first.place, "requires"));
        let message = format!("`{}` waits for itself", first.address);
        return Diagnostic::at(place, message)
            .code("cycle")
            .help(format!("take it out of `{key}`"));
    }
    let said = |step: (usize, usize)| step_said(drafts, edges, step);
    let (place, text) = said(steps[0]);
    let mut mistake =
        Diagnostic::at(place, format!("`{}` waits for itself", first.address)).code("cycle");
    mistake = mistake.label(text);
    for &step in &steps[1..] {
        let (place, text) = said(step);
        mistake = mistake.related(place, text);
    }
    mistake.help("take one of these out of `requires` or the triggers")
}

/// Why `at` comes after `from`, and where that is said. What comes before one member of a set comes before all
/// of them.
fn step_said(drafts: &[Placed], edges: &Edges, (at, from): (usize, usize)) -> (Span, String) {
    let instance = |index: usize| &drafts[index].draft.instance;
    let (short, other) = (instance(at).address.short(), instance(from).address.short());
    let mates = edges.mates.get(&at).into_iter().flatten().filter(|&&mate| mate != at);
    let mut mates = mates.map(|&mate| (mate, says(&drafts[mate], instance(from))));
    match (says(&drafts[at], instance(from)), mates.find(|(_, said)| said.is_some())) {
        (None, Some((mate, Some((place, _))))) => {
            let mate = instance(mate).address.short();
            (place, format!("{mate} comes after {other}, and {short} goes in with it"))
        }
        (said, _) => {
            let place = said.map_or(instance(at).place, |(place, _)| place);
            (place, format!("{short} comes after {other}"))
        }
    }
}

/// Where a resource says that it comes after another one, and by which key.
fn says(placed: &Placed, other: &Instance) -> Option<(Span, &'static str)> {
    let Draft { instance, requires, .. } = &*placed.draft;
    let requires = requires.iter().map(|pattern| (pattern, "requires"));
    let triggers = instance.kind.triggers(&instance.desired).iter();
    let triggers = triggers.map(|trigger| (&trigger.on, trigger.kind.key()));
    let module = &instance.address.module;
    let mut all = requires.chain(triggers);
    all.find(|(pattern, _)| pattern.value.matches(&other.address, module))
        .map(|(pattern, key)| (pattern.span, key))
}
