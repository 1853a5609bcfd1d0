//! In what a few hosts differ from the many: named, so that nobody has to compare two blocks by eye.

use std::collections::BTreeMap;

use super::Style;
use super::change::facts;
use super::escape::visible;
use super::palette::{Label, paint};
use crate::plan::Planned;

/// Addresses that are named; where more differ the two are not alike and nothing is said.
const MOST: usize = 4;
/// Lines of a diff that only the outlier has.
const LINES: usize = 3;

/// What to say of hosts with the changes `these` where the `many` have `others`: nothing where they have
/// little in common.
pub(super) fn told(
    style: Style,
    these: &[&Planned],
    (many, others): (usize, &[&Planned]),
) -> Vec<String> {
    let by_address = |all: &[&Planned]| -> BTreeMap<String, usize> {
        all.iter().enumerate().map(|(index, each)| (each.address.clone(), index)).collect()
    };
    let (own, theirs) = (by_address(these), by_address(others));
    let mut differing = Vec::new();
    let mut alike = 0;
    for (address, &index) in &own {
        let address = visible(address);
        match theirs.get(&these[index].address) {
            None => differing.push(format!("{address} only here")),
            Some(&other) if these[index] == others[other] => alike += 1,
            Some(&other) => {
                differing.push(format!("{address}{}", lines(these[index], others[other])));
            }
        }
    }
    let missing = theirs.keys().filter(|address| !own.contains_key(*address));
    differing.extend(missing.map(|address| format!("{} not here", visible(address))));
    let related = alike > 0 || own.keys().any(|address| theirs.contains_key(address));
    if differing.is_empty() || differing.len() > MOST || !related {
        return Vec::new();
    }
    let mut told = vec![format!("unlike the {many} hosts of the last block:")];
    told.extend(differing.iter().flat_map(|text| text.lines().map(|line| format!("  {line}"))));
    told.iter().map(|line| paint(style, Label::Unknown, line)).collect()
}

/// The lines of a change that the other has not, where there are few.
fn lines(this: &Planned, other: &Planned) -> String {
    let plain = |planned: &Planned| {
        let lines = facts(Style { zoom: super::Zoom::Full, ..Style::PLAIN }, &planned.change);
        let said = lines.into_iter().filter(|line| !line.starts_with([' ', '@']));
        said.collect::<Vec<String>>()
    };
    let others = plain(other);
    let own: Vec<String> = plain(this).into_iter().filter(|line| !others.contains(line)).collect();
    if own.is_empty() || own.len() > LINES {
        return " differs".to_owned();
    }
    format!(" differs:\n    {}", own.join("\n    "))
}
