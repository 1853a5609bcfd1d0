//! Declarations to instances: `for_each`, `when`, expressions in names and values, and the typed
//! parse of each resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::Instance;
use super::order::Draft;
use super::template::{Engine, Scope};
use super::toml_value::{duration, to_toml};
use crate::config::{Declaration, Module, TomlTable, TomlValue, to_value};
use crate::model::{Address, AddressPattern, Diagnostic, FileId, Located, Span, Value, a};
use crate::resources::{self, Bodies, Input};

/// Keys that every resource has.
const META_KEYS: [&str; 5] = ["when", "for_each", "key", "requires", "timeout"];

/// Keys whose values are selectors of resources.
const SELECTORS: [&str; 4] = ["requires", "reload_on", "restart_on", "run_on"];

/// What can be seen in a module's declarations without a host: types that are not there, and
/// addresses that are none.
pub(super) fn check_declarations(module: &Module, found: &mut Vec<Diagnostic>) {
    let names = || resources::REGISTRY.iter().map(|kind| kind.name());
    let mut told = BTreeSet::new();
    for declaration in &module.resources {
        let kind = &declaration.kind;
        if resources::find(&kind.value).is_none() && told.insert(kind.value.clone()) {
            found.push(
                Diagnostic::at(kind.span, format!("there is no resource type `{}`", kind.value))
                    .suggest(&kind.value, names())
                    .help(format!("the types are {}", names().collect::<Vec<_>>().join(", "))),
            );
        }
        for (text, span) in selectors(module.file, declaration) {
            match AddressPattern::parse(text) {
                Err(error) => found.push(Diagnostic::at(span, error.to_string())),
                Ok(pattern) if resources::find(pattern.kind()).is_none() => found.push(
                    Diagnostic::at(span, format!("there is no resource type `{}`", pattern.kind()))
                        .suggest(pattern.kind(), names()),
                ),
                Ok(_) => {}
            }
        }
    }
}

/// Selectors that match no resource of any host.
pub(super) fn check_selectors(
    module: &Module,
    present: &BTreeSet<&Address>,
    found: &mut Vec<Diagnostic>,
) {
    for declaration in &module.resources {
        for (text, span) in selectors(module.file, declaration) {
            let Ok(pattern) = AddressPattern::parse(text) else { continue };
            if !present.iter().any(|address| pattern.matches(address, &module.name)) {
                let same: Vec<String> = present
                    .iter()
                    .filter(|address| {
                        address.kind == pattern.kind() && address.module == module.name
                    })
                    .map(|address| address.short())
                    .collect();
                found.push(
                    Diagnostic::at(span, format!("`{text}` names no resource of any host"))
                        .suggest(text, same.iter().map(String::as_str)),
                );
            }
        }
    }
}

/// Every selector of a declaration that is written without expressions.
fn selectors(file: FileId, declaration: &Declaration) -> Vec<(&str, Span)> {
    let mut all = Vec::new();
    for key in SELECTORS {
        let Some(value) = declaration.table.get(key) else { continue };
        let DeValue::Array(items) = value.get_ref() else { continue };
        all.extend(items.iter().filter_map(|item| {
            let text = item.get_ref().as_str().filter(|text| !text.contains("{{"))?;
            Some((text, Span::new(file, item.span())))
        }));
    }
    all
}

/// One use of a module on one host.
pub(super) struct Expansion<'e> {
    pub(super) module: &'e Module,
    pub(super) engine: &'e Engine,
    pub(super) scope: &'e Scope,
    pub(super) stage: usize,
}

/// The contents that a resource's table names.
struct ModuleBodies<'e> {
    module: &'e Module,
    engine: &'e Engine,
    scope: &'e Scope,
}

impl Bodies for ModuleBodies<'_> {
    fn template(&self, name: &str, span: Span) -> Result<Arc<[u8]>, Diagnostic> {
        self.engine.file(name, span, self.scope).map(|text| text.into_bytes().into())
    }

    fn source(&self, name: &str, span: Span) -> Result<Arc<[u8]>, Diagnostic> {
        self.module.files.get(name).cloned().ok_or_else(|| {
            Diagnostic::at(span, format!("module `{}` has no file `{name}`", self.module.name))
                .suggest(name, self.module.files.keys().map(String::as_str))
                .help("files are named from the module's folder: files/…")
        })
    }
}

