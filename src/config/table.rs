//! Reads a TOML table key by key and reports every mistake in it, not the first only.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::suggest::{list, wrong_character};
use crate::model::{Diagnostic, FileId, Located, Span, Value};

/// A TOML value with its place.
pub type TomlValue = Spanned<DeValue<'static>>;
/// A TOML table whose keys and values have their places.
pub type TomlTable = DeTable<'static>;

/// Parses a whole file.
pub(super) fn parse(file: FileId, text: &'static str, found: &mut Vec<Diagnostic>) -> TomlTable {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    let mut told = None;
    for (nth, error) in errors.iter().enumerate() {
        // What else is wrong in a line mostly comes of the first.
        let line = error.span().map(|span| text[..span.start].matches('\n').count());
        if told.is_none() || told != Some(line) {
            found.push(syntax_error(file, text, (nth, error)));
        }
        told = Some(line);
    }
    table.into_inner()
}

/// A syntax error of the TOML parser at its place.
fn syntax_error(file: FileId, text: &str, (nth, error): (usize, &toml::de::Error)) -> Diagnostic {
    let range = error.span().unwrap_or(text.len()..text.len());
    let said = error.message().replace('\n', ", ");
    // Of many it takes too long to look for the first.
    if said.starts_with("duplicate key")
        && nth < 16
        && let Some(mistake) = twice(file, text, &range)
    {
        return mistake;
    }
    let (said, help) = match said.split(", expected").next().unwrap_or_default() {
        "unexpected leading zero" => {
            ("a number does not begin with 0", Some("a mode is a quoted string, such as \"0644\""))
        }
        "string values must be quoted" => ("a string has quotes: \"…\"", None),
        "invalid basic string" | "invalid literal string" => ("this string is not closed", None),
        "missing escaped value" => (
            "`\\` begins an escape, and this is none",
            Some("write `\\\\`, or the whole string in '…', where `\\` stands for itself"),
        ),
        "unexpected key or value" => ("nothing may follow a value on its line", None),
        "unclosed array" => ("this list is not closed: `]` is missing", None),
        "unclosed table" => ("this header is not closed: `]` is missing", None),
        "key with no value" | "invalid unquoted key" => {
            ("a key is followed by `=` and its value", None)
        }
        "duplicate key" => ("this is there already, further up", None),
        _ => (said.as_str(), None),
    };
    let mistake = Diagnostic::error(format!("this is not TOML: {said}"))
        .primary(Span::new(file, range), "")
        .code("syntax");
    help.into_iter().fold(mistake, Diagnostic::help)
}

/// A key or a table that is there already, with both places.
fn twice(file: FileId, text: &str, range: &Range<usize>) -> Option<Diagnostic> {
    let written = text.get(range.clone())?;
    let alone = format!("{written} = 0");
    let alone = DeTable::parse(&alone).ok()?;
    let name = alone.get_ref().keys().next()?;
    // With another name in its place it stands beside the one that was there first.
    let longest = text.split(|char| char != '-').map(str::len).max().unwrap_or(0);
    let stand_in = "-".repeat(longest + 1);
    let renamed = [&text[..range.start], &stand_in, &text[range.end..]].concat();
    let (table, _) = DeTable::parse_recoverable(&renamed);
    let first = beside(table.get_ref(), &stand_in, name.get_ref())?;
    if first.start >= range.start {
        return None;
    }
    let line = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let before = text[line..range.start].trim_start();
    let message = if before.starts_with('[') && !before.contains(['=', '{', ',']) {
        let close = if before.starts_with("[[") { "]]" } else { "]" };
        format!("`{before}{written}{close}` is declared twice")
    } else {
        let dotted = before.rsplit(['{', ',', '=']).next().unwrap_or_default().trim_start();
        format!("`{dotted}{written}` is given twice")
    };
    Some(
        Diagnostic::at(Span::new(file, range.clone()), message)
            .code("syntax")
            .related(Span::new(file, first), "the first one"),
    )
}

