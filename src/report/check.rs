//! What `check` found, for machines: JSON of our own, and SARIF 2.1.0 for code scanning.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::view::CheckView;
use crate::model::{CODES, Diagnostic, FileId, Label, Severity};

/// The version of [`json()`]'s form: the first number changes when a reader of the old form would fail.
const FORMAT: &str = "1.0";

/// One JSON document: counts, and each mistake with its places.
pub fn json<'s>(
    view: &CheckView,
    found: &[Diagnostic],
    file: impl Fn(FileId) -> (String, &'s str),
) -> String {
    let mistakes = found.iter().map(|mistake| {
        let place = mistake.primary.as_ref().map(|label| place_of(label, &file));
        json!({
            "severity": severity(mistake),
            "code": mistake.code,
            "message": mistake.message,
            "place": place,
            "related": mistake.related.iter().map(|label| place_of(label, &file)).collect::<Vec<_>>(),
            "help": mistake.help,
            "notes": mistake.notes,
        })
    });
    let document = json!({
        "format_version": FORMAT,
        "good": view.good,
        "errors": view.errors,
        "warnings": view.warnings,
        "hosts": view.hosts,
        "modules": view.modules,
        "resources": view.resources,
        "diagnostics": mistakes.collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

/// One SARIF log: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
pub fn sarif<'s>(found: &[Diagnostic], file: impl Fn(FileId) -> (String, &'s str)) -> String {
    let rules = CODES
        .iter()
        .map(|(code, meaning)| json!({ "id": code, "shortDescription": { "text": meaning } }));
    let results = found.iter().map(|mistake| {
        let label = mistake.primary.as_ref();
        let said = label.map(|label| &label.text).filter(|text| !text.is_empty());
        let text = std::iter::once(&mistake.message)
            .chain(said)
            .chain(&mistake.help)
            .chain(&mistake.notes);
        let text = text.map(String::as_str).collect::<Vec<_>>().join("\n");
        let related = mistake.related.iter().map(|label| {
            let mut location = location(label, &file);
            location["message"] = json!({ "text": label.text });
            location
        });
        let related: Vec<Value> = related.collect();
        let mut result = json!({
            "ruleId": mistake.code,
            "level": severity(mistake),
            "message": { "text": text },
            "locations": label.map(|label| location(label, &file)).into_iter().collect::<Vec<_>>(),
        });
        if !related.is_empty() {
            result["relatedLocations"] = related.into();
        }
        result
    });
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "trueup",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<_>>(),
            }},
            // Columns are counted in characters, as people count them.
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    });
    format!("{log:#}\n")
}

const fn severity(mistake: &Diagnostic) -> &'static str {
    match mistake.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// A place: lines and columns counted from 1, columns in characters, the end behind the last one;
/// bytes from 0.
fn place_of<'s>(label: &Label, file: &impl Fn(FileId) -> (String, &'s str)) -> Value {
    let (path, text) = file(label.span.file);
    let (start, end) = (position(text, label.span.start), position(text, label.span.end));
    json!({
        "file": path,
        "start": { "line": start.0, "column": start.1, "byte": label.span.start },
        "end": { "line": end.0, "column": end.1, "byte": label.span.end },
        "label": label.text,
    })
}

fn location<'s>(label: &Label, file: &impl Fn(FileId) -> (String, &'s str)) -> Value {
    let (path, text) = file(label.span.file);
    let (start, end) = (position(text, label.span.start), position(text, label.span.end));
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&path) },
            "region": {
                "startLine": start.0,
                "startColumn": start.1,
                "endLine": end.0,
                "endColumn": end.1,
            },
        },
    })
}

/// The line and column of a byte, both counted from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
}

/// A relative path as a URI: RFC 3986, section 3.3.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
