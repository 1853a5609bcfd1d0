//! What expressions can name, and values on their way into tera and out of it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use tera::Context;

use super::names::Names;
use super::shared::{Pool, Space};
use crate::model::{Host, Value};

/// A prefix of expressions behind which a host's or a module's values stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::resolve) enum Root {
    Vars,
    Params,
    Locals,
    Facts,
    Host,
    Stage,
    Project,
}

impl Root {
    const ALL: [(&'static str, Self); 7] = [
        ("vars", Self::Vars),
        ("params", Self::Params),
        ("locals", Self::Locals),
        ("facts", Self::Facts),
        ("host", Self::Host),
        ("stage", Self::Stage),
        ("project", Self::Project),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, root)| *root)
    }
}

/// What the value of a text depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::resolve) struct Needs {
    whole: BTreeSet<Root>,
    fields: BTreeSet<(Root, String)>,
}

impl Needs {
    pub(in crate::resolve) fn of(names: &Names) -> Self {
        let mut needs = Self::default();
        for used in &names.uses {
            match (Root::of(&used.root), used.path.first()) {
                (Some(root), Some(field)) => drop(needs.fields.insert((root, field.clone()))),
                (Some(root), None) => drop(needs.whole.insert(root)),
                (None, _) => {}
            }
        }
        // Where a text makes a name of its own like a prefix, it is not seen which of the two is meant.
        needs.whole.extend(names.bound.iter().filter_map(|name| Root::of(name)));
        if names.opaque { Self::everything() } else { needs }
    }

    /// The names among them.
    pub(in crate::resolve) fn all(&self) -> impl Iterator<Item = &(Root, String)> {
        self.fields.iter()
    }

    /// Everything: for a text that could not be seen through.
    pub(in crate::resolve) fn everything() -> Self {
        let whole = Root::ALL.iter().map(|(_, root)| *root).collect();
        Self { whole, fields: BTreeSet::new() }
    }

    /// Whether anything sensitive is among them.
    pub(in crate::resolve) fn touch(&self, secrets: &BTreeSet<(Root, String)>) -> bool {
        secrets.iter().any(|secret| self.whole.contains(&secret.0) || self.fields.contains(secret))
    }

    /// Whether every prefix among `seen` is among them.
    pub(super) fn cover(&self, seen: &HashSet<&str>) -> bool {
        seen.iter().filter_map(|name| Root::of(name)).all(|root| self.names(root))
    }

    pub(in crate::resolve) fn add(&mut self, other: &Self) {
        self.whole.extend(&other.whole);
        self.fields.extend(other.fields.iter().cloned());
    }

    /// As `self`, but for one prefix.
    pub(in crate::resolve) fn without(&self, root: Root) -> Self {
        let whole = self.whole.iter().copied().filter(|named| *named != root).collect();
        let fields = self.fields.iter().filter(|(named, _)| *named != root).cloned().collect();
        Self { whole, fields }
    }

    /// Whether a prefix is among them.
    pub(in crate::resolve) fn names(&self, root: Root) -> bool {
        self.whole.contains(&root) || self.fields.iter().any(|(named, _)| *named == root)
    }

    /// The fields of a prefix that are named; `None` for all of them.
    pub(in crate::resolve) fn fields(&self, root: Root) -> Option<BTreeSet<&str>> {
        let named = self.fields.iter().filter(|(named, _)| *named == root);
        (!self.whole.contains(&root)).then(|| named.map(|(_, field)| field.as_str()).collect())
    }

    /// Whether every host gives another value, so that there is nothing to share.
    pub(in crate::resolve) fn differ_by_host(&self) -> bool {
        let own = |root, field: &str| self.fields.contains(&(root, field.to_owned()));
        self.whole.contains(&Root::Host)
            || self.whole.contains(&Root::Facts)
            || own(Root::Host, "name")
            || own(Root::Host, "address")
            || own(Root::Facts, "hostname")
    }

    /// Numbers that are equal where everything is that the text depends on.
    pub(in crate::resolve) fn key(&self, scope: &Scope, pool: &Pool) -> Vec<u32> {
        let mut key = Vec::with_capacity(self.whole.len() + self.fields.len());
        for &root in &self.whole {
            key.push(scope.space(root).map_or(0, |space| space.whole(pool)));
        }
        for (root, field) in &self.fields {
            key.push(scope.space(*root).map_or(0, |space| space.number(field)));
        }
        key
    }
}

