//! What expressions can name, and values on their way into tera and out of it.

use std::collections::BTreeMap;

use tera::Context;

use crate::config::{Project, Stage};
use crate::model::{Facts, Host, Value};
use crate::resolve::Target;

/// What expressions can name at one place.
#[derive(Debug, Clone)]
pub(in crate::resolve) struct Scope {
    pub(super) context: Context,
}

impl Scope {
    pub(in crate::resolve) fn new(
        project: &Project,
        stage: &Stage,
        target: &Target,
        facts: &Facts,
    ) -> Self {
        let named = |name: &str| {
            Value::Table(BTreeMap::from([("name".to_owned(), Value::String(name.to_owned()))]))
        };
        let mut context = Context::new();
        context.insert_value("vars", into_tera(&target.vars));
        context.insert_value("facts", into_tera(&facts.to_value()));
        context.insert_value("host", into_tera(&host_value(&target.host)));
        context.insert_value("stage", into_tera(&named(&stage.name.value)));
        context.insert_value("project", into_tera(&named(&project.name)));
        Self { context }
    }

    pub(in crate::resolve) fn with_params(&self, params: &Value) -> Self {
        self.with("params", params)
    }

    /// As `self`, with `name` besides.
    pub(in crate::resolve) fn with(&self, name: &'static str, value: &Value) -> Self {
        let mut context = self.context.clone();
        context.insert_value(name, into_tera(value));
        Self { context }
    }
}

/// `host.name`, `host.address`, `host.groups`.
pub(super) fn host_value(host: &Host) -> Value {
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
