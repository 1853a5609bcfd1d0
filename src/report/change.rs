//! One change as text: its mark, address and place, then each fact of it.

use std::fmt::Write as _;

use super::Style;
use super::diff;
use super::escape::visible;
use super::palette::{Label, paint};
use crate::model::{Action, Attribute, Change, Difference, RunId};
use crate::plan::{InSet, Origin, Planned, Why};

/// The column where the place of a declaration begins, if the address leaves it free.
const PLACE_COLUMN: usize = 54;
/// Facts of one name, such as entries that are purged, that are shown unless all are asked for.
const ALIKE: usize = 20;
/// Characters of a line that a reader with a narrow terminal sees.
const WIDTH: usize = 80;

/// One resource: its mark, address and place, then each fact of its change.
pub(super) fn resource(style: Style, text: &mut String, planned: &Planned) {
    let change = &planned.change;
    let label = Label::of(change.action);
    let glyph = paint(style, label, change.action.glyph());
    let address = visible(&planned.address);
    let _ = writeln!(text, "  {glyph} {address}{}", placed(style, &address, &planned.place));
    let lines = change
        .note
        .iter()
        .flat_map(|note| note.lines().map(visible))
        .chain(moved(&planned.origin))
        .chain(facts(style, change))
        .chain(fired(change))
        .chain(planned.why.iter().enumerate().flat_map(|(index, why)| because(style, index, why)));
    for line in lines {
        let _ = writeln!(text, "      {line}");
    }
}

/// What stands above the members of a set that change.
pub(super) fn set(style: Style, text: &mut String, set: &InSet, members: usize) {
    let name = paint(style, Label::Heading, &visible(&set.name));
    let _ = match members {
        1 => writeln!(text, "  {name}: one of its members changes"),
        many => writeln!(text, "  {name}: these {many} go in together or not at all"),
    };
    for line in set.validate.iter().flat_map(|validate| validate.lines()) {
        let _ = writeln!(text, "      validate  {}", visible(line));
    }
}

/// The trigger that goes off with a change.
fn fired(change: &Change) -> Option<String> {
    let fired = change.fired.as_ref()?;
    let because: Vec<String> =
        fired.because.iter().map(|address| visible(&address.short())).collect();
    if let Some(run) = &fired.owed {
        let (kind, run) = (fired.kind.word(), visible(run));
        return Some(format!(
            "{kind}, owed since run {run}, in which {} changed",
            listed(&because)
        ));
    }
    let verb = if because.len() == 1 { "changes" } else { "change" };
    Some(format!("{}, because {} {verb}", fired.kind.word(), listed(&because)))
}

/// That the host moved, and since when.
fn moved(origin: &Origin) -> Option<String> {
    let since = |run: &str| match RunId::parse(run) {
        Some(id) => format!("run {} ({})", visible(run), id.day()),
        None => format!("run {}", visible(run)),
    };
    match origin {
        Origin::New | Origin::Files => None,
        Origin::Host(run) => Some(format!("drift: changed on the host after {}", since(run))),
        Origin::Both(run) => {
            Some(format!("drift: changed in the files, and on the host after {}", since(run)))
        }
    }
}

/// Where a value comes from.
fn because(style: Style, index: usize, why: &Why) -> Vec<String> {
    let mark = if index == 0 { "why  " } else { "     " };
    let value: String = visible(&why.value.replace('\n', "\\n"));
    let value = if value.chars().count() > 40 && !style.full() {
        value.chars().take(39).chain(['…']).collect()
    } else {
        value
    };
    let from: Vec<String> =
        why.place.iter().map(|place| visible(place)).chain([visible(&why.by)]).collect();
    let (said, from) = (format!("{mark}{} = {value}", visible(&why.name)), from.join("  "));
    if said.chars().count() + from.chars().count() + 9 > WIDTH {
        return vec![said, format!("       {}", paint(style, Label::Quiet, &from))];
    }
    vec![format!("{said}   {}", paint(style, Label::Quiet, &from))]
}

/// A place after an address: in its column, or on a line of its own where the address is too long.
pub(super) fn placed(style: Style, address: &str, place: &str) -> String {
    let used = address.chars().count() + 4;
    let place = visible(place);
    let gap = match PLACE_COLUMN.checked_sub(used) {
        Some(gap) if gap >= 2 => " ".repeat(gap),
        _ if used + 2 + place.chars().count() <= WIDTH => "  ".to_owned(),
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
pub(super) fn facts(style: Style, change: &Change) -> Vec<String> {
    let width = change
        .attributes
        .iter()
        .filter(|attribute| !matches!(attribute.difference, Difference::Content { .. }))
        .map(|attribute| attribute.name.len())
        .max()
        .unwrap_or(0);
    let mut lines = Vec::new();
    for alike in change.attributes.chunk_by(|one, other| one.name == other.name) {
        let most = if style.full() { alike.len() } else { ALIKE };
        let shown = alike.iter().take(most);
        lines.extend(shown.flat_map(|attribute| fact(style, change.action, width, attribute)));
        if alike.len() > most {
            let more = format!("… {} more (--full shows all)", alike.len() - most);
            lines.push(paint(style, Label::Quiet, &more));
        }
    }
    lines
}

/// One attribute, its name as wide as the others'.
fn fact(style: Style, action: Action, width: usize, attribute: &Attribute) -> Vec<String> {
    let name = attribute.name;
    // Of what is made only the new side says anything.
    let sides = |before: Option<String>, after: Option<String>| {
        let word = |side: Option<String>| side.unwrap_or_else(|| "none".to_owned());
        match (action, before) {
            (Action::Create | Action::Run | Action::Trigger, None) => word(after),
            (_, before) => format!("{} {} {}", word(before), style.arrow(), word(after)),
        }
    };
    match &attribute.difference {
        Difference::Value { before, after } => {
            let value = |value: &Option<String>| {
                value.as_ref().map(|value| visible(&value.replace('\n', "\\n")))
            };
            vec![format!("{name:width$}  {}", sides(value(before), value(after)))]
        }
        Difference::Content { before, after } => {
            diff::lines(style, before.as_ref(), after.as_ref())
        }
        Difference::Secret { .. } => vec![format!("{name:width$}  (sensitive)")],
        Difference::Sensitive { before, after } => {
            // So that a reader sees that it changed, and where it is the same.
            let short = |digest: &Option<String>| {
                digest.as_ref().map(|digest| digest.get(..12).unwrap_or(digest).to_owned())
            };
            vec![format!("{name:width$}  (sensitive)  {}", sides(short(before), short(after)))]
        }
    }
}
