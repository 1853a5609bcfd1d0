//! Hosts, groups, the origin of values, and resources as they are written: as text and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::json;

use super::escape::visible;
use super::view::{ExplainedView, GraphView, RenderedView};
use crate::model::{Become, Host, TransportKind};

/// Characters of a value that are shown beside its place.
const VALUE: usize = 24;

/// How a host is reached, in one word: `deploy@10.0.0.5:2222`, `local`.
fn reached(host: &Host) -> String {
    let connection = &host.connection;
    match connection.transport {
        Some(TransportKind::Local) => return "local".to_owned(),
        Some(TransportKind::Command) => {
            let words = connection.command.as_deref().unwrap_or_default();
            let fill = |word: &String| {
                word.replace("{name}", &host.name).replace("{address}", &host.address)
            };
            return words.iter().map(fill).collect::<Vec<_>>().join(" ");
        }
        Some(TransportKind::Ssh) | None => {}
    }
    let user = connection.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = connection.port.map(|port| format!(":{port}")).unwrap_or_default();
    let jump = connection.jump.as_ref().map(|jump| format!(" by {jump}")).unwrap_or_default();
    format!("{user}{}{port}{jump}", host.address)
}

fn becomes(host: &Host) -> Option<&'static str> {
    let wanted = host.connection.r#become?;
    Become::NAMES.iter().find(|(_, named)| *named == wanted).map(|(name, _)| *name)
}

/// Lines of columns, each as wide as its widest text; the last one is not padded.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max()
    };
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell}{}", " ".repeat(width - cell.chars().count() + 2));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Hosts, one a line: the name, how it is reached, its groups.
#[must_use]
pub fn hosts(hosts: &[&Host]) -> String {
    let row = |host: &&Host| {
        let become_word = becomes(host).filter(|word| *word != "no");
        let become_word = become_word.map(|word| format!(", {word}")).unwrap_or_default();
        vec![
            visible(&host.name),
            visible(&format!("{}{become_word}", reached(host))),
            visible(&host.groups.join(", ")),
        ]
    };
    columns(&hosts.iter().map(row).collect::<Vec<_>>())
}

/// Hosts as one JSON document.
#[must_use]
pub fn hosts_json(hosts: &[&Host]) -> String {
    let hosts = hosts.iter().map(|host| {
        let connection = &host.connection;
        let transport = connection.transport.unwrap_or(TransportKind::Ssh);
        let transport = TransportKind::NAMES.iter().find(|(_, named)| *named == transport);
        json!({
            "name": host.name,
            "address": host.address,
            "groups": host.groups,
            "transport": transport.map(|(name, _)| *name),
            "user": connection.user,
            "port": connection.port,
            "identity": connection.identity,
            "jump": connection.jump,
            "become": becomes(host),
            "command": connection.command,
        })
    });
    let document = json!({ "format_version": "1.0", "hosts": hosts.collect::<Vec<_>>() });
    format!("{document:#}\n")
}

/// Groups as a tree: those that no other holds at the left.
#[must_use]
pub fn graph(view: &GraphView) -> String {
    let held: BTreeSet<&String> = view.groups.values().flat_map(|(children, _)| children).collect();
    let mut text = String::new();
    for name in view.groups.keys().filter(|name| !held.contains(name)) {
        branch(view, name, 0, &mut text);
    }
    for host in &view.alone {
        let _ = writeln!(text, "{}", visible(host));
    }
    text
}

fn branch(view: &GraphView, name: &str, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let _ = writeln!(text, "{indent}[{}]", visible(name));
    // A group that holds itself is a mistake, and is not drawn for ever.
    let Some((children, hosts)) = view.groups.get(name).filter(|_| depth < view.groups.len())
    else {
        return;
    };
    for child in children {
        branch(view, child, depth + 1, text);
    }
    for host in hosts {
        let _ = writeln!(text, "{indent}  {}", visible(host));
    }
}

/// Each value with what was said about it, the one that counts first.
#[must_use]
pub fn explained(all: &[ExplainedView]) -> String {
    let mut text = String::new();
    for view in all {
        let _ = writeln!(text, "{} = {}", visible(&view.name), visible(&view.value));
        let rows = view.said.iter().enumerate().map(|(index, said)| {
            let place = said.place.as_deref().unwrap_or("command line");
            let over = if index > 0 { "(overridden)" } else { "" };
            let cells = [said.value.as_str(), place, &said.by, over];
            let mut row: Vec<String> = cells.iter().map(|cell| visible(cell)).collect();
            row[0] = shortened(&row[0]);
            row[0].insert_str(0, "  ");
            row
        });
        text.push_str(&columns(&rows.collect::<Vec<_>>()));
        if view.facts {
            text.push_str(
                "  (computed from facts, which are not asked for here: a Debian host stands in)\n",
            );
        }
    }
    text
}

/// As much of a value as leaves room beside it: whole it stands above.
fn shortened(value: &str) -> String {
    if value.chars().count() <= VALUE {
        return value.to_owned();
    }
    value.chars().take(VALUE - 1).chain(['…']).collect()
}

/// The same as one JSON document; values as TOML writes them.
#[must_use]
pub fn explained_json(all: &[ExplainedView]) -> String {
    let values = all.iter().map(|view| {
        let said = view.said.iter().enumerate().map(|(index, said)| {
            json!({
                "value": said.value,
                "place": said.place,
                "by": said.by,
                "overridden": index > 0,
            })
        });
        json!({
            "name": view.name,
            "value": view.value,
            "stood_in_facts": view.facts,
            "said": said.collect::<Vec<_>>(),
        })
    });
    let document = json!({ "format_version": "1.0", "values": values.collect::<Vec<_>>() });
    format!("{document:#}\n")
}

/// Resources as they are written for a host: address and place, keys, and contents whole.
#[must_use]
pub fn rendered(all: &[RenderedView]) -> String {
    let mut text = String::new();
    for view in all {
        let _ = writeln!(text, "{}  {}", visible(&view.address), visible(&view.place));
        let rows = view.keys.iter().map(|(key, value)| {
            vec![format!("  {}", visible(key)), format!("= {}", visible(value))]
        });
        text.push_str(&columns(&rows.collect::<Vec<_>>()));
        match &view.content {
            Some(Ok(content)) => {
                for line in content.lines() {
                    let _ = writeln!(text, "  | {}", visible(line));
                }
                if !content.is_empty() && !content.ends_with('\n') {
                    text.push_str("  (no newline at the end)\n");
                }
            }
            Some(Err((what, size))) => {
                let _ = writeln!(text, "  | {what}, {size} bytes");
            }
            None => {}
        }
        text.push('\n');
    }
    text
}
