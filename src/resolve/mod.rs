//! Configuration, vars and facts to the desired state of each host: pure, and all mistakes at once.
//!
//! [`Resolver::new`] does what is the same for all hosts (types bound, templates compiled, vars laid
//! over each other); [`Resolver::desired`] makes one host's resources, in the order in which they will
//! be done. What is made of equal values is made once: `template::Needs` sees what a text depends on,
//! and `memo` keeps the result.

mod among;
mod bind;
mod circle;
mod conflict;
mod connection;
mod expand;
mod explain;
mod flow;
mod foreign;
mod host;
mod inside;
mod lint;
mod locals;
mod memo;
mod meta;
mod order;
mod orphans;
mod params;
mod peers;
mod record;
mod secret;
mod select;
mod sets;
mod source;
mod survey;
mod template;
mod toml_value;
mod undefined;
mod variables;
mod wanted;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::config::{HostPattern, Project};
use crate::model::change::TriggerKind;
use crate::model::{Address, Diagnostic, Facts, Host, Located, Span, Value};
use crate::resources::{Erased, ResourceType, Subject};

pub use explain::{Explained, Explanation};
pub use order::Order;
pub use record::Rendered;
pub use select::Selection;
pub use sets::Together;
pub use source::{Mark, Places, Source};
pub use survey::Survey;
pub use variables::{Layer, Said};

use bind::Bound;
use host::Shelf;
use template::{Compiler, Engine, PeerFacts, Peers, Pool, Space};
use wanted::KnownVars;

/// A host with its vars.
#[derive(Debug)]
pub struct Target {
    pub host: Host,
    vars: Arc<Space>,
    /// `host`, as expressions see it.
    space: Arc<Space>,
}

/// One resource of one host.
#[derive(Debug, Clone)]
pub struct Instance {
    pub address: Address,
    pub kind: &'static dyn ResourceType,
    pub desired: Erased,
    /// Where it is declared.
    pub place: Span,
    /// Seconds that a step of it may take, where the files say.
    pub timeout: Option<u32>,
    /// How often a step of it that failed is tried again.
    pub retries: u32,
    /// Seconds in which a change of it must be confirmed, where the files say; 0: it need not be.
    pub confirm: Option<u32>,
    /// Its own tags; those of its stage and of the uses of its module it has besides.
    pub tags: BTreeSet<String>,
    /// Whether a sensitive value went into it, so that what it holds is not shown.
    pub sensitive: bool,
    /// Whether it holds a value that is sensitive whatever the files say, such as a password's hash.
    pub secret: bool,
    /// Stands for all that the files say of it.
    pub mark: Mark,
    /// Whether nobody declares it any more, and it is to go for that.
    pub orphan: bool,
    /// What it was made from, where that is kept.
    pub source: Option<Arc<Source>>,
}

impl Instance {
    /// Stands for all that the files say of it: another one where they say anything else.
    #[must_use]
    pub fn mark(&self) -> &str {
        self.mark.get(|| self.kind.record(&self.desired))
    }

    /// Whether what it was made from stays out of files that outlive the run.
    #[must_use]
    pub const fn kept_back(&self) -> bool {
        self.sensitive || self.secret
    }
}

/// What a host should be, in the order in which it will be done.
#[derive(Debug)]
pub struct Desired {
    pub resources: Vec<Arc<Instance>>,
    /// Those that go in together.
    pub sets: Vec<Together>,
    /// Triggers that the selection leaves out although what sets them off is selected.
    pub left_out: Vec<LeftOut>,
    /// What is declared and left out by the selection; `None` where that is not known.
    pub beside: Option<Vec<Arc<Instance>>>,
    /// What the resources that the selection leaves out would provide.
    unselected: HashMap<Subject, Address>,
    order: Arc<Order>,
}

/// A trigger of a resource that is not selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The selected resource that sets it off.
    pub cause: Address,
    pub kind: TriggerKind,
    pub address: Address,
}

