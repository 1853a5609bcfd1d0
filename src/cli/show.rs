//! `trueup show`: prints a saved plan again, also one that is stale or was applied.

use super::args::{Common, Show};
use super::exit::Exit;
use super::forms::ShowAs;
use super::key::ProjectKey;
use super::{saved, settings};
use crate::plan::saved::{Saved, SavedError};
use crate::report;

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Show) -> Exit {
    let style = settings::style(common, settings::zoom(&verb.shown));
    if common.limit.is_some() {
        report::print_error("error: --limit is for `trueup plan`: a saved plan is shown whole\n");
        return Exit::Mistake;
    }
    let named = |why: String| format!("{}: {why}", verb.file.display());
    let read = saved::text(&verb.file).and_then(|text| {
        let saved = Saved::read(&text).map_err(|error| named(error.to_string()))?;
        Ok((saved.plan.document().map_err(named)?, saved, text))
    });
    match read {
        Err(why) => {
            report::print_error(&format!("error: {why}\n"));
            Exit::Mistake
        }
        Ok((plan, saved, text)) => {
            report::print(&match verb.r#as {
                ShowAs::Text => report::render_plan(style, &plan),
                ShowAs::Json => report::plan_json(&plan),
                ShowAs::Markdown => report::plan_markdown(style, &plan),
            });
            report::print_error(&format!("Plan {}, made {}.\n", saved.id, saved.created));
            seal(&saved, &text)
        }
    }
}

/// Whether what was shown is what was saved, as far as this machine can tell.
fn seal(saved: &Saved, text: &str) -> Exit {
    let key = ProjectKey::new(&saved.plan.project);
    let (word, why) = match key.known().map(|key| Saved::open(text, key)) {
        Some(Err(error @ SavedError::Tampered)) => ("error", error.to_string()),
        Some(Err(error @ SavedError::OtherKey(_))) => {
            ("note", format!("{error}; whether it was changed is not known"))
        }
        None => {
            let why = "the project's key is not here: whether it was changed is not known";
            ("note", why.to_owned())
        }
        Some(Ok(_) | Err(_)) => return Exit::Good,
    };
    report::print_error(&format!("{word}: {why}\n"));
    if word == "error" { Exit::Mistake } else { Exit::Good }
}
