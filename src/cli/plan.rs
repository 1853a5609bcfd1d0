//! `trueup plan`: prints the exact difference between hosts and files; changes nothing.

use super::args::{Common, Plan};
use super::exit::Exit;
use super::run::{Run, STOPPED, runtime, tell_cost};
use super::{project, settings};
use crate::plan::HostPlan;
use crate::report;

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Plan) -> Exit {
    let style = settings::style(common, settings::zoom(&verb.hosts.shown));
    let Some(ready) = project::ready(common, &verb.hosts, style) else { return Exit::Mistake };
    runtime().block_on(async {
        let mut run = Run::new(&ready, &verb.hosts);
        let Some(results) = run.look().await else { return STOPPED };
        let Some(plan) = run.plan_view(style, &results) else { return Exit::Mistake };
        let counts = run.fleet.close(results.into_iter().filter_map(Result::ok).collect()).await;
        report::print(&if verb.json {
            report::plan_json(&plan)
        } else {
            report::render_plan(style, &plan)
        });
        tell_cost(&verb.hosts, counts);
        Exit::of(plan.hosts.iter().map(HostPlan::outcome), verb.hosts.detailed_exitcode)
    })
}