/// A project that is ready to be resolved for hosts.
#[derive(Debug)]
pub struct Resolver {
    project: Arc<Project>,
    pub targets: Vec<Target>,
    overrides: BTreeMap<String, Value>,
    bound: BTreeMap<String, Bound>,
    /// For `with` in stages, which belongs to no module.
    stages: Engine,
    uses_facts: bool,
    /// Groups of hosts whose facts others name.
    peer_groups: BTreeSet<String>,
    peer_source: Arc<Peers>,
    selection: Option<Selection>,
    /// Whether resources keep what they were made from.
    keeping: bool,
    known: KnownVars,
    pool: Pool,
    shelf: Shelf,
}

impl Resolver {
    /// Binds types, compiles templates and lays vars over each other. `overrides` are the vars of the
    /// command line. Mistakes that can be seen without looking at one host go into `found`; what has
    /// one is left out of what is resolved later.
    #[must_use]
    pub fn new(
        project: &Arc<Project>,
        overrides: BTreeMap<String, Value>,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let pool = Pool::default();
        let targets = variables::targets(&project.inventory, &overrides, &pool, found);
        if !project.inventory.doubtful {
            check_stages(project, &targets, found);
        }
        let hosts = targets.iter().map(|target| (target.host.clone(), Arc::clone(&target.vars)));
        let peer_source =
            Peers::new(hosts.collect(), project.inventory.groups.keys().cloned().collect());
        let cyclic = bind::cycles(project, found);
        let mut bound = BTreeMap::new();
        for (name, module) in &project.modules {
            bound.insert(name.clone(), Bound::new(module, project, &peer_source, found));
        }
        bound.retain(|name, _| !cyclic.contains(name.as_str()));
        let file = project.stages.first().map(|stage| stage.name.span.file);
        let source = file.map_or("", |file| project.sources.get(file).text);
        let mut compiler = Compiler::new(&peer_source, source, found);
        for stage in &project.stages {
            for used in &stage.modules {
                for (name, value) in &used.with {
                    compiler.value(name.span.file, value);
                }
            }
        }
        let stages = compiler.finish();
        bind::check_uses(project, &cyclic, found);
        let known = KnownVars::new(&project.inventory, &overrides);
        undefined::check(project, &bound, &stages, &known, found);
        let peer_groups = peers::groups(&stages, &bound);
        if !peer_groups.is_empty() {
            peer_source.set_facts(PeerFacts::StoodIn);
        }
        let uses_facts = !peer_groups.is_empty()
            || stages.names_facts()
            || bound.values().any(|bound| bound.engine.names_facts());
        Self {
            project: Arc::clone(project),
            targets,
            overrides,
            bound,
            stages,
            uses_facts,
            peer_groups,
            peer_source,
            selection: None,
            keeping: false,
            known,
            pool,
            shelf: Shelf::default(),
        }
    }

    /// As `self`, for the resources that `selection` selects only.
    #[must_use]
    pub fn selecting(mut self, selection: Option<Selection>) -> Self {
        self.selection = selection;
        self
    }

    /// As `self`, whose resources keep what they were made from ([`Instance::source`]).
    #[must_use]
    pub fn keeping(mut self) -> Self {
        self.keeping = true;
        self.shelf = Shelf::default();
        self
    }

    /// What the run is about, where it is not about all.
    #[must_use]
    pub const fn selection(&self) -> Option<&Selection> {
        self.selection.as_ref()
    }

    /// Whether anything in the project names a fact, so that hosts must be asked for theirs.
    #[must_use]
    pub const fn uses_facts(&self) -> bool {
        self.uses_facts
    }

    /// All hosts of the inventory, those in no stage too; with `limit` only those that it selects.
    ///
    /// # Errors
    /// When a name in `limit` matches nothing.
    pub fn hosts(&self, limit: Option<&HostPattern>) -> Result<Vec<usize>, Vec<Diagnostic>> {
        self.check_limit(limit)?;
        let wanted =
            |&index: &usize| limit.is_none_or(|limit| limit.matches(&self.targets[index].host));
        Ok((0..self.targets.len()).filter(wanted).collect())
    }

