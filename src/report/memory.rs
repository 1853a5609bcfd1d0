//! What hosts remember beside a plan, as text: what nobody declares any more, and what is to be known of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Style;
use super::escape::visible;
use super::palette::{Label, paint};
use super::plan::names;
use crate::plan::Document;

/// What cannot be undone, by host: the same of many hosts once.
#[must_use]
pub fn render_lost(style: Style, lost: &[(String, Vec<String>)]) -> String {
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (host, all) in lost {
        for line in all {
            lines.entry(line).or_default().push(host);
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", paint(style, Label::Heading, "cannot be undone"));
    for (line, hosts) in lines {
        let _ = writeln!(text, "  {}  {}", names(&hosts), visible(line));
    }
    text + "\n"
}

/// What is told behind the changes: the same of many hosts once.
pub(super) fn told(style: Style, text: &mut String, plan: &Document) {
    let mut orphans: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut notes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for host in &plan.hosts {
        for orphan in &host.orphans {
            let key = (orphan.address.as_str(), orphan.becomes.as_str());
            orphans.entry(key).or_default().push(&host.host);
        }
        for note in &host.notes {
            notes.entry(note).or_default().push(&host.host);
        }
    }
    for (note, hosts) in notes {
        let _ =
            writeln!(text, "{}  {}\n", paint(style, Label::Heading, &names(&hosts)), visible(note));
    }
    if orphans.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}", paint(style, Label::Heading, "no longer declared"));
    for ((address, becomes), hosts) in orphans {
        let _ =
            writeln!(text, "  {}  on {}: {}", visible(address), names(&hosts), visible(becomes));
    }
    text.push('\n');
}
