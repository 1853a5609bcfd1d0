//! Loads and resolves the project for a verb, and finds every mistake that shows without a host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::args::{Common, Select};
use super::key::ProjectKey;
use super::settings;
use crate::config::{self, Digests, HostPattern, Loaded, Modules, Project, Sources, Tree};
use crate::model::suggest::nearest;
use crate::model::{Diagnostic, Facts, Host, Severity};
use crate::report::{self, Style, counted};
use crate::resolve::{Desired, Resolver, Selection, Survey};

/// A project that was looked at from end to end.
pub(super) struct Examined {
    pub(super) project: Arc<Project>,
    /// `None` where the project could not be read so far that hosts can be looked at.
    pub(super) resolver: Option<Resolver>,
    pub(super) survey: Survey,
    /// Errors and warnings, in the order of their places.
    pub(super) found: Vec<Diagnostic>,
}

impl Examined {
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.found.iter().filter(|mistake| mistake.severity == severity).count()
    }
}

/// A project that is free of mistakes, and the hosts that this run is about.
pub(super) struct Ready {
    pub(super) project: Arc<Project>,
    pub(super) resolver: Arc<Resolver>,
    /// Each host, with its desired state where no fact is named.
    pub(super) hosts: Vec<(usize, Option<Arc<Desired>>)>,
    pub(super) key: ProjectKey,
}

/// Whether what a host should be is needed behind the look for mistakes.
type Keep<'k> = dyn Fn(&Host) -> bool + Sync + 'k;

/// Reads the project's files.
pub(super) fn load(common: &Common, modules: Modules) -> Loaded {
    // Like every path of the command line, -i is read from where the user stands.
    let inventory = common.inventory.as_ref().map(std::path::absolute).and_then(Result::ok);
    // One of the project is shown as its other files are.
    let root = std::path::absolute(&common.directory).ok();
    let inventory = inventory.map(|path| match &root {
        Some(root) => path.strip_prefix(root).map_or_else(|_| path.clone(), Path::to_owned),
        None => path,
    });
    let digests = Arc::new(Digests::within(settings::cache_folder()));
    let tree = Tree::Folder(common.directory.clone(), Some(digests));
    config::load(&tree, inventory.as_deref(), modules)
}

/// Finds every mistake of the project.
/// With `limit` only these hosts are looked at.
pub(super) fn examine(common: &Common, modules: Modules, limit: Option<&HostPattern>) -> Examined {
    examine_and_keep(common, modules, limit, &|_| false)
}

/// The same, which keeps what the hosts should be that `keep` says.
fn examine_and_keep(
    common: &Common,
    modules: Modules,
    limit: Option<&HostPattern>,
    keep: &Keep<'_>,
) -> Examined {
    let Loaded { project, mistakes: mut found, whole } = load(common, modules);
    let read = found.len();
    let project = Arc::new(project);
    let mut survey = Survey::default();
    let overrides = settings::vars(common).unwrap_or_else(|mistakes| {
        found.extend(mistakes);
        BTreeMap::new()
    });
    let resolver = whole.then(|| Resolver::new(&project, overrides, &mut found));
    if let Some(resolver) = &resolver {
        match resolver.select(limit) {
            Ok(every) => survey = surveyed((common, keep), resolver, every, &found),
            Err(mistakes) => found.extend(mistakes),
        }
        found.extend(survey.mistakes(resolver, &found));
        found.extend(resolver.unnamed_overrides());
        // Only a check, which reads all modules, tells warnings.
        let good = found.iter().all(|mistake| mistake.severity == Severity::Warning);
        if good && modules == Modules::All {
            found.extend(resolver.unused());
        }
    }
    if project.inventory.doubtful {
        // They may only not have been read.
        let groups = ["there is no group `", "no host is in a group `"];
        let doubtful = |mistake: &Diagnostic| {
            (mistake.code == "undefined" && mistake.message.starts_with("`vars."))
                || groups.iter().any(|start| mistake.message.starts_with(start))
        };
        let later = found.split_off(read);
        found.extend(later.into_iter().filter(|mistake| !doubtful(mistake)));
    }
    if let Some(resolver) = &resolver {
        found = resolver.masked(found);
    }
    sort(&mut found);
    Examined { project, resolver, survey, found }
}

