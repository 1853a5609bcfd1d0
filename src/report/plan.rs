//! A plan as text: one block for each distinct set of changes, the rarest first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::change::{self, placed, resource};
use super::escape::visible;
use super::palette::{Label, paint};
use super::{Style, Zoom, closing, memory, outlier};
use crate::model::change::TriggerKind;
use crate::model::{Action, Change, Outcome};
use crate::plan::json::PlanJson;
use crate::plan::{Document, HostPlan, HostState, Planned, Problem};

/// Names of hosts that a heading lists before it only counts.
const NAMES: usize = 8;

/// Lines of what a failed step said that are shown, without one that says how many are not: the first, which tell how
/// it failed, and the last.
const MESSAGE_LINES: usize = 20;
const FIRST_LINES: usize = 3;

/// The whole text of a plan.
#[must_use]
pub fn render(style: Style, plan: &Document) -> String {
    let mut text = plan.undoes.as_ref().map_or_else(String::new, |undoes| {
        let run = paint(style, Label::Heading, &format!("Takes back run {}", visible(&undoes.run)));
        format!("{run}: {}\n\n", visible(&undoes.told()))
    });
    text.push_str(&blocks(style, plan, "no changes"));
    let _ = writeln!(text, "{}", last_line(plan));
    text
}

/// The text of what moved on hosts.
#[must_use]
pub fn drift(style: Style, plan: &Document) -> String {
    let mut text = blocks(style, plan, "as the last apply left it");
    let count = |wanted| plan.outcomes().filter(|outcome| *outcome == wanted).count();
    let parts = [(Outcome::Changed, "drifted"), (Outcome::Ok, "as they were left")]
        .into_iter()
        .filter_map(|(outcome, word)| Some((count(outcome), word)).filter(|(count, _)| *count > 0))
        .map(|(count, word)| format!("{count} {word}"));
    let outcomes: Vec<Outcome> = plan.outcomes().collect();
    let parts: Vec<String> = parts.chain(bad(&outcomes)).collect();
    let hosts = super::counted(plan.hosts.len(), "host");
    let _ = writeln!(text, "Drift: {hosts}: {}.", parts.join(", "));
    text
}

/// What stands before the last line. `none` is said of hosts on which nothing differs.
fn blocks(style: Style, plan: &Document, none: &str) -> String {
    let mut text = String::new();
    if style.zoom != Zoom::Summary {
        for (index, stage) in plan.stages.iter().enumerate() {
            self::stage(style, &mut text, plan, (index, stage));
        }
    }
    troubles(style, &mut text, plan);
    let unchanged: Vec<&str> = plan
        .hosts
        .iter()
        .filter(|host| host.outcome() == Outcome::Ok)
        .map(|host| host.host.as_str())
        .collect();
    if !unchanged.is_empty() {
        let _ = writeln!(text, "{}  {none}\n", names_of(style, &unchanged));
    }
    memory::told(style, &mut text, plan);
    text.push_str(&closing::list(style, plan));
    text
}

/// A plan as one JSON document.
///
/// # Panics
/// Never: its form has string keys only.
#[must_use]
pub fn json(plan: &Document) -> String {
    let form = serde_json::to_string_pretty(&PlanJson::of(plan));
    form.expect("a form with string keys is JSON") + "\n"
}

/// The blocks of one stage.
fn stage(style: Style, text: &mut String, plan: &Document, (index, name): (usize, &str)) {
    let sets = plan.sets(|planned| planned.stage == index);
    if sets.is_empty() {
        return;
    }
    if plan.stages.len() > 1 {
        let heading = format!("stage {}", visible(name));
        let _ = writeln!(text, "{}\n", paint(style, Label::Heading, &heading));
    }
    let most = sets.last().map_or(0, |(hosts, _)| hosts.len());
    for (hosts, changes) in &sets {
        let unlike = match sets.last() {
            Some((many, others)) if hosts.len() < most => {
                outlier::told(style, changes, (many.len(), others))
            }
            _ => Vec::new(),
        };
        block(style, text, hosts, (changes, &unlike));
    }
}

/// Hosts with the same changes.
pub(super) fn block(
    style: Style,
    text: &mut String,
    hosts: &[&str],
    (changes, unlike): (&[&Planned], &[String]),
) {
    let heading = paint(style, Label::Heading, &names_of(style, hosts));
    let count = changes.len();
    let changes_word = if count == 1 { "change" } else { "changes" };
    let _ = match hosts.len() {
        1 => writeln!(text, "{heading}  ({count} {changes_word})"),
        many => writeln!(text, "{heading}  ({many} hosts, the same {count} {changes_word})"),
    };
    for line in unlike {
        let _ = writeln!(text, "    {line}");
    }
    let members = changes.chunk_by(|one, other| one.set.is_some() && one.set == other.set);
    for members in members {
        if let Some(set) = &members[0].set {
            change::set(style, text, set, members.len());
        }
        for planned in members {
            resource(style, text, planned);
        }
    }
    text.push('\n');
}

