//! One host: its stages, their modules and those that they use, each with its params and locals.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::expand::{Expansion, Made};
use super::explain::{self, Explained};
use super::inside::Inside;
use super::memo::Memo;
use super::order::{self, Draft, Orders, Placed};
use super::record::Rendered;
use super::secret::{Secrets, mask, texts};
use super::select;
use super::sets::{self, Declared};
use super::template::{Engine, Needs, Scope, Space};
use super::{Desired, Resolver, Target};
use crate::config::ModuleUse;
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
    pub(super) mistakes: Vec<Diagnostic>,
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
    sets: Vec<Declared>,
    /// What is not selected.
    left: Vec<Placed>,
    pub(super) found: Vec<Diagnostic>,
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

impl Desired {
    /// Knows what is not selected.
    fn with(mut self, left: &[Placed]) -> Self {
        self.unselected = select::provided(left);
        self.beside = Some(left.iter().map(|placed| Arc::clone(&placed.draft.instance)).collect());
        self.introduce(left);
        self
    }

    /// All resources of a host, none left out.
    pub(super) fn alone(self) -> Self {
        self.with(&[])
    }
}

/// Where a module is used.
pub(super) struct Site<'s> {
    pub(super) used: &'s ModuleUse,
    /// Holds what is written there.
    pub(super) engine: &'s Engine,
    pub(super) scope: &'s Scope,
    pub(super) secrets: &'s Secrets,
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
        let all = (!left.is_empty()).then(|| [work.placed.clone(), left.clone()].concat());
        let mut desired = order::sort(work.placed, &work.sets, &self.shelf.orders, found)?;
        sets::beside(&mut desired.sets, &work.sets, &left);
        let mut desired = desired.with(&left);
        if let Some(all) = all {
            let all = order::sort(all, &work.sets, &self.shelf.orders, &mut Vec::new());
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
        let desired = order::sort(work.placed, &work.sets, &self.shelf.orders, &mut found);
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
        let desired = order::sort(work.placed, &work.sets, &self.shelf.orders, &mut found);
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
        let (placed, sets, left, found) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (failed, seen) = (BTreeSet::new(), BTreeSet::new());
        let (records, explained) = (None, None);
        Self { resolver, facts, placed, sets, left, found, failed, seen, whole, records, explained }
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
        for set in &module.sets {
            match expansion.set(set, (&secrets, &broken)) {
                Ok(declared) => self.sets.extend(declared),
                Err(mistakes) => self.found.extend(mistakes),
            }
        }
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
}
