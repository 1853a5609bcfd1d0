//! `trueup show`: prints a saved plan again, also one that is stale or was applied.

use super::args::{Common, Show};
use super::exit::Exit;
use super::forms::ShowAs;
use super::{saved, settings};
use crate::plan::saved::Saved;
use crate::report;

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Show) -> Exit {
    let style = settings::style(common, settings::zoom(&verb.shown));
    let read = saved::text(&verb.file).and_then(|text| {
        let saved =
            Saved::read(&text).map_err(|error| format!("{}: {error}", verb.file.display()))?;
        Ok((saved.plan.document()?, saved))
    });
    match read {
        Err(why) => {
            report::print_error(&format!("error: {why}\n"));
            Exit::Mistake
        }
        Ok((plan, saved)) => {
            report::print(&match verb.r#as {
                ShowAs::Text => report::render_plan(style, &plan),
                ShowAs::Json => report::plan_json(&plan),
                ShowAs::Markdown => report::plan_markdown(style, &plan),
            });
            report::print_error(&format!("Plan {}, made {}.\n", saved.id, saved.created));
            Exit::Good
        }
    }
}
