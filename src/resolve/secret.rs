//! Which values are sensitive, and how their texts are kept out of messages.

use std::collections::BTreeSet;

use super::Resolver;
use super::bind::Bound;
use super::template::{Engine, Needs, Root, Scope, is_template, names};
use super::undefined::each_text;
use crate::config::{Module, ModuleUse, Sources, TomlValue};
use crate::model::{Diagnostic, Span, Value};

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

/// The texts of all sensitive values of a use, as they are taken out of messages.
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
    hidden(texts)
}

/// Those that are taken out of messages, the longest first. What is short is in other texts too, and
/// taking it out of them would tell more than it hides.
fn hidden(mut texts: Vec<String>) -> Vec<String> {
    texts.retain(|text| text.chars().count() >= 4);
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts.dedup();
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

/// A mistake without these texts; what stands at its places is not shown where one of them is in it.
pub(super) fn mask(mistake: Diagnostic, secrets: &[String], sources: &Sources) -> Diagnostic {
    if secrets.is_empty() {
        return mistake;
    }
    let shown = |span: Span| {
        let text = sources.get(span.file).text;
        let start = text[..span.start.min(text.len())].rfind('\n').map_or(0, |at| at + 1);
        let end =
            text[span.end.min(text.len())..].find('\n').map_or(text.len(), |at| span.end + at);
        &text[start..end]
    };
    let mut labels = mistake.primary.iter().chain(&mistake.related);
    let open = labels.any(|label| {
        let text = shown(label.span);
        secrets.iter().any(|secret| text.contains(secret.as_str()))
    });
    let before = mistake.sensitive;
    let mut mistake = mistake.masked(secrets);
    mistake.sensitive = before || open;
    mistake
}

impl Resolver {
    /// Vars that sensitive params are made of, on whatever host.
    pub(super) fn secret_vars(&self) -> BTreeSet<String> {
        let mut vars = BTreeSet::new();
        self.each_secret(&mut |value| {
            each_text(value, &mut |text, _| {
                let uses = names(text).uses.into_iter().filter(|used| used.root == "vars");
                vars.extend(uses.filter_map(|used| used.path.into_iter().next()));
            });
        });
        vars
    }

    /// Calls `tell` for every value that is written for a sensitive param.
    fn each_secret(&self, tell: &mut dyn FnMut(&TomlValue)) {
        let project = &self.project;
        for used in project.uses() {
            let Some(module) = project.modules.get(&used.module.value) else { continue };
            for (name, value) in &used.with {
                if module.params.get(&name.value).is_some_and(|param| param.sensitive) {
                    tell(value);
                }
            }
        }
        let params = project.modules.values().flat_map(|module| module.params.values());
        params
            .filter(|param| param.sensitive)
            .filter_map(|param| param.default.as_ref())
            .for_each(tell);
    }

    /// Mistakes without the texts of sensitive values, wherever in the project these are written.
    #[must_use]
    pub fn masked(&self, mistakes: Vec<Diagnostic>) -> Vec<Diagnostic> {
        if mistakes.is_empty() {
            return mistakes;
        }
        let mut texts = Vec::new();
        self.each_secret(&mut |value| {
            each_text(value, &mut |text, _| {
                if !is_template(text) {
                    texts.push(text.to_owned());
                }
            });
        });
        for name in self.secret_vars() {
            for value in self.project.inventory.all_vars().filter_map(|vars| vars.get(&name)) {
                leaves(&value.value, &mut texts);
            }
            self.overrides.get(&name).into_iter().for_each(|value| leaves(value, &mut texts));
        }
        let texts = hidden(texts);
        let sources = &self.project.sources;
        mistakes.into_iter().map(|mistake| mask(mistake, &texts, sources)).collect()
    }
}