/// Looks at the hosts of the run's shard. Where something is wrong there all others are looked at too: what names
/// nothing on these may name something on those. What is wrong with those is for their own shards to say.
fn surveyed(
    (common, keep): (&Common, &Keep<'_>),
    resolver: &Resolver,
    every: Vec<usize>,
    found: &[Diagnostic],
) -> Survey {
    let ours = |index: &usize| common.holds(&resolver.targets[*index].host.name);
    let (ours, others): (Vec<usize>, Vec<usize>) = every.into_iter().partition(ours);
    let mut survey = look(resolver, &ours, common.render_timeout(), keep);
    if !others.is_empty() && !survey.mistakes(resolver, found).is_empty() {
        survey.beside(look(resolver, &others, common.render_timeout(), &|_| false));
    }
    survey
}

/// Looks at hosts on all cores. Where one host takes longer than `seconds` the program ends: nothing
/// else can stop a template that goes on and on.
fn look(resolver: &Resolver, hosts: &[usize], seconds: u64, keep: &Keep<'_>) -> Survey {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = cores.min(hosts.len().div_ceil(2));
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // For each worker the target that it is at.
    let at: Vec<AtomicUsize> = (0..cores).map(|_| AtomicUsize::new(usize::MAX)).collect();
    let work = |at: &AtomicUsize| {
        let mut survey = Survey::default();
        while let Some(&target) = hosts.get(next.fetch_add(1, Ordering::Relaxed)) {
            at.store(target, Ordering::Relaxed);
            let desired = survey.add(resolver, target);
            if let Some(desired) = desired.filter(|_| keep(&resolver.targets[target].host)) {
                survey.keep(target, desired);
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        at.store(usize::MAX, Ordering::Relaxed);
        survey
    };
    let mut all = Survey::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = at.iter().map(|at| scope.spawn(|| work(at))).collect();
        let watch = scope.spawn(|| {
            let mut before = (0, Instant::now());
            loop {
                std::thread::park_timeout(Duration::from_secs(1));
                let now = done.load(Ordering::Relaxed);
                if now == hosts.len() {
                    return;
                }
                if now != before.0 {
                    before = (now, Instant::now());
                } else if before.1.elapsed() >= Duration::from_secs(seconds) {
                    let at = at.iter().map(|at| at.load(Ordering::Relaxed));
                    let stuck = at.min().and_then(|target| resolver.targets.get(target));
                    let host = stuck.map_or("?", |target| &target.host.name);
                    report::print_error(&format!(
                        "error: making the resources of {host} takes longer than {seconds} s\n  \
                         help: a loop in a template goes on and on, or --render-timeout is too short\n"
                    ));
                    std::process::exit(1);
                }
            }
        });
        for worker in workers {
            all.merge(worker.join().expect("looking at hosts does not panic"));
        }
        watch.thread().unpark();
    });
    all
}

/// In the order of their places, each once.
fn sort(found: &mut Vec<Diagnostic>) {
    let place = |mistake: &Diagnostic| mistake.primary.as_ref().map(|label| label.span);
    found.sort_by(|one, other| {
        let key = |mistake| (place(mistake), mistake.severity);
        key(one).cmp(&key(other)).then_with(|| one.message.cmp(&other.message))
    });
    found.dedup();
}

/// What a run is about, and what it needs of it.
pub(super) struct Asked<'a> {
    pub(super) select: &'a Select,
    /// Whether resources keep what they were made from, as a saved plan needs it.
    pub(super) keep: bool,
    /// Of the hosts that are selected only these, by name.
    pub(super) only: Option<&'a BTreeSet<String>>,
}

/// The project for a run on hosts; tells its mistakes and gives `None` when there are any.
pub(super) fn ready(common: &Common, asked: &Asked<'_>, style: Style) -> Option<Ready> {
    // What is selected, or keeps what it was made from, is made another time.
    let whole = !asked.keep && settings::selection(asked.select).is_ok_and(|some| some.is_none());
    let limit = settings::limit(common).ok().flatten();
    let keep = |host: &Host| {
        whole
            && limit.as_ref().is_none_or(|limit| limit.matches(host))
            && asked.only.is_none_or(|only| only.contains(&host.name))
    };
    let Examined { project, resolver, mut survey, mut found } =
        examine_and_keep(common, Modules::Used, None, &keep);
    found.retain(|mistake| mistake.severity == Severity::Error);
    let chosen = match resolver.filter(|_| found.is_empty()) {
        Some(resolver) => choose(common, asked, resolver, &mut survey),
        None => Err(found),
    };
    match chosen {
        Ok((resolver, hosts)) => {
            let key = ProjectKey::new(&project.name);
            Some(Ready { project, resolver: Arc::new(resolver), hosts, key })
        }
        Err(mistakes) => {
            tell(style, &project.sources, mistakes);
            None
        }
    }
}

