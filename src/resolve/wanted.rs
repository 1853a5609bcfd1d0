//! Vars that texts take for granted, and those of them that a host does not have.

use std::collections::BTreeMap;

use super::template::{Names, Scope};
use crate::config::{Inventory, Sources};
use crate::model::suggest::{list, nearest};
use crate::model::{Diagnostic, Span, Value};

/// Every var of an inventory, with who says it.
#[derive(Debug, Default)]
pub(super) struct KnownVars {
    pub(super) places: BTreeMap<String, Setters>,
}

/// Who sets a var, the first few of them, and how many do.
#[derive(Debug, Default)]
pub(super) struct Setters {
    first: Vec<(String, Span)>,
    count: usize,
}

impl KnownVars {
    pub(super) fn new(inventory: &Inventory, overrides: &BTreeMap<String, Value>) -> Self {
        let mut places: BTreeMap<String, Setters> = BTreeMap::new();
        for (who, vars) in inventory.said_vars() {
            for (name, value) in vars {
                let setters = places.entry(name.clone()).or_default();
                setters.count += 1;
                if setters.first.len() < 3 {
                    setters.first.push((who.to_string(), value.span));
                }
            }
        }
        for name in overrides.keys() {
            places.entry(name.clone()).or_default();
        }
        Self { places }
    }

    /// A var that is not there, with the one that was meant and where that is said, or with those who
    /// have it.
    pub(super) fn undefined(&self, sources: &Sources, span: Span, path: &[String]) -> Diagnostic {
        let known = self.places.keys().map(String::as_str);
        let Some(first) = path.first() else { return not_defined(span, "vars", path) };
        let mistake = not_defined(span, "vars", &path[..1]);
        if let Some(setters) = self.places.get(first) {
            let help = "set it in the inventory for the others too, or say what it is where it is missing: `| default(value=…)`";
            return mistake.label(setters.said(sources)).help(help);
        }
        match nearest(first, known) {
            Some(near) => {
                let place = self.places[near].first.first();
                let place = place.map(|(_, span)| format!(" ({})", sources.place(*span)));
                mistake.label(format!("did you mean `vars.{near}`{}?", place.unwrap_or_default()))
            }
            None => mistake.help("set it in the inventory: for all hosts, a group or a host"),
        }
    }
}

impl Setters {
    /// For whom it is set, and where.
    fn said(&self, sources: &Sources) -> String {
        let shown =
            self.first.iter().map(|(who, span)| format!("{who} ({})", sources.place(*span)));
        let mut shown: Vec<String> = shown.collect();
        let more = self.count.saturating_sub(shown.len());
        shown.extend((more > 0).then(|| format!("{more} more")));
        format!("it is set only for {}", list(&shown))
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
