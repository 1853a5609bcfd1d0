//! Which resources a run is about: `--tags`, `--skip-tags`, `--target`.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use super::Instance;
use super::order::Placed;
use crate::model::suggest::nearest;
use crate::model::{Address, AddressPattern, Diagnostic};
use crate::resources::{REGISTRY, Subject, find};

/// What the command line selects, and what of it selected something.
#[derive(Debug, Default)]
pub struct Selection {
    tags: Vec<Wanted<String>>,
    skip: Vec<Wanted<String>>,
    targets: Vec<Wanted<AddressPattern>>,
}

#[derive(Debug)]
struct Wanted<T> {
    what: T,
    found: AtomicBool,
}

impl<T> Wanted<T> {
    fn all(all: Vec<T>) -> Vec<Self> {
        all.into_iter().map(|what| Self { what, found: AtomicBool::new(false) }).collect()
    }

    fn check(&self, matches: bool) -> bool {
        if matches {
            self.found.store(true, Ordering::Relaxed);
        }
        matches
    }
}

impl Selection {
    /// Selects what has one of `tags`, none of `skip`, and an address that one of `targets` names;
    /// an empty list asks for nothing.
    #[must_use]
    pub fn new(tags: Vec<String>, skip: Vec<String>, targets: Vec<AddressPattern>) -> Option<Self> {
        let empty = tags.is_empty() && skip.is_empty() && targets.is_empty();
        let new = Self {
            tags: Wanted::all(tags),
            skip: Wanted::all(skip),
            targets: Wanted::all(targets),
        };
        (!empty).then_some(new)
    }

    /// Whether it selects a resource, which has `inherited` tags besides its own.
    pub(super) fn selects(&self, instance: &Instance, inherited: &BTreeSet<&str>) -> bool {
        let has = |tag: &str| instance.tags.contains(tag) || inherited.contains(tag);
        // Every selector is asked, so that each is known to select something.
        let any = |all: &[Wanted<String>]| {
            all.iter().filter(|wanted| wanted.check(has(&wanted.what))).count() > 0
        };
        let tagged = any(&self.tags) || self.tags.is_empty();
        let skipped = any(&self.skip);
        let module = &instance.address.module;
        let matches = |wanted: &&Wanted<AddressPattern>| {
            wanted.check(wanted.what.matches(&instance.address, module))
        };
        let named = self.targets.iter().filter(matches).count() > 0 || self.targets.is_empty();
        tagged && !skipped && named
    }

    /// Whether it is by addresses and one of them names this one: what is not declared has no tags.
    #[must_use]
    pub fn names(&self, address: &Address) -> bool {
        let mut targets = self.targets.iter();
        self.tags.is_empty()
            && targets.any(|wanted| wanted.check(wanted.what.matches(address, &address.module)))
    }

    /// Whether each of its selectors selected something on some host that was resolved.
    #[must_use]
    pub fn matched(&self) -> bool {
        let mut tags = self.tags.iter().chain(&self.skip);
        tags.all(|wanted| wanted.found.load(Ordering::Relaxed))
            && self.targets.iter().all(|wanted| wanted.found.load(Ordering::Relaxed))
    }

    /// Selectors that selected nothing on any host that was resolved. `tags` and `addresses` are all
    /// that there are, in any stage.
    #[must_use]
    pub fn unmatched(
        &self,
        tags: &BTreeSet<String>,
        addresses: &BTreeSet<String>,
    ) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (option, all) in [("--tags", &self.tags), ("--skip-tags", &self.skip)] {
            for wanted in all.iter().filter(|wanted| !wanted.found.load(Ordering::Relaxed)) {
                let tag = &wanted.what;
                let mistake =
                    Diagnostic::error(format!("{option}: no resource has the tag `{tag}`"))
                        .code("unknown-tag");
                found.push(match nearest(tag, tags.iter().map(String::as_str)) {
                    Some(near) => mistake.help(format!("did you mean `{near}`?")),
                    None if tags.is_empty() => mistake.help("the project has no tags"),
                    None => mistake.help(format!(
                        "the tags are {}",
                        tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
                    )),
                });
            }
        }
        for wanted in self.targets.iter().filter(|wanted| !wanted.found.load(Ordering::Relaxed)) {
            let (text, kind) = (wanted.what.text(), wanted.what.kind());
            if find(kind).is_none() {
                let message = format!("--target: `{text}`: there is no resource type `{kind}`");
                let mistake = Diagnostic::error(message).code("unknown-type");
                let names = || REGISTRY.iter().map(|kind| kind.name());
                found.push(match nearest(kind, names()) {
                    Some(near) => mistake.help(format!("did you mean `{near}`?")),
                    None => mistake
                        .help(format!("the types are {}", names().collect::<Vec<_>>().join(", "))),
                });
                continue;
            }
            let mistake =
                Diagnostic::error(format!("--target: `{text}` names no resource of these hosts"))
                    .code("selector");
            found.push(match nearest(text, addresses.iter().map(String::as_str)) {
                Some(near) if near != text => mistake.help(format!("did you mean `{near}`?")),
                _ => mistake.help("trueup render HOST lists the addresses of a host"),
            });
        }
        found
    }
}

/// What resources provide, each with who does.
pub(super) fn provided(all: &[Placed]) -> HashMap<Subject, Address> {
    let instances = all.iter().map(|placed| &placed.draft.instance);
    let provided = instances.flat_map(|instance| {
        let subjects = instance.kind.provides(&instance.desired).into_iter();
        subjects.map(|subject| (subject, instance.address.clone()))
    });
    provided.collect()
}
