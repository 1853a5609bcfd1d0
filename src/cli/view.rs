//! Results of the engine to the data that a view is made from.

use std::sync::Arc;

use super::key::ProjectKey;
use super::project::Ready;
use crate::execute::{Applied, Ended, HostRun, Incident};
use crate::ledger::{Memory, Parted};
use crate::model::{Change, Facts, Outcome};
use crate::plan::{
    HostPlan, HostState, InSet, Orphaned, Planned, Problem, Why, dangers, guarded, told, window,
};
use crate::report::view::HostEndView;
use crate::resolve::{Desired, Explained, Resolver};

/// Stands in the place of a declaration that is gone.
const GONE: &str = "no longer declared";

/// What is told of a host on which nobody would put anything back at a boot, where something must be confirmed.
const UNWATCHED_BOOT: &str = "where it starts anew before a change is confirmed, nobody puts that back: this takes \
                              root, and systemd, OpenRC or cron";

/// A resource's address and place.
fn named(resolver: &Resolver, desired: &Desired, index: usize) -> (String, String) {
    let instance = &desired.resources[index];
    let place = if instance.orphan { GONE.to_owned() } else { resolver.place(instance.place) };
    (instance.address.to_string(), place)
}

/// What is to blame for something that went wrong, if that is known: a resource, or a set.
fn blamed(resolver: &Resolver, desired: &Desired, incident: &Incident) -> Option<(String, String)> {
    let index = incident.resource?;
    let Some(set) = incident.set_of(desired) else { return Some(named(resolver, desired, index)) };
    let module = resolver.project().modules.get(&set.module);
    let declared =
        module.and_then(|module| module.sets.iter().find(|one| one.name.value == set.name));
    let place = declared.map(|declared| resolver.place(declared.name.span));
    Some((set.label(), place.unwrap_or_default()))
}

/// A change as it may be shown.
fn shown(key: &ProjectKey, desired: &Desired, index: usize, change: &Change) -> Change {
    let mut change = change.clone();
    if desired.resources[index].sensitive {
        change = change.masked(key.for_screens());
    } else if change.has_secret() {
        change = change.shown(key.for_screens());
    }
    let address = &desired.resources[index].address;
    for left in desired.left_out.iter().filter(|left| left.cause == *address) {
        let trigger = left.address.short();
        let left =
            format!("{trigger} would {}, and is not selected: it will not", left.kind.word());
        let note = change.note.take().map(|note| format!("{note}\n{left}"));
        change.note = Some(note.unwrap_or(left));
    }
    change
}

/// Where the values of a change come from.
fn whence(resolver: &Resolver, explained: Vec<Explained>) -> Vec<Why> {
    let each = explained.into_iter().map(|value| {
        let said = value.said.first();
        let by = said.map_or_else(String::new, |said| said.by.clone());
        let place = said.and_then(|said| said.place).map(|span| resolver.place(span));
        let shown = match value.value {
            _ if value.sensitive => "(sensitive)".to_owned(),
            Some(value) => value.to_string(),
            None => "none".to_owned(),
        };
        Why { name: value.name, value: shown, place, by }
    });
    each.collect()
}

