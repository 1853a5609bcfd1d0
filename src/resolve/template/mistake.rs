//! tera's errors at their places in the user's files, in our words.

use std::ops::Range;

use tera::{ErrorKind, ReportError};

use super::call::{at_fault, usage_at};
use super::token::tags;
use crate::model::{Diagnostic, FileId, Span, a};

/// An error in a template file.
pub(super) fn in_file(error: &tera::Error, file: FileId, text: &str) -> Diagnostic {
    let told = translate(error, text);
    told.at(Span::new(file, told.range.clone()))
}

/// An error in a string of a TOML file whose text is `source`.
pub(super) fn in_string(error: &tera::Error, source: &str, text: &str, span: Span) -> Diagnostic {
    let told = translate(error, text);
    told.at(within(source, span, text, told.range.clone()))
}

/// The place of `range` of a string's `text`, which is written in `source` at `span` with its quotes:
/// the whole string where it cannot be told.
pub(in crate::resolve) fn within(
    source: &str,
    span: Span,
    text: &str,
    range: Range<usize>,
) -> Span {
    let (plain, written) = unquoted(source.get(span.start..span.end).unwrap_or_default());
    // An expression without braces got some, and a space, on its way to tera.
    let inner = text.strip_prefix("{{ ").and_then(|text| text.strip_suffix(" }}"));
    let (start, added) = match inner.and_then(|inner| plain.find(inner)) {
        _ if plain == text => (0, 0),
        Some(start) => (start, "{{ ".len()),
        None => return span,
    };
    let place = |at: usize| written.get((at + start).checked_sub(added)?).copied();
    match (place(range.start), place(range.end)) {
        (Some(from), Some(to)) if from < to => span.within(from, to),
        _ => span,
    }
}

/// What a TOML string says, and where each byte of it, and its end, is written.
fn unquoted(raw: &str) -> (String, Vec<usize>) {
    let long = raw.starts_with("\"\"\"") || raw.starts_with("'''");
    let escapes = raw.starts_with('"');
    let quote = if long { 3 } else { 1 };
    let first = |text: &str| raw.get(quote..).is_some_and(|raw| long && raw.starts_with(text));
    let begin = quote + if first("\r\n") { 2 } else { usize::from(first("\n")) };
    let end = raw.len().saturating_sub(quote);
    let (mut plain, mut written) = (String::new(), Vec::new());
    let mut at = begin;
    while let Some(char) = raw.get(at..end).and_then(|rest| rest.chars().next()) {
        let (said, length) = match char {
            '\\' if escapes => escape(&raw[at..end]),
            char => (Some(char), char.len_utf8()),
        };
        if let Some(said) = said {
            plain.push(said);
            written.extend(std::iter::repeat_n(at, said.len_utf8()));
        }
        at += length;
    }
    written.push(at.min(end));
    (plain, written)
}