/// Where the key `name` stands in the table that has the key `other` too.
fn beside(table: &DeTable<'_>, other: &str, name: &str) -> Option<Range<usize>> {
    if table.contains_key(other) {
        return table.get_key_value(name).map(|(key, _)| key.span());
    }
    table.values().find_map(|value| inside(value.get_ref(), other, name))
}

/// As [`beside`], in the tables of a value.
fn inside(value: &DeValue<'_>, other: &str, name: &str) -> Option<Range<usize>> {
    match value {
        DeValue::Table(table) => beside(table, other, name),
        DeValue::Array(items) => items.iter().find_map(|item| inside(item.get_ref(), other, name)),
        _ => None,
    }
}

/// A TOML value without its places.
#[must_use]
pub fn to_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| Value::String(integer.to_string()), Value::Integer),
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| to_value(item.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), to_value(value.get_ref())))
                .collect(),
        ),
    }
}

/// A kind of table, for messages.
pub(super) struct Shape {
    /// `a stage`
    pub(super) what: &'static str,
    /// What is said where it is something else: `a host is`, `` `project` takes``.
    pub(super) is: &'static str,
    /// How it is written.
    pub(super) write: &'static str,
}

/// A table being read: what was asked for is known, the rest is an unknown key.
pub(super) struct Fields<'t> {
    file: FileId,
    /// What the table is, for messages: `a stage`.
    what: &'static str,
    span: Span,
    table: &'t TomlTable,
    known: Vec<&'static str>,
    /// Keys that must be there and are not, and how they are written.
    missing: Vec<(&'static str, &'static str)>,
}

impl<'t> Fields<'t> {
    pub(super) const fn new(what: &'static str, span: Span, table: &'t TomlTable) -> Self {
        Self { file: span.file, what, span, table, known: Vec::new(), missing: Vec::new() }
    }

