//! `trueup apply`: plans, asks, and makes it so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::{Apply, Common, Hosts, Pruning};
use super::exit::Exit;
use super::project::{self, Asked};
use super::record::{About, Record};
use super::resume::{self, Resumed};
use super::run::{Purpose, Run, STOPPED, asked_to_end, runtime};
use super::saved;
use super::telling::Telling;
use super::{settings, view};
use crate::execute::{Cost, HostResult, HostRun, Prune, Stop};
use crate::model::{Outcome, RunId};
use crate::plan::{Document, HostPlan};
use crate::report;
use crate::report::view::{EndView, HostEndView};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Apply) -> Exit {
    let Some(start) = &verb.resume else { return apply(common, verb, None) };
    match resume::resumed(common, verb, start) {
        Ok(Some(Resumed { common, verb, left, id })) => apply(&common, &verb, Some((left, id))),
        Ok(None) => Exit::Good,
        Err(why) => {
            report::print_error(&format!("error: {why}\n"));
            Exit::Mistake
        }
    }
}

/// Applies what the command line names, or what an earlier run has left of it.
fn apply(common: &Common, verb: &Apply, left: Option<(BTreeSet<String>, RunId)>) -> Exit {
    let style = settings::style(common, settings::zoom(&verb.hosts.shown));
    let telling = Telling::new(style, verb.form.output(), verb.junit.clone());
    if let Some(path) = &verb.junit
        && let Err(error) = report::writable(path)
    {
        report::print_error(&format!("error: cannot write {}: {error}\n", path.display()));
        return Exit::Mistake;
    }
    let mark = settings::mark();
    let (only, resumes) = left.unzip();
    if let Some(path) = &verb.plan {
        let Some(opened) = saved::open(path, common, verb, style) else {
            return Exit::Mistake;
        };
        let purpose = Purpose {
            spend: Some(opened.saved.id.clone()),
            run: Some(mark),
            lock_timeout: verb.lock_timeout,
            confirm: verb.confirm,
            prune: Prune::Nothing,
            json: telling.json(),
        };
        let Some(run) = Run::new(&opened.ready, &verb.hosts, purpose) else {
            return Exit::Mistake;
        };
        let select = &verb.hosts.select;
        let about = About { common, select, opened: Some(&opened), resumes, undoes: None };
        return runtime().block_on(planned(run, (verb, &about), &telling));
    }
    if !verb.yes
        && let Some(why) = unasked(&telling)
    {
        report::print_error(&format!(
            "error: apply asks before it changes anything, and {why}\n  \
             give --yes to apply without asking, or use `trueup plan` to look only\n",
        ));
        return Exit::Mistake;
    }
    let asked = Asked { select: &verb.hosts.select, keep: false, only: only.as_ref() };
    let Some(ready) = project::ready(common, &asked, style) else { return Exit::Mistake };
    resume::tell_gone(only.as_ref(), &ready);
    let prune = settings::prune(&verb.pruning);
    let purpose = Purpose {
        spend: None,
        run: Some(mark),
        lock_timeout: verb.lock_timeout,
        confirm: verb.confirm,
        prune,
        json: telling.json(),
    };
    let Some(run) = Run::new(&ready, &verb.hosts, purpose) else { return Exit::Mistake };
    let select = &verb.hosts.select;
    let about = About { common, select, opened: None, resumes, undoes: None };
    runtime().block_on(planned(run, (verb, &about), &telling))
}

async fn planned(
    mut run: Run<'_>,
    (verb, about @ &About { opened, .. }): (&Apply, &About<'_>),
    telling: &Telling,
) -> Exit {
    let Some(results) = run.look().await else { return STOPPED };
    let Some(mut plan) = run.plan_view(telling.style, &results) else { return Exit::Mistake };
    if let Some(opened) = opened {
        match saved::compared(opened, &plan, &results) {
            Ok(compared) => plan = compared,
            Err(why) => {
                report::print_error(&format!("error: this plan cannot be read: {why}\n"));
                return Exit::Mistake;
            }
        }
    }
    // Of a saved plan only what is done is shown now: who is refused stands at the end.
    let shown = |host: &&HostPlan| opened.is_none() || host.outcome() == Outcome::Changed;
    let hosts: Vec<HostPlan> = plan.hosts.iter().filter(shown).cloned().collect();
    if telling.json() || opened.is_none() || !hosts.is_empty() {
        telling.announce(&Document { hosts, ..plan.clone() });
    }
    if let Some(why) = too_many(&verb.pruning, &plan) {
        run.fleet.close(results.into_iter().filter_map(Result::ok).collect()).await;
        report::print_error(&why);
        return Exit::Mistake;
    }
    let outside = opened.iter().flat_map(|opened| &opened.outside);
    let ends = outside.map(|(host, was)| view::outside(host, *was)).collect();
    let mut hosts = Sorted::new(results, &plan, ends);
    if !verb.yes && opened.is_none() && !hosts.agreed(&run, "Apply these changes?").await {
        return Exit::Good;
    }
    let cost = settle(&run, std::mem::take(&mut hosts.idle)).await;
    hosts.finish(run, (about, &plan, cost), &verb.hosts, telling).await
}

/// Why nobody can be asked, where that is so.
pub(super) fn unasked(telling: &Telling) -> Option<&'static str> {
    if telling.json() {
        return Some("with --json it cannot");
    }
    (!report::can_ask()).then_some("there is no terminal to ask on")
}

