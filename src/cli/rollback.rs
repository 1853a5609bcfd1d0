//! `trueup rollback`: plans the way back of a run from what hosts keep of it, asks, and makes it so.

use std::sync::{Arc, OnceLock};

use super::apply::{Sorted, unasked};
use super::args::{Common, Rollback};
use super::exit::Exit;
use super::key::ProjectKey;
use super::project::{self, Ready};
use super::record::About;
use super::run::{Purpose, Run, STOPPED, runtime};
use super::taken::{Met, Unknown, at_work};
use super::telling::Telling;
use super::{settings, view};
use crate::config::{Loaded, Modules};
use crate::execute::{HostResult, Keeper, Moved};
use crate::ledger::{Kept, way_back};
use crate::model::{Diagnostic, RunId};
use crate::plan::{Document, HostPlan, HostState, Undoes};
use crate::report::{self, Style};
use crate::resolve::{Places, Resolver};

/// The stage that all of it is.
const STAGE: &str = "rollback";

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Rollback) -> Exit {
    let style = settings::style(common, settings::zoom(&verb.hosts.shown));
    let telling = Telling::new(style, verb.form.output(), verb.junit.clone());
    let select = &verb.hosts.select;
    if !(select.tags.is_empty() && select.skip_tags.is_empty() && select.targets.is_empty()) {
        report::print_error(
            "error: a run goes back whole: --tags, --skip-tags and --target are for `trueup plan`\n",
        );
        return Exit::Mistake;
    }
    if !verb.yes
        && !verb.plan
        && let Some(why) = unasked(&telling)
    {
        report::print_error(&format!(
            "error: rollback asks before it changes anything, and {why}\n  \
             give --yes to go back without asking, or --plan to look only\n",
        ));
        return Exit::Mistake;
    }
    let Some(ready) = ready(common, style) else { return Exit::Mistake };
    let mark = (!verb.plan).then(settings::mark);
    let (lock_timeout, json) = (verb.lock_timeout, telling.json());
    let purpose = Purpose { run: mark, lock_timeout, json, ..Purpose::default() };
    let later = OnceLock::new();
    let Some(run) = Run::new(&ready, &verb.hosts, purpose) else { return Exit::Mistake };
    runtime().block_on(go_back(run, (&ready, &later), (common, verb), &telling))
}

/// The hosts, whatever is wrong with modules and stages: nothing of those is needed.
fn ready(common: &Common, style: Style) -> Option<Ready> {
    let Loaded { project, mistakes, whole } = project::load(common, Modules::Used);
    let project = Arc::new(project);
    let hosts =
        if whole && !project.inventory.doubtful { hosts(common, &project) } else { Err(mistakes) };
    match hosts {
        Ok((resolver, hosts)) => {
            let key = ProjectKey::new(&project.name);
            let hosts = hosts.into_iter().map(|target| (target, None)).collect();
            Some(Ready { project, resolver: Arc::new(resolver), hosts, key })
        }
        Err(mistakes) => {
            project::tell(style, &project.sources, mistakes);
            None
        }
    }
}

fn hosts(
    common: &Common,
    project: &Arc<crate::config::Project>,
) -> Result<(Resolver, Vec<usize>), Vec<Diagnostic>> {
    let limit = settings::limit(common).map_err(|mistake| vec![mistake])?;
    let resolver = Resolver::new(project, settings::vars(common)?, &mut Vec::new());
    if resolver.targets.is_empty() {
        let file =
            project.inventory.file.map(|file| project.sources.get(file).path.display().to_string());
        let file = file.unwrap_or_default();
        return Err(vec![Diagnostic::error(format!(
            "no host keeps a run: the inventory {file} has no hosts"
        ))]);
    }
    let mut hosts = resolver.hosts(limit.as_ref())?;
    hosts.retain(|&index| common.holds(&resolver.targets[index].host.name));
    Ok((resolver, hosts))
}

