//! `[locals]` of a module: computed values, each after those that it names.

use std::collections::{BTreeMap, BTreeSet};

use super::template::{Engine, Needs, Root};
use crate::config::Module;
use crate::model::{Diagnostic, Span};

/// The order in which a module's locals are computed, and what all of them depend on besides each
/// other. Those in a cycle are told and left out.
pub(super) fn order(
    module: &Module,
    engine: &Engine,
    found: &mut Vec<Diagnostic>,
) -> (Vec<String>, Needs) {
    let mut all = Needs::default();
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let known: BTreeSet<&str> = module.locals.keys().map(String::as_str).collect();
    for (name, (_, value)) in &module.locals {
        let mut needs = Needs::default();
        engine.needs_of(value, &mut needs);
        let others = match needs.fields(Root::Locals) {
            Some(fields) => known.iter().copied().filter(|name| fields.contains(name)).collect(),
            // `locals` as a whole: all others.
            None => known.iter().copied().filter(|other| other != name).collect(),
        };
        named.insert(name, others);
        all.add(&needs.without(Root::Locals));
    }
    let mut order: Vec<String> = Vec::new();
    let mut waiting = known;
    loop {
        let ready = |name: &&&str| named[**name].iter().all(|other| !waiting.contains(other));
        let next: Vec<&str> = waiting.iter().filter(ready).copied().collect();
        if next.is_empty() {
            break;
        }
        for name in next {
            waiting.remove(name);
            order.push(name.to_owned());
        }
    }
    if let Some(first) = waiting.first() {
        found.push(cycle(module, &named, &waiting, first));
    }
    (order, all)
}

/// The way from a local back to itself.
fn cycle(
    module: &Module,
    named: &BTreeMap<&str, BTreeSet<&str>>,
    waiting: &BTreeSet<&str>,
    first: &str,
) -> Diagnostic {
    let mut path: Vec<&str> = Vec::new();
    let mut at = first;
    while !path.contains(&at) {
        path.push(at);
        let next = named[at].iter().find(|name| waiting.contains(*name));
        at = next.expect("a local that waits names one that waits");
    }
    let start = path.iter().position(|name| *name == at).unwrap_or(0);
    let path = &path[start..];
    let place = |name: &str| -> Span { module.locals[name].0 };
    let mut mistake =
        Diagnostic::at(place(path[0]), format!("local `{}` is computed from itself", path[0]))
            .code("cycle");
    for (name, next) in path.iter().zip(path.iter().cycle().skip(1)) {
        mistake = mistake.related(place(name), format!("{name} names {next}"));
    }
    mistake
}
