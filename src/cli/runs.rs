//! `trueup runs`: lists the runs that are recorded, and shows one of them.

use std::collections::{BTreeSet, HashMap};

use super::args::{Common, Runs, RunsShow, RunsWhat};
use super::exit::Exit;
use super::merge;
use super::project;
use super::records::{self, Records};
use super::settings;
use crate::config::Modules;
use crate::model::Outcome;
use crate::report::events::HostEndJson;
use crate::report::record::{FORMAT, ListedJson, RunsJson, SummaryJson};
use crate::report::{self, Style, Zoom};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Runs) -> Exit {
    let style = settings::style(common, Zoom::Plain);
    let said = match &verb.what {
        Some(RunsWhat::Show(show)) => shown(common, show, style),
        Some(RunsWhat::Merge(merge)) => return merge::run(common, merge, style),
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
    let mut ways = Ways::new(keep_runs(common));
    for run in &all {
        // One that cannot be read hides no other.
        match run.summary() {
            Ok(summary) => {
                let short = run.id.short(all.iter().map(|other| &other.id));
                let way = ways.of(&summary);
                runs.push(summary.listed(short, way));
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

/// Runs that hosts keep for the way back, as the project says; a mistake in it is none of a list's.
fn keep_runs(common: &Common) -> usize {
    let project = records::is_project(&common.directory)
        .then(|| project::load(common, Modules::Used).project.rollback);
    project.unwrap_or_default().keep_runs as usize
}

/// Which runs can be taken back, as records say it, read from the newest to the oldest.
struct Ways {
    keep: usize,
    /// Runs that changed something there, by inventory and host.
    seen: HashMap<(String, String), usize>,
    /// By run: hosts on which it was taken back, for what is known by now.
    back: HashMap<String, BTreeSet<String>>,
}

impl Ways {
    fn new(keep: usize) -> Self {
        Self { keep, seen: HashMap::new(), back: HashMap::new() }
    }

    fn of(&mut self, summary: &SummaryJson) -> &'static str {
        let run = &summary.run;
        let back = self.back.remove(&run.id).unwrap_or_default();
        if let Some(undone) = &run.selection.undoes {
            let good = [Outcome::Ok.word(), Outcome::Changed.word()];
            let hosts = summary.hosts.iter().filter(|host| good.contains(&host.outcome.as_str()));
            let hosts = hosts.map(|host| host.host.clone()).filter(|host| !back.contains(host));
            self.back.entry(undone.clone()).or_default().extend(hosts);
        }
        let left = |host: &&HostEndJson| {
            !host.done.is_empty() && host.outcome != Outcome::RolledBack.word()
        };
        let changed: Vec<&HostEndJson> = summary.hosts.iter().filter(left).collect();
        let unknown = Outcome::Unknown.word();
        let lost = summary.hosts.iter().any(|host| host.outcome == unknown);
        let mut kept = 0;
        for host in &changed {
            let seen = self.seen.entry((run.inventory.clone(), host.host.clone())).or_default();
            kept += usize::from(*seen < self.keep);
            *seen += 1;
        }
        match changed.iter().filter(|host| back.contains(&host.host)).count() {
            _ if changed.is_empty() && lost => unknown,
            _ if changed.is_empty() => "-",
            count if count == changed.len() => "taken back",
            0 if kept > 0 => "kept",
            0 => "no longer kept",
            _ => "in part",
        }
    }
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
