//! Where values come from: each var, param and connection setting of a host, with what it overrode.

use super::Resolver;
use super::secret::Secrets;
use super::template::{Root, Space};
use super::undefined::each_text;
use super::variables::{Ladder, Layer, Said, Which};
use crate::config::{Module, ModuleUse, TomlValue, to_value};
use crate::model::{Facts, Span, Value};

/// A value of a host and everything that was said about it.
#[derive(Debug, Clone)]
pub struct Explained {
    /// `vars.workers`, `nginx/params.port`, `connection.user`.
    pub name: String,
    /// The value that counts.
    pub value: Option<Value>,
    /// Whether it is not to be shown.
    pub sensitive: bool,
    /// Whether facts went into it.
    pub facts: bool,
    /// What was said, the one that counts first.
    pub said: Vec<Explanation>,
}

/// One thing that was said about a value.
#[derive(Debug, Clone)]
pub struct Explanation {
    pub value: Option<Value>,
    pub place: Option<Span>,
    /// Who says it: `group web`, `default`, `with, from vars.workers`.
    pub by: String,
}

impl Layer {
    /// As a reader knows it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Inventory => "inventory".to_owned(),
            Self::Group(name) => format!("group {name}"),
            Self::Host => "host".to_owned(),
            Self::CommandLine => "--var".to_owned(),
        }
    }
}

impl Resolver {
    /// Every value of a host: vars, connection settings, and the params of each use of a module.
    #[must_use]
    pub fn explain(&self, target: usize, facts: &Facts) -> Vec<Explained> {
        let host = &self.targets[target].host.name;
        let ladder = Ladder::new(&self.project.inventory);
        let mut all = Vec::new();
        for (prefix, which) in [("vars", Which::Vars), ("connection", Which::Connection)] {
            for (key, said) in ladder.said(host, which, &self.overrides) {
                all.push(layered(format!("{prefix}.{key}"), said));
            }
        }
        all.extend(self.params_of(target, facts));
        // A var that a sensitive param is made of is no less sensitive.
        let secret = self.secret_vars();
        for explained in &mut all {
            let name = explained.name.strip_prefix("vars.");
            explained.sensitive |= name.is_some_and(|name| secret.contains(name));
        }
        all
    }
}

/// What was said of each param of one use of a module. `params` are the values that count.
pub(super) fn params(
    module: &Module,
    used: &ModuleUse,
    params: &Space,
    secrets: &Secrets,
) -> Vec<Explained> {
    let explained = module.params.iter().map(|(key, param)| {
        let mut said = Vec::new();
        let value = params.get(key).map(|value| value.value.clone());
        if let Some((given, written)) = used.with.iter().find(|(given, _)| given.value == *key) {
            let place = Some(Span::new(given.span.file, given.span.start..written.span().end));
            let by = match sources(written) {
                from if from.is_empty() => "with".to_owned(),
                from => format!("with, from {}", from.join(" and ")),
            };
            said.push(Explanation { value: value.clone(), place, by });
        }
        if let Some(default) = &param.default {
            let place = Some(param.span);
            let value = Some(to_value(default.get_ref()));
            said.push(Explanation { value, place, by: "default".to_owned() });
        }
        Explained {
            name: format!("{}/params.{key}", module.name),
            value,
            sensitive: secrets.contains(&(Root::Params, key.clone())),
            facts: said.first().is_some_and(|first| first.by.contains("facts.")),
            said,
        }
    });
    explained.collect()
}

/// What layers say of one name.
fn layered(name: String, said: Vec<Said>) -> Explained {
    let said: Vec<Explanation> = said
        .into_iter()
        .rev()
        .map(|said| Explanation {
            value: Some(said.value),
            place: said.place,
            by: said.layer.words(),
        })
        .collect();
    let value = said.first().and_then(|first| first.value.clone());
    Explained { name, value, sensitive: false, facts: false, said }
}

/// The names that a value is computed from.
fn sources(value: &TomlValue) -> Vec<String> {
    let mut from: Vec<String> = Vec::new();
    each_text(value, &mut |text, _| {
        for used in super::template::names(text).uses {
            let name = std::iter::once(used.root).chain(used.path).collect::<Vec<_>>().join(".");
            if !from.contains(&name) {
                from.push(name);
            }
        }
    });
    from
}
