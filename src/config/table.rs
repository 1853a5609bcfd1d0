//! Reads a TOML table key by key and reports every mistake in it, not the first only.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::{Diagnostic, FileId, Located, Span, Value, a};

/// A TOML value with its place.
pub type TomlValue = Spanned<DeValue<'static>>;
/// A TOML table whose keys and values have their places.
pub type TomlTable = DeTable<'static>;

/// Parses a whole file.
pub(super) fn parse(file: FileId, text: &'static str, found: &mut Vec<Diagnostic>) -> TomlTable {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    let mut told = None;
    for error in &errors {
        // What else is wrong in a line mostly comes of the first.
        let line = error.span().map(|span| text[..span.start].matches('\n').count());
        if told.is_none() || told != Some(line) {
            found.push(syntax_error(file, text, error));
        }
        told = Some(line);
    }
    table.into_inner()
}

/// A syntax error of the TOML parser at its place.
fn syntax_error(file: FileId, text: &str, error: &toml::de::Error) -> Diagnostic {
    let range = error.span().unwrap_or(text.len()..text.len());
    let said = error.message().replace('\n', ", ");
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

/// A table being read: what was asked for is known, the rest is an unknown key.
pub(super) struct Fields<'t> {
    file: FileId,
    /// What the table is, for messages: `a stage`.
    what: &'static str,
    span: Span,
    table: &'t TomlTable,
    known: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    pub(super) const fn new(what: &'static str, span: Span, table: &'t TomlTable) -> Self {
        Self { file: span.file, what, span, table, known: Vec::new() }
    }

    /// The table in `value`, or a mistake.
    pub(super) fn of(
        what: &'static str,
        file: FileId,
        value: &'t TomlValue,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let span = Span::new(file, value.span());
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::new(what, span, table)),
            other => {
                found.push(
                    Diagnostic::at(span, format!("{what} is a table"))
                        .code("wrong-type")
                        .label(format!("this is {}", a(to_value(other).kind()))),
                );
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

    /// As [`Self::take`], and a mistake when it is not there.
    pub(super) fn need(
        &mut self,
        key: &'static str,
        found: &mut Vec<Diagnostic>,
    ) -> Option<&'t TomlValue> {
        let value = self.take(key);
        if value.is_none() {
            found.push(
                Diagnostic::at(self.span, format!("{} needs `{key}`", self.what))
                    .code("missing")
                    .label(format!("`{key}` is missing here")),
            );
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
                        .label("letters, digits, `-`, `_` and `.`"),
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
            match item.get_ref().as_str() {
                Some(text) => texts.push(Located {
                    value: text.to_owned(),
                    span: Span::new(self.file, item.span()),
                }),
                None => found.push(wrong_type(self.file, key, "a list of strings", item)),
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

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self, found: &mut Vec<Diagnostic>) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !self.known.contains(&name) {
                let span = Span::new(self.file, key.span());
                let mistake = Diagnostic::unknown_key(span, name, self.what, &self.known);
                let known = self.known.iter().copied();
                found.push(mistake.suggest_free(name, known, |key| self.table.contains_key(key)));
            }
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
    Diagnostic::at(Span::new(file, value.span()), format!("`{key}` takes {wanted}"))
        .code("wrong-type")
        .label(format!("this is {}", a(to_value(value.get_ref()).kind())))
}