    fn check_limit(&self, limit: Option<&HostPattern>) -> Result<(), Vec<Diagnostic>> {
        let hosts = self.targets.iter().map(|target| &target.host);
        let unmatched = limit.map(|limit| limit.unmatched(&hosts)).unwrap_or_default();
        let mistakes: Vec<Diagnostic> = unmatched
            .into_iter()
            .filter(|(name, _)| !self.project.inventory.groups.contains_key(name))
            .map(|(name, _)| {
                Diagnostic::error(format!("--limit: no host and no group is named `{name}`"))
                    .code("selector")
                    .help(near(&name, &self.targets))
            })
            .collect();
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// The hosts that some stage names, in the order of their names; with `limit` only those that it
    /// selects too.
    ///
    /// # Errors
    /// When a name in `limit` matches nothing.
    pub fn select(&self, limit: Option<&HostPattern>) -> Result<Vec<usize>, Vec<Diagnostic>> {
        self.check_limit(limit)?;
        let wanted = |target: &Target| {
            self.project.stages.iter().any(|stage| stage.hosts.value.matches(&target.host))
                && limit.is_none_or(|limit| limit.matches(&target.host))
        };
        let found: Vec<usize> =
            (0..self.targets.len()).filter(|&index| wanted(&self.targets[index])).collect();
        match limit {
            Some(limit) if found.is_empty() => Err(vec![
                Diagnostic::error(format!(
                    "--limit: `{}` selects no host of any stage",
                    limit.text()
                ))
                .code("selector")
                .help("--allow-empty takes that as nothing to do"),
            ]),
            _ => Ok(found),
        }
    }

    /// What the host should be.
    ///
    /// # Errors
    /// All mistakes in what is declared for it.
    pub fn desired(&self, target: usize, facts: &Facts) -> Result<Desired, Vec<Diagnostic>> {
        let mut found = Vec::new();
        let desired = self.resolve(target, facts, &mut found);
        desired.filter(|_| found.is_empty()).ok_or(found)
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

    /// The project, to be kept.
    #[must_use]
    pub fn shared_project(&self) -> Arc<Project> {
        Arc::clone(&self.project)
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &Project {
        &self.project
    }
}

/// Stages whose hosts name what is not there, and stages without hosts.
fn check_stages(project: &Project, targets: &[Target], found: &mut Vec<Diagnostic>) {
    let names = all_names(targets, project);
    let inventory = &project.inventory;
    let nothing = targets.is_empty() && inventory.groups.is_empty() && !inventory.doubtful;
    if nothing && !project.stages.is_empty() {
        let path = inventory.file.map(|file| project.sources.get(file).path.display().to_string());
        let path = path.map_or_else(String::new, |path| format!(" {path}"));
        found.push(
            Diagnostic::error(format!("the inventory{path} has no hosts"))
                .code("no-host")
                .help("[hosts.NAME] declares one, [groups.NAME] with `hosts` several"),
        );
        return;
    }
    for stage in &project.stages {
        let Located { value: pattern, span } = &stage.hosts;
        let unmatched = pattern.unmatched(&targets.iter().map(|target| &target.host));
        let mut empty = unmatched.is_empty();
        for (name, at) in unmatched {
            // A group without hosts is there, and matches nothing.
            if project.inventory.groups.contains_key(&name) {
                empty = true;
                continue;
            }
            found.push(
                Diagnostic::at(
                    span.within(at.start + 1, at.end + 1),
                    format!("no host and no group is named `{name}`"),
                )
                .code("unknown-group")
                .suggest(&name, names.iter().copied()),
            );
        }
        if empty && !targets.iter().any(|target| pattern.matches(&target.host)) {
            found.push(
                Diagnostic::warning(
                    "no-host",
                    *span,
                    format!("stage `{}` has no host", stage.name.value),
                )
                .label("selects none of the inventory"),
            );
        }
    }
}

/// All names that patterns can use.
fn all_names<'n>(targets: &'n [Target], project: &'n Project) -> BTreeSet<&'n str> {
    let groups = project.inventory.groups.keys().map(String::as_str);
    groups.chain(targets.iter().map(|target| target.host.name.as_str())).collect()
}

/// What to do about a name that is not there.
fn near(name: &str, targets: &[Target]) -> String {
    let names: BTreeSet<&str> = targets
        .iter()
        .flat_map(|target| {
            target.host.groups.iter().map(String::as_str).chain([target.host.name.as_str()])
        })
        .collect();
    match crate::model::suggest::nearest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "trueup inventory graph prints all groups and their hosts".to_owned(),
    }
}
