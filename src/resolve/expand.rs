//! Declarations to instances: `for_each`, `when`, expressions in names and values, and the typed
//! parse of each resource.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::bind::{Bound, expressions};
use super::host::{FactsAre, Records};
use super::meta::META_KEYS;
use super::order::Draft;
use super::record::{Rendered, content, written};
use super::secret::Secrets;
use super::source::{Mark, Recording};
use super::template::{Engine, Root, Scope, named};
use super::toml_value::to_toml;
use super::wanted::{self, Wanted};
use super::{Instance, Resolver};
use crate::config::{Declaration, Module, TomlTable, TomlValue, to_value};
use crate::model::{Address, AddressPattern, Body, Diagnostic, Located, Span, Value, a};
use crate::resources::{self, Bodies, Input};

/// What was made of one declaration.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) drafts: Vec<Arc<Draft>>,
    pub(super) mistakes: Vec<Diagnostic>,
}

/// One use of a module on one host.
pub(super) struct Expansion<'e> {
    pub(super) resolver: &'e Resolver,
    pub(super) module: &'e Module,
    pub(super) bound: &'e Bound,
    pub(super) scope: &'e Scope,
    pub(super) facts: FactsAre,
    /// Where resources are kept as they are written.
    pub(super) records: Option<&'e Records>,
}

/// The contents that a resource's table names.
pub(super) struct ModuleBodies<'e> {
    pub(super) module: &'e Module,
    engine: &'e Engine,
    scope: &'e Scope,
}

impl Bodies for ModuleBodies<'_> {
    fn template(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        self.engine.file(name, span, self.scope).map(|text| Body::of(text.into_bytes()))
    }

    fn source(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        source(self.module, name, span)
    }
}

/// The file of a module that `source` names.
pub(super) fn source(module: &Module, name: &str, span: Span) -> Result<Body, Diagnostic> {
    module.files.get(name).cloned().ok_or_else(|| {
        let mistake =
            Diagnostic::at(span, format!("module `{}` has no file `{name}`", module.name))
                .code("missing");
        let inside = format!("files/{name}");
        let mistake = if module.files.contains_key(&inside) {
            mistake.label(format!("did you mean `{inside}`?"))
        } else {
            mistake.suggest(name, module.files.keys().map(String::as_str))
        };
        mistake.help("files are named from the module's folder: files/…")
    })
}