/// A host that was compared. With `why` each change says where its values come from; `asked` is the time to confirm
/// changes in that the command line says.
pub(super) fn planned(ready: &Ready, run: &HostRun, (why, asked): (bool, Option<u32>)) -> HostPlan {
    let resolver = &ready.resolver;
    let explained = why.then(|| {
        let name = &resolver.targets[run.target].host.name;
        let facts = run.facts.clone().unwrap_or_else(|| Facts::stand_in(name));
        resolver.explain(run.target, &facts)
    });
    let seconds = window(&run.desired, &run.plan, asked);
    let mut confirmed = false;
    let changes = run.plan.changes().map(|(index, change)| {
        let (address, place) = named(resolver, &run.desired, index);
        let stage = run.desired.stage(index);
        let dangers = dangers(&run.desired.resources[index], change, &run.way_in);
        let instance = &run.desired.resources[index];
        let mut shown = shown(&ready.key, &run.desired, index, change);
        if let Some(guarded) = guarded(instance, change, (&run.way_in, asked)) {
            confirmed = true;
            shown = shown.and_note(told(instance, change, (guarded, seconds)));
        }
        let change = shown;
        let origin = run.plan.items[index].origin.clone();
        let why = explained.as_ref().map_or_else(Vec::new, |explained| {
            let instance = &run.desired.resources[index];
            whence(resolver, resolver.why(instance, explained, run.facts.as_ref()))
        });
        let set = run.desired.set_of(index);
        let set = set.map(|set| InSet { name: set.label(), validate: set.said() });
        Planned { stage, address, place, change, origin, set, dangers, why }
    });
    let problems = run.plan.problems().map(|(index, why)| Problem {
        resource: Some(named(resolver, &run.desired, index)),
        message: why.to_owned(),
    });
    let state = HostState::Compared { changes: changes.collect(), problems: problems.collect() };
    let (orphans, mut notes) = remembered(run);
    if confirmed && !run.way_in.outlives_boot {
        notes.push(UNWATCHED_BOOT.to_owned());
    }
    HostPlan { host: resolver.targets[run.target].host.name.clone(), state, orphans, notes }
}

/// What is told of a host's memory.
fn remembered(run: &HostRun) -> (Vec<Orphaned>, Vec<String>) {
    let Memory { lock, ledger, damage, sets, stays, .. } = &run.memory;
    let lock = lock.as_ref().map(|who| format!("another apply is at work there: {who}"));
    let damage = damage.as_ref().map(|damage| {
        format!("{damage}; what moved and what is not declared any more is not known")
    });
    let orphans = ledger.orphans(&run.desired).into_iter().filter_map(|orphan| {
        let refused = stays.iter().find(|(address, _)| *address == orphan.address);
        let held = orphan.held.or_else(|| refused.map(|(_, why)| why.clone()));
        let becomes = match (orphan.parting, held) {
            (Parted::Nothing, _) => return None,
            (Parted::Stays(why), _) | (_, Some(why)) => format!("it stays: {why}"),
            (Parted::Goes(_) | Parted::Made(_), None) => "--prune removes it".to_owned(),
            (Parted::Asked(_), None) => "--prune-accounts removes it".to_owned(),
        };
        let becomes = match orphan.owed {
            Some(owed) => format!("{becomes}; a {owed} is owed to it, which --prune forgets"),
            None => becomes,
        };
        Some(Orphaned { address: orphan.address, becomes, run: orphan.run })
    });
    (orphans.collect(), lock.into_iter().chain(damage).chain(sets.iter().cloned()).collect())
}

/// A host that could not be compared.
pub(super) fn ended(resolver: &Resolver, ended: &Ended) -> HostPlan {
    HostPlan {
        host: resolver.targets[ended.target].host.name.clone(),
        state: HostState::Ended {
            outcome: ended.outcome,
            message: ended.message.clone(),
            help: ended.help.clone(),
        },
        orphans: Vec::new(),
        notes: Vec::new(),
    }
}

/// A host that had no plan to apply, at the end.
pub(super) fn untouched(plan: HostPlan) -> HostEndView {
    let outcome = plan.outcome();
    let (problems, help) = match plan.state {
        HostState::Compared { problems, .. } => (problems, None),
        HostState::Ended { message, help, .. } => (vec![Problem { resource: None, message }], help),
    };
    let help = match (outcome, help) {
        (Outcome::Ok, _) => None,
        (_, Some(help)) => Some(format!("Nothing was changed.\n{help}")),
        (_, None) => Some("Nothing was changed.".to_owned()),
    };
    let host = plan.host;
    HostEndView {
        host,
        outcome,
        at_work: false,
        done: Vec::new(),
        problems,
        notes: Vec::new(),
        needless: Vec::new(),
        help,
        not_done: Vec::new(),
        lost: Vec::new(),
    }
}

