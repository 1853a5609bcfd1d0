//! A plan as text: one block for each distinct set of changes, the rarest first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Style;
use super::diff;
use super::escape::visible;
use super::palette::{Label, paint};
use super::view::{ChangeView, HostPlanView, PlanState, PlanView, ProblemView};
use crate::model::change::TriggerKind;
use crate::model::{Action, Change, Difference, Outcome};

/// The column where the place of a declaration begins, if the address leaves it free.
const PLACE_COLUMN: usize = 54;
/// Facts of one name, such as entries that are purged, that are shown unless all are asked for.
const ALIKE: usize = 20;
/// Names of hosts that a heading lists before it only counts.
const NAMES: usize = 8;

/// Lines of what a failed step said that are shown: the last ones.
const MESSAGE_LINES: usize = 20;

/// The whole text of a plan.
#[must_use]
pub fn render(style: Style, plan: &PlanView) -> String {
    let mut text = String::new();
    for (index, stage) in plan.stages.iter().enumerate() {
        let blocks = blocks(plan, index);
        if blocks.is_empty() {
            continue;
        }
        if plan.stages.len() > 1 {
            let _ = writeln!(
                text,
                "{}\n",
                paint(style, Label::Heading, &format!("stage {}", visible(stage)))
            );
        }
        for (hosts, changes) in blocks {
            block(style, &mut text, &hosts, &changes);
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
        let _ = writeln!(text, "{}  no changes\n", names(&unchanged));
    }
    let _ = writeln!(text, "{}", last_line(plan));
    text
}

/// The changes of a stage with the hosts that share them, the rarest first.
fn blocks(plan: &PlanView, stage: usize) -> Vec<(Vec<&str>, Vec<&ChangeView>)> {
    let mut blocks: Vec<(Vec<&str>, Vec<&ChangeView>)> = Vec::new();
    let mut seen: std::collections::HashMap<Vec<&ChangeView>, usize> =
        std::collections::HashMap::new();
    for host in &plan.hosts {
        let PlanState::Compared { changes, problems } = &host.state else { continue };
        if !problems.is_empty() {
            continue;
        }
        let these: Vec<&ChangeView> =
            changes.iter().filter(|change| change.stage == stage).collect();
        if these.is_empty() {
            continue;
        }
        let at = *seen.entry(these.clone()).or_insert_with(|| {
            blocks.push((Vec::new(), these));
            blocks.len() - 1
        });
        blocks[at].0.push(&host.host);
    }
    blocks.sort_by_key(|(hosts, _)| hosts.len());
    blocks
}

fn block(style: Style, text: &mut String, hosts: &[&str], changes: &[&ChangeView]) {
    let heading = paint(style, Label::Heading, &names(hosts));
    let count = changes.len();
    let changes_word = if count == 1 { "change" } else { "changes" };
    let _ = match hosts.len() {
        1 => writeln!(text, "{heading}  ({count} {changes_word})"),
        many => writeln!(text, "{heading}  ({many} hosts, the same {count} {changes_word})"),
    };
    for change in changes {
        resource(style, text, change);
    }
    text.push('\n');
}

/// One resource: its mark, address and place, then each fact of its change.
fn resource(style: Style, text: &mut String, view: &ChangeView) {
    let change = &view.change;
    let label = Label::of(change.action);
    let glyph = paint(style, label, change.action.glyph());
    let address = visible(&view.address);
    let _ = writeln!(text, "  {glyph} {address}{}", placed(style, &address, &view.place));
    let lines: Vec<String> = change
        .note
        .iter()
        .flat_map(|note| note.lines().map(visible))
        .chain(facts(style, change))
        .chain(change.fired.as_ref().map(|fired| {
            let because: Vec<String> =
                fired.because.iter().map(|address| visible(&address.short())).collect();
            let verb = if because.len() == 1 { "changes" } else { "change" };
            format!("{}, because {} {verb}", fired.kind.word(), listed(&because))
        }))
        .collect();
    for line in lines {
        let _ = writeln!(text, "      {line}");
    }
}

/// A place after an address: in its column, or on a line of its own where the address is too long.
fn placed(style: Style, address: &str, place: &str) -> String {
    let used = address.chars().count() + 4;
    let place = visible(place);
    let gap = match PLACE_COLUMN.checked_sub(used) {
        Some(gap) if gap >= 2 => " ".repeat(gap),
        _ if used + 2 + place.chars().count() <= 80 => "  ".to_owned(),
        _ => "\n      ".to_owned(),
    };
    format!("{gap}{}", paint(style, Label::Quiet, &place))
}

/// Up to three names, then how many more.
fn listed(names: &[String]) -> String {
    match names.len() {
        0..=3 => names.join(", "),
        more => format!("{} and {} more", names[..2].join(", "), more - 2),
    }
}

/// Each attribute that differs.
fn facts(style: Style, change: &Change) -> Vec<String> {
    let width = change
        .attributes
        .iter()
        .filter(|attribute| matches!(attribute.difference, Difference::Value { .. }))
        .map(|attribute| attribute.name.len())
        .max()
        .unwrap_or(0);
    let mut lines = Vec::new();
    let (mut alike, mut hidden) = (0, 0);
    for (index, attribute) in change.attributes.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| change.attributes[before].name);
        alike = if before == Some(attribute.name) { alike + 1 } else { 1 };
        if alike > ALIKE && !style.full.on() {
            hidden += 1;
            continue;
        }
        match &attribute.difference {
            Difference::Value { before, after } => {
                let value = |value: &Option<String>| {
                    value.as_ref().map_or_else(
                        || "none".to_owned(),
                        |value| visible(&value.replace('\n', "\\n")),
                    )
                };
                let name = attribute.name;
                lines.push(if change.action == Action::Create || change.action == Action::Run {
                    format!("{name:width$}  {}", value(after))
                } else {
                    format!("{name:width$}  {} {} {}", value(before), style.arrow(), value(after))
                });
            }
            Difference::Content { before, after } => {
                lines.extend(diff::lines(style, before.as_ref(), after.as_ref()));
            }
            Difference::Secret { .. } => {
                lines.push(format!("{:width$}  (sensitive)", attribute.name));
            }
            Difference::Sensitive { before, after } => lines.push(format!(
                "{:width$}  (sensitive)  {}",
                attribute.name,
                keyed(style, change.action, before.as_deref(), after.as_deref())
            )),
        }
    }
    if hidden > 0 {
        lines.push(format!("… {hidden} more (--full shows all)"));
    }
    lines
}

