//! All hosts looked at without contact, for `check`: every mistake once, with the hosts that have it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::bind::selectors;
use super::template::{is_template, names};
use super::variables::{Ladder, Which};
use super::{Desired, Resolver};
use crate::config::{Declaration, Module};
use crate::model::suggest::{list, nearest, ranked};
use crate::model::{Address, AddressPattern, Diagnostic, Facts, Severity, Span};
use crate::resources::find;

/// Modules and types of which some resource could not be made.
type Failed = BTreeSet<(String, String)>;

/// Where a mistake is, and of what kind.
type Place<'p> = (Option<Span>, &'p str);

/// The first hosts of a mistake, how many have it, and the mistake.
type Told<'t> = (&'t BTreeSet<usize>, usize, &'t Diagnostic);

/// What was found on hosts so far.
#[derive(Debug, Default)]
pub struct Survey {
    /// Mistakes, with the first hosts that have them and how many do.
    found: HashMap<Diagnostic, (BTreeSet<usize>, usize)>,
    present: HashSet<Address>,
    /// Types of modules of which some resource could not be made.
    failed: Failed,
    tags: BTreeSet<String>,
    hosts: usize,
    resources: usize,
    /// What hosts should be that were kept, by target.
    kept: HashMap<usize, Desired>,
}

impl Survey {
    /// Looks at one host, and gives what it should be if it need not be asked for that, for [`Self::keep`].
    pub fn add(&mut self, resolver: &Resolver, target: usize) -> Option<Desired> {
        self.hosts += 1;
        let name = &resolver.targets[target].host.name;
        let mut all: Option<(Vec<Diagnostic>, Failed)> = None;
        let (mut whole, one) = (None, || vec![Facts::stand_in(name)]);
        for facts in if resolver.uses_facts { Facts::stand_ins(name) } else { one() } {
            let (desired, found, failed) = resolver.resolve_whole(target, &facts);
            if let (Some(desired), None) = (&desired, &all) {
                self.resources += desired.resources.len();
            }
            for instance in desired.iter().flat_map(|desired| &desired.resources) {
                if !self.present.contains(&instance.address) {
                    self.present.insert(instance.address.clone());
                }
                self.tags.extend(instance.tags.iter().cloned());
            }
            // Facts that stand in are not the host's: a mistake is one if it is there with all.
            all = Some(match all {
                None => {
                    whole = desired.filter(|_| !resolver.uses_facts && found.is_empty());
                    (found, failed)
                }
                Some((mut before, mut was)) => {
                    before.retain(|mistake| found.contains(mistake));
                    was.extend(failed);
                    (before, was)
                }
            });
        }
        let (found, failed) = all.unwrap_or_default();
        self.failed.extend(failed);
        for mistake in found {
            let (hosts, count) = self.found.entry(mistake).or_default();
            if hosts.insert(target) {
                *count += 1;
            }
            if hosts.len() > 3 {
                hosts.pop_last();
            }
        }
        whole
    }

    /// Keeps what a host should be, for the run.
    pub fn keep(&mut self, target: usize, desired: Desired) {
        self.kept.insert(target, desired.alone());
    }

    /// What a host should be, if it was kept.
    pub fn take(&mut self, target: usize) -> Option<Desired> {
        self.kept.remove(&target)
    }

    /// Puts another survey's results to these.
    pub fn merge(&mut self, other: Self) {
        for (mistake, (hosts, count)) in other.found {
            let (known, total) = self.found.entry(mistake).or_default();
            known.extend(hosts);
            *total += count;
            while known.len() > 3 {
                known.pop_last();
            }
        }
        self.present.extend(other.present);
        self.failed.extend(other.failed);
        self.tags.extend(other.tags);
        self.hosts += other.hosts;
        self.resources += other.resources;
        self.kept.extend(other.kept);
    }

    /// Takes what other hosts have from another survey, and nothing of what is wrong with them.
    pub fn beside(&mut self, other: Self) {
        self.present.extend(other.present);
        self.failed.extend(other.failed);
        self.tags.extend(other.tags);
    }

    /// Hosts that were looked at.
    #[must_use]
    pub const fn hosts(&self) -> usize {
        self.hosts
    }

    /// Resources of all hosts together.
    #[must_use]
    pub const fn resources(&self) -> usize {
        self.resources
    }

    /// Every tag that some resource can be selected by.
    #[must_use]
    pub fn tags(&self, resolver: &Resolver) -> BTreeSet<String> {
        let project = &resolver.project;
        let stages = project.stages.iter().flat_map(|stage| &stage.tags);
        let inherited = stages.chain(project.uses().flat_map(|used| &used.tags));
        inherited.map(|tag| tag.value.clone()).chain(self.tags.iter().cloned()).collect()
    }

    /// Every address that some host has, with its module and without.
    #[must_use]
    pub fn addresses(&self) -> BTreeSet<String> {
        let all = self.present.iter();
        all.flat_map(|address| [address.to_string(), address.short()]).collect()
    }

