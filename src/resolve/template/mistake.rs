//! tera's errors at their places in the user's files, in our words.

use std::ops::Range;

use tera::{ErrorKind, ReportError};

use crate::model::{Diagnostic, FileId, Span, a};

/// An error in a template file.
pub(super) fn in_file(error: &tera::Error, file: FileId, text: &str) -> Diagnostic {
    let told = translate(error, text);
    told.at(Span::new(file, told.range.clone()))
}

/// An error in a string of a TOML file. Where the string is written without escapes, the place is the
/// expression's own; else the whole string's.
pub(super) fn in_string(error: &tera::Error, text: &str, span: Span) -> Diagnostic {
    let told = translate(error, text);
    told.at(within(span, text, told.range.clone()))
}

/// The place of `range` of a string's `text`, which is written at `span` with its quotes.
pub(in crate::resolve) fn within(span: Span, text: &str, range: Range<usize>) -> Span {
    if range.is_empty() {
        return span;
    }
    let length = span.end - span.start;
    // The quotes: `"…"` and `'…'` have one, `"""` and `'''` three; the difference in length tells.
    // An expression without braces got some, and a space, on its way to tera.
    let added = "{{ ".len();
    if length + 4 == text.len() && range.start >= added {
        return span.within(range.start - added + 1, (range.end - added + 1).min(length));
    }
    // `"…"` writes each of these as two characters; `"""` may begin with a line end that is not counted.
    let doubled = |text: &str| text.bytes().filter(|byte| b"\n\t\"\\".contains(byte)).count();
    let (extra, escapes) = (length.saturating_sub(text.len()), doubled(text));
    let offset = |from: usize| match extra {
        2 => Some(1 + from),
        _ if extra == 2 + escapes => {
            (!matches!(extra, 6 | 7)).then(|| 1 + from + doubled(&text[..from]))
        }
        6 => Some(3 + from),
        7 => Some(4 + from),
        _ => None,
    };
    match (offset(range.start), offset(range.end)) {
        (Some(start), Some(end)) => span.within(start, end),
        _ => span,
    }
}

/// Errors of templates that name what is not there, which tera reports as one text.
pub(super) fn reported(message: &str) -> Vec<Reported> {
    let mut reports = Vec::new();
    for report in message.split("\n\n").filter_map(|report| report.strip_prefix("error: ")) {
        let mut lines = report.lines();
        let (Some(message), Some(place)) = (lines.next(), lines.next()) else { continue };
        let place = place.trim_start().trim_start_matches("--> ");
        let mut parts = place.rsplitn(3, ':');
        let number = |part: Option<&str>| part?.parse::<usize>().ok();
        let (column, line) = (number(parts.next()), number(parts.next()));
        let width = lines.nth(2).map_or(1, |line| line.matches('^').count().max(1));
        if let (Some(file), Some(line), Some(column)) = (parts.next(), line, column) {
            let (file, message) = (file.to_owned(), message.to_owned());
            reports.push(Reported { file, message, line, column: column - 1, width });
        }
    }
    reports
}

/// One of tera's reports, read back from its text.
#[derive(Debug)]
pub(super) struct Reported {
    pub(super) file: String,
    pub(super) message: String,
    line: usize,
    column: usize,
    width: usize,
}

impl Reported {
    /// The bytes of `text` that it points at.
    pub(super) fn range(&self, text: &str) -> Range<usize> {
        let start = offset(text, self.line, self.column);
        start..offset(text, self.line, self.column + self.width).max(start)
    }

    /// What is named and not there: a filter, a function, a template.
    pub(super) fn unknown(&self) -> Option<(&str, &str)> {
        let (what, rest) = self.message.strip_prefix("Unknown ")?.split_once(" `")?;
        Some((what, rest.strip_suffix('`')?))
    }
}

/// A tera error in our words.
struct Told {
    message: String,
    range: Range<usize>,
    meant: Option<String>,
    code: &'static str,
}

impl Told {
    fn at(&self, span: Span) -> Diagnostic {
        let mistake = Diagnostic::at(span, self.message.clone()).code(self.code);
        match &self.meant {
            Some(meant) => mistake.label(format!("did you mean `{meant}`?")),
            None => mistake,
        }
    }
}

fn translate(error: &tera::Error, text: &str) -> Told {
    let (report, code) = match error.kind() {
        ErrorKind::SyntaxError(report) => (report, "syntax"),
        ErrorKind::RenderingError(report) => (report, "template"),
        _ => {
            let message = plain(&error.to_string());
            return Told { message, range: 0..0, meant: None, code: "template" };
        }
    };
    let span = report.span();
    let start = offset(text, span.start_line, span.start_col).min(text.len());
    let range = start..offset(text, span.end_line, span.end_col).clamp(start, text.len());
    undefined(report, text, &range).unwrap_or_else(|| {
        let message = plain(report.message());
        let code = if message.ends_with("not defined") { "undefined" } else { code };
        Told { message, range, meant: None, code }
    })
}