/// Hosts that were compared: those that change, those on which nothing does, and what is told of the latter at the end.
pub(super) struct Sorted {
    runs: Vec<HostRun>,
    pub(super) idle: Vec<HostRun>,
    ends: Vec<HostEndView>,
}

impl Sorted {
    pub(super) fn new(
        results: Vec<HostResult>,
        plan: &Document,
        mut ends: Vec<HostEndView>,
    ) -> Self {
        let (mut runs, mut idle) = (Vec::new(), Vec::new());
        for (result, host) in results.into_iter().zip(&plan.hosts) {
            let changes = host.outcome() == Outcome::Changed;
            if !changes {
                ends.push(view::untouched(host.clone()));
            }
            if let Ok(run) = result {
                if changes { &mut runs } else { &mut idle }.push(run);
            }
        }
        Self { runs, idle, ends }
    }

    /// Asks whether it may be done, where something is to be; where it may not, all sessions end.
    pub(super) async fn agreed(&mut self, run: &Run<'_>, question: &str) -> bool {
        if self.runs.is_empty() || report::ask(question) {
            return true;
        }
        run.fleet.close(std::mem::take(&mut self.runs)).await;
        run.fleet.close(std::mem::take(&mut self.idle)).await;
        report::print("Nothing was changed.\n");
        false
    }

    /// Does what is to be done, records it, and tells how it ended. `counts` is what it has cost already.
    pub(super) async fn finish(
        self,
        mut run: Run<'_>,
        (about, plan, cost): (&About<'_>, &Document, Cost),
        hosts: &Hosts,
        telling: &Telling,
    ) -> Exit {
        let Self { runs, ends, .. } = self;
        run.json = telling.json();
        let mark = run.mark.as_ref();
        run.record = mark.and_then(|mark| Record::begin(about, run.ready, (mark, plan)));
        // Where nothing is to be done the plan has said so.
        let silent = runs.is_empty() && about.opened.is_none() && !telling.json();
        let (mut end, applied) = if runs.is_empty() {
            let time = Duration::ZERO;
            (EndView { hosts: ends, time, run: None, undoes: None }, Cost::default())
        } else {
            carry_out(&mut run, runs, ends).await
        };
        end.undoes = about.undoes.as_ref().map(ToString::to_string);
        let exit = Exit::of(end.hosts.iter().map(|end| end.outcome), hosts.detailed_exitcode);
        if let Some(record) = run.record.take() {
            record.end(&mut end, exit.status());
        }
        let exit = if silent { telling.end_quietly(&end, exit) } else { telling.end(&end, exit) };
        run.tell_cost(hosts, &cost.and(applied));
        exit
    }
}

/// Writes down what hosts on which nothing changes should remember; what cannot be is told.
async fn settle(run: &Run<'_>, idle: Vec<HostRun>) -> Cost {
    let (cost, unsettled) = run.fleet.settle(idle).await;
    for (target, why) in unsettled {
        let host = &run.ready.resolver.targets[target].host.name;
        report::print_error(&format!("warning: {host}: its ledger was not written: {why}\n"));
    }
    cost
}

/// Why a plan is not done that removes more than was allowed.
pub(super) fn too_many(pruning: &Pruning, plan: &Document) -> Option<String> {
    let most = pruning.max_removals?;
    let removals = plan.removals();
    (removals > most).then(|| {
        format!(
            "error: this plan removes {} on all hosts together, more than --max-removals {most}\n",
            report::counted(removals, "thing")
        )
    })
}

/// Applies the plans; the first signal stops after what runs now, the second at once.
async fn carry_out(
    run: &mut Run<'_>,
    runs: Vec<HostRun>,
    mut ends: Vec<HostEndView>,
) -> (EndView, Cost) {
    let begun = Instant::now();
    let announced: Vec<_> = runs.iter().map(|each| view::announced(&run.ready.key, each)).collect();
    let stop = run.fleet.stopper();
    let signals = tokio::spawn(async move {
        loop {
            asked_to_end().await;
            report::print_error(match stop.harder() {
                Stop::Now => "stopping at once; what ran then is not known\n",
                _ => "stopping after the steps that run now; once more to stop at once\n",
            });
        }
    });
    let fleet = run.fleet.clone();
    let applied = run.watch(runs.len(), fleet.apply(runs)).await;
    signals.abort();
    let mut cost = Cost::default();
    let resolver = Arc::clone(&run.ready.resolver);
    for (result, (desired, changes)) in applied.into_iter().zip(announced) {
        cost.add(result.0, result.1.counts);
        ends.push(view::applied(&resolver, &desired, &changes, result));
    }
    ends.sort_by(|one, other| one.host.cmp(&other.host));
    (EndView { hosts: ends, time: begun.elapsed(), run: None, undoes: None }, cost)
}
