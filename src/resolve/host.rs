//! One host: its stages, their modules and those that they use, each with its params and locals.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bind::Bound;
use super::expand::{Expansion, Made};
use super::explain::{self, Explained};
use super::memo::Memo;
use super::order::{self, Draft, Orders, Placed};
use super::params;
use super::record::Rendered;
use super::secret::{Secrets, mask, secrets, texts};
use super::select;
use super::template::{Engine, Needs, Root, Scope, Space, named};
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

impl Shelf {
    /// Forgets everything that was made.
    pub(super) fn clear(&self) {
        self.spaces.clear();
        self.made.clear();
    }
}

/// Params or locals, and the mistakes in them.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) space: Arc<Space>,
    mistakes: Vec<Diagnostic>,
}

/// A module from the inside, for one use on one host.
struct Inside {
    scope: Scope,
    secrets: Secrets,
    /// Params and locals without a value, which was told: what names them is left out.
    broken: Secrets,
}

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
    /// What is not selected.
    left: Vec<Placed>,
    found: Vec<Diagnostic>,
    /// Types of modules of which some resource could not be made.
    pub(super) failed: BTreeSet<(String, String)>,
    /// Uses of modules that were looked at: again, with all equal, they would make the same.
    seen: BTreeSet<Seen>,
    /// All resources of the host, whatever is selected.
    whole: bool,
    records: Option<&'r Records>,
    explained: Option<&'r RefCell<Vec<Explained>>>,
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
        let left = std::mem::take(&mut work.left);
        let unselected = select::provided(&left);
        let all = (!left.is_empty()).then(|| [work.placed.clone(), left.clone()].concat());
        let mut desired = order::sort(work.placed, &self.shelf.orders, found)?;
        desired.unselected = unselected;
        desired.beside = Some(select::addresses(&left));
        desired.introduce(&left);
        if let Some(all) = all {
            let all = order::sort(all, &self.shelf.orders, &mut Vec::new());
            desired.left_out = all.map_or_else(Vec::new, |all| all.triggers_beside(&desired));
        }
        Some(desired)
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

    /// The params of every use of a module on a host, with what was said of them.
    pub(super) fn params_of(&self, target: usize, facts: &Facts) -> Vec<Explained> {
        let explained = RefCell::new(Vec::new());
        let mut work = Work::new(self, FactsAre::StoodIn, true);
        work.explained = Some(&explained);
        work.host(&self.targets[target], facts);
        explained.into_inner()
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
        let (placed, left, found) = (Vec::new(), Vec::new(), Vec::new());
        let (failed, seen) = (BTreeSet::new(), BTreeSet::new());
        let (records, explained) = (None, None);
        Self { resolver, facts, placed, left, found, failed, seen, whole, records, explained }
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
        let Inside { scope, secrets, broken } = self.inside(module, bound, site);
        if let (Some(explained), Some(params)) = (self.explained, &scope.params) {
            let said = explain::params(module, site.used, params, &secrets);
            explained.borrow_mut().extend(said);
        }
        if !self.is_new(site, &scope, &secrets) {
            return;
        }
        for used in &module.uses {
            let mut needs = Needs::default();
            used.with.iter().for_each(|(_, value)| bound.engine.needs_of(value, &mut needs));
            if needs.touch(&broken) {
                self.fail(used);
                continue;
            }
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
        self.declarations(&expansion, (&secrets, &broken), site);
    }

    /// Nothing is known of what a use of a module would make.
    fn fail(&mut self, used: &ModuleUse) {
        let Some(module) = self.resolver.project.modules.get(&used.module.value) else { return };
        // The module itself stands among them, so that it is gone through once.
        if !self.failed.insert((module.name.clone(), String::new())) {
            return;
        }
        let kinds = module.resources.iter().map(|resource| resource.kind.value.clone());
        self.failed.extend(kinds.map(|kind| (module.name.clone(), kind)));
        for inner in &module.uses {
            self.fail(inner);
        }
    }

    /// The resources of one use of a module.
    fn declarations(
        &mut self,
        expansion: &Expansion<'_>,
        (secrets, broken): (&Secrets, &Secrets),
        site: &Site<'_>,
    ) {
        for (index, declaration) in expansion.module.resources.iter().enumerate() {
            let skip = expansion.bound.declarations[index].touch(broken);
            let made = if skip { Arc::default() } else { expansion.made(index, secrets) };
            if skip || !made.mistakes.is_empty() {
                let sensitive = expansion.bound.declarations[index].touch(secrets);
                let hidden = if sensitive { texts(expansion.scope, secrets) } else { Vec::new() };
                let mistakes = made.mistakes.iter().cloned();
                let sources = &self.resolver.project.sources;
                self.found.extend(mistakes.map(|mistake| mask(mistake, &hidden, sources)));
                let module = expansion.module.name.clone();
                self.failed.insert((module, declaration.kind.value.clone()));
            }
            for draft in &made.drafts {
                let selected = self.whole
                    || self
                        .resolver
                        .selection
                        .as_ref()
                        .is_none_or(|selection| selection.selects(&draft.instance, &site.tags));
                let draft = Draft::confirmed(draft, &self.resolver.project, site.stage);
                let placed = Placed { draft, stage: site.stage, used: site.used.module.span };
                if selected { &mut self.placed } else { &mut self.left }.push(placed);
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

    /// What expressions can name inside a module.
    fn inside(&mut self, module: &Module, bound: &Bound, site: &Site<'_>) -> Inside {
        let secrets = secrets(module, bound, (site.used, site.engine, site.secrets));
        let params = self.params(module, site);
        let mut scope = site.scope.with_params(Arc::clone(&params.space));
        self.found.extend(params.mistakes.iter().cloned());
        let broken = params::broken(module, site.used, &params.space);
        let mut broken: Secrets = broken.into_iter().map(|name| (Root::Params, name)).collect();
        if !module.locals.is_empty() {
            let locals = self.locals(module, bound, (&scope, &broken));
            self.found.extend(locals.mistakes.iter().cloned());
            let missing = module.locals.keys().filter(|name| locals.space.get(name).is_none());
            broken.extend(missing.map(|name| (Root::Locals, name.clone())));
            scope = scope.with_locals(Arc::clone(&locals.space));
        }
        Inside { scope, secrets, broken }
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

    fn locals(
        &self,
        module: &Module,
        bound: &Bound,
        (scope, broken): (&Scope, &Secrets),
    ) -> Arc<Values> {
        let make = || {
            let pool = &self.resolver.pool;
            let (mut entries, mut mistakes) = (BTreeMap::new(), Vec::new());
            let mut broken = broken.clone();
            for name in &bound.locals {
                let (span, value) = &module.locals[name];
                let mut needs = Needs::default();
                bound.engine.needs_of(value, &mut needs);
                if needs.touch(&broken) {
                    broken.insert((Root::Locals, name.clone()));
                    continue;
                }
                let known = Arc::new(Space::new(BTreeMap::clone(&entries)));
                let scope = scope.with_locals(known);
                match bound.engine.value(span.file, value, &scope) {
                    Ok(value) => drop(entries.insert(name.clone(), pool.share(value))),
                    Err(mistake) => {
                        broken.insert((Root::Locals, name.clone()));
                        mistakes.push(named(mistake, &format!("local `{name}`")));
                    }
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