/// A name that is not defined, with the one that was meant.
fn undefined(report: &ReportError, text: &str, range: &Range<usize>) -> Option<Told> {
    let message = report.message();
    let rest = message.strip_prefix("Field `").or_else(|| message.strip_prefix("Variable `"))?;
    let name = rest.split('`').next().unwrap_or_default();
    // The names before the last one stand right in front of it.
    let before = text[..range.start]
        .trim_end_matches(|char: char| char.is_alphanumeric() || matches!(char, '_' | '.'));
    let path = &text[before.len()..range.start];
    let path = if path.ends_with('.') { path } else { "" };
    let known = rest.split_once(": ").map(|(_, list)| list.split(", ").collect::<Vec<_>>());
    let meant = known.and_then(|known| {
        crate::model::suggest::nearest(name, known).map(|meant| format!("{path}{meant}"))
    });
    let message = format!("`{path}{name}` is not defined");
    Some(Told { message, range: range.start - path.len()..range.end, meant, code: "undefined" })
}

/// The byte of `text` at a line, counted from 1, and a column, counted from 0 in characters.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[start.min(text.len())..];
    start + rest.char_indices().map(|(at, _)| at).nth(column).unwrap_or(rest.len())
}

/// A message as a lowercase fragment, in the words of templates and not of Rust.
pub(super) fn plain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default().trim_end_matches('.');
    let message = message.strip_prefix("error: ").unwrap_or(message);
    if message.contains("render a variable that is undefined") {
        return "this is not defined".to_owned();
    }
    let mut chars = message.chars();
    let lower: String =
        chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect());
    rust_words(&lower)
}

/// Rust's names of types, as tera writes them between backticks, in words.
fn rust_words(message: &str) -> String {
    let parts = message.split('`').enumerate().map(|(index, part)| {
        let word = match part {
            "&[Value]" | "Vec" | "array" | "&Vec<Value>" | "Vec<Value>" => "list",
            "&str" | "String" | "Cow<str>" | "Cow<'_, str>" => "string",
            "&Map" | "Map" | "map" => "table",
            "bool" => "boolean",
            "i64" | "u64" | "i128" | "u128" | "usize" | "u32" | "i32" | "Number" => "integer",
            "f64" => "float",
            _ => "",
        };
        match (index % 2, word) {
            (0, _) => part.to_owned(),
            (_, "") => format!("`{part}`"),
            (_, word) => a(word),
        }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileId;

    #[test]
    fn finds_places_in_strings_as_they_are_written() {
        let place = |source: &str, text: &str, name: &str| {
            let start = text.find(name).expect("the name");
            let whole = Span::new(FileId(0), 0..source.len());
            let span = within(whole, text, start..start + name.len());
            source[span.start..span.end].to_owned()
        };
        assert_eq!(place("'a {{ x }}'", "a {{ x }}", "x"), "x");
        assert_eq!(place(r#""{{ x }}\n""#, "{{ x }}\n", "x"), "x");
        assert_eq!(place(r#""\"\n{{ x }}""#, "\"\n{{ x }}", "x"), "x");
        assert_eq!(place("\"\"\"\na\n{{ x }}\n\"\"\"", "a\n{{ x }}\n", "x"), "x");
        assert_eq!(place("\"\"\"a\n{{ x }}\"\"\"", "a\n{{ x }}", "x"), "x");
        let unsure = r#""{{ x }}\n\n\n\n""#;
        assert_eq!(place(unsure, "{{ x }}\n\n\n\n", "x"), unsure);
    }

    #[test]
    fn says_types_in_words() {
        assert_eq!(
            plain("Invalid type for the value, expected `&[Value]` but got `String`.\nmore"),
            "invalid type for the value, expected a list but got a string"
        );
        assert_eq!(plain("Missing keyword argument `group`"), "missing keyword argument `group`");
    }

    #[test]
    fn reads_reports_back() {
        let text = "{{ a | nope }}";
        let mut tera = tera::Tera::new();
        let error = tera.add_raw_template("a:b.tera", text).unwrap_err().to_string();
        let reports = reported(&error);
        assert_eq!(reports.len(), 1, "{error}");
        assert_eq!(reports[0].file, "a:b.tera");
        assert_eq!(reports[0].unknown(), Some(("filter", "nope")));
        assert_eq!(&text[reports[0].range(text)], "nope");
    }
}