/// Keyed digests of a sensitive value, so that a reader sees that it changed and where it is the same.
fn keyed(style: Style, action: Action, before: Option<&str>, after: Option<&str>) -> String {
    let short = |digest: Option<&str>| {
        digest.map_or("none", |digest| digest.get(..12).unwrap_or(digest)).to_owned()
    };
    if matches!(action, Action::Create | Action::Run) && before.is_none() {
        return short(after);
    }
    format!("{} {} {}", short(before), style.arrow(), short(after))
}

/// Hosts that could not be planned, or not whole.
fn troubles(style: Style, text: &mut String, plan: &PlanView) {
    for HostPlanView { host, state } in &plan.hosts {
        match state {
            PlanState::Ended { outcome, message, help } => {
                ended(style, text, host, *outcome, message, help.as_deref());
                text.push('\n');
            }
            PlanState::Compared { problems, .. } if !problems.is_empty() => {
                let heading = paint(style, Label::Heading, &visible(host));
                let _ = writeln!(
                    text,
                    "{heading}  {}: nothing will be done on this host",
                    paint(style, Label::Bad, "failed")
                );
                for problem in problems {
                    self::problem(style, text, problem);
                }
                text.push('\n');
            }
            PlanState::Compared { .. } => {}
        }
    }
}

/// A host that ended before it had a plan.
pub(super) fn ended(
    style: Style,
    text: &mut String,
    host: &str,
    outcome: Outcome,
    message: &str,
    help: Option<&str>,
) {
    let heading = paint(style, Label::Heading, &visible(host));
    let word = paint(style, Label::Bad, outcome.word());
    let colon = if message.is_empty() { "" } else { ": " };
    let _ = writeln!(text, "{heading}  {word}{colon}{}", visible(message));
    for line in help.into_iter().flat_map(str::lines) {
        let _ = writeln!(text, "      {}", visible(line));
    }
}

/// Something wrong with a resource.
pub(super) fn problem(style: Style, text: &mut String, problem: &ProblemView) {
    if let Some((address, place)) = &problem.resource {
        let address = visible(address);
        let bad = paint(style, Label::Bad, "x");
        let _ = writeln!(text, "  {bad} {address}{}", placed(style, &address, place));
    }
    let indent = if problem.resource.is_some() { "        " } else { "      " };
    let lines: Vec<&str> = problem.message.lines().collect();
    let skipped = lines.len().saturating_sub(MESSAGE_LINES);
    if skipped > 0 {
        let _ = writeln!(text, "{indent}… {skipped} lines before");
    }
    for line in &lines[skipped..] {
        let _ = writeln!(text, "{indent}{}", visible(line));
    }
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
fn last_line(plan: &PlanView) -> String {
    let outcomes: Vec<Outcome> = plan.hosts.iter().map(HostPlanView::outcome).collect();
    let count = |outcome| outcomes.iter().filter(|found| **found == outcome).count();
    let mut parts = Vec::new();
    for (outcome, word) in [(Outcome::Changed, "to change"), (Outcome::Ok, "unchanged")] {
        if count(outcome) > 0 {
            parts.push(format!("{} {word}", count(outcome)));
        }
    }
    parts.extend(bad(&outcomes));
    let changes = plan.hosts.iter().flat_map(|host| match &host.state {
        PlanState::Compared { changes, problems } if problems.is_empty() => changes.as_slice(),
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
        if change.action != Action::Trigger {
            *actions.entry(change.action).or_default() += 1;
        }
        if let Some(trigger) = &change.fired {
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
