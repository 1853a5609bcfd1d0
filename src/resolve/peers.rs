//! Other hosts whose facts are named: `hosts(group=…)` and `….facts` behind it.

use std::collections::{BTreeMap, BTreeSet};

use super::Resolver;
use super::bind::Bound;
use super::template::{Engine, PeerFacts};
use crate::model::Facts;

/// The groups whose hosts' facts are named; `all` where the group is computed. Empty: none.
pub(super) fn groups(stages: &Engine, bound: &BTreeMap<String, Bound>) -> BTreeSet<String> {
    let engines = bound.values().map(|bound| &bound.engine).chain([stages]);
    let mut groups = BTreeSet::new();
    for engine in engines {
        // The list may be made in one text and read in another of the module.
        if !engine.all_names().any(|names| names.peer_facts) {
            continue;
        }
        for named in engine.all_names().flat_map(|names| &names.groups) {
            groups.insert(named.as_ref().map_or("all", |(group, _)| group).to_owned());
        }
    }
    groups
}

impl Resolver {
    /// Hosts whose facts other hosts need.
    #[must_use]
    pub fn peers(&self) -> Vec<usize> {
        let needed = |index: &usize| {
            let groups = &self.targets[*index].host.groups;
            self.peer_groups.contains("all")
                || groups.iter().any(|group| self.peer_groups.contains(group))
        };
        (0..self.targets.len()).filter(needed).collect()
    }

    /// Takes the facts of other hosts in, before any host is resolved with its own. A host that is not
    /// among them has none: what needs them fails.
    pub fn meet(&self, facts: BTreeMap<String, Facts>) {
        self.peer_source.set_facts(PeerFacts::Known(facts));
        self.shelf.clear();
    }
}