impl Expansion<'_> {
    /// All resources of the module on this host, in the order of the document.
    pub(super) fn instances(&self, drafts: &mut Vec<Draft>, found: &mut Vec<Diagnostic>) {
        for declaration in &self.module.resources {
            match self.items(declaration) {
                Err(mistake) => found.push(mistake),
                Ok(items) => {
                    for item in items {
                        match self.instance(declaration, item.as_ref()) {
                            Ok(Some(draft)) => drafts.push(draft),
                            Ok(None) => {}
                            Err(mistakes) => found.extend(mistakes),
                        }
                    }
                }
            }
        }
    }

    fn span(&self, value: &TomlValue) -> Span {
        Span::new(self.module.file, value.span())
    }

    /// `each` for every instance: one `None` without `for_each`.
    fn items(&self, declaration: &Declaration) -> Result<Vec<Option<Value>>, Diagnostic> {
        let Some(value) = declaration.table.get("for_each") else { return Ok(vec![None]) };
        let span = self.span(value);
        let list = match value.get_ref().as_str() {
            Some(text) => self.engine.expression(text, span, self.scope)?,
            None => self.engine.value(self.module.file, value, self.scope)?,
        };
        let key_field = declaration.table.get("key").and_then(|key| key.get_ref().as_str());
        let each = |index: usize, key: Value, value: Value| {
            let index = Value::Integer(i64::try_from(index).unwrap_or(i64::MAX));
            Value::Table(BTreeMap::from([
                ("index".to_owned(), index),
                ("key".to_owned(), key),
                ("value".to_owned(), value),
            ]))
        };
        match list {
            Value::Table(entries) => Ok(entries
                .into_iter()
                .enumerate()
                .map(|(index, (key, value))| Some(each(index, Value::String(key), value)))
                .collect()),
            Value::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| {
                    let key = match (&item, key_field) {
                        (Value::Table(fields), Some(field)) => {
                            fields.get(field).cloned().ok_or_else(|| {
                                Diagnostic::at(span, format!("item {index} has no `{field}`"))
                            })?
                        }
                        (Value::Table(_), None) => {
                            Value::Integer(i64::try_from(index).unwrap_or(0))
                        }
                        _ => item.clone(),
                    };
                    Ok(Some(each(index, key, item)))
                })
                .collect(),
            other => Err(Diagnostic::at(
                span,
                format!("`for_each` takes a list or a table, not {}", a(other.kind())),
            )),
        }
    }

    /// One resource, or nothing when its `when` says no.
    fn instance(
        &self,
        declaration: &Declaration,
        each: Option<&Value>,
    ) -> Result<Option<Draft>, Vec<Diagnostic>> {
        let scope = each.map_or_else(|| self.scope.clone(), |each| self.scope.with("each", each));
        if let Some(value) = declaration.table.get("when")
            && !self.when(value, &scope).map_err(|mistake| vec![mistake])?
        {
            return Ok(None);
        }
        // A file's check names its candidate by this variable of the shell that runs it.
        let scope = scope.with("candidate", &Value::String("\"$candidate\"".into()));
        let kind = resources::find(&declaration.kind.value).expect("types were bound before");
        let mut found = Vec::new();
        let name = self.name(declaration, &scope, &mut found);
        let mut table = TomlTable::new();
        for (key, value) in &declaration.table {
            if !matches!(&**key.get_ref(), "when" | "for_each" | "key") {
                match self.evaluated(value, &scope) {
                    Ok(value) => drop(table.insert(key.clone(), value)),
                    Err(mistake) => found.push(mistake),
                }
            }
        }
        let requires = self.requires(&mut table, &mut found);
        let timeout = self.timeout(&mut table, &mut found);
        if !found.is_empty() {
            return Err(found);
        }
        let name = Located { value: name, span: declaration.name.span };
        let bodies = ModuleBodies { module: self.module, engine: self.engine, scope: &scope };
        let desired = kind.parse(&Input {
            name: &name,
            header: declaration.span,
            table: &table,
            evaluated: &expressions(&declaration.table),
            bodies: &bodies,
            meta_keys: &META_KEYS,
        })?;
        let address =
            Address { module: self.module.name.clone(), kind: kind.name(), name: name.value };
        let instance = Instance {
            address,
            kind,
            desired,
            place: declaration.name.span,
            stage: self.stage,
            after: Vec::new(),
            triggers: Vec::new(),
            timeout,
        };
        Ok(Some(Draft { instance, requires }))
    }

    fn name(
        &self,
        declaration: &Declaration,
        scope: &Scope,
        found: &mut Vec<Diagnostic>,
    ) -> String {
        let Located { value: text, span } = &declaration.name;
        match self.engine.text(text, *span, scope) {
            Ok(Value::String(name)) => {
                if name.is_empty() || name.chars().any(char::is_control) {
                    found.push(Diagnostic::at(
                        *span,
                        "a resource's name is not empty and has no control characters",
                    ));
                }
                name
            }
            Ok(Value::Integer(number)) => number.to_string(),
            Ok(other) => {
                found.push(Diagnostic::at(
                    *span,
                    format!("a resource's name is a string, not {}", a(other.kind())),
                ));
                String::new()
            }
            Err(mistake) => {
                found.push(mistake);
                String::new()
            }
        }
    }

    fn when(&self, value: &TomlValue, scope: &Scope) -> Result<bool, Diagnostic> {
        let span = self.span(value);
        let result = match value.get_ref() {
            DeValue::String(text) => self.engine.expression(text, span, scope)?,
            other => to_value(other),
        };
        match result {
            Value::Boolean(answer) => Ok(answer),
            other => Err(Diagnostic::at(span, "`when` must be true or false")
                .label(format!("this is {}", a(other.kind())))),
        }
    }

    /// A value with its expressions evaluated, at the place where it was written.
    fn evaluated(&self, value: &TomlValue, scope: &Scope) -> Result<TomlValue, Diagnostic> {
        let range = value.span();
        let new = match value.get_ref() {
            DeValue::String(text) => {
                let span = self.span(value);
                let new = self.engine.text(text, span, scope)?;
                return to_toml(&new, &range).map_err(|why| Diagnostic::at(span, why));
            }
            DeValue::Array(items) => {
                let items = items.iter().map(|item| self.evaluated(item, scope));
                DeValue::Array(items.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => {
                let entries = table
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.evaluated(value, scope)?)));
                DeValue::Table(entries.collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        };
        Ok(Spanned::new(range, new))
    }

    /// Takes `requires` out of the table.
    fn requires(
        &self,
        table: &mut TomlTable,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<Located<AddressPattern>> {
        let Some(value) = table.remove("requires") else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            found.push(Diagnostic::at(self.span(&value), "`requires` takes a list of addresses"));
            return Vec::new();
        };
        let mut patterns = Vec::new();
        for item in items {
            let span = self.span(item);
            match item.get_ref().as_str().map(AddressPattern::parse) {
                Some(Ok(value)) => patterns.push(Located { value, span }),
                Some(Err(error)) => found.push(Diagnostic::at(span, error.to_string())),
                None => found.push(Diagnostic::at(span, "an address is a string")),
            }
        }
        patterns
    }

    /// Takes `timeout` out of the table: seconds, or `"90s"`, `"5m"`, `"1h"`.
    fn timeout(&self, table: &mut TomlTable, found: &mut Vec<Diagnostic>) -> Option<u32> {
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
}

/// Where the values of a table stand that are written as expressions.
fn expressions(table: &TomlTable) -> Vec<std::ops::Range<usize>> {
    let expression = |value: &&TomlValue| {
        value.get_ref().as_str().is_some_and(|text| text.trim_start().starts_with("{{"))
    };
    table.values().filter(expression).map(Spanned::span).collect()
}