/// A host that a saved plan says nothing of, because of how it ended when the plan was made.
pub(super) fn outside(host: &str, was: Outcome) -> HostEndView {
    let message = format!("not part of this plan: it was {} when the plan was made", was.word());
    let state = HostState::Ended { outcome: Outcome::NotAttempted, message, help: None };
    let (orphans, notes) = (Vec::new(), Vec::new());
    let view = untouched(HostPlan { host: host.to_owned(), state, orphans, notes });
    let help = Some(format!("Nothing was changed. Plan again: trueup plan --limit {host}"));
    HostEndView { help, ..view }
}

/// What a plan announces, for the end of its apply.
pub(super) fn announced(key: &ProjectKey, run: &HostRun) -> (Arc<Desired>, Vec<(usize, Change)>) {
    let desired = &run.desired;
    let changes =
        run.plan.changes().map(|(index, change)| (index, shown(key, desired, index, change)));
    (Arc::clone(&run.desired), changes.collect())
}

/// A host whose plan was applied, at the end. `announced` is its plan.
pub(super) fn applied(
    resolver: &Resolver,
    desired: &Desired,
    announced: &[(usize, Change)],
    (target, applied): (usize, Applied),
) -> HostEndView {
    let problems = applied.incidents.iter().map(|incident| Problem {
        resource: blamed(resolver, desired, incident),
        message: incident.told(incident.sensitive(desired)),
    });
    let (problems, help) = headed(problems.collect());
    let host = &resolver.targets[target].host.name;
    let stale = applied.incidents.iter().any(Incident::stale);
    let again = stale.then(|| format!("Plan again: trueup plan --limit {host}"));
    let help: Vec<String> = help.into_iter().chain(again).collect();
    let help = (!help.is_empty()).then(|| help.join("\n"));
    let hidden =
        |index: Option<usize>| index.is_some_and(|index| desired.resources[index].sensitive);
    let shown = applied.notes.into_iter().filter(|(index, _)| !hidden(*index));
    let address = |index: usize| desired.resources[index].address.to_string();
    let notes = shown.map(|(index, note)| (index.map(address), note)).collect();
    let needless = applied.needless.iter().map(|needless| {
        let instance = &desired.resources[needless.resource];
        let why = if instance.sensitive { String::new() } else { format!(": {}", needless.why) };
        (instance.address.to_string(), format!("nothing to do at its turn{why}"))
    });
    let not_done = applied.not_done.iter().filter_map(|index| {
        let (_, change) = announced.iter().find(|(announced, _)| announced == index)?;
        Some((desired.resources[*index].address.to_string(), change.clone()))
    });
    let not_done: Vec<(String, Change)> = not_done.collect();
    let done = |cause: &_| {
        applied.done.iter().any(|(index, _)| desired.resources[*index].address == *cause)
    };
    let unsure = applied.outcome == Outcome::Unknown;
    // Where the cause is still to come, a later run brings both.
    let open =
        announced.iter().filter(|(index, _)| applied.done.iter().all(|(done, _)| done != index));
    let lost = open.filter_map(|(index, change)| {
        let fired = change.fired.as_ref()?;
        let address = &desired.resources[*index].address;
        let due = unsure || fired.owed.is_some() || fired.because.iter().any(done);
        due.then(|| format!("{} of {address}", fired.kind.word()))
    });
    let lost = lost.collect();
    HostEndView {
        host: host.clone(),
        outcome: applied.outcome,
        at_work: false,
        done: applied
            .done
            .into_iter()
            .map(|(index, change)| (desired.resources[index].address.to_string(), change))
            .collect(),
        problems,
        notes,
        needless: needless.collect(),
        help,
        not_done,
        lost,
    }
}

/// What is said of the host itself: the first line heads its block, the others stand below.
fn headed(mut problems: Vec<Problem>) -> (Vec<Problem>, Option<String>) {
    let about_host = problems.iter_mut().find(|problem| problem.resource.is_none());
    let help = about_host.and_then(|problem| {
        let (first, rest) = problem.message.split_once('\n')?;
        let (first, rest) = (first.to_owned(), rest.to_owned());
        problem.message = first;
        Some(rest)
    });
    (problems, help)
}
