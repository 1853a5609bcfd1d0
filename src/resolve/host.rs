//! One host: its stages, their modules and those that they use, each with its params and locals.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bind::Bound;
use super::expand::{Expansion, Made};
use super::memo::Memo;
use super::order::{self, Orders, Placed};
use super::params;
use super::record::Rendered;
use super::template::{Engine, Needs, Root, Scope, Space};
use super::{Desired, Resolver, Target};
use crate::config::{Module, ModuleUse};
use crate::model::{Address, Diagnostic, Facts, Value};

/// What a thing is made from: where it is written, and numbers for all that it depends on.
pub(super) type Key = (usize, Vec<u32>);

/// Everything that was made and may be shared.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) spaces: Memo<Key, Arc<Values>>,
    pub(super) made: Memo<Key, Arc<Made>>,
    pub(super) orders: Orders,
}

/// Params or locals, and the mistakes in them.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) space: Arc<Space>,
    mistakes: Vec<Diagnostic>,
}

/// Names behind which sensitive values stand.
pub(super) type Secrets = BTreeSet<(Root, String)>;

/// Whether facts are the host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FactsAre {
    Known,
    /// They only stand in: what hangs on them may be otherwise.
    StoodIn,
}

/// A host while its resources are made.
pub(super) struct Work<'r> {
    pub(super) resolver: &'r Resolver,
    pub(super) facts: FactsAre,
    placed: Vec<Placed>,
    found: Vec<Diagnostic>,
    /// Types of modules of which some resource could not be made.
    pub(super) failed: BTreeSet<(String, String)>,
    /// Uses of modules that were looked at: again, with all equal, they would make the same.
    seen: BTreeSet<Seen>,
    /// All resources of the host, whatever is selected.
    whole: bool,
    records: Option<&'r Records>,
}

/// A module, the number of its params, its stage, which of the params are sensitive, and its tags.
type Seen = (String, u32, usize, Secrets, Vec<String>);

/// Resources as they are written, where somebody wants to read them.
pub(super) type Records = RefCell<BTreeMap<Address, Rendered>>;

/// Where a module is used.
struct Site<'s> {
    used: &'s ModuleUse,
    /// Holds what is written there.
    engine: &'s Engine,
    scope: &'s Scope,
    secrets: &'s Secrets,
    stage: usize,
    tags: BTreeSet<&'s str>,
}

impl Resolver {
    /// The resources of a host that are selected.
    pub(super) fn resolve(
        &self,
        target: usize,
        facts: &Facts,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Desired> {
        let mut work = Work::new(self, FactsAre::Known, self.selection.is_none());
        work.host(&self.targets[target], facts);
        found.append(&mut work.found);
        order::sort(work.placed, &self.shelf.orders, found)
    }

    /// All resources of a host with facts that stand in, and what could not be made.
    pub(super) fn resolve_whole(
        &self,
        target: usize,
        facts: &Facts,
    ) -> (Option<Desired>, Vec<Diagnostic>, BTreeSet<(String, String)>) {
        let mut work = Work::new(self, FactsAre::StoodIn, true);
        work.host(&self.targets[target], facts);
        let mut found = work.found;
        let desired = order::sort(work.placed, &self.shelf.orders, &mut found);
        (desired, found, work.failed)
    }

    /// Every resource of a host as it is written for it, in the order in which they are done.
    ///
    /// # Errors
    /// All mistakes in what is declared for it.
    pub fn render(&self, target: usize, facts: &Facts) -> Result<Vec<Rendered>, Vec<Diagnostic>> {
        let records = RefCell::new(BTreeMap::new());
        let mut work = Work::new(self, FactsAre::Known, true);
        work.records = Some(&records);
        work.host(&self.targets[target], facts);
        let mut found = work.found;
        let desired = order::sort(work.placed, &self.shelf.orders, &mut found);
        let Some(desired) = desired.filter(|_| found.is_empty()) else { return Err(found) };
        let mut records = records.into_inner();
        let instances = desired.resources.iter();
        Ok(instances.filter_map(|instance| records.remove(&instance.address)).collect())
    }

    /// What expressions can name at a stage of a host.
    pub(super) fn scope(&self, stage: usize, target: &Target, facts: &Facts) -> Scope {
        let named = |name: &str| {
            let name = Value::String(name.to_owned());
            Arc::new(Space::of(&self.pool, Value::Table(BTreeMap::from([("name".into(), name)]))))
        };
        let facts = if self.uses_facts {
            Arc::new(Space::of(&self.pool, facts.to_value()))
        } else {
            Arc::default()
        };
        Scope {
            vars: Arc::clone(&target.vars),
            facts,
            host: Arc::clone(&target.space),
            stage: named(&self.project.stages[stage].name.value),
            project: named(&self.project.name),
            params: None,
            locals: None,
            more: BTreeMap::new(),
            context: OnceCell::new(),
        }
    }
}

impl<'r> Work<'r> {
    fn new(resolver: &'r Resolver, facts: FactsAre, whole: bool) -> Self {
        let (placed, found, failed) = (Vec::new(), Vec::new(), BTreeSet::new());
        let seen = BTreeSet::new();
        Self { resolver, facts, placed, found, failed, seen, whole, records: None }
    }

    fn host(&mut self, target: &Target, facts: &Facts) {
        let resolver = self.resolver;
        for (index, stage) in resolver.project.stages.iter().enumerate() {
            if !stage.hosts.value.matches(&target.host) {
                continue;
            }
            let scope = resolver.scope(index, target, facts);
            for used in &stage.modules {
                let tags = stage.tags.iter().chain(&used.tags);
                self.used(&Site {
                    used,
                    engine: &resolver.stages,
                    scope: &scope,
                    secrets: &Secrets::new(),
                    stage: index,
                    tags: tags.map(|tag| tag.value.as_str()).collect(),
                });
            }
        }
    }

