//! `trueup apply`: plans, asks, and makes it so.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::args::{Apply, Common};
use super::exit::Exit;
use super::plan::{fleet, look, plan_view, runtime, tell_cost, tell_mistakes, watched};
use super::project::{self, Ready};
use super::{settings, view};
use crate::execute::{Counts, Fleet, HostRun};
use crate::model::Outcome;
use crate::report::view::{EndView, HostEndView, HostPlanView};
use crate::report::{self, Style};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Apply) -> Exit {
    let style = settings::style(common, verb.hosts.full);
    if !verb.yes && !report::can_ask() {
        report::print_error(
            "error: apply asks before it changes anything, and there is no terminal to ask on\n  \
             give --yes to apply without asking, or use `trueup plan` to look only\n",
        );
        return Exit::Mistake;
    }
    let Some(ready) = project::ready(common, style) else { return Exit::Mistake };
    runtime().block_on(planned(&ready, verb, style))
}

async fn planned(ready: &Ready, verb: &Apply, style: Style) -> Exit {
    let (fleet, events) = fleet(ready, &verb.hosts);
    let results = watched(ready, events, look(&fleet, ready)).await;
    let Some(plan) = plan_view(ready, &results) else {
        return tell_mistakes(style, ready, &results);
    };
    report::print(&report::render_plan(style, &plan));
    let changing = |host: &HostPlanView| host.outcome() == Outcome::Changed;
    let (mut runs, mut idle, mut ends): (Vec<HostRun>, Vec<HostRun>, Vec<HostEndView>) =
        Default::default();
    for (result, host) in results.into_iter().zip(plan.hosts) {
        let change = changing(&host);
        if !change {
            ends.push(view::untouched(host));
        }
        match result {
            Ok(run) if change => runs.push(run),
            Ok(run) => idle.push(run),
            Err(_) => {}
        }
    }
    let counts = fleet.close(idle).await;
    if runs.is_empty() {
        tell_cost(&verb.hosts, counts);
        return Exit::of(ends.iter().map(|end| end.outcome), false);
    }
    if !verb.yes && !report::ask("Apply these changes?") {
        fleet.close(runs).await;
        report::print("Nothing was changed.\n");
        return Exit::Good;
    }
    let (outcomes, counts) = carry_out(ready, &fleet, runs, ends, style, counts).await;
    tell_cost(&verb.hosts, counts);
    Exit::of(outcomes.into_iter(), verb.hosts.detailed_exitcode)
}

/// Applies the plans and prints the end.
async fn carry_out(
    ready: &Ready,
    fleet: &Fleet,
    runs: Vec<HostRun>,
    mut ends: Vec<HostEndView>,
    style: Style,
    mut counts: Counts,
) -> (Vec<Outcome>, Counts) {
    let begun = Instant::now();
    let announced: Vec<_> = runs
        .iter()
        .map(|run| {
            let changes: Vec<_> =
                run.plan.changes().map(|(index, change)| (index, change.clone())).collect();
            (std::sync::Arc::clone(&run.desired), changes)
        })
        .collect();
    let stop = fleet.stopper();
    let signals = tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if stop.swap(true, Ordering::Relaxed) {
                report::print_error("stopped at once; what ran is not known: run trueup plan\n");
                std::process::exit(3);
            }
            report::print_error("stopping after what runs now; once more to stop at once\n");
        }
    });
    let applied = fleet.apply(runs).await;
    signals.abort();
    for (result, (desired, changes)) in applied.into_iter().zip(announced) {
        counts = counts.plus(result.1.counts);
        ends.push(view::applied(&ready.resolver, &desired, &changes, result));
    }
    ends.sort_by(|one, other| one.host.cmp(&other.host));
    let outcomes = ends.iter().map(|end| end.outcome).collect();
    report::print(&report::render_summary(style, &EndView { hosts: ends, time: begun.elapsed() }));
    (outcomes, counts)
}