/// The hosts and resources that the command line selects.
#[expect(clippy::type_complexity, reason = "a resolver and its hosts")]
fn choose(
    common: &Common,
    &Asked { select, keep, only }: &Asked<'_>,
    resolver: Resolver,
    survey: &mut Survey,
) -> Result<(Resolver, Vec<(usize, Option<Arc<Desired>>)>), Vec<Diagnostic>> {
    let limit = settings::limit(common).map_err(|mistake| vec![mistake])?;
    let selection = settings::selection(select)?;
    let all = selection.is_none();
    let tags = survey.tags(&resolver);
    let resolver = resolver.selecting(selection);
    let resolver = if keep { resolver.keeping() } else { resolver };
    let selected = match resolver.select(limit.as_ref()) {
        Err(_) if select.allow_empty => Vec::new(),
        selected => selected?,
    };
    let held = |index: &usize| common.holds(&resolver.targets[*index].host.name);
    let (ours, others): (Vec<usize>, Vec<usize>) = selected.into_iter().partition(held);
    let count = ours.len() + others.len();
    let mut ready = Vec::with_capacity(ours.len());
    for &index in &ours {
        let name = &resolver.targets[index].host.name;
        if only.is_some_and(|only| !only.contains(name)) {
            continue;
        }
        let desired = match survey.take(index) {
            None => selected_of(&resolver, index)?,
            whole => whole,
        };
        // A host of which nothing is selected is not contacted.
        if all || desired.as_ref().is_none_or(|desired| !desired.resources.is_empty()) {
            ready.push((index, desired.map(Arc::new)));
        }
    }
    // What selects nothing in this shard may select something in another one.
    let matched = || resolver.selection().is_none_or(Selection::matched);
    for index in others {
        if matched() {
            break;
        }
        let _ = selected_of(&resolver, index);
    }
    let unmatched = resolver
        .selection()
        .map(|selection| Selection::unmatched(selection, &tags, &survey.addresses()));
    match unmatched {
        Some(unmatched) if !unmatched.is_empty() && !select.allow_empty => return Err(unmatched),
        _ => {}
    }
    if let Some(shard) = common.shard.filter(|_| ready.is_empty()) {
        let what = if ours.is_empty() {
            format!("no host of {count} is in shard {shard}")
        } else {
            format!("nothing that is selected is on a host of shard {shard}")
        };
        report::print_error(&format!("note: {what}: there is nothing to do\n"));
    }
    Ok((resolver, ready))
}

/// What is selected of a host; `None` where its facts must be known first.
fn selected_of(resolver: &Resolver, index: usize) -> Result<Option<Desired>, Vec<Diagnostic>> {
    let name = &resolver.targets[index].host.name;
    if !resolver.uses_facts() {
        return resolver.desired(index, &Facts::stand_in(name)).map(Some);
    }
    // What stands in shows what selectors may select, and says nothing about this host.
    if resolver.selection().is_some() {
        for facts in &Facts::stand_ins(name) {
            let _ = resolver.desired(index, facts);
        }
    }
    Ok(None)
}

/// The host of this name.
pub(super) fn host(resolver: &Resolver, name: &str) -> Result<usize, Diagnostic> {
    let names = || resolver.targets.iter().map(|target| target.host.name.as_str());
    names().position(|known| known == name).ok_or_else(|| {
        let mistake =
            Diagnostic::error(format!("the inventory has no host `{name}`")).code("unknown-group");
        match nearest(name, names()) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")),
            None => mistake.help("trueup inventory list prints all hosts"),
        }
    })
}

/// Tells mistakes, and how many there are.
pub(super) fn tell(style: Style, sources: &Sources, mut mistakes: Vec<Diagnostic>) {
    sort(&mut mistakes);
    let text = draw(style, sources, &mistakes);
    let count = counted(mistakes.len(), "error");
    report::print_error(&format!("{text}{count}. No host was contacted.\n"));
}

/// Mistakes as text.
pub(super) fn draw(style: Style, sources: &Sources, mistakes: &[Diagnostic]) -> String {
    report::render_diagnostics(style, mistakes, |file| {
        let source = sources.get(file);
        (source.path.display().to_string(), source.text)
    })
}