    /// One use of a module: what it uses first, then its own resources.
    fn used(&mut self, site: &Site<'_>) {
        let name = &site.used.module.value;
        let resolver = self.resolver;
        let (Some(module), Some(bound)) =
            (resolver.project.modules.get(name), resolver.bound.get(name))
        else {
            return;
        };
        if module.broken {
            return;
        }
        let before = self.found.len();
        let (scope, secrets) = self.inside(module, bound, site);
        if self.found.len() > before || !params::complete(module, site.used) {
            let kinds = module.resources.iter().map(|resource| resource.kind.value.clone());
            self.failed.extend(kinds.map(|kind| (module.name.clone(), kind)));
            return;
        }
        if !self.is_new(site, &scope, &secrets) {
            return;
        }
        for used in &module.uses {
            self.used(&Site {
                used,
                engine: &bound.engine,
                scope: &scope,
                secrets: &secrets,
                stage: site.stage,
                tags: site
                    .tags
                    .iter()
                    .copied()
                    .chain(used.tags.iter().map(|tag| &*tag.value))
                    .collect(),
            });
        }
        let expansion = Expansion {
            resolver,
            module,
            bound,
            scope: &scope,
            facts: self.facts,
            records: self.records,
        };
        for (index, declaration) in module.resources.iter().enumerate() {
            let made = expansion.made(index, &secrets);
            if !made.mistakes.is_empty() {
                self.found.extend(made.mistakes.iter().cloned());
                self.failed.insert((module.name.clone(), declaration.kind.value.clone()));
            }
            for draft in &made.drafts {
                let selected = self.whole
                    || resolver
                        .selection
                        .as_ref()
                        .is_none_or(|selection| selection.selects(&draft.instance, &site.tags));
                if selected {
                    self.placed.push(Placed { draft: Arc::clone(draft), stage: site.stage });
                }
            }
        }
    }

    /// Whether nothing equal to this use, whose inside is `scope`, was looked at before.
    fn is_new(&mut self, site: &Site<'_>, scope: &Scope, secrets: &Secrets) -> bool {
        let name = site.used.module.value.clone();
        let params = scope.params.as_ref().map_or(0, |params| params.whole(&self.resolver.pool));
        let tags = site.tags.iter().map(|&tag| tag.to_owned()).collect();
        self.seen.insert((name, params, site.stage, secrets.clone(), tags))
    }

    /// What expressions can name inside a module, and which of it is sensitive.
    fn inside(&mut self, module: &Module, bound: &Bound, site: &Site<'_>) -> (Scope, Secrets) {
        let secrets = secrets(module, bound, site);
        let params = self.params(module, site);
        let scope = site.scope.with_params(Arc::clone(&params.space));
        self.found.extend(params.mistakes.iter().cloned());
        if module.locals.is_empty() || !params.mistakes.is_empty() {
            return (scope, secrets);
        }
        let locals = self.locals(module, bound, &scope);
        self.found.extend(locals.mistakes.iter().cloned());
        (scope.with_locals(Arc::clone(&locals.space)), secrets)
    }

    fn params(&self, module: &Module, site: &Site<'_>) -> Arc<Values> {
        let mut needs = Needs::default();
        for (_, value) in &site.used.with {
            site.engine.needs_of(value, &mut needs);
        }
        let make = || {
            let mut mistakes = Vec::new();
            let table = params::evaluate(module, site.used, site.engine, site.scope, &mut mistakes);
            let space = Arc::new(Space::of(&self.resolver.pool, Value::Table(table)));
            Arc::new(Values { space, mistakes })
        };
        self.shared(std::ptr::from_ref(site.used) as usize, &needs, site.scope, make)
    }

    fn locals(&self, module: &Module, bound: &Bound, scope: &Scope) -> Arc<Values> {
        let make = || {
            let pool = &self.resolver.pool;
            let (mut entries, mut mistakes) = (BTreeMap::new(), Vec::new());
            for name in &bound.locals {
                let (span, value) = &module.locals[name];
                let known = Arc::new(Space::new(BTreeMap::clone(&entries)));
                let scope = scope.with_locals(known);
                match bound.engine.value(span.file, value, &scope) {
                    Ok(value) => drop(entries.insert(name.clone(), pool.share(value))),
                    Err(mistake) => mistakes.push(mistake),
                }
            }
            Arc::new(Values { space: Arc::new(Space::new(entries)), mistakes })
        };
        self.shared(std::ptr::from_ref(module) as usize, &bound.locals_needs, scope, make)
    }

    fn shared(
        &self,
        what: usize,
        needs: &Needs,
        scope: &Scope,
        make: impl FnOnce() -> Arc<Values>,
    ) -> Arc<Values> {
        if needs.differ_by_host() {
            return make();
        }
        self.resolver.shelf.spaces.get((what, needs.key(scope, &self.resolver.pool)), make)
    }
}

/// Params that are declared sensitive or given from something that is, and locals made of them.
fn secrets(module: &Module, bound: &Bound, site: &Site<'_>) -> Secrets {
    let mut secrets = Secrets::new();
    for (name, param) in &module.params {
        let given = site.used.with.iter().find(|(given, _)| given.value == *name);
        let mut needs = Needs::default();
        if let Some((_, value)) = given {
            site.engine.needs_of(value, &mut needs);
        }
        if param.sensitive || needs.touch(site.secrets) {
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
