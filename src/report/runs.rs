//! Runs that are recorded: as a list, and one of them as its apply ended.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::escape::visible;
use super::inventory::columns;
use super::palette::{Label, paint};
use super::plan::{bad, counts, names};
use super::record::{AT_WORK, ListedJson, RunStatus, SelectionJson, SummaryJson};
use super::summary::{last_line, troubles};
use super::view::{EndView, HostEndView};
use super::{Style, counted};
use crate::model::{Action, Change, Outcome, RunId};

/// All runs, one a line.
#[must_use]
pub fn list(style: Style, runs: &[ListedJson]) -> String {
    let head = ["run", "what", "began (UTC)", "took", "hosts", "changes", "way back"];
    let head = head.map(str::to_owned).to_vec();
    let rows = runs.iter().map(|run| {
        let took = run.seconds.map_or_else(|| "-".to_owned(), took);
        let what = run.undoes.as_ref().map_or_else(
            || "apply".to_owned(),
            |of| format!("rollback of {}", visible(of.get(..RunId::SHORT).unwrap_or(of))),
        );
        let changes = changes(&run.counts, run.way_back == Outcome::Unknown.word());
        let since = moment(&run.since);
        let hosts = outcomes(run.status, &run.hosts);
        vec![run.short.clone(), what, since, took, hosts, changes, visible(&run.way_back)]
    });
    let text = columns(&[vec![head], rows.collect()].concat());
    let (head, rest) = text.split_once('\n').unwrap_or_default();
    format!("{}\n{rest}", paint(style, Label::Heading, head))
}

/// Hosts by outcome, and what is to be said of the run itself.
pub(super) fn outcomes(status: RunStatus, hosts: &BTreeMap<String, usize>) -> String {
    let mut parts = Vec::new();
    match status {
        RunStatus::Ended => {}
        RunStatus::Running => parts.push("running:".to_owned()),
        RunStatus::Interrupted => parts.push("interrupted:".to_owned()),
    }
    let words = std::iter::once(AT_WORK).chain(Outcome::ALL.iter().rev().map(|one| one.word()));
    let counts: Vec<String> =
        words.filter_map(|word| hosts.get(word).map(|count| format!("{count} {word}"))).collect();
    parts.push(if counts.is_empty() { "no host".to_owned() } else { counts.join(", ") });
    parts.join(" ")
}

/// As [`counted_changes`]; where there are none, `none`, or `unknown` where it is not known of every host what was done.
pub(super) fn changes(counts: &BTreeMap<String, usize>, unknown: bool) -> String {
    match counted_changes(counts) {
        all if !all.is_empty() => all,
        _ if unknown => Outcome::Unknown.word().to_owned(),
        _ => "none".to_owned(),
    }
}