    /// Every mistake once, those that `told` has left out; each says the hosts that it is on, unless
    /// it is on all.
    #[must_use]
    pub fn mistakes(&self, resolver: &Resolver, told: &[Diagnostic]) -> Vec<Diagnostic> {
        let known = told;
        let what = |mistake: &Diagnostic| {
            (mistake.message.clone(), mistake.primary.as_ref().map(|label| label.span))
        };
        let told: HashSet<_> = told.iter().map(what).collect();
        let ladder = Ladder::new(&resolver.project.inventory);
        let mut places: HashMap<Place<'_>, Vec<Told<'_>>> = HashMap::new();
        for (mistake, (hosts, count)) in &self.found {
            if !told.contains(&what(mistake)) && !follows(mistake, known) {
                let place = (mistake.primary.as_ref().map(|label| label.span), mistake.code);
                places.entry(place).or_default().push((hosts, *count, mistake));
            }
        }
        let mut mistakes: Vec<Diagnostic> = Vec::new();
        for here in places.into_values() {
            let (few, more) = few(here);
            let told = few.into_iter().map(|told| self.on_hosts(told, &ladder, resolver));
            mistakes.extend(told);
            if let (Some(last), 1..) = (mistakes.last_mut(), more) {
                let word = if more == 1 { "mistake" } else { "mistakes" };
                let note = format!("and {more} more {word} here with other values on other hosts");
                last.notes.push(note);
            }
        }
        mistakes.extend(self.unmatched(resolver));
        mistakes
    }

    /// A mistake with where its values come from and the hosts that it is on.
    fn on_hosts(
        &self,
        (hosts, count, mistake): Told<'_>,
        ladder: &Ladder<'_>,
        resolver: &Resolver,
    ) -> Diagnostic {
        let name = |target: &usize| resolver.targets[*target].host.name.as_str();
        let first: Vec<&str> = hosts.iter().map(name).collect();
        let mistake = ladder.origin(mistake.clone(), (&first, count), resolver);
        match (first.as_slice(), count) {
            (_, count) if count == self.hosts => mistake,
            ([one], _) => mistake.note(format!("on host {one}")),
            ([one, other], _) => mistake.note(format!("on hosts {one} and {other}")),
            ([one, ..], count) => mistake.note(format!("on host {one} and {} others", count - 1)),
            ([], _) => mistake,
        }
    }

    /// `requires` and triggers that name nothing on any host.
    fn unmatched(&self, resolver: &Resolver) -> Vec<Diagnostic> {
        let mut by_kind: BTreeMap<(&str, &str), Vec<&Address>> = BTreeMap::new();
        for address in &self.present {
            by_kind.entry((&address.module, address.kind)).or_default().push(address);
        }
        let names: HashSet<(&str, &str, &str)> = self
            .present
            .iter()
            .map(|address| (address.module.as_str(), address.kind, address.name.as_str()))
            .collect();
        let used: BTreeSet<&str> = by_kind.keys().map(|(module, _)| *module).collect();
        let mut found = Vec::new();
        for module in resolver.project.modules.values() {
            if !used.contains(module.name.as_str()) {
                continue;
            }
            for (text, span, declaration) in all_selectors(module) {
                let Ok(pattern) = AddressPattern::parse(text) else { continue };
                let home = pattern.module().unwrap_or(&module.name);
                let literal = (home, pattern.kind(), pattern.literal().unwrap_or_default());
                if names.contains(&literal) || !resolver.types_known(home, &pattern) {
                    continue;
                }
                let same = by_kind.get(&(home, pattern.kind())).map_or(&[][..], Vec::as_slice);
                let failed = (home.to_owned(), pattern.kind().to_owned());
                let own = |address: &&&Address| {
                    declaration.is_none_or(|declaration| {
                        address.name != declaration.name.value
                            || address.kind != declaration.kind.value
                    })
                };
                if self.failed.contains(&failed)
                    || same.iter().any(|address| pattern.matches(address, &module.name))
                {
                    continue;
                }
                let near = same.iter().filter(own).map(|address| match pattern.module() {
                    Some(_) => address.to_string(),
                    None => address.short(),
                });
                let others = by_kind
                    .iter()
                    .filter(|((module, kind), _)| *module != home && *kind == pattern.kind());
                let others = others.flat_map(|(_, all)| all.iter().map(ToString::to_string));
                let mistake =
                    Diagnostic::at(span, format!("`{text}` names no resource of any host"))
                        .code("selector");
                let near: Vec<String> = near.collect();
                let others: Vec<String> = others.collect();
                found.push(meant(mistake, &pattern, &near, &others));
            }
        }
        found
    }
}

/// Every selector of a module that is written without expressions, with the declaration that it stands in if it is not
/// one of a set.
fn all_selectors(module: &Module) -> Vec<(&str, Span, Option<&Declaration>)> {
    let declared = module.resources.iter().flat_map(|declaration| {
        let all = selectors(module.file, declaration).into_iter();
        all.map(move |(text, span)| (text, span, Some(declaration)))
    });
    let members = module.sets.iter().flat_map(|set| &set.members);
    let members = members.filter(|text| !is_template(&text.value));
    declared.chain(members.map(|text| (text.value.as_str(), text.span, None))).collect()
}

