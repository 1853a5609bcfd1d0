//! The keys that every resource has: how they are read, and what is wrong with them on any host.

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::de::DeValue;

use super::Instance;
use super::expand::Expansion;
use super::order::Draft;
use super::secret::Secrets;
use super::template::{Needs, is_template};
use super::undefined;
use crate::config::{Declaration, Project, TomlTable, TomlValue, no_window, to_value};
use crate::model::{AddressPattern, Diagnostic, FileId, Located, Span, Value, a, duration, window};
use crate::resources::{REGISTRY, ResourceType};

/// Keys that every resource has.
pub(super) const META_KEYS: [&str; 9] =
    ["when", "for_each", "key", "requires", "timeout", "retries", "confirm", "tags", "sensitive"];

/// How often a step may be tried again at most: with the pauses in between, more than a day.
const RETRIES_MAX: i64 = 100;

/// Meta-keys whose values are wrong without any expression.
pub(super) fn check_meta(file: FileId, declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let table = &declaration.table;
    if let Some(key) = table.get("key") {
        let span = Span::new(file, key.span());
        if key.get_ref().as_str().is_none() {
            let given = to_value(key.get_ref());
            found.push(Diagnostic::wrong_type(span, "key", "the name of a field", &given));
        } else if !table.contains_key("for_each") {
            found.push(Diagnostic::at(span, "`key` stands beside `for_each`"));
        }
    }
    if let Some(value) = table.get("for_each")
        && !matches!(value.get_ref(), DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_))
    {
        let given = to_value(value.get_ref());
        let span = Span::new(file, value.span());
        found.push(Diagnostic::wrong_type(span, "for_each", "a list or a table", &given));
    }
}

impl Draft {
    /// As `draft`, in a stage that may say in what time changes must be confirmed, where it does not itself.
    pub(super) fn confirmed(draft: &Arc<Self>, project: &Project, stage: usize) -> Arc<Self> {
        let seconds = project.stages[stage].confirm;
        if seconds.is_none() || draft.instance.confirm.is_some() {
            return Arc::clone(draft);
        }
        let instance = Instance { confirm: seconds, ..(*draft.instance).clone() };
        let requires = draft.requires.clone();
        Arc::new(Self { instance: Arc::new(instance), requires, shape: draft.shape })
    }
}