/// The character that an escape stands for, and its length; a line that goes on says nothing.
fn escape(raw: &str) -> (Option<char>, usize) {
    let number = |digits: usize| {
        let code = raw.get(2..2 + digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        (code.and_then(char::from_u32), 2 + digits)
    };
    match raw.as_bytes().get(1) {
        Some(b'x') => number(2),
        Some(b'u') => number(4),
        Some(b'U') => number(8),
        Some(b'n') => (Some('\n'), 2),
        Some(b't') => (Some('\t'), 2),
        Some(b'r') => (Some('\r'), 2),
        Some(b'b') => (Some('\u{8}'), 2),
        Some(b'f') => (Some('\u{c}'), 2),
        Some(b'e') => (Some('\u{1b}'), 2),
        Some(&other @ (b'"' | b'\\')) => (Some(char::from(other)), 2),
        _ => (None, raw.len() - raw[1..].trim_start().len()),
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
    help: Option<String>,
    code: &'static str,
}

impl Told {
    fn at(&self, span: Span) -> Diagnostic {
        let mistake = Diagnostic::at(span, self.message.clone()).code(self.code);
        let mistake = self.help.iter().cloned().fold(mistake, Diagnostic::help);
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
            return Told { message, range: 0..0, meant: None, help: None, code: "template" };
        }
    };
    let span = report.span();
    let start = offset(text, span.start_line, span.start_col).min(text.len());
    let range = start..offset(text, span.end_line, span.end_col).clamp(start, text.len());
    let at_end = report.message().starts_with("Unexpected end of input");
    let at_tag = report.message() == "Unknown tag" && text[range.clone()].starts_with("end");
    if let Some((message, range)) = unpaired(text).filter(|_| at_end || at_tag) {
        return Told { message, range, meant: None, help: None, code };
    }
    undefined(report, text, &range).unwrap_or_else(|| {
        let said = plain(report.message());
        let range = range.start..range.end + more(text, &range);
        if let Some((message, range)) = at_fault(text, &range, &said) {
            return Told { message, range, meant: None, help: None, code };
        }
        let unnamed = said.ends_with("but expected identifier");
        let help = usage_at(text, range.start).filter(|_| unnamed);
        let message = in_words(&said);
        let code = if message.ends_with("not defined") { "undefined" } else { code };
        Told { message, range, meant: None, help, code }
    })
}

/// How many bytes behind `range` belong to its name: tera points at the first of some names with dots.
fn more(text: &str, range: &Range<usize>) -> usize {
    let rest = &text[range.end..];
    let path = |char: char| char.is_alphanumeric() || matches!(char, '_' | '.');
    if text[range.clone()].chars().all(path) && rest.starts_with('.') {
        rest.find(|char| !path(char)).unwrap_or(rest.len())
    } else {
        0
    }
}

/// What tera says of syntax, with what to write instead.
fn in_words(message: &str) -> String {
    let found = message.strip_prefix("found ").and_then(|rest| rest.split_once(" but expected "));
    match found {
        Some(("`{`", _)) => {
            "no braces stand inside of an expression; `when` and `for_each` need none".to_owned()
        }
        Some(("`=`", _)) => "`=` compares nothing: write `==`".to_owned(),
        Some((found, "identifier")) => {
            format!(
                "a name is expected here, not {}: arguments are written name=value",
                word(found)
            )
        }
        Some((found, "}}" | "`}}`")) => {
            format!("{} is not expected here: `}}}}` is missing", word(found))
        }
        Some((found, wanted)) if wanted.contains("a string") || wanted.contains("string,") => {
            format!("a value is expected here, not {}", word(found))
        }
        _ if message == "unexpected end of input" => {
            "the text ends inside of this: `}}` or `%}` is missing".to_owned()
        }
        _ if message == "unexpected character" => {
            "this character is not expected in an expression: `}}` or a quote may be missing"
                .to_owned()
        }
        _ => message
            .replace("iteration not possible on type", "a loop goes over a list or a table, not")
            .replace("invalid type for the value, expected", "wrong type here: it takes")
            .replace(" but got ", ", not ")
            .replace("missing keyword argument", "this needs the argument"),
    }
}

/// A sign as it is, anything else with its article.
fn word(found: &str) -> String {
    if found.starts_with('`') || found.starts_with("a ") { found.to_owned() } else { a(found) }
}

/// The first block that is not closed, or that is closed by the end of another.
fn unpaired(text: &str) -> Option<(String, Range<usize>)> {
    let mut open: Vec<(&str, Range<usize>)> = Vec::new();
    for tag in tags(text).iter().filter(|tag| tag.block) {
        let Some(first) = tag.words.iter().find(|word| !word.is("-")) else { continue };
        let set = first.is("set") || first.is("set_global");
        let block = ["if", "for", "block", "component", "filter"].contains(&first.text);
        if block || (set && !tag.words.iter().any(|word| word.is("="))) {
            open.push((first.text, first.at.clone()));
        } else if let Some(ended) = first.text.strip_prefix("end").filter(|name| *name != "raw") {
            match open.pop() {
                Some((name, _)) if name == ended => {}
                Some((name, _)) => {
                    let message = format!("`end{name}` is expected here, not `end{ended}`");
                    return Some((message, first.at.clone()));
                }
                None => {
                    return Some((format!("no `{ended}` is open here"), first.at.clone()));
                }
            }
        }
    }
    let (name, at) = open.pop()?;
    Some((format!("this `{name}` is not closed: `{{% end{name} %}}` is missing"), at))
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
    let range = range.start - path.len()..range.end;
    Some(Told { message, range, meant, help: None, code: "undefined" })
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
            "&str" | "str" | "string" | "String" | "Cow<str>" | "Cow<'_, str>" => "string",
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
    fn finds_its_place_in_every_kind_of_string() {
        let strings = [
            (r#""é\n\"{{ a.b }}\u00e9""#, "é\n\"{{ a.b }}é"),
            ("'\\n{{ a.b }}'", "\\n{{ a.b }}"),
            ("\"\"\"\nx\n{{ a.b }}\n\"\"\"", "x\n{{ a.b }}\n"),
            ("\"\"\"x \\\n   {{ a.b }}\"\"\"", "x {{ a.b }}"),
            ("'a.b'", "{{ a.b }}"),
            ("'{{  a.b  }}'", "{{ a.b }}"),
        ];
        for (raw, text) in strings {
            let source = format!("k = {raw}\n");
            let span = Span::new(FileId(0), 4..4 + raw.len());
            let at = text.find("a.b").unwrap();
            let place = within(&source, span, text, at..at + 3);
            assert_eq!(&source[place.start..place.end], "a.b", "{raw}");
        }
    }

    #[test]
    fn blocks_pair() {
        let said = |text: &str| unpaired(text).map(|(_, at)| text[at].to_owned());
        assert_eq!(said("{% if a %}{% for x in y %}{% endfor %}{% else %}{% endif %}"), None);
        assert_eq!(said("{% set a = 1 %}{% raw %}{% if %}{% endraw %}"), None);
        assert_eq!(said("{% if a %}{% endfor %}").as_deref(), Some("endfor"));
        assert_eq!(said("{% if a %}x").as_deref(), Some("if"));
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
