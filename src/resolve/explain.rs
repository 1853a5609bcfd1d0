//! Where values come from: each var, param and connection setting of a host, with what it overrode.

use std::collections::BTreeSet;

use super::secret::Secrets;
use super::template::{Needs, Root, Space};
use super::undefined::each_text;
use super::variables::{Ladder, Layer, Said, Which};
use super::{Instance, Resolver};
use crate::config::{Module, ModuleUse, TomlValue, to_value};
use crate::model::{Address, Facts, Span, Value};

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

impl Resolver {
    /// Where the values that went into a resource come from: those of `explained` (what
    /// [`Self::explain`] gives for its host) and the host's own facts.
    #[must_use]
    pub fn why(
        &self,
        instance: &Instance,
        explained: &[Explained],
        facts: Option<&Facts>,
    ) -> Vec<Explained> {
        let module = &instance.address.module;
        let mut names: Vec<String> = Vec::new();
        for (root, field) in self.named_by(instance) {
            match root {
                Root::Vars => names.push(format!("vars.{field}")),
                Root::Params => names.push(format!("{module}/params.{field}")),
                Root::Facts => names.push(format!("facts.{field}")),
                _ => {}
            }
        }
        let mut found: Vec<Explained> = Vec::new();
        let mut next = 0;
        while let Some(name) = names.get(next).cloned() {
            next += 1;
            for known in explained.iter().filter(|known| known.name == name) {
                let made = known.said.first().map_or("", |said| &said.by);
                let words = made.split([' ', ',']).filter(|word| word.starts_with("vars."));
                let vars =
                    words.map(|word| word.splitn(3, '.').take(2).collect::<Vec<_>>().join("."));
                let new: Vec<String> = vars.filter(|var| !names.contains(var)).collect();
                names.extend(new);
                found.push(known.clone());
            }
            let fact = facts.zip(name.strip_prefix("facts."));
            found.extend(fact.and_then(|(facts, field)| of_fact(facts, field)));
        }
        found
    }

    /// The names that a resource's texts and templates use, those behind its locals too.
    fn named_by(&self, instance: &Instance) -> BTreeSet<(Root, String)> {
        let Address { module, .. } = &instance.address;
        let (Some(module), Some(bound)) =
            (self.project.modules.get(module), self.bound.get(module))
        else {
            return BTreeSet::new();
        };
        let mut declared = module.resources.iter().map(|declaration| declaration.name.span);
        let Some(index) = declared.position(|span| span == instance.place) else {
            return BTreeSet::new();
        };
        let mut waiting: Vec<(Root, String)> = bound.declarations[index].all().cloned().collect();
        let mut named = BTreeSet::new();
        while let Some(name) = waiting.pop() {
            if !named.insert(name.clone()) {
                continue;
            }
            if name.0 == Root::Locals
                && let Some((_, value)) = module.locals.get(&name.1)
            {
                let mut needs = Needs::default();
                bound.engine.needs_of(value, &mut needs);
                waiting.extend(needs.all().cloned());
            }
        }
        named
    }
}

/// A fact of the host, as a value that it says.
fn of_fact(facts: &Facts, field: &str) -> Option<Explained> {
    let Value::Table(fields) = facts.to_value() else { return None };
    let value = Some(fields.get(field)?.clone());
    let said = vec![Explanation { value: value.clone(), place: None, by: "from the host".into() }];
    Some(Explained { name: format!("facts.{field}"), value, sensitive: false, facts: true, said })
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
