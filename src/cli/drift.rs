//! `trueup drift`: prints what moved on hosts since the last apply; changes nothing.

use super::args::{Common, Drift};
use super::exit::Exit;
use super::project::{self, Asked};
use super::run::{Purpose, Run, STOPPED, runtime, tell_cost};
use super::settings;
use super::telling::Telling;
use crate::ledger::Memory;
use crate::model::Outcome;
use crate::plan::{HostPlan, HostState};
use crate::resolve::Desired;

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Drift) -> Exit {
    let style = settings::style(common, settings::zoom(&verb.hosts.shown));
    let telling = Telling::new(style, verb.form.output(), None);
    let asked = Asked { select: &verb.hosts.select, keep: false, only: None };
    let Some(ready) = project::ready(common, &asked, style) else { return Exit::Mistake };
    let Some(mut run) = Run::new(&ready, &verb.hosts, Purpose::default()) else {
        return Exit::Mistake;
    };
    runtime().block_on(async {
        let Some(results) = run.look().await else { return STOPPED };
        let Some(mut plan) = run.plan_view(style, &results) else { return Exit::Mistake };
        for (told, host) in plan.hosts.iter_mut().zip(&results) {
            let Ok(host) = host else { continue };
            if let Some(message) = unknowable(&host.memory, &host.desired) {
                let help = Some("the next apply writes down what is there".to_owned());
                told.state = HostState::Ended { outcome: Outcome::Refused, message, help };
                told.notes.clear();
            }
        }
        let counts = run.fleet.close(results.into_iter().filter_map(Result::ok).collect()).await;
        let drift = plan.drift();
        telling.drift(&drift);
        tell_cost(&verb.hosts, counts);
        match drift.hosts.iter().map(HostPlan::outcome).max() {
            Some(worst) if worst > Outcome::Changed => Exit::Hosts,
            Some(Outcome::Changed) => Exit::Changes,
            _ => Exit::Good,
        }
    })
}

/// Why nobody can tell what moved on a host: it does not remember what was applied.
fn unknowable(memory: &Memory, desired: &Desired) -> Option<String> {
    let ledger = &memory.ledger;
    match &memory.damage {
        Some(damage) => Some(format!("what moved is not known: {damage}")),
        None if ledger.last.is_none() && !desired.resources.is_empty() => {
            Some("what moved is not known: it remembers no apply of this project".to_owned())
        }
        None => None,
    }
}
