//! The difference of two contents as unified text, with the words that differ marked on a terminal.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use super::Style;
use super::escape::{hidden, visible};
use super::palette::{Label, paint};
use crate::model::Body;

/// Lines of a new or removed content that are shown unless all are asked for.
const WHOLE_LINES: usize = 12;
/// Lines of a diff that are shown unless all are asked for.
const DIFF_LINES: usize = 200;

/// The largest content that is shown line by line, in bytes and in lines.
const SHOWN: (usize, usize) = (1 << 20, 20_000);

/// The lines that tell how `after` differs from `before`.
pub(super) fn lines(style: Style, before: Option<&Body>, after: Option<&Body>) -> Vec<String> {
    // Where something is written out, a backslash of the content's own is told from it.
    let bodies = before.into_iter().chain(after);
    let doubled = bodies.filter_map(|body| body.bytes()).any(|bytes| written_out(bytes));
    let text = |body: Option<&Body>| match body {
        None => Some(String::new()),
        Some(body) => {
            let bytes = body.bytes().filter(|bytes| small(bytes))?;
            legible(bytes, doubled)
        }
    };
    let (Some(old), Some(new)) = (text(before), text(after)) else {
        return vec![binary(style, before, after)];
    };
    let whole = before.is_none() || after.is_none();
    if old == new {
        // Both are empty, or differ in bytes that are written alike.
        let empty = old.is_empty() && before.is_none_or(|body| body.size() == 0);
        return vec![if empty {
            "content  empty".to_owned()
        } else {
            binary(style, before, after)
        }];
    }
    let mut lines = unified(style, &old, &new);
    let most = if whole { WHOLE_LINES + 1 } else { DIFF_LINES };
    if lines.len() > most + 1 && !style.full() {
        let more = lines.len() - most;
        lines.truncate(most);
        lines.push(paint(style, Label::Quiet, &format!("… {more} more lines (--full shows all)")));
    }
    lines
}

/// The text of a content. Bytes that are no UTF-8 are written as `\\xNN` where they are few, as in a text
/// of an older encoding; `None` for what is no text. With `doubled` a backslash is written as two.
fn legible(bytes: &[u8], doubled: bool) -> Option<String> {
    if bytes.contains(&0) {
        return None;
    }
    let mut text = String::with_capacity(bytes.len());
    let mut foreign = 0;
    for chunk in bytes.utf8_chunks() {
        if doubled {
            text.push_str(&chunk.valid().replace('\\', "\\\\"));
        } else {
            text.push_str(chunk.valid());
        }
        foreign += chunk.invalid().len();
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    (foreign * 5 <= bytes.len()).then_some(text)
}

/// Whether something in a content is written with a backslash, because it is not to be seen as it is.
fn written_out(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.contains(|char: char| {
            !matches!(char, '\t' | '\n') && (char.is_control() || hidden(char))
        }),
        Err(_) => true,
    }
}

/// Whether a content is small enough to be shown line by line.
fn small(bytes: &[u8]) -> bool {
    bytes.len() <= SHOWN.0
        && bytes.iter().filter(|&&byte| byte == b'\n').take(SHOWN.1 + 1).count() <= SHOWN.1
}

/// Contents that are no text, or too large to be shown, by their sizes.
fn binary(style: Style, before: Option<&Body>, after: Option<&Body>) -> String {
    let size = |body: Option<&Body>| {
        body.map_or_else(
            || "none".into(),
            |body| {
                format!(
                    "{} ({})",
                    bytes(body.size()),
                    body.digest().get(..12).unwrap_or_else(|| body.digest())
                )
            },
        )
    };
    let large = |body: &Body| !body.bytes().is_some_and(|bytes| small(bytes));
    let word = if before.into_iter().chain(after).any(large) { "large" } else { "binary" };
    format!("content  {word}, {} {} {}", size(before), style.arrow(), size(after))
}

/// A size for people.
fn bytes(size: u64) -> String {
    match size {
        1 => "1 byte".to_owned(),
        0..=9_999 => format!("{size} bytes"),
        10_000..=9_999_999 => format!("{} KiB", size / 1024),
        _ => format!("{} MiB", size >> 20),
    }
}

fn unified(style: Style, old: &str, new: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(old, new);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(3) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let span = |start: usize, end: usize| {
            let count = end - start;
            let start = if count == 0 { start } else { start + 1 };
            if count == 1 { start.to_string() } else { format!("{start},{count}") }
        };
        let header = format!(
            "@@ -{} +{} @@",
            span(first.old_range().start, last.old_range().end),
            span(first.new_range().start, last.new_range().end)
        );
        lines.push(paint(style, Label::Quiet, &header));
        for op in &group {
            for change in diff.iter_inline_changes(op) {
                let (sign, label) = match change.tag() {
                    ChangeTag::Delete => ("-", Some((Label::Removed, Label::RemovedWord))),
                    ChangeTag::Insert => ("+", Some((Label::Added, Label::AddedWord))),
                    ChangeTag::Equal => (" ", None),
                };
                let mut line =
                    label.map_or_else(|| sign.into(), |(label, _)| paint(style, label, sign));
                for (emphasis, piece) in change.iter_strings_lossy() {
                    let piece = visible(piece.strip_suffix('\n').unwrap_or(&piece));
                    line.push_str(&match label {
                        Some((_, word)) if emphasis => paint(style, word, &piece),
                        Some((label, _)) => paint(style, label, &piece),
                        None => piece,
                    });
                }
                lines.push(line);
                if change.missing_newline() {
                    lines.push(paint(style, Label::Quiet, "\\ no newline at the end"));
                }
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(old: Option<&[u8]>, new: Option<&[u8]>) -> String {
        let body = |bytes: &[u8]| Body::of(bytes);
        lines(Style::PLAIN, old.map(body).as_ref(), new.map(body).as_ref()).join("\n")
    }

    #[test]
    fn shows_text_as_a_unified_diff() {
        insta::assert_snapshot!(show(Some(b"a\nb\nc\n"), Some(b"a\nB\nc")), @r"
        @@ -1,3 +1,3 @@
         a
        -b
        -c
        +B
        +c
        \ no newline at the end
        ");
        insta::assert_snapshot!(show(None, Some(b"x\ty\x1b[0m\r\n")), @r"
        @@ -0,0 +1 @@
        +x	y\x1b[0m\r
        ");
    }

    #[test]
    fn what_is_written_out_is_told_from_what_only_looks_so() {
        insta::assert_snapshot!(show(Some(b"a\\r\nb\xe9\n"), Some(b"a\r\nb\\xe9\n")), @r"
        @@ -1,2 +1,2 @@
        -a\\r
        -b\xe9
        +a\r
        +b\\xe9
        ");
    }

    #[test]
    fn shows_what_is_no_text_by_its_size() {
        insta::assert_snapshot!(show(Some(b"\0\x01"), Some(b"text")), @"content  binary, 2 bytes (b413f47d13ee) → 4 bytes (982d9e3eb996)");
        assert_eq!(show(None, Some(b"")), "content  empty");
    }
}