impl Expansion<'_> {
    /// All resources of one declaration on this host, in the order of its items.
    pub(super) fn made(&self, index: usize, secrets: &Secrets) -> Arc<Made> {
        let declaration = &self.module.resources[index];
        let needs = &self.bound.declarations[index];
        let sensitive = needs.touch(secrets);
        if sensitive && let Some(mistake) = self.shown(declaration, secrets) {
            return Arc::new(Made { drafts: Vec::new(), mistakes: vec![mistake] });
        }
        let make = || Arc::new(self.make(index, sensitive));
        if needs.differ_by_host() || self.records.is_some() {
            return make();
        }
        let mut key = needs.key(self.scope, &self.resolver.pool);
        key.push(u32::from(sensitive));
        key.push(u32::from(self.facts == FactsAre::StoodIn));
        self.resolver.shelf.made.get((std::ptr::from_ref(declaration) as usize, key), make)
    }

    /// Vars that are taken for granted and not there.
    fn missing(&self, wanted: &[Wanted]) -> Vec<Diagnostic> {
        let Resolver { known, project, .. } = self.resolver;
        wanted::missing(wanted, self.scope, known, &project.sources)
    }

    fn make(&self, index: usize, sensitive: bool) -> Made {
        let declaration = &self.module.resources[index];
        let mut made = Made::default();
        if resources::find(&declaration.kind.value).is_none() {
            return made;
        }
        let (first, rest) = &self.bound.wanted[index];
        made.mistakes = self.missing(first);
        // Where `when` or `for_each` may leave it out, only what is made can miss something.
        if !declaration.table.contains_key("when") && !declaration.table.contains_key("for_each") {
            made.mistakes.extend(self.missing(rest));
        }
        if !made.mistakes.is_empty() {
            return made;
        }
        match self.items(declaration) {
            Err(mistake) => made.mistakes.push(mistake),
            Ok(items) => {
                for item in items {
                    match self.instance(index, item, sensitive) {
                        Ok(Some(draft)) => made.drafts.push(Arc::new(draft)),
                        Ok(None) => {}
                        Err(mistakes) => made.mistakes.extend(mistakes),
                    }
                }
            }
        }
        made
    }

    pub(super) fn span(&self, value: &TomlValue) -> Span {
        Span::new(self.module.file, value.span())
    }

    /// `each` for every instance: one `None` without `for_each`.
    fn items(&self, declaration: &Declaration) -> Result<Vec<Option<Value>>, Diagnostic> {
        let Some(value) = declaration.table.get("for_each") else { return Ok(vec![None]) };
        let span = self.span(value);
        let engine = &self.bound.engine;
        let list = match value.get_ref().as_str() {
            Some(text) => engine.expression(text, span, self.scope)?,
            None => engine.value(self.module.file, value, self.scope)?,
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
                                Diagnostic::at(
                                    span,
                                    format!("the item with index {index} has no `{field}`"),
                                )
                                .code("missing")
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
            // What an expression gave may be another value on each host.
            other => Err(Diagnostic::at(
                span,
                format!("`for_each` takes a list or a table, not {}", a(other.kind())),
            )
            .code("wrong-type")),
        }
    }

    /// One resource, or nothing when its `when` says no.
    fn instance(
        &self,
        index: usize,
        each: Option<Value>,
        sensitive: bool,
    ) -> Result<Option<Draft>, Vec<Diagnostic>> {
        let declaration = &self.module.resources[index];
        let scope = each.map_or_else(|| self.scope.clone(), |each| self.scope.with("each", each));
        let mut there = true;
        if let Some(value) = declaration.table.get("when") {
            there = self.when(value, &scope).map_err(|mistake| vec![mistake])?;
            let by_facts = value
                .get_ref()
                .as_str()
                .is_some_and(|text| self.bound.engine.needs_of_expression(text).names(Root::Facts));
            // What only stood-in facts leave out is looked at all the same.
            let unsure = by_facts && self.facts == FactsAre::StoodIn;
            if !there && !unsure {
                return Ok(None);
            }
        }
        let missing = self.missing(&self.bound.wanted[index].1);
        if !missing.is_empty() {
            return Err(missing);
        }
        // A file's check names its candidate by this variable of the shell that runs it.
        let scope = scope.with("candidate", Value::String("\"$candidate\"".into()));
        let draft = self.parsed(declaration, &scope, sensitive)?;
        Ok(there.then_some(draft))
    }

    /// One resource, parsed by its type.
    fn parsed(
        &self,
        declaration: &Declaration,
        scope: &Scope,
        sensitive: bool,
    ) -> Result<Draft, Vec<Diagnostic>> {
        let kind = resources::find(&declaration.kind.value).expect("the type was looked up before");
        let mut found = Vec::new();
        let name = self.name(declaration, scope, &mut found);
        let mut table = self.table(declaration, scope, &mut found);
        let requires = self.requires(&mut table, &mut found);
        let timeout = self.timeout(&mut table, &mut found);
        let retries = self.retries(kind, &mut table, &mut found);
        let confirm = self.confirm(&mut table, &mut found);
        let tags = self.tags(&mut table, &mut found);
        let declared = self.sensitive(&mut table, &mut found);
        if !found.is_empty() {
            return Err(found);
        }
        let name = Located { value: name, span: declaration.name.span };
        let bodies = ModuleBodies { module: self.module, engine: &self.bound.engine, scope };
        let recording = Recording::new(&bodies);
        let desired = kind.parse(&Input {
            name: &name,
            header: declaration.span,
            table: &table,
            evaluated: &expressions(declaration),
            bodies: if self.resolver.keeping { &recording } else { &bodies },
            meta_keys: &META_KEYS,
        });
        let desired = desired.map_err(|mistakes| {
            // Where the whole resource is said to be sensitive, so is what is written there.
            let mask = |mistake: Diagnostic| if declared { mistake.masked(&[]) } else { mistake };
            mistakes.into_iter().map(mask).collect::<Vec<_>>()
        })?;
        let address =
            Address { module: self.module.name.clone(), kind: kind.name(), name: name.value };
        let (place, sensitive) = (declaration.name.span, sensitive || declared);
        if let Some(records) = self.records {
            let content = content(&table, &bodies);
            let keys = written(declaration, &table, kind.secret());
            let record = Rendered { address: address.clone(), place, sensitive, keys, content };
            records.borrow_mut().insert(address.clone(), record);
        }
        let source = self.resolver.keeping.then(|| Arc::new(recording.source(&table)));
        let secret = kind.secret().iter().any(|key| table.contains_key(*key));
        let instance = Instance {
            mark: Mark::new(&table),
            address,
            kind,
            desired,
            place,
            timeout,
            retries,
            confirm,
            tags,
            sensitive,
            secret,
            orphan: false,
            source,
        };
        let shape = self.resolver.shape(&instance, &requires);
        Ok(Draft { instance: Arc::new(instance), requires, shape })
    }

    /// The table without what was already read, every expression evaluated.
    fn table(
        &self,
        declaration: &Declaration,
        scope: &Scope,
        found: &mut Vec<Diagnostic>,
    ) -> TomlTable {
        let mut table = TomlTable::new();
        for (key, value) in &declaration.table {
            if !matches!(&**key.get_ref(), "when" | "for_each" | "key") {
                match self.evaluated(value, scope) {
                    Ok(value) => drop(table.insert(key.clone(), value)),
                    Err(mistake) => found.push(named(mistake, &format!("`{}`", key.get_ref()))),
                }
            }
        }
        table
    }

    fn name(
        &self,
        declaration: &Declaration,
        scope: &Scope,
        found: &mut Vec<Diagnostic>,
    ) -> String {
        let Located { value: text, span } = &declaration.name;
        match self.bound.engine.text(text, *span, scope) {
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
                found.push(
                    Diagnostic::at(
                        *span,
                        format!("a resource's name is a string, not {}", a(other.kind())),
                    )
                    .code("wrong-type"),
                );
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
            DeValue::String(text) => self.bound.engine.expression(text, span, scope)?,
            other => to_value(other),
        };
        match result {
            Value::Boolean(answer) => Ok(answer),
            other if value.get_ref().as_str().is_some() => Err(Diagnostic::at(
                span,
                format!("`when` takes true or false, not {}", a(other.kind())),
            )
            .code("wrong-type")),
            other => Err(Diagnostic::wrong_type(span, "when", "true or false", &other)),
        }
    }

    /// A value with its expressions evaluated, at the place where it was written.
    fn evaluated(&self, value: &TomlValue, scope: &Scope) -> Result<TomlValue, Diagnostic> {
        let range = value.span();
        let new = match value.get_ref() {
            DeValue::String(text) => {
                let span = self.span(value);
                let new = self.bound.engine.text(text, span, scope)?;
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
}

impl Resolver {
    /// A number for everything of a resource that the order of a host depends on.
    fn shape(&self, instance: &Instance, requires: &[Located<AddressPattern>]) -> u32 {
        let (kind, desired) = (instance.kind, &instance.desired);
        let requires = requires.iter().map(|pattern| pattern.value.text());
        let triggers = kind.triggers(desired).iter();
        let parts = (
            &instance.address,
            (instance.place.file.0, instance.place.start),
            requires.collect::<Vec<_>>(),
            triggers.map(|trigger| (trigger.kind, trigger.on.value.text())).collect::<Vec<_>>(),
            (kind.subject(desired), kind.provides(desired)),
            (kind.removes(desired), kind.wants(desired), kind.claims(desired)),
        );
        self.pool.share(Value::String(format!("{parts:?}"))).number
    }
}
