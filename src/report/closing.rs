//! The closing list of a plan: one line for each address, the most dangerous first, so that what matters
//! is on the last screen however long the plan is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Style;
use super::escape::visible;
use super::palette::{Label, paint};
use super::plan::names;
use crate::model::{Action, Change};
use crate::plan::{Danger, Document, Planned};

/// Harmless lines that are shown unless all are asked for.
const HARMLESS: usize = 20;
/// Up to so many changes of one set a plan is read at once, and nothing is said twice; so is one of one set
/// without danger. What may cut off the way to the host shows in no sign of a change: that is always said.
const SHORT: usize = 5;

/// What the lines of one address have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    danger: Option<Danger>,
    action: Action,
    address: String,
    word: String,
}

/// The list; empty where the plan is short enough to be seen whole.
pub(super) fn list(style: Style, plan: &Document) -> String {
    let sets = plan.sets(|_| true);
    let short = match sets.as_slice() {
        [] => true,
        [(_, changes)] => {
            let cuts = |planned: &&Planned| planned.dangers.0.contains(&Danger::MayCutAccess);
            let dangerous = changes.iter().any(|planned| !planned.dangers.0.is_empty());
            !changes.iter().any(cuts) && (changes.len() <= SHORT || !dangerous)
        }
        _ => false,
    };
    if sets.is_empty() || short && style.zoom != super::Zoom::Summary {
        return String::new();
    }
    let mut lines: BTreeMap<(bool, Key), Vec<&str>> = BTreeMap::new();
    for (hosts, changes) in &sets {
        for planned in changes {
            let key = key(planned);
            lines.entry((key.danger.is_none(), key)).or_default().extend(hosts);
        }
    }
    let dangerous = lines.keys().filter(|(harmless, _)| !harmless).count();
    let all = style.zoom != super::Zoom::Plain;
    let most = if all { lines.len() } else { dangerous + HARMLESS };
    let width = lines.keys().take(most).map(|(_, key)| key.address.chars().count()).max();
    let width = width.unwrap_or(0).min(44);
    let words = lines.keys().take(most).map(|(_, key)| key.word.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let head = if dangerous > 0 { "In short, the most dangerous first" } else { "In short" };
    let _ = writeln!(text, "{}", paint(style, Label::Heading, head));
    for ((_, key), hosts) in lines.iter().take(most) {
        let glyph = paint(style, Label::of(key.action), key.action.glyph());
        let word = format!("{:words$}", key.word);
        let label = if key.danger <= Some(Danger::MayCutAccess) && key.danger.is_some() {
            Label::Bad
        } else {
            Label::Quiet
        };
        let hosts = match hosts.as_slice() {
            few if few.len() <= 3 => names(few),
            many => format!("{} hosts", many.len()),
        };
        let _ = writeln!(
            text,
            "  {glyph} {:width$}  {}  {hosts}",
            key.address,
            paint(style, label, &word)
        );
    }
    if lines.len() > most {
        let more = lines.len() - most;
        let more = format!("… {more} more without danger (--summary or --full lists all)");
        let _ = writeln!(text, "  {}", paint(style, Label::Quiet, &more));
    }
    text.push('\n');
    text
}

fn key(planned: &Planned) -> Key {
    let Planned { change, dangers, .. } = planned;
    let danger = dangers.0.first().copied();
    let word = match danger {
        Some(_) => dangers.to_string(),
        None => verb(change).to_owned(),
    };
    Key { danger, action: change.action, address: visible(&planned.address), word }
}

/// What is done, where nothing about it is dangerous.
const fn verb(change: &Change) -> &'static str {
    match change.action {
        Action::Create => "creates",
        Action::Update => "updates",
        Action::KnownAfter => "known after",
        Action::Delete | Action::Run | Action::Trigger => "changes",
    }
}