/// Of mistakes at one place that differ by host, as each has another value, those of the first hosts,
/// and how many more there are.
fn few(mut here: Vec<Told<'_>>) -> (Vec<Told<'_>>, usize) {
    const HOSTS: usize = 3;
    let first = |(hosts, ..): &Told<'_>| hosts.first().copied();
    here.sort_by(|one, other| (first(one), &one.2.message).cmp(&(first(other), &other.2.message)));
    let values = here.iter().all(|(.., mistake)| {
        mistake.primary.is_some() && matches!(mistake.code, "invalid" | "wrong-type")
    });
    let hosts: BTreeSet<Option<usize>> = here.iter().map(first).collect();
    let all = here.len();
    if let Some(last) = hosts.into_iter().nth(HOSTS - 1).filter(|_| values) {
        here.retain(|told| first(told) <= last);
    }
    let more = all - here.len();
    (here, more)
}

/// What a selector that names nothing may have meant: of its module, else of others.
fn meant(
    mistake: Diagnostic,
    pattern: &AddressPattern,
    near: &[String],
    others: &[String],
) -> Diagnostic {
    let (text, kind) = (pattern.text(), pattern.kind());
    let own = near.iter().map(String::as_str);
    if nearest(text, own.clone()).is_some() {
        return mistake.suggest(text, own);
    }
    let all = if near.is_empty() { others } else { near };
    let first = ranked(text, all.iter().map(String::as_str), 3);
    let first: Vec<String> = first.iter().map(|address| format!("`{address}`")).collect();
    let more = all.len() - first.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    mistake.help(match (near.len(), others.len()) {
        (0, 0) => format!("the project declares no {kind} for any host"),
        (1, _) | (0, 1) => format!("there is only {}", first.join(", ")),
        _ => format!("there are {}{more}", first.join(", ")),
    })
}

impl Ladder<'_> {
    /// A mistake in a value with the places that the vars in it have on the first of its hosts; where
    /// they are others on others, with whose they are.
    fn origin(
        &self,
        mut mistake: Diagnostic,
        (hosts, count): (&[&str], usize),
        resolver: &Resolver,
    ) -> Diagnostic {
        // What is not there has no place, and what is no template no names.
        let about_a_value =
            matches!(mistake.code, "invalid" | "wrong-type" | "conflict" | "template");
        let Some(span) = mistake.primary.as_ref().map(|label| label.span) else { return mistake };
        let text = resolver.project.sources.get(span.file).text;
        let Some(text) = text.get(span.start..span.end).filter(|_| about_a_value) else {
            return mistake;
        };
        let text = if text.contains("{{") { text.to_owned() } else { format!("{{{{ {text} }}}}") };
        let mut told = BTreeSet::new();
        for used in names(&text).uses.into_iter().filter(|used| used.root == "vars") {
            let Some(name) = used.path.into_iter().next() else { continue };
            let mut places: Vec<(Span, Vec<&str>)> = Vec::new();
            for host in hosts {
                let said = self.said(host, Which::Vars, &resolver.overrides);
                let winner = said.get(&name).and_then(|said| said.last());
                let Some(place) = winner.and_then(|said| said.place) else { continue };
                match places.iter_mut().find(|(known, _)| *known == place) {
                    Some((_, of)) => of.push(host),
                    None => places.push((place, vec![host])),
                }
            }
            let of_all = places.len() == 1 && count <= hosts.len();
            for (place, of) in places.into_iter().filter(|(place, _)| told.insert(*place)) {
                let of = of.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
                mistake = mistake.related(
                    place,
                    if of_all {
                        format!("`vars.{name}` comes from here")
                    } else {
                        format!("`vars.{name}` of {} comes from here", list(&of))
                    },
                );
            }
        }
        mistake
    }
}

/// Whether a mistake of hosts stands where one was told that shows without them: it comes of it.
fn follows(mistake: &Diagnostic, told: &[Diagnostic]) -> bool {
    let Some(here) = mistake.primary.as_ref().map(|label| label.span) else { return false };
    let errors = told.iter().filter(|other| other.severity == Severity::Error);
    errors.filter_map(|other| other.primary.as_ref()).any(|label| {
        let there = label.span;
        let apart = here.end <= there.start || there.end <= here.start;
        here.file == there.file && !apart
    })
}

impl Resolver {
    /// Whether a pattern's type is one, and nothing that it may mean has a type that is none.
    fn types_known(&self, module: &str, pattern: &AddressPattern) -> bool {
        let declared = self.project.modules.get(module).into_iter().flat_map(|m| &m.resources);
        let meant = |name: &str| pattern.literal().is_none_or(|literal| literal == name);
        let mut strange = declared.filter(|declared| find(&declared.kind.value).is_none());
        find(pattern.kind()).is_some() && !strange.any(|declared| meant(&declared.name.value))
    }
}
