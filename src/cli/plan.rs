//! `trueup plan`: prints the exact difference between hosts and files; changes nothing.

use super::apply::too_many;
use super::args::{Common, Plan};
use super::exit::Exit;
use super::project::{self, Asked};
use super::run::{Purpose, Run, STOPPED, runtime, tell_cost};
use super::telling::Telling;
use super::{saved, settings};
use crate::plan::HostPlan;
use crate::report;

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Plan) -> Exit {
    let style = settings::style(common, settings::zoom(&verb.hosts.shown));
    let telling = Telling::new(style, verb.form.output(), None);
    let asked = Asked { select: &verb.hosts.select, keep: verb.out.is_some(), only: None };
    let Some(ready) = project::ready(common, &asked, style) else { return Exit::Mistake };
    let purpose = Purpose { prune: settings::prune(&verb.pruning), ..Purpose::default() };
    let Some(mut run) = Run::new(&ready, &verb.hosts, purpose) else {
        return Exit::Mistake;
    };
    runtime().block_on(async {
        let Some(results) = run.look().await else { return STOPPED };
        let Some(plan) = run.plan_view(style, &results) else { return Exit::Mistake };
        let kept =
            verb.out.as_ref().map(|path| saved::save((path, common.shard), &run, &plan, &results));
        let counts = run.fleet.close(results.into_iter().filter_map(Result::ok).collect()).await;
        telling.plan(&plan);
        tell_cost(&verb.hosts, counts);
        if let Some(why) = too_many(&verb.pruning, &plan) {
            report::print_error(&why);
            return Exit::Mistake;
        }
        if let Some((kept, path)) = kept.zip(verb.out.as_ref()) {
            let path = path.display();
            if let Err(why) = kept {
                report::print_error(&format!("error: {why}\n"));
                return Exit::Mistake;
            }
            report::print_error(&format!(
                "Saved as {path}. To do exactly this: trueup apply {path}\n"
            ));
        }
        Exit::of(plan.hosts.iter().map(HostPlan::outcome), verb.hosts.detailed_exitcode)
    })
}