/// `2 creates, 1 reload`: each kind of change with its number.
pub(super) fn counted_changes(counts: &BTreeMap<String, usize>) -> String {
    let each = counts.iter().map(|(word, count)| {
        // As apply counts what it ran.
        let word = if word == "run" { Action::Run.word() } else { word };
        match count {
            1 => format!("1 {}", visible(word)),
            _ if word == "known after" => format!("{count} {word}"),
            _ => format!("{count} {}s", visible(word)),
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

/// A time of a record without its letters.
pub(super) fn moment(time: &str) -> String {
    let time = visible(time).replace('T', " ");
    time.split(['.', 'Z']).next().unwrap_or_default().to_owned()
}

/// How long something took.
pub(super) fn took(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds")]
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// One run: who began it and for what, what was done on which hosts, and the end as apply printed it.
///
/// # Errors
/// When a word in its record is not known.
pub fn show(style: Style, summary: &SummaryJson) -> Result<String, String> {
    let end = summary.view()?;
    let run = &summary.run;
    let mut text = paint(style, Label::Heading, &format!("Run {}", visible(&run.id)));
    let _ = writeln!(text, "  began {} UTC, by {}", moment(&run.since), visible(&run.who));
    let mut about = vec![visible(&run.project), visible(&run.inventory)];
    about.extend(selection(&run.selection));
    about.retain(|word| !word.is_empty());
    let _ = writeln!(text, "{}", about.join(", "));
    let _ = writeln!(text, "trueup {}\n", visible(&run.trueup_version));
    done(style, &mut text, (&end, usize::MAX));
    text.push_str(&troubles(style, &end));
    let last = match summary.status {
        RunStatus::Ended => last_line(&end),
        RunStatus::Running => format!("The run goes on: {}.", so_far(&end)),
        RunStatus::Interrupted => {
            let on = match &run.selection.undoes {
                None => format!("trueup apply --resume {}", visible(&run.id)),
                Some(undone) => format!("trueup rollback {}", visible(undone)),
            };
            format!(
                "Interrupted: nothing was heard of the run after {} UTC: {}.\nTo go on: {on}",
                moment(&summary.ended),
                so_far(&end)
            )
        }
    };
    let _ = writeln!(text, "{last}");
    Ok(text)
}

/// What the command line selected, as it was typed.
fn selection(selection: &SelectionJson) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(selection.limit.iter().map(|limit| format!("--limit {}", visible(limit))));
    words.extend(selection.shard.iter().map(|shard| format!("--shard {}", visible(shard))));
    let lists = [
        ("--tags", &selection.tags),
        ("--skip-tags", &selection.skip_tags),
        ("--target", &selection.targets),
    ];
    for (flag, list) in lists {
        words.extend(list.iter().map(|word| format!("{flag} {}", visible(word))));
    }
    let vars = selection.vars.iter();
    words.extend(vars.map(|(name, value)| format!("--var {}={}", visible(name), visible(value))));
    let hidden = selection.sensitive_vars.iter();
    words.extend(hidden.map(|name| format!("--var {}=(sensitive)", visible(name))));
    words.extend(selection.saved_plan.iter().map(|id| format!("saved plan {}", visible(id))));
    words.extend(selection.resumes.iter().map(|id| format!("--resume {}", visible(id))));
    words.extend(selection.undoes.iter().map(|id| format!("rollback of {}", visible(id))));
    words
}

/// What was done on a host, and how it ended.
type Done<'e> = (&'e [(String, Change)], &'e str);

/// What was done, each list once with the hosts that share it; `most` lists.
pub(super) fn done(style: Style, text: &mut String, (end, most): (&EndView, usize)) {
    let mut alike: Vec<Vec<&HostEndView>> = Vec::new();
    let mut known: HashMap<Done<'_>, usize> = HashMap::new();
    for host in &end.hosts {
        let place = *known.entry((&host.done, host.word())).or_insert(alike.len());
        if place == alike.len() {
            alike.push(Vec::new());
        }
        alike[place].push(host);
    }
    let left: usize = alike.iter().skip(most).map(Vec::len).sum();
    for hosts in alike.into_iter().take(most) {
        let (done, outcome, word) = (&hosts[0].done, hosts[0].outcome, hosts[0].word());
        // Who did nothing and did not end well stands below, with why.
        if done.is_empty() && outcome > Outcome::Changed {
            continue;
        }
        let hosts: Vec<&str> = hosts.iter().map(|host| host.host.as_str()).collect();
        let heading = paint(style, Label::Heading, &names(&hosts));
        let label = if outcome > Outcome::Changed { Label::Bad } else { Label::Quiet };
        let _ = writeln!(text, "{heading}  {}", paint(style, label, word));
        for (address, change) in done {
            let glyph = paint(style, Label::of(change.action), change.action.glyph());
            let fired = change.fired.as_ref().map(|fired| format!("  {}", fired.kind.word()));
            let _ = writeln!(text, "  {glyph} {}{}", visible(address), fired.unwrap_or_default());
        }
        text.push('\n');
    }
    if left > 0 {
        let _ = writeln!(text, "{}: --json lists all.\n", counted(left, "more host"));
    }
}

/// How far a run came.
fn so_far(end: &EndView) -> String {
    let (busy, rest): (Vec<_>, Vec<_>) = end.hosts.iter().partition(|host| host.at_work);
    let outcomes: Vec<Outcome> = rest.iter().map(|host| host.outcome).collect();
    let good = outcomes.iter().filter(|outcome| **outcome <= Outcome::Changed).count();
    let done = counts(end.hosts.iter().flat_map(|host| &host.done).map(|(_, change)| change));
    let none = if outcomes.contains(&Outcome::Unknown) {
        "no change is known to have completed"
    } else {
        "no change completed"
    };
    let done = if done.is_empty() { none.to_owned() } else { done };
    let mut parts = vec![format!("{good} of {} hosts done", end.hosts.len())];
    parts.extend((!busy.is_empty()).then(|| format!("{} {AT_WORK}", busy.len())));
    parts.extend(bad(&outcomes));
    format!("{}; {done}", parts.join(", "))
}
