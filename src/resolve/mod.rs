//! Configuration, vars and facts to the desired state of each host: pure, and all mistakes at once.
//!
//! [`Resolver::new`] does what is the same for all hosts (types bound, templates compiled, vars laid
//! over each other); [`Resolver::desired`] makes one host's resources, in the order in which they will
//! be done.

mod expand;
mod order;
mod params;
mod template;
mod toml_value;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{HostPattern, Project};
use crate::model::change::TriggerKind;
use crate::model::{Address, Diagnostic, Facts, Host, Located, Span, Value};
use crate::resources::{Erased, ResourceType};

use template::Engine;

/// A host with its vars.
#[derive(Debug)]
pub struct Target {
    pub host: Host,
    vars: Value,
}

/// One resource of one host.
#[derive(Debug)]
pub struct Instance {
    pub address: Address,
    pub kind: &'static dyn ResourceType,
    pub desired: Erased,
    /// Where it is declared.
    pub place: Span,
    /// Index of the stage that it belongs to.
    pub stage: usize,
    /// Resources (indices into the host's list) that the files say come before it.
    pub after: Vec<usize>,
    /// What goes off when which of them change.
    pub triggers: Vec<(TriggerKind, Vec<usize>)>,
    /// Seconds that a step of it may take, where the files say.
    pub timeout: Option<u32>,
}

/// What a host should be, in the order in which it will be done.
#[derive(Debug)]
pub struct Desired {
    pub resources: Vec<Instance>,
}

/// A project that is ready to be resolved for hosts.
#[derive(Debug)]
pub struct Resolver {
    project: Arc<Project>,
    pub targets: Vec<Target>,
    engines: BTreeMap<String, Engine>,
    /// For `with` in stages, which belongs to no module.
    stages: Engine,
    uses_facts: bool,
}

impl Resolver {
    /// Binds types, compiles templates and lays vars over each other. `overrides` are the vars of the
    /// command line.
    ///
    /// # Errors
    /// All mistakes that can be seen without looking at one host.
    pub fn new(
        project: &Arc<Project>,
        overrides: &BTreeMap<String, Value>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut found = Vec::new();
        let targets = variables::targets(&project.inventory, overrides, &mut found);
        check_stages(project, &targets, &mut found);
        let peers = template::peers(&targets);
        let mut engines = BTreeMap::new();
        for (name, module) in &project.modules {
            expand::check_declarations(module, &mut found);
            let mut engine = Engine::new(&peers);
            engine.add_module(module, &project.sources, &mut found);
            engines.insert(name.clone(), engine);
        }
        let mut stages = Engine::new(&peers);
        for stage in &project.stages {
            for used in &stage.modules {
                for (name, value) in &used.with {
                    stages.add_value(name.span.file, value, &mut found);
                }
            }
        }
        let uses_facts = stages.names_facts() || engines.values().any(Engine::names_facts);
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self { project: Arc::clone(project), targets, engines, stages, uses_facts })
    }

    /// Whether anything in the project names a fact, so that hosts must be asked for theirs.
    #[must_use]
    pub const fn uses_facts(&self) -> bool {
        self.uses_facts
    }

    /// The hosts that some stage names, in the order of their names; with `limit` only those that it
    /// selects too.
    ///
    /// # Errors
    /// When a name in `limit` matches nothing.
    pub fn select(&self, limit: Option<&HostPattern>) -> Result<Vec<usize>, Vec<Diagnostic>> {
        if let Some(limit) = limit {
            let found: Vec<Diagnostic> = limit
                .unmatched(&self.targets.iter().map(|target| &target.host))
                .into_iter()
                .map(|(name, _)| {
                    Diagnostic::error(format!("--limit: no host and no group is named `{name}`"))
                        .help(near(&name, &self.targets))
                })
                .collect();
            if !found.is_empty() {
                return Err(found);
            }
        }
        let wanted = |target: &Target| {
            self.project.stages.iter().any(|stage| stage.hosts.value.matches(&target.host))
                && limit.is_none_or(|limit| limit.matches(&target.host))
        };
        let found: Vec<usize> =
            (0..self.targets.len()).filter(|&index| wanted(&self.targets[index])).collect();
        match limit {
            Some(limit) if found.is_empty() => Err(vec![Diagnostic::error(format!(
                "--limit: `{}` selects no host of any stage",
                limit.text()
            ))]),
            _ => Ok(found),
        }
    }

    /// What the host should be.
    ///
    /// # Errors
    /// All mistakes in what is declared for it.
    pub fn desired(&self, target: usize, facts: &Facts) -> Result<Desired, Vec<Diagnostic>> {
        let target = &self.targets[target];
        let mut found = Vec::new();
        let mut instances = Vec::new();
        for (stage_index, stage) in self.project.stages.iter().enumerate() {
            if !stage.hosts.value.matches(&target.host) {
                continue;
            }
            let scope = template::Scope::new(&self.project, stage, target, facts);
            for used in &stage.modules {
                let module = &self.project.modules[&used.module.value];
                let params = params::evaluate(module, used, &self.stages, &scope, &mut found);
                let Some(params) = params else { continue };
                let scope = scope.with_params(&params);
                let engine = &self.engines[module.name.as_str()];
                let expansion =
                    expand::Expansion { module, engine, scope: &scope, stage: stage_index };
                expansion.instances(&mut instances, &mut found);
            }
        }
        if found.is_empty() {
            order::sort(instances).map(|resources| Desired { resources })
        } else {
            Err(found)
        }
    }

    /// Mistakes that show only over all hosts: `requires` and triggers that name nothing anywhere.
    #[must_use]
    pub fn unmatched(&self, all: &[&Desired]) -> Vec<Diagnostic> {
        let present: BTreeSet<&Address> = all
            .iter()
            .flat_map(|desired| desired.resources.iter().map(|instance| &instance.address))
            .collect();
        let used: BTreeSet<&str> = present.iter().map(|address| address.module.as_str()).collect();
        let mut found = Vec::new();
        for module in self.project.modules.values().filter(|m| used.contains(m.name.as_str())) {
            expand::check_selectors(module, &present, &mut found);
        }
        found
    }

    /// Where `span` is, for a reader.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        self.project.sources.place(span)
    }

    /// The names of the stages, in their order.
    #[must_use]
    pub fn stage_names(&self) -> Vec<&str> {
        self.project.stages.iter().map(|stage| stage.name.value.as_str()).collect()
    }
}

/// Stages whose hosts name what is not there.
fn check_stages(project: &Project, targets: &[Target], found: &mut Vec<Diagnostic>) {
    for stage in &project.stages {
        let Located { value: pattern, span } = &stage.hosts;
        for (name, at) in pattern.unmatched(&targets.iter().map(|target| &target.host)) {
            let names = all_names(targets);
            found.push(
                Diagnostic::at(
                    span.within(at.start + 1, at.end + 1),
                    format!("no host and no group is named `{name}`"),
                )
                .suggest(&name, names.iter().copied()),
            );
        }
    }
}

/// All names that patterns can use.
fn all_names(targets: &[Target]) -> BTreeSet<&str> {
    targets
        .iter()
        .flat_map(|target| {
            target.host.groups.iter().map(String::as_str).chain([target.host.name.as_str()])
        })
        .collect()
}

/// What to do about a name that is not there.
fn near(name: &str, targets: &[Target]) -> String {
    match crate::model::suggest::nearest(name, all_names(targets)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "the inventory's hosts and groups can be named".to_owned(),
    }
}
