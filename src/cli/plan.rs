//! `trueup plan`: prints the exact difference between hosts and files; changes nothing.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::args::{Common, Hosts, Plan};
use super::exit::Exit;
use super::project::{self, Ready};
use super::{settings, view};
use crate::execute::{Counts, Fleet, HostResult};
use crate::model::Event;
use crate::report::view::{HostPlanView, PlanView};
use crate::report::{self, Progress, Style};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Plan) -> Exit {
    let style = settings::style(common, verb.hosts.full);
    let Some(ready) = project::ready(common, style) else { return Exit::Mistake };
    runtime().block_on(async {
        let (fleet, events) = fleet(&ready, &verb.hosts);
        let results = watched(&ready, events, look(&fleet, &ready)).await;
        let plan = plan_view(&ready, &results);
        let Some(plan) = plan else {
            return tell_mistakes(style, &ready, &results);
        };
        let counts = fleet.close(results.into_iter().filter_map(Result::ok).collect()).await;
        report::print(&report::render_plan(style, &plan));
        tell_cost(&verb.hosts, counts);
        Exit::of(plan.hosts.iter().map(HostPlanView::outcome), verb.hosts.detailed_exitcode)
    })
}

/// The runtime in which hosts are worked on.
pub(super) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().expect("this machine can start threads")
}

/// The fleet of a run, and its events.
pub(super) fn fleet(ready: &Ready, hosts: &Hosts) -> (Fleet, mpsc::UnboundedReceiver<Event>) {
    let (sender, events) = mpsc::unbounded_channel();
    (Fleet::new(Arc::clone(&ready.resolver), settings::execution(hosts), sender), events)
}

/// Compares all hosts of the run.
pub(super) async fn look(fleet: &Fleet, ready: &Ready) -> Vec<HostResult> {
    let facts = ready.resolver.uses_facts();
    let hosts = ready
        .hosts
        .iter()
        .map(|(target, desired)| (*target, (!facts).then(|| Arc::clone(desired))));
    fleet.look(hosts.collect()).await
}

/// Shows events while `work` goes on.
pub(super) async fn watched<T>(
    ready: &Ready,
    mut events: mpsc::UnboundedReceiver<Event>,
    work: impl Future<Output = T>,
) -> T {
    let names = ready.resolver.targets.iter().map(|target| target.host.name.clone()).collect();
    let mut progress = Progress::new(names, ready.hosts.len());
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => {
                progress.finish();
                return result;
            }
            Some(event) = events.recv() => progress.event(&event),
        }
    }
}

/// What is shown of the results; `None` when facts of hosts brought out mistakes in the project.
pub(super) fn plan_view(ready: &Ready, results: &[HostResult]) -> Option<PlanView> {
    let clean = results.iter().all(|result| match result {
        Ok(_) => true,
        Err(ended) => ended.mistakes.is_empty(),
    });
    let hosts = results.iter().map(|result| match result {
        Ok(run) => view::planned(&ready.resolver, run),
        Err(ended) => view::ended(&ready.resolver, ended),
    });
    let stages = ready.resolver.stage_names().into_iter().map(ToOwned::to_owned).collect();
    clean.then(|| PlanView { stages, hosts: hosts.collect() })
}

/// Tells the mistakes that facts of hosts brought out.
pub(super) fn tell_mistakes(style: Style, ready: &Ready, results: &[HostResult]) -> Exit {
    let mistakes = results.iter().filter_map(|result| result.as_ref().err());
    let mistakes = mistakes.flat_map(|ended| {
        let host = &ready.resolver.targets[ended.target].host.name;
        ended
            .mistakes
            .iter()
            .cloned()
            .map(move |mistake| mistake.help(format!("for host {host}, with its facts")))
    });
    project::tell(style, &ready.project.sources, mistakes.collect());
    Exit::Mistake
}

/// Says what the run cost, where that was asked for.
pub(super) fn tell_cost(hosts: &Hosts, counts: Counts) {
    if hosts.verbose {
        report::print_error(&format!(
            "{}, {}, {} bytes sent, {} bytes received\n",
            report::counted(counts.connections as usize, "connection"),
            report::counted(counts.exchanges as usize, "exchange"),
            counts.bytes_out,
            counts.bytes_in
        ));
    }
}
