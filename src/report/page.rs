//! A page of the manual on a terminal of 80 columns.

use std::fmt::Write as _;

use super::escape::visible;
use crate::manual::{Body, Key, Page};

/// Columns of a page: what every terminal has.
const WIDTH: usize = 80;
/// The widest column of types; a longer type is wrapped.
const KIND_MAX: usize = 24;

/// Draws a page.
#[must_use]
pub fn render(page: &Page) -> String {
    let mut text = format!("{}: {}\n", visible(&page.name), visible(&page.summary));
    for section in &page.sections {
        text.push('\n');
        let indent = if section.heading.is_empty() { "" } else { "  " };
        if !section.heading.is_empty() {
            let _ = writeln!(text, "{}", section.heading);
        }
        let lines = match &section.body {
            Body::Text(words) => wrap(words, WIDTH),
            Body::Lines(lines) => lines.clone(),
            Body::Toml(toml) => toml.lines().map(ToOwned::to_owned).collect(),
            Body::Keys(list) => {
                text.push_str(&keys(list));
                Vec::new()
            }
        };
        for line in lines {
            put(&mut text, &[indent, &line]);
        }
    }
    text
}

/// Draws keys in three columns: name, type, meaning.
#[must_use]
pub fn keys(keys: &[Key]) -> String {
    let name_width = keys.iter().map(|key| width(&key.name)).max().unwrap_or(0);
    let kind_width = keys.iter().map(|key| width(&key.kind)).max().unwrap_or(0).min(KIND_MAX);
    let rest = WIDTH.saturating_sub(2 + name_width + 2 + kind_width + 2).max(20);
    let mut text = String::new();
    for key in keys {
        let kinds = wrap(&key.kind, KIND_MAX);
        let meanings = wrap(&meaning(key), rest);
        for row in 0..kinds.len().max(meanings.len()) {
            let name = if row == 0 { key.name.as_str() } else { "" };
            let kind = kinds.get(row).map_or("", String::as_str);
            let meaning = meanings.get(row).map_or("", String::as_str);
            let name = pad(name, name_width + 2);
            put(&mut text, &["  ", &name, &pad(kind, kind_width + 2), meaning]);
        }
    }
    text
}

/// Draws a list of names with what each is, in two columns.
#[must_use]
pub fn list(heading: &str, entries: &[(String, String)]) -> String {
    let names = entries.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let mut text = format!("{heading}\n");
    for (name, summary) in entries {
        let lines = wrap(summary, WIDTH.saturating_sub(names + 4).max(20));
        for (row, line) in lines.iter().enumerate() {
            let name = if row == 0 { name.as_str() } else { "" };
            put(&mut text, &["  ", &pad(name, names + 2), line]);
        }
    }
    text
}

/// The meaning with what is needed and what holds else.
fn meaning(key: &Key) -> String {
    let note = match &key.default {
        Some(default) => format!("Default: {default}"),
        None if key.required => "Needed.".to_owned(),
        None => String::new(),
    };
    [key.meaning.as_str(), &note].join(" ").trim().to_owned()
}

/// One line, without what could move the cursor and without blanks at its end.
fn put(text: &mut String, parts: &[&str]) {
    let line: String = parts.iter().map(|part| visible(part)).collect();
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Characters of a text; the manual's own words are all of one column.
fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, columns: usize) -> String {
    format!("{text:columns$}")
}

/// Breaks words into lines of at most `columns`; a longer word stands alone.
fn wrap(words: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if width(line) + 1 + width(word) <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_never_cut() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("longerthan x", 4), ["longerthan", "x"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn what_a_module_says_cannot_move_the_cursor() {
        let page = Page { name: "m".into(), summary: "a\x1b[2J".into(), sections: Vec::new() };
        assert_eq!(render(&page), "m: a\\x1b[2J\n");
    }
}
