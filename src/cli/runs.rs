//! `trueup runs`: lists the runs that are recorded, and shows one of them.

use super::args::{Common, Runs, RunsShow, RunsWhat};
use super::exit::Exit;
use super::records::{self, Records};
use super::settings;
use crate::report::record::{FORMAT, ListedJson, RunsJson};
use crate::report::{self, Style, Zoom};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Runs) -> Exit {
    let style = settings::style(common, Zoom::Plain);
    let said = match &verb.what {
        Some(RunsWhat::Show(show)) => shown(common, show, style),
        None => listed(common, verb, style),
    };
    match said {
        Ok(text) => {
            report::print(&text);
            Exit::Good
        }
        Err(why) => {
            report::print_error(&format!("error: {why}\n"));
            Exit::Mistake
        }
    }
}

fn listed(common: &Common, verb: &Runs, style: Style) -> Result<String, String> {
    let said = |error| format!("cannot read the records of runs: {error}");
    let all = Records::beside(&common.directory).and_then(|records| records.all()).map_err(said)?;
    let mut runs: Vec<ListedJson> = Vec::with_capacity(all.len());
    for run in &all {
        // One that cannot be read hides no other.
        match run.summary() {
            Ok(summary) => {
                runs.push(summary.listed(run.id.short(all.iter().map(|other| &other.id))));
            }
            Err(why) => report::print_error(&format!(
                "warning: this run is not listed, because its record is damaged: {why}\n"
            )),
        }
    }
    if verb.json {
        return Ok(json(&RunsJson { format_version: FORMAT.to_owned(), runs }));
    }
    if runs.is_empty() {
        let place = if records::is_project(&common.directory) {
            records::of_project(&common.directory)
        } else {
            records::of_state("")
        };
        return Ok(format!(
            "No run is recorded in {}: trueup apply records each one.\n",
            place.display()
        ));
    }
    Ok(report::render_runs(style, &runs))
}

fn shown(common: &Common, show: &RunsShow, style: Style) -> Result<String, String> {
    let records = Records::beside(&common.directory);
    let records = records.map_err(|error| format!("cannot read the records of runs: {error}"))?;
    let run = records.find(&show.id)?;
    if show.plan {
        let plan = run.plan()?;
        let text = |plan| report::render_plan(Style { zoom: Zoom::Full, ..style }, plan);
        return if show.json { Ok(json(&plan)) } else { Ok(text(&plan.document()?)) };
    }
    let summary = run.summary()?;
    if show.json { Ok(json(&summary)) } else { report::render_run(style, &summary) }
}

fn json<T: serde::Serialize>(form: &T) -> String {
    serde_json::to_string_pretty(form).expect("a form with string keys is JSON") + "\n"
}
