//! Which values are sensitive, and how their texts are kept out of messages.

use std::collections::BTreeSet;

use super::bind::Bound;
use super::template::{Engine, Needs, Root, Scope};
use crate::config::{Module, ModuleUse};
use crate::model::Value;

/// Names behind which sensitive values stand.
pub(super) type Secrets = BTreeSet<(Root, String)>;

/// Params that are declared sensitive or given from something that is, and locals made of them.
pub(super) fn secrets(
    module: &Module,
    bound: &Bound,
    (used, engine, outer): (&ModuleUse, &Engine, &Secrets),
) -> Secrets {
    let mut secrets = Secrets::new();
    for (name, param) in &module.params {
        let given = used.with.iter().find(|(given, _)| given.value == *name);
        let mut needs = Needs::default();
        if let Some((_, value)) = given {
            engine.needs_of(value, &mut needs);
        }
        if param.sensitive || needs.touch(outer) {
            secrets.insert((Root::Params, name.clone()));
        }
    }
    for name in &bound.locals {
        let mut needs = Needs::default();
        bound.engine.needs_of(&module.locals[name].1, &mut needs);
        if needs.touch(&secrets) {
            secrets.insert((Root::Locals, name.clone()));
        }
    }
    secrets
}

/// The texts of all sensitive values, the longest first. What is short is in other texts too, and
/// taking it out of them would tell more than it hides.
pub(super) fn texts(scope: &Scope, secrets: &Secrets) -> Vec<String> {
    let space = |root: Root| match root {
        Root::Params => scope.params.as_deref(),
        Root::Locals => scope.locals.as_deref(),
        _ => None,
    };
    let values = secrets.iter().filter_map(|(root, name)| space(*root)?.get(name));
    let mut texts = Vec::new();
    for value in values {
        leaves(&value.value, &mut texts);
    }
    texts.retain(|text| text.chars().count() >= 4);
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts
}

/// Every text and number in a value.
fn leaves(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) | Value::Datetime(text) => texts.push(text.clone()),
        Value::List(items) => items.iter().for_each(|item| leaves(item, texts)),
        Value::Table(entries) => entries.values().for_each(|value| leaves(value, texts)),
        other => texts.push(other.to_string()),
    }
}