/// Names of hosts, all of them where everything is asked for.
fn names_of(style: Style, hosts: &[&str]) -> String {
    if style.full() {
        return hosts.iter().map(|host| visible(host)).collect::<Vec<_>>().join(", ");
    }
    names(hosts)
}

/// Hosts that could not be planned, or not whole.
pub(super) fn troubles(style: Style, text: &mut String, plan: &Document) {
    for HostPlan { host, state, .. } in &plan.hosts {
        match state {
            HostState::Ended { outcome, message, help } => {
                ended(style, text, host, outcome.word(), (message, help.as_deref()));
                text.push('\n');
            }
            HostState::Compared { problems, .. } if !problems.is_empty() => {
                let heading = paint(style, Label::Heading, &visible(host));
                let _ = writeln!(
                    text,
                    "{heading}  {}: nothing will be done on this host",
                    paint(style, Label::Bad, Outcome::Refused.word())
                );
                for problem in problems {
                    self::problem(style, text, problem);
                }
                text.push('\n');
            }
            HostState::Compared { .. } => {}
        }
    }
}

/// A host that ended before it had a plan.
pub(super) fn ended(
    style: Style,
    text: &mut String,
    host: &str,
    word: &str,
    (message, help): (&str, Option<&str>),
) {
    let heading = paint(style, Label::Heading, &visible(host));
    let word = paint(style, Label::Bad, word);
    let colon = if message.is_empty() { "" } else { ": " };
    let _ = writeln!(text, "{heading}  {word}{colon}{}", visible(message));
    for line in help.into_iter().flat_map(str::lines) {
        let _ = writeln!(text, "      {}", visible(line));
    }
}

/// Something wrong with a resource.
pub(super) fn problem(style: Style, text: &mut String, problem: &Problem) {
    if let Some((address, place)) = &problem.resource {
        let address = visible(address);
        let bad = paint(style, Label::Bad, "x");
        let _ = writeln!(text, "  {bad} {address}{}", placed(style, &address, place));
    }
    let indent = if problem.resource.is_some() { "        " } else { "      " };
    for line in shortened(style, &problem.message) {
        let _ = writeln!(text, "{indent}{}", visible(&line));
    }
}

/// The lines of a message, of a long one the first and the last. The host may have cut it before: what it left out
/// counts too.
fn shortened(style: Style, message: &str) -> Vec<String> {
    let lines: Vec<&str> = message.lines().collect();
    // One line is not worth one that stands for it.
    if lines.len() <= MESSAGE_LINES + 1 {
        return lines.into_iter().map(ToOwned::to_owned).collect();
    }
    let (first, rest) = lines.split_at(FIRST_LINES);
    let (left_out, last) = rest.split_at(lines.len() - MESSAGE_LINES);
    let count = left_out.iter().map(|line| cut(line).unwrap_or(1)).fold(0, u64::saturating_add);
    let dots = if style.unicode.on() { "…" } else { "..." };
    let between = format!("{dots} {count} lines not shown");
    let (first, last) = (first.iter().copied(), last.iter().copied());
    first.chain([between.as_str()]).chain(last).map(ToOwned::to_owned).collect()
}

/// How many lines the host left out where this line stands: prelude.sh, `run`.
fn cut(line: &str) -> Option<u64> {
    let inner = line.strip_prefix("[… ")?.strip_suffix(" not shown …]")?;
    let (_, lines) = inner.split_once(" bytes").filter(|(bytes, _)| number(bytes).is_some())?;
    match lines {
        "" => Some(0),
        lines => number(lines.strip_prefix(" in ")?.strip_suffix(" lines")?),
    }
}

/// A number of digits alone.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Names of hosts, or how many.
pub(super) fn names(hosts: &[&str]) -> String {
    let shown: Vec<String> = hosts.iter().take(NAMES).map(|host| visible(host)).collect();
    if hosts.len() > NAMES {
        format!("{} and {} more hosts", shown.join(", "), hosts.len() - NAMES)
    } else {
        shown.join(", ")
    }
}

