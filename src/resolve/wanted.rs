//! Vars that texts take for granted, and those of them that a host does not have.

use std::collections::BTreeMap;

use super::template::{Names, Scope};
use crate::config::{Inventory, Sources};
use crate::model::suggest::nearest;
use crate::model::{Diagnostic, Span, Value};

/// Every var of an inventory, with the first place that says it.
#[derive(Debug, Default)]
pub(super) struct KnownVars {
    pub(super) places: BTreeMap<String, Option<Span>>,
}

impl KnownVars {
    pub(super) fn new(inventory: &Inventory, overrides: &BTreeMap<String, Value>) -> Self {
        let mut places: BTreeMap<String, Option<Span>> = BTreeMap::new();
        for vars in inventory.all_vars() {
            for (name, value) in vars {
                places.entry(name.clone()).or_insert(Some(value.span));
            }
        }
        for name in overrides.keys() {
            places.entry(name.clone()).or_insert(None);
        }
        Self { places }
    }

    /// A var that is not there, with the one that was meant and where that is said.
    pub(super) fn undefined(&self, sources: &Sources, span: Span, path: &[String]) -> Diagnostic {
        let known = self.places.keys().map(String::as_str);
        let Some(first) = path.first().filter(|name| !self.places.contains_key(*name)) else {
            return not_defined(span, "vars", path);
        };
        let mistake = not_defined(span, "vars", &path[..1]);
        match nearest(first, known) {
            Some(near) => {
                let place = self.places[near].map(|span| format!(" ({})", sources.place(span)));
                mistake.label(format!("did you mean `vars.{near}`{}?", place.unwrap_or_default()))
            }
            None => mistake.help("set it in the inventory: for all hosts, a group or a host"),
        }
    }
}

pub(super) fn not_defined(span: Span, root: &str, path: &[String]) -> Diagnostic {
    let name = std::iter::once(root).chain(path.iter().map(String::as_str));
    let name = name.collect::<Vec<_>>().join(".");
    Diagnostic::at(span, format!("`{name}` is not defined")).code("undefined")
}

/// A var that a text takes for granted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    span: Span,
    path: Vec<String>,
}

/// The vars that a text takes for granted whenever it is evaluated.
pub(super) fn wanted(
    names: &Names,
    place: impl Fn(std::ops::Range<usize>) -> Span,
    all: &mut Vec<Wanted>,
) {
    let sure =
        names.uses.iter().filter(|used| used.root == "vars" && !used.guarded && !used.nested);
    all.extend(
        sure.filter(|used| !used.path.is_empty())
            .map(|used| Wanted { span: place(used.at.clone()), path: used.path.clone() }),
    );
}

/// Those of `wanted` that a host does not have.
pub(super) fn missing(
    wanted: &[Wanted],
    scope: &Scope,
    known: &KnownVars,
    sources: &Sources,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for Wanted { span, path } in wanted {
        let Some(first) = scope.vars.get(&path[0]) else {
            found.push(known.undefined(sources, *span, path));
            continue;
        };
        let mut value = &first.value;
        for (depth, part) in path.iter().enumerate().skip(1) {
            // Of other things than tables tera knows more than we do.
            let Value::Table(entries) = value else { break };
            let Some(inner) = entries.get(part) else {
                let mistake = not_defined(*span, "vars", &path[..=depth]);
                let near = nearest(part, entries.keys().map(String::as_str));
                found.push(match near {
                    Some(near) => mistake
                        .label(format!("did you mean `vars.{}.{near}`?", path[..depth].join("."))),
                    None => mistake,
                });
                break;
            };
            value = inner;
        }
    }
    found
}
