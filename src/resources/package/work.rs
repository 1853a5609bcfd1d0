//! What is done to packages: as few runs of apt-get as can be.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::super::Work;
use super::{Conffiles, Package, version};
use crate::model::Action;
use crate::shell::{Script, Step};

/// Seconds that a transaction may take.
const SECONDS: u32 = 1800;

type Item<'w> = (usize, &'w Work<'w, Package>);

/// One transaction for everything; another one for packages whose configuration files are replaced, and
/// one for those that are purged where others are removed and keep theirs.
pub(super) fn steps(work: &[Work<'_, Package>]) -> Vec<(Vec<usize>, Step)> {
    let all = || work.iter().enumerate();
    let goes = |work: &Work<'_, Package>| work.change.action == Action::Delete;
    let mixed = all().any(|(_, work)| goes(work) && work.desired.purge)
        && all().any(|(_, work)| goes(work) && !work.desired.purge);
    let turn = |work: &Work<'_, Package>| match work.desired.conffiles {
        _ if goes(work) && work.desired.purge && mixed => 0,
        _ if goes(work) => 1,
        Conffiles::Keep => 1,
        Conffiles::Replace => 2,
    };
    (0..3)
        .map(|now| all().filter(|(_, work)| turn(work) == now).collect::<Vec<Item<'_>>>())
        .filter(|items| !items.is_empty())
        .map(|items| (items.iter().map(|(index, _)| *index).collect(), transaction(&items)))
        .collect()
}

fn transaction(items: &[Item<'_>]) -> Step {
    let seconds = items.iter().filter_map(|(_, work)| work.timeout).max().unwrap_or(SECONDS);
    let gone = || items.iter().filter(|(_, work)| work.change.action == Action::Delete);
    let replace = items
        .iter()
        .any(|(_, work)| work.desired.conffiles == Conffiles::Replace && !is_gone(work));
    let mut flags: Vec<&str> = Vec::new();
    if gone().next().is_none() {
        flags.push("--no-remove");
    }
    if gone().any(|(_, work)| work.desired.purge) {
        flags.push("--purge");
    }
    if items.iter().any(|(_, work)| lowers(work)) {
        flags.push("--allow-downgrades");
    }
    let words: Vec<String> = items.iter().map(|(_, work)| word(work)).collect();
    let mut script = Script::new();
    script.text("transact").arg(seconds.to_string());
    script.arg(if replace { "replace" } else { "keep" }).arg(flags.join(" "));
    script.arg(allowed(items)).arg(words.join(" "));
    for (_, work) in items {
        script.args([&work.desired.name, &work.observed.word(), &after(work)]);
    }
    Step::new(script)
}

fn is_gone(work: &Work<'_, Package>) -> bool {
    work.change.action == Action::Delete
}

fn lowers(work: &Work<'_, Package>) -> bool {
    let (now, then) = (work.observed.version(), work.desired.target(work.observed));
    let lower = |(now, then): (&str, String)| version::compare(now, &then) == Ordering::Greater;
    !is_gone(work) && now.zip(then).is_some_and(lower)
}

/// As apt-get takes it. What is only to be completed stays at its version.
fn word(work: &Work<'_, Package>) -> String {
    let name = &work.desired.name;
    if is_gone(work) {
        return format!("{name}-");
    }
    let target = work.desired.target(work.observed);
    match target.as_deref().or_else(|| work.observed.version()) {
        Some(version) if !version.is_empty() => format!("{name}={version}"),
        _ => name.clone(),
    }
}

/// How it will be, as package.sh says it.
fn after(work: &Work<'_, Package>) -> String {
    if is_gone(work) {
        return "none".to_owned();
    }
    let target = work.desired.target(work.observed);
    match target.as_deref().or_else(|| work.observed.version()) {
        Some(version) => format!("installed={version}"),
        None => "installed".to_owned(),
    }
}

/// All that apt said it would do, where it was asked about each of these.
fn allowed(items: &[Item<'_>]) -> String {
    let mut words = BTreeSet::new();
    for (_, work) in items {
        let simulation = work.observed.simulation.as_ref();
        let Some(simulation) = simulation.filter(|all| all.asks(&work.desired.name)) else {
            return "?".to_owned();
        };
        words.extend(simulation.allowed());
    }
    words.into_iter().collect::<Vec<_>>().join(" ")
}
