//! tera's errors at their places in the user's files, in our words.

use std::ops::Range;

use tera::{ErrorKind, ReportError};

use crate::model::{Diagnostic, FileId, Span};

/// An error in a template file.
pub(super) fn in_file(error: &tera::Error, file: FileId, text: &str) -> Diagnostic {
    let (message, range, meant) = translate(error, text);
    let mistake = Diagnostic::at(Span::new(file, range), message);
    match meant {
        Some(meant) => mistake.label(format!("did you mean `{meant}`?")),
        None => mistake,
    }
}

/// An error in a string of a TOML file. Where the string is written without escapes, the place is the
/// expression's own; else the whole string's.
pub(super) fn in_string(error: &tera::Error, text: &str, span: Span) -> Diagnostic {
    let (message, range, meant) = translate(error, text);
    // The quotes: `"…"` and `'…'` have one, `"""` and `'''` three; the difference in length tells.
    let extra = (span.end - span.start).saturating_sub(text.len());
    let at = match extra {
        2 | 6 if !range.is_empty() => span.within(extra / 2 + range.start, extra / 2 + range.end),
        _ => span,
    };
    let mistake = Diagnostic::at(at, message);
    match meant {
        Some(meant) => mistake.label(format!("did you mean `{meant}`?")),
        None => mistake,
    }
}

/// A tera error in our words: what is wrong, where in `text`, and what may have been meant.
fn translate(error: &tera::Error, text: &str) -> (String, Range<usize>, Option<String>) {
    let (ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report)) = error.kind() else {
        return (lower(&error.to_string()), 0..0, None);
    };
    let range = bytes_of(report, text);
    let message = report.message();
    let Some(rest) = message.strip_prefix("Field `").or_else(|| message.strip_prefix("Variable `"))
    else {
        return (lower(message), range, None);
    };
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
    let range = range.start - path.len()..range.end;
    (format!("`{path}{name}` is not defined"), range, meant)
}

/// The bytes of `text` that a report points at; its lines count from 1 and its columns from 0.
fn bytes_of(report: &ReportError, text: &str) -> Range<usize> {
    let offset = |line: usize, column: usize| {
        let start: usize =
            text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = text[start.min(text.len())..].char_indices();
        start
            + rest
                .map(|(at, _)| at)
                .chain([text.len() - start.min(text.len())])
                .nth(column)
                .unwrap_or(0)
    };
    let span = report.span();
    let start = offset(span.start_line, span.start_col).min(text.len());
    start..offset(span.end_line, span.end_col).clamp(start, text.len())
}

/// A message as a lowercase fragment.
pub(super) fn lower(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default().trim_end_matches('.');
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