async fn go_back<'r>(
    mut run: Run<'r>,
    (ready, later): (&'r Ready, &'r OnceLock<Ready>),
    (common, verb): (&Common, &Rollback),
    telling: &Telling,
) -> Exit {
    let targets: Vec<usize> = ready.hosts.iter().map(|(target, _)| *target).collect();
    let fleet = run.fleet.clone();
    let busy = at_work(common);
    let Some(met) = run.until_stopped(targets.len(), fleet.keepers(&targets)).await else {
        return STOPPED;
    };
    let (mut keepers, mut gone) = (Vec::new(), Vec::new());
    for keeper in met {
        match keeper {
            Ok(keeper) => keepers.push(keeper),
            Err(ended) => gone.push(ended),
        }
    }
    let hosts = Met { ready, keepers: &keepers, gone: &gone, busy: &busy };
    let (id, undoes) = match hosts.choose(common, &verb.run) {
        Ok(id) => (id.clone(), hosts.told(&id)),
        Err(Unknown { why, exit }) => {
            fleet.release(keepers).await;
            report::print_error(&format!("error: {why}\n"));
            return exit;
        }
    };
    let mut found = Vec::new();
    for kept in fleet.kept(keepers, &id).await {
        match kept {
            Ok(kept) => found.push(kept),
            Err(ended) => gone.push(ended),
        }
    }
    let (results, idle) = look(&mut run, (ready, later), (found, &id), verb).await;
    run.give_up(gone.iter());
    let results: Vec<HostResult> = results.into_iter().chain(gone.into_iter().map(Err)).collect();
    let lost = lost(ready, &results);
    let Some(mut plan) = run.plan_view(telling.style, &results) else { return Exit::Mistake };
    let known: Vec<HostPlan> = idle.iter().map(|keeper| nothing(ready, keeper, &id)).collect();
    fleet.release(idle).await;
    plan.undoes = Some(undoes);
    tell_lost(telling, &lost, &mut plan);
    let shown = plan.hosts.iter().cloned().chain(known.iter().cloned());
    let mut shown: Vec<HostPlan> = shown.collect();
    shown.sort_by(|one, other| one.host.cmp(&other.host));
    let document = Document { hosts: shown, ..plan.clone() };
    if verb.plan {
        let cost = fleet.close(results.into_iter().filter_map(Result::ok).collect()).await;
        telling.plan(&document);
        run.tell_cost(&verb.hosts, &cost);
        return Exit::of(document.outcomes(), verb.hosts.detailed_exitcode);
    }
    telling.announce(&document);
    let select = &verb.hosts.select;
    let about = About { common, select, opened: None, resumes: None, undoes: Some(id) };
    undo(run, (plan, known, results), (verb, &about), telling).await
}

/// Compares the hosts that keep something of the run; the others come back as they are.
async fn look<'r>(
    run: &mut Run<'r>,
    (ready, later): (&'r Ready, &'r OnceLock<Ready>),
    (found, id): (Vec<(Keeper, Kept)>, &RunId),
    verb: &Rollback,
) -> (Vec<HostResult>, Vec<Keeper>) {
    let places = found.iter().flat_map(|(_, kept)| &kept.changes);
    let places = Places::new(places.map(|undo| undo.place.as_str()));
    let (mut ways, mut idle) = (Vec::new(), Vec::new());
    for (keeper, kept) in found {
        if kept.is_empty() {
            idle.push(keeper);
        } else {
            let way = way_back(&kept, id.as_str(), |place| places.span(place));
            ways.push((keeper, way));
        }
    }
    let all = ready.resolver.targets.iter().map(|target| target.host.clone()).collect();
    let resolver = places.resolver(&ready.project.name, all, (&[STAGE.to_owned()], &[]));
    let resolver = Arc::new(resolver);
    let fleet = run.fleet.with(Arc::clone(&resolver));
    run.fleet = fleet.clone();
    run.ready = later.get_or_init(|| Ready {
        project: Arc::clone(&ready.project),
        resolver,
        hosts: Vec::new(),
        key: ProjectKey::new(&ready.project.name),
    });
    let moved = if verb.force { Moved::Overwritten } else { Moved::Refused };
    (run.watch(ways.len(), fleet.look_back(ways, moved)).await, idle)
}

/// A host that keeps nothing of the run.
fn nothing(ready: &Ready, keeper: &Keeper, id: &RunId) -> HostPlan {
    HostPlan {
        host: ready.resolver.targets[keeper.target].host.name.clone(),
        state: HostState::Compared { changes: Vec::new(), problems: Vec::new() },
        orphans: Vec::new(),
        notes: vec![format!("nothing is kept of run {id}")],
    }
}

/// What cannot be undone, by host.
fn lost(ready: &Ready, results: &[HostResult]) -> Vec<(String, Vec<String>)> {
    let runs = results.iter().filter_map(|result| result.as_ref().ok());
    let lost = runs.filter_map(|run| {
        let lost = run.back.as_ref().map(|back| back.lost.clone()).unwrap_or_default();
        (!lost.is_empty()).then(|| (ready.resolver.targets[run.target].host.name.clone(), lost))
    });
    lost.collect()
}

/// Says what cannot be undone before all else; to a program in the plan.
fn tell_lost(telling: &Telling, lost: &[(String, Vec<String>)], plan: &mut Document) {
    if !telling.json() {
        report::print(&report::render_lost(telling.style, lost));
        return;
    }
    for (name, lost) in lost {
        if let Some(host) = plan.hosts.iter_mut().find(|host| host.host == *name) {
            host.notes.extend(lost.iter().map(|line| format!("cannot be undone: {line}")));
        }
    }
}

/// Asks, and does what was planned.
async fn undo(
    run: Run<'_>,
    (plan, known, results): (Document, Vec<HostPlan>, Vec<HostResult>),
    (verb, about): (&Rollback, &About<'_>),
    telling: &Telling,
) -> Exit {
    let known = known.into_iter().map(view::untouched).collect();
    let mut hosts = Sorted::new(results, &plan, known);
    if !verb.yes {
        let told = plan.undoes.as_ref().map_or_else(String::new, Undoes::told);
        let id = about.undoes.as_ref().map_or("", RunId::as_str);
        if !hosts.agreed(&run, &format!("Take back run {id} ({told})?")).await {
            return Exit::Good;
        }
    }
    let cost = run.fleet.taken_back(std::mem::take(&mut hosts.idle)).await;
    hosts.finish(run, (about, &plan, cost), &verb.hosts, telling).await
}