    /// The table in `value`, or a mistake.
    pub(super) fn of(
        shape: &Shape,
        file: FileId,
        value: &'t TomlValue,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let span = Span::new(file, value.span());
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::new(shape.what, span, table)),
            other => {
                let message = format!("{} a table, not {}", shape.is, to_value(other).described());
                let mistake = Diagnostic::at(span, message).code("wrong-type");
                found.push(mistake.help(format!("write {}", shape.write)));
                None
            }
        }
    }

    pub(super) const fn file(&self) -> FileId {
        self.file
    }

    /// The value of `key`, if it is there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'t TomlValue> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table.get(key)
    }

    /// Where `key` stands with its value.
    pub(super) fn whole(&self, key: &str) -> Option<Span> {
        let (key, value) = self.table.get_key_value(key)?;
        Some(Span::new(self.file, key.span().start..value.span().end))
    }

    /// As [`Self::take`], and a mistake at the end when it is not there: `write` is how it is written.
    pub(super) fn need(&mut self, key: &'static str, write: &'static str) -> Option<&'t TomlValue> {
        let value = self.take(key);
        if value.is_none() {
            self.missing.push((key, write));
        }
        value
    }

    /// A string, or a mistake when it is something else.
    pub(super) fn string(
        &mut self,
        key: &'static str,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Located<String>> {
        let value = self.take(key)?;
        string(self.file, key, value, found)
    }

    /// A boolean, or a mistake when it is something else.
    pub(super) fn boolean(
        &mut self,
        key: &'static str,
        found: &mut Vec<Diagnostic>,
    ) -> Option<bool> {
        let value = self.take(key)?;
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            found.push(wrong_type(self.file, key, "true or false", value));
        }
        boolean
    }

    /// A whole number from 1 to `most`, or a mistake when it is something else.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        most: u32,
        found: &mut Vec<Diagnostic>,
    ) -> Option<u32> {
        let value = self.take(key)?;
        let wanted = format!("a whole number from 1 to {most}");
        let Value::Integer(number) = to_value(value.get_ref()) else {
            found.push(wrong_type(self.file, key, &wanted, value));
            return None;
        };
        let count = u32::try_from(number).ok().filter(|count| (1..=most).contains(count));
        if count.is_none() {
            let span = Span::new(self.file, value.span());
            found.push(Diagnostic::at(span, format!("`{key}` takes {wanted}, not {number}")));
        }
        count
    }

    /// Words of letters, digits, `-`, `_` and `.`, or a mistake for each that is none.
    pub(super) fn words(
        &mut self,
        key: &'static str,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<Located<String>> {
        let mut words = self.strings(key, found);
        words.retain(|word| {
            let right = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
            let good = !word.value.is_empty() && word.value.chars().all(right);
            if !good {
                let text = word.value.escape_debug();
                found.push(
                    Diagnostic::at(word.span, format!("`{text}` is not a word for `{key}`"))
                        .wrong_name(
                            wrong_character(&word.value, right, right),
                            "letters, digits, `-`, `_` and `.`",
                        ),
                );
            }
            good
        });
        words
    }

    /// A list of strings, or a mistake for each item that is something else.
    pub(super) fn strings(
        &mut self,
        key: &'static str,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<Located<String>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            found.push(wrong_type(self.file, key, "a list of strings", value));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            let span = Span::new(self.file, item.span());
            if let Some(text) = item.get_ref().as_str() {
                texts.push(Located { value: text.to_owned(), span });
            } else {
                let item = to_value(item.get_ref()).described();
                let message = format!("`{key}` takes a list of strings; this item is {item}");
                found.push(Diagnostic::at(span, message).code("wrong-type"));
            }
        }
        texts
    }

    /// The values of a table with free keys, in the order of their names.
    pub(super) fn entries(
        &mut self,
        key: &'static str,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<(Located<String>, &'t TomlValue)> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            found.push(wrong_type(self.file, key, "a table", value));
            return Vec::new();
        };
        located(self.file, table)
    }

    /// Vars: free keys with any values.
    pub(super) fn vars(
        &mut self,
        key: &'static str,
        found: &mut Vec<Diagnostic>,
    ) -> BTreeMap<String, Located<Value>> {
        let file = self.file;
        self.entries(key, found)
            .into_iter()
            .map(|(name, value)| {
                let span = Span::new(file, name.span.start..value.span().end);
                (name.value, Located { value: to_value(value.get_ref()), span })
            })
            .collect()
    }

    /// Reports every key that nobody asked for, and what is missing and not meant by one of these.
    pub(super) fn finish(mut self, found: &mut Vec<Diagnostic>) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let span = Span::new(self.file, key.span());
            let mistake = Diagnostic::unknown_key(span, name, self.what, &self.known);
            let known = self.known.iter().copied();
            let mistake = mistake.suggest_free(name, known, |key| self.table.contains_key(key));
            self.missing.retain(|(key, _)| !mistake.means(key));
            found.push(mistake);
        }
        if !self.missing.is_empty() {
            let all = |words: &mut dyn Iterator<Item = String>| list(&words.collect::<Vec<_>>());
            let keys = all(&mut self.missing.iter().map(|(key, _)| format!("`{key}`")));
            let write = all(&mut self.missing.iter().map(|(_, write)| (*write).to_owned()));
            found.push(
                Diagnostic::at(self.span, format!("{} needs {keys}", self.what))
                    .code("missing")
                    .label(format!("add {write}")),
            );
        }
    }
}

/// Every key of a table with its place and value.
pub(super) fn located(file: FileId, table: &TomlTable) -> Vec<(Located<String>, &TomlValue)> {
    table
        .iter()
        .map(|(key, value)| {
            let name = key.get_ref().to_string();
            (Located { value: name, span: Span::new(file, key.span()) }, value)
        })
        .collect()
}

/// The string in `value`, or a mistake.
pub(super) fn string(
    file: FileId,
    key: &str,
    value: &TomlValue,
    found: &mut Vec<Diagnostic>,
) -> Option<Located<String>> {
    let span = Span::new(file, value.span());
    if let Some(text) = value.get_ref().as_str() {
        return Some(Located { value: text.to_owned(), span });
    }
    found.push(wrong_type(file, key, "a string", value));
    None
}

/// `key` holds something else than `wanted`.
pub(super) fn wrong_type(file: FileId, key: &str, wanted: &str, value: &TomlValue) -> Diagnostic {
    let span = Span::new(file, value.span());
    Diagnostic::wrong_type(span, key, wanted, &to_value(value.get_ref()))
}