impl Expansion<'_> {
    /// Takes `requires` out of the table.
    pub(super) fn requires(
        &self,
        table: &mut TomlTable,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<Located<AddressPattern>> {
        let mut patterns = Vec::new();
        for text in self.strings(table, "requires", "addresses", found) {
            match AddressPattern::parse(&text.value) {
                Ok(value) => patterns.push(Located { value, span: text.span }),
                Err(error) => {
                    found.push(Diagnostic::at(text.span, error.to_string()).code("selector"));
                }
            }
        }
        patterns
    }

    /// Takes `tags` out of the table.
    pub(super) fn tags(
        &self,
        table: &mut TomlTable,
        found: &mut Vec<Diagnostic>,
    ) -> BTreeSet<String> {
        self.strings(table, "tags", "words", found).into_iter().map(|tag| tag.value).collect()
    }

    /// Takes a list of strings out of the table.
    fn strings(
        &self,
        table: &mut TomlTable,
        key: &str,
        what: &str,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<Located<String>> {
        let Some(value) = table.remove(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            found.push(self.wrong_type(&value, key, &format!("a list of {what}")));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            let span = self.span(item);
            if let Some(text) = item.get_ref().as_str() {
                texts.push(Located { value: text.to_owned(), span });
            } else {
                let item = a(to_value(item.get_ref()).kind());
                let message = format!("`{key}` takes a list of {what}; this item is {item}");
                found.push(Diagnostic::at(span, message).code("wrong-type"));
            }
        }
        texts
    }

    /// A value of another type; what an expression gave is not shown, as it may be another one on each
    /// host.
    fn wrong_type(&self, value: &TomlValue, key: &str, wanted: &str) -> Diagnostic {
        let span = self.span(value);
        let given = to_value(value.get_ref());
        let written = self.bound.engine.source.get(span.start..span.end);
        if written.is_some_and(is_template) {
            let message = format!("`{key}` takes {wanted}, not {}", a(given.kind()));
            return Diagnostic::at(span, message).code("wrong-type");
        }
        Diagnostic::wrong_type(span, key, wanted, &given)
    }

    /// Takes `sensitive` out of the table.
    pub(super) fn sensitive(&self, table: &mut TomlTable, found: &mut Vec<Diagnostic>) -> bool {
        let Some(value) = table.remove("sensitive") else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            found.push(self.wrong_type(&value, "sensitive", "true or false"));
            true
        })
    }

    /// Takes `timeout` out of the table: seconds, or `"90s"`, `"5m"`, `"1h"`.
    pub(super) fn timeout(
        &self,
        table: &mut TomlTable,
        found: &mut Vec<Diagnostic>,
    ) -> Option<u32> {
        let value = table.remove("timeout")?;
        let seconds = match to_value(value.get_ref()) {
            Value::Integer(seconds) => u32::try_from(seconds).ok(),
            Value::String(text) => duration(&text),
            _ => None,
        };
        if !seconds.is_some_and(|seconds| (1..=86_400).contains(&seconds)) {
            found.push(
                Diagnostic::at(self.span(&value), "this is not a timeout")
                    .label("seconds, or \"90s\", \"5m\", \"1h\"; one day at most"),
            );
        }
        seconds
    }

    /// Takes `confirm` out of the table: in how many seconds a change must be confirmed; 0 for `false`.
    pub(super) fn confirm(
        &self,
        table: &mut TomlTable,
        found: &mut Vec<Diagnostic>,
    ) -> Option<u32> {
        let value = table.remove("confirm")?;
        let seconds = window(&to_value(value.get_ref()));
        if seconds.is_none() {
            found.push(no_window(self.span(&value)));
        }
        seconds
    }

    /// Takes `retries` out of the table: how often a step that failed is tried again.
    pub(super) fn retries(
        &self,
        kind: &dyn ResourceType,
        table: &mut TomlTable,
        found: &mut Vec<Diagnostic>,
    ) -> u32 {
        let Some(value) = table.remove("retries") else { return 0 };
        let mistake = match to_value(value.get_ref()) {
            Value::Integer(count) if (0..=RETRIES_MAX).contains(&count) => {
                if kind.repeatable() || count == 0 {
                    return u32::try_from(count).expect("it is a small number");
                }
                let can = REGISTRY.iter().filter(|kind| kind.repeatable()).map(|kind| kind.name());
                let can = can.collect::<Vec<_>>().join(", ");
                Diagnostic::at(self.span(&value), format!("a {} is not tried again", kind.name()))
                    .label("its step does not fail for a while only")
                    .help(format!("`retries` is for {can}"))
            }
            Value::Integer(_) => {
                let span = self.span(&value);
                Diagnostic::at(span, format!("`retries` is a number from 0 to {RETRIES_MAX}"))
            }
            _ => Diagnostic::at(self.span(&value), "`retries` takes a number").code("wrong-type"),
        };
        found.push(mistake);
        0
    }

    /// A sensitive value where every screen would show it: in a name or a tag.
    pub(super) fn shown(&self, declaration: &Declaration, secrets: &Secrets) -> Option<Diagnostic> {
        let engine = &self.bound.engine;
        let touches = |text: &str| {
            let mut needs = Needs::default();
            engine.needs_of_text(text, &mut needs);
            needs.touch(secrets)
        };
        let name = &declaration.name;
        let each = declaration.table.get("for_each").filter(|_| name.value.contains("each"));
        let by_each = each.is_some_and(|value| {
            let mut needs = Needs::default();
            match value.get_ref().as_str() {
                Some(text) => needs.add(&engine.needs_of_expression(text)),
                None => engine.needs_of(value, &mut needs),
            }
            needs.touch(secrets)
        });
        let told = |span| {
            Diagnostic::at(span, "a sensitive value would be shown here")
                .label("names and tags stand on every screen")
        };
        if by_each || touches(&name.value) {
            return Some(told(name.span));
        }
        let tags = declaration.table.get("tags")?;
        let mut found = None;
        undefined::each_text(tags, &mut |text, range| {
            if touches(text) {
                found = Some(told(Span::new(self.module.file, range)));
            }
        });
        found
    }
}