/// The answer in one line.
pub(super) fn last_line(plan: &Document) -> String {
    let outcomes: Vec<Outcome> = plan.hosts.iter().map(HostPlan::outcome).collect();
    let count = |outcome| outcomes.iter().filter(|found| **found == outcome).count();
    let mut parts = Vec::new();
    for (outcome, word) in [(Outcome::Changed, "to change"), (Outcome::Ok, "unchanged")] {
        if count(outcome) > 0 {
            parts.push(format!("{} {word}", count(outcome)));
        }
    }
    parts.extend(bad(&outcomes));
    let changes = plan.hosts.iter().flat_map(|host| match &host.state {
        HostState::Compared { changes, problems } if problems.is_empty() => changes.as_slice(),
        _ => &[],
    });
    let counts = counts(changes.map(|view| &view.change));
    let counts = if counts.is_empty() { String::new() } else { format!(" {counts}.") };
    let hosts = plan.hosts.len();
    if hosts == 0 {
        return "Plan: 0 hosts: nothing to do.".to_owned();
    }
    format!(
        "Plan: {hosts} {}: {}.{counts}",
        if hosts == 1 { "host" } else { "hosts" },
        parts.join(", ")
    )
}

/// How many hosts ended badly, by outcome.
pub(super) fn bad(outcomes: &[Outcome]) -> Vec<String> {
    [
        Outcome::RolledBack,
        Outcome::Failed,
        Outcome::Unreachable,
        Outcome::Refused,
        Outcome::Unknown,
        Outcome::NotAttempted,
    ]
    .into_iter()
    .map(|wanted| (wanted, outcomes.iter().filter(|found| **found == wanted).count()))
    .filter(|(_, count)| *count > 0)
    .map(|(outcome, count)| format!("{count} {}", outcome.word()))
    .collect()
}

/// `3 creates, 2 updates, 1 reload`.
pub(super) fn counts<'c>(changes: impl Iterator<Item = &'c Change>) -> String {
    let mut actions: BTreeMap<Action, usize> = BTreeMap::new();
    let mut fired: BTreeMap<TriggerKind, usize> = BTreeMap::new();
    for change in changes {
        let action = match &change.fired {
            // What only a trigger runs is a command as others are.
            Some(fired) if fired.kind == TriggerKind::Run => Action::Run,
            _ => change.action,
        };
        if action != Action::Trigger {
            *actions.entry(action).or_default() += 1;
        }
        if change.purged() > 0 {
            *actions.entry(Action::Delete).or_default() += change.purged();
        }
        if let Some(trigger) = change.fired.as_ref().filter(|it| it.kind != TriggerKind::Run) {
            *fired.entry(trigger.kind).or_default() += 1;
        }
    }
    let plural = |count: usize, word: &str| match (count, word) {
        (1, _) | (_, "known after") => format!("{count} {word}"),
        _ => format!("{count} {word}s"),
    };
    let actions = actions.into_iter().map(|(action, count)| plural(count, action.word()));
    let fired = fired.into_iter().map(|(kind, count)| plural(count, kind.word()));
    actions.chain(fired).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_message_the_beginning_and_the_end_are_shown_and_what_is_between_is_counted() {
        let told = |message: &str| shortened(Style::PLAIN, message);
        let numbered = |from: usize, to: usize| {
            (from..=to).fold(String::new(), |text, line| format!("{text}{line}\n"))
        };
        let whole = told(&format!("exit status 7:\n{}", numbered(1, 20)));
        assert_eq!((whole.len(), whole[20].as_str()), (21, "20"));
        let long = told(&format!("exit status 7:\n{}", numbered(1, 3000)));
        assert_eq!(long[..4], ["exit status 7:", "1", "2", "… 2981 lines not shown"]);
        assert_eq!((long.len(), long[4].as_str(), long[20].as_str()), (21, "2984", "3000"));
        // The host cut 2,900 lines out of the middle.
        let cut = "[… 9000 bytes in 2900 lines not shown …]\n";
        let cut = format!("exit status 7:\n{}{cut}{}", numbered(1, 50), numbered(2951, 3000));
        assert_eq!(told(&cut)[3..5], ["… 2981 lines not shown", "2984"]);
        let short = "exit status 7:\n1\n[… 9 bytes in 3 lines not shown …]\n5";
        assert_eq!(told(short).concat(), short.replace('\n', ""));
        for (line, lines) in [
            ("[… 9 bytes not shown …]", Some(0)),
            ("[… 9 bytes in 12 lines not shown …]", Some(12)),
            ("[…  bytes not shown …]", None),
            ("[… 9 bytes in -1 lines not shown …]", None),
            ("[… 9 bytes in 99999999999999999999 lines not shown …]", None),
        ] {
            assert_eq!(super::cut(line), lines, "{line}");
        }
    }
}
