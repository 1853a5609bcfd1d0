//! Runs that were put together, as text and as the end of one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::super::escape::visible;
use super::super::inventory::columns;
use super::super::palette::{Label, paint};
use super::super::record::{RunStatus, host_view};
use super::super::runs::{changes, counted_changes, done, moment, outcomes, took};
use super::super::summary::{answer, troubles};
use super::super::view::EndView;
use super::super::{Style, counted};
use super::{MergedJson, PartJson, open};
use crate::model::{Outcome, RunId};

/// Runs that stand in the table: all, or of more those that did not end well.
const ROWS: usize = 20;

/// Lists of what was done that are told.
const LISTS: usize = 200;

/// Hosts whose troubles are told one by one.
const TROUBLES: usize = 200;

/// The end as apply has it.
///
/// # Errors
/// When a word in it is not known.
pub fn end(merged: &MergedJson) -> Result<EndView, String> {
    let hosts = merged.hosts.iter().map(host_view).collect::<Result<_, _>>()?;
    let time = Duration::try_from_secs_f64(merged.seconds).unwrap_or_default();
    Ok(EndView { hosts, time, run: None, undoes: None })
}

/// The runs, what was done on which hosts, what went wrong, and the answer in the last line.
#[must_use]
pub fn render(style: Style, merged: &MergedJson, end: EndView) -> String {
    let count = counted(merged.runs.len(), "run");
    let head = format!("{count} of {}", visible(&merged.project));
    let mut text = paint(style, Label::Heading, &head);
    let (since, ended) = (moment(&merged.since), moment(&merged.ended));
    let _ = writeln!(text, "  began {since} UTC, ended {ended} UTC\n");
    text.push_str(&table(style, merged));
    text.push('\n');
    done(style, &mut text, (&end, LISTS));
    let all: Vec<Outcome> = end.hosts.iter().map(|host| host.outcome).collect();
    let mut few = end;
    let (mut told, mut more) = (0, 0);
    few.hosts.retain(|host| {
        told += usize::from(host.outcome > Outcome::Changed);
        let shown = host.outcome <= Outcome::Changed || told <= TROUBLES;
        more += usize::from(!shown);
        shown
    });
    text.push_str(&troubles(style, &few));
    if more > 0 {
        let more = counted(more, "more host");
        let _ = writeln!(text, "{more} did not end well: --json lists all.\n");
    }
    let _ = writeln!(text, "{}", last_line(merged, &all));
    text
}

/// One line for each run.
fn table(style: Style, merged: &MergedJson) -> String {
    let head = ["run", "shard", "began (UTC)", "took", "hosts", "changes"];
    let head = head.map(str::to_owned).to_vec();
    let good = |part: &&PartJson| part.status == RunStatus::Ended && well(&part.hosts);
    let many = merged.runs.len() > ROWS;
    let shown = merged.runs.iter().filter(|part| !many || !good(part)).take(ROWS);
    let ids: Vec<RunId> =
        merged.runs.iter().filter_map(|part| RunId::parse(&part.run.id)).collect();
    let rows: Vec<Vec<String>> = shown.map(|part| row(part, &ids)).collect();
    let left = merged.runs.len() - rows.len();
    let text = columns(&[vec![head], rows].concat());
    let (head, rest) = text.split_once('\n').unwrap_or_default();
    let mut text = format!("{}\n{rest}", paint(style, Label::Heading, head));
    if left > 0 {
        let bad = merged.runs.iter().filter(|part| !good(part)).count().saturating_sub(ROWS);
        let how = match bad {
            0 => "that ended well".to_owned(),
            bad => format!("{bad} of them not well"),
        };
        let _ = writeln!(text, "and {}, {how}", counted(left, "more run"));
    }
    text
}

/// Whether these outcomes are all good.
fn well(hosts: &BTreeMap<String, usize>) -> bool {
    let good = [Outcome::Ok.word(), Outcome::Changed.word()];
    hosts.keys().all(|word| good.contains(&word.as_str()))
}

fn row(part: &PartJson, ids: &[RunId]) -> Vec<String> {
    let run = &part.run;
    let shard = run.selection.shard.as_deref().map_or_else(|| "-".to_owned(), visible);
    let seconds = part.seconds.map_or_else(|| "-".to_owned(), took);
    let own = ids.iter().find(|id| id.as_str() == run.id);
    let id = own.map_or_else(|| visible(&run.id), |id| id.short(ids.iter()).to_owned());
    let hosts = outcomes(part.status, &part.hosts);
    let unknown = part.hosts.contains_key(Outcome::Unknown.word());
    vec![id, shard, moment(&run.since), seconds, hosts, changes(&part.counts, unknown)]
}

/// The answer in one line.
fn last_line(merged: &MergedJson, all: &[Outcome]) -> String {
    let counts = counted_changes(&merged.counts);
    let rollback = merged.runs.iter().any(|part| part.run.selection.undoes.is_some());
    let what = if rollback { "Taken back on" } else { "Applied to" };
    let known = merged.runs.iter().any(|part| part.seconds.is_some());
    let mut text = answer(what, all, &counts, known.then_some(merged.seconds));
    let shards = merged.missing_shards.iter().map(|shard| {
        let word = if shard.contains('-') { "shards" } else { "shard" };
        format!("{word} {}", visible(shard))
    });
    let runs = merged.missing_runs.iter().map(|run| format!("run {}", visible(run)));
    let missing: Vec<String> = shards.chain(runs).collect();
    let cut: Vec<String> = open(&merged.runs).map(|part| visible(&part.run.id)).collect();
    for (what, all) in [("Missing, and not known", missing), ("Interrupted", cut)] {
        if all.is_empty() {
            continue;
        }
        let more = all.len().saturating_sub(ROWS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let first = all[..all.len().min(ROWS)].join(", ");
        let _ = write!(text, " {what}: {first}{more}.");
    }
    text
}
