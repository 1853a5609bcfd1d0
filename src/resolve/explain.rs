//! Where values come from: each var, param and connection setting of a host, with what it overrode.

use std::collections::BTreeSet;

use super::Resolver;
use super::template::{Engine, Scope};
use super::undefined::each_text;
use super::variables::{Ladder, Layer, Said, Which};
use crate::config::{ModuleUse, TomlValue, to_value};
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
        let target = &self.targets[target];
        let ladder = Ladder::new(&self.project.inventory);
        let mut all = Vec::new();
        for (prefix, which) in [("vars", Which::Vars), ("connection", Which::Connection)] {
            for (key, said) in ladder.said(&target.host.name, which, &self.overrides) {
                all.push(layered(format!("{prefix}.{key}"), said));
            }
        }
        for (index, stage) in self.project.stages.iter().enumerate() {
            if !stage.hosts.value.matches(&target.host) {
                continue;
            }
            let scope = self.scope(index, target, facts);
            let mut seen = BTreeSet::new();
            for used in &stage.modules {
                self.explain_use((used, &self.stages, &scope), &mut seen, &mut all);
            }
        }
        all
    }

    /// The params of one use of a module, and of those that the module uses.
    fn explain_use(
        &self,
        (used, engine, scope): (&ModuleUse, &Engine, &Scope),
        seen: &mut BTreeSet<(usize, u32)>,
        all: &mut Vec<Explained>,
    ) {
        let name = &used.module.value;
        let around = scope.params.as_ref().map_or(0, |params| params.whole(&self.pool));
        // Uses cannot go round: modules that use themselves are not bound.
        if !seen.insert((std::ptr::from_ref(used) as usize, around)) {
            return;
        }
        let (Some(module), Some(bound)) = (self.project.modules.get(name), self.bound.get(name))
        else {
            return;
        };
        let mut params = std::collections::BTreeMap::new();
        for (key, param) in &module.params {
            let mut said = Vec::new();
            if let Some((given, value)) = used.with.iter().find(|(given, _)| given.value == *key) {
                let place = Some(Span::new(given.span.file, given.span.start..value.span().end));
                let by = match sources(value) {
                    from if from.is_empty() => "with".to_owned(),
                    from => format!("with, from {}", from.join(" and ")),
                };
                let value = engine.value(given.span.file, value, scope).ok();
                said.push(Explanation { value, place, by });
            }
            if let Some(default) = &param.default {
                let place = Some(param.span);
                let value = Some(to_value(default.get_ref()));
                said.push(Explanation { value, place, by: "default".to_owned() });
            }
            let value = said.first().and_then(|first| first.value.clone());
            if let Some(value) = &value {
                params.insert(key.clone(), self.pool.share(value.clone()));
            }
            let name = format!("{name}/params.{key}");
            let facts = said.first().is_some_and(|first| first.by.contains("facts."));
            all.push(Explained { name, value, sensitive: param.sensitive, facts, said });
        }
        let params = std::sync::Arc::new(super::template::Space::new(params));
        let scope = scope.with_params(params);
        for inner in &module.uses {
            self.explain_use((inner, &bound.engine, &scope), seen, all);
        }
    }
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