/// What expressions can name at one place.
#[derive(Debug, Clone)]
pub(in crate::resolve) struct Scope {
    pub(in crate::resolve) vars: Arc<Space>,
    pub(in crate::resolve) facts: Arc<Space>,
    pub(in crate::resolve) host: Arc<Space>,
    pub(in crate::resolve) stage: Arc<Space>,
    pub(in crate::resolve) project: Arc<Space>,
    pub(in crate::resolve) params: Option<Arc<Space>>,
    pub(in crate::resolve) locals: Option<Arc<Space>>,
    pub(in crate::resolve) more: BTreeMap<&'static str, Value>,
    pub(in crate::resolve) context: OnceCell<Context>,
}

impl Scope {
    fn space(&self, root: Root) -> Option<&Space> {
        match root {
            Root::Vars => Some(&self.vars),
            Root::Facts => Some(&self.facts),
            Root::Host => Some(&self.host),
            Root::Stage => Some(&self.stage),
            Root::Project => Some(&self.project),
            Root::Params => self.params.as_deref(),
            Root::Locals => self.locals.as_deref(),
        }
    }

    /// As `self`, with the params of a module instead of those that there are.
    pub(in crate::resolve) fn with_params(&self, params: Arc<Space>) -> Self {
        Self { params: Some(params), locals: None, context: OnceCell::new(), ..self.clone() }
    }

    pub(in crate::resolve) fn with_locals(&self, locals: Arc<Space>) -> Self {
        Self { locals: Some(locals), context: OnceCell::new(), ..self.clone() }
    }

    /// As `self`, with `name` besides.
    pub(in crate::resolve) fn with(&self, name: &'static str, value: Value) -> Self {
        let mut scope = self.clone();
        if let Some(context) = scope.context.get_mut() {
            context.insert_value(name, into_tera(&value));
        }
        scope.more.insert(name, value);
        scope
    }

    /// The scope as tera takes it, made when it is first needed.
    pub(super) fn context(&self) -> &Context {
        self.context.get_or_init(|| {
            let mut context = Context::new();
            for (name, root) in Root::ALL {
                if let Some(space) = self.space(root) {
                    context.insert_value(name, space.tera().clone());
                }
            }
            for (name, value) in &self.more {
                context.insert_value(*name, into_tera(value));
            }
            context
        })
    }
}

/// `host.name`, `host.address`, `host.groups`.
pub(in crate::resolve) fn host_value(host: &Host) -> Value {
    let text = |text: &str| Value::String(text.to_owned());
    Value::Table(BTreeMap::from([
        ("name".to_owned(), text(&host.name)),
        ("address".to_owned(), text(&host.address)),
        ("groups".to_owned(), Value::List(host.groups.iter().map(|group| text(group)).collect())),
    ]))
}

/// A value as tera holds it; tables in the order of their keys, so that loops are deterministic.
pub(super) fn into_tera(value: &Value) -> tera::Value {
    match value {
        Value::Boolean(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(value) | Value::Datetime(value) => value.as_str().into(),
        Value::List(items) => items.iter().map(into_tera).collect::<Vec<_>>().into(),
        Value::Table(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), into_tera(value)))
            .collect::<BTreeMap<_, _>>()
            .into(),
    }
}

/// A value out of tera, or what it is when TOML has no such thing.
pub(super) fn from_tera(value: &tera::Value) -> Result<Value, &'static str> {
    if let Some(value) = value.as_bool() {
        return Ok(Value::Boolean(value));
    }
    if let Some(value) = value.as_str() {
        return Ok(Value::String(value.to_owned()));
    }
    if let Some(items) = value.as_array() {
        return items.iter().map(from_tera).collect::<Result<_, _>>().map(Value::List);
    }
    if let Some(map) = value.as_map() {
        let entries = map.iter().map(|(key, value)| Ok((key.to_string(), from_tera(value)?)));
        return entries.collect::<Result<_, _>>().map(Value::Table);
    }
    if let Some(value) = value.as_i64().filter(|_| !value.is_f64()) {
        return Ok(Value::Integer(value));
    }
    value.as_f64().map(Value::Float).ok_or_else(|| value.name())
}
