//! The end of an apply: what went wrong, host by host, and the answer in the last line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Style;
use super::escape::visible;
use super::events::seconds;
use super::palette::{Label, paint};
use super::plan::{bad, counts, ended, names, problem};
use super::view::{EndView, HostEndView};
use crate::model::{Outcome, RunId};

/// The text after an apply.
#[must_use]
pub fn render(style: Style, end: &EndView) -> String {
    let mut text = troubles(style, end);
    let run = end.run.as_ref().map(|run| {
        let dots = if style.unicode.on() { "…" } else { "..." };
        format!(" Run {0}{dots}: trueup runs show {0}", run.short)
    });
    let _ = writeln!(text, "{}{}", last_line(end), run.unwrap_or_default());
    text
}

/// What went wrong, host by host, and what a reader should know of the rest.
pub(super) fn troubles(style: Style, end: &EndView) -> String {
    let mut text = String::new();
    for host in end.hosts.iter().filter(|host| host.outcome > Outcome::Changed) {
        trouble(style, &mut text, host);
        text.push('\n');
    }
    notes(style, &mut text, end);
    text
}

/// What a reader should know of changes that were done: the same on several hosts is said once.
fn notes(style: Style, text: &mut String, end: &EndView) {
    let mut all: BTreeMap<(Option<&str>, &str), Vec<&str>> = BTreeMap::new();
    for host in &end.hosts {
        let notes = host.notes.iter().map(|(address, note)| (address.as_deref(), note));
        let needless = host.needless.iter().map(|(address, note)| (Some(address.as_str()), note));
        for (address, note) in notes.chain(needless) {
            all.entry((address, note)).or_default().push(&host.host);
        }
    }
    for ((address, note), hosts) in &all {
        let heading = paint(style, Label::Heading, &names(hosts));
        let about = address.map(|address| format!("{}\n      ", visible(address)));
        let _ = writeln!(text, "{heading}  {}{}", about.unwrap_or_default(), visible(note));
    }
    if !all.is_empty() {
        text.push('\n');
    }
}

/// One host that did not end well.
fn trouble(style: Style, text: &mut String, host: &HostEndView) {
    let about_host = |view: &&crate::plan::Problem| view.resource.is_none();
    let message = host.problems.iter().find(about_host).map(|view| view.message.clone());
    let message = message.unwrap_or_else(|| match host.outcome {
        Outcome::NotAttempted => "the run ended before its turn; nothing was changed".into(),
        Outcome::Unknown if !host.at_work => "the connection was lost while something ran".into(),
        _ => String::new(),
    });
    // What to do about the host stands below what is wrong with it.
    let (top, bottom) = match message.as_str() {
        "" => (None, host.help.as_deref()),
        _ => (host.help.as_deref(), None),
    };
    ended(style, text, &host.host, host.word(), (&message, top));
    for view in host.problems.iter().filter(|view| view.resource.is_some()) {
        problem(style, text, view);
    }
    if !host.not_done.is_empty() {
        let names: Vec<String> =
            host.not_done.iter().take(4).map(|(address, _)| visible(address)).collect();
        let more = host.not_done.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let counts = counts(host.not_done.iter().map(|(_, change)| change));
        let yet = if host.at_work { " yet" } else { "" };
        let _ = writeln!(text, "      Not done{yet}: {}{more} ({counts}).", names.join(", "));
    }
    lost_triggers(text, host);
    for line in bottom.into_iter().flat_map(str::lines) {
        let _ = writeln!(text, "      {}", visible(line));
    }
    if host.outcome == Outcome::Unknown && !host.at_work {
        let name = visible(&host.host);
        let _ = writeln!(
            text,
            "      Run {} to see where it stands.",
            paint(style, Label::Heading, &format!("trueup plan --limit {name}"))
        );
    }
}

/// Triggers whose cause is done and that were not: the host remembers them for the next apply.
fn lost_triggers(text: &mut String, host: &HostEndView) {
    if !host.lost.is_empty() {
        let lost: Vec<String> = host.lost.iter().map(|lost| visible(lost)).collect();
        let _ = writeln!(text, "      Owed there until an apply does it: {}.", lost.join(", "));
    }
}

/// The answer in one line.
pub(super) fn last_line(end: &EndView) -> String {
    let outcomes: Vec<Outcome> = end.hosts.iter().map(|host| host.outcome).collect();
    let counts = counts(end.hosts.iter().flat_map(|host| &host.done).map(|(_, change)| change));
    let done = match &end.undoes {
        None => "Applied to".to_owned(),
        Some(run) => {
            format!("Run {} taken back on", visible(run.get(..RunId::SHORT).unwrap_or(run)))
        }
    };
    // As it is recorded, so that both are rounded alike.
    answer(&done, &outcomes, &counts, Some(seconds(end)))
}

/// What was done, on how many hosts, how long it took where that is known, what it changed and what went wrong; `counts` is empty where
/// nothing was changed.
pub(super) fn answer(done: &str, all: &[Outcome], counts: &str, seconds: Option<f64>) -> String {
    let good = all.iter().filter(|outcome| **outcome <= Outcome::Changed).count();
    let of = if good == all.len() { String::new() } else { format!(" of {}", all.len()) };
    let word = if all.len() == 1 { "host" } else { "hosts" };
    let counts = match counts {
        "" if all.iter().all(|outcome| *outcome == Outcome::Ok) => "nothing to do",
        "" if all.contains(&Outcome::Unknown) => "no change is known to have completed",
        "" => "no change completed",
        _ => counts,
    };
    let bad = bad(all);
    let bad = if bad.is_empty() { String::new() } else { format!(" {}.", bad.join(", ")) };
    let time = seconds.map_or_else(String::new, |seconds| format!(" in {seconds:.1} s"));
    format!("{done} {good}{of} {word}{time}: {counts}.{bad}")
}
