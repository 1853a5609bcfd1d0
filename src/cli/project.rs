//! Loads and resolves the project for a verb, or tells its mistakes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::args::Common;
use super::settings;
use crate::config::{self, Project, Sources};
use crate::model::{Diagnostic, Facts};
use crate::report::{self, Style};
use crate::resolve::{Desired, Resolver};

/// A project that is free of mistakes, and the hosts that this run is about.
pub(super) struct Ready {
    pub(super) project: Arc<Project>,
    pub(super) resolver: Arc<Resolver>,
    /// Each host with its desired state: as it will be where no fact is named, else with facts that
    /// only stand in.
    pub(super) hosts: Vec<(usize, Arc<Desired>)>,
}

/// Loads the project and finds every mistake that can be found without a host; tells them and gives
/// `None` when there are any.
pub(super) fn ready(common: &Common, style: Style) -> Option<Ready> {
    // Like every path of the command line, -i is read from where the user stands.
    let inventory = common.inventory.as_ref().map(std::path::absolute).and_then(Result::ok);
    let project = match config::load(&common.directory, inventory.as_deref()) {
        Ok(project) => Arc::new(project),
        Err(error) => {
            tell(style, &error.sources, error.mistakes);
            return None;
        }
    };
    match resolve(common, &project) {
        Ok(ready) => Some(ready),
        Err(mistakes) => {
            tell(style, &project.sources, mistakes);
            None
        }
    }
}

fn resolve(common: &Common, project: &Arc<Project>) -> Result<Ready, Vec<Diagnostic>> {
    let vars = settings::vars(common).map_err(|mistake| vec![mistake])?;
    let limit = settings::limit(common).map_err(|mistake| vec![mistake])?;
    let resolver = Arc::new(Resolver::new(project, &vars)?);
    let selected = resolver.select(limit.as_ref())?;
    let every = resolver.select(None)?;
    let mut found: Vec<(String, Diagnostic)> = Vec::new();
    let mut all: BTreeMap<usize, Arc<Desired>> = BTreeMap::new();
    for index in every {
        let host = &resolver.targets[index].host;
        match resolver.desired(index, &Facts::stand_in(&host.name)) {
            Ok(desired) => drop(all.insert(index, Arc::new(desired))),
            Err(mistakes) => {
                found.extend(mistakes.into_iter().map(|mistake| (host.name.clone(), mistake)));
            }
        }
    }
    if !found.is_empty() {
        return Err(once(found, resolver.select(None)?.len()));
    }
    let unmatched = resolver.unmatched(&all.values().map(AsRef::as_ref).collect::<Vec<_>>());
    if !unmatched.is_empty() {
        return Err(unmatched);
    }
    let hosts = selected.into_iter().map(|index| (index, Arc::clone(&all[&index]))).collect();
    Ok(Ready { project: Arc::clone(project), resolver, hosts })
}

/// The same mistake on many hosts is told once, with the hosts that it is on unless it is on all.
fn once(found: Vec<(String, Diagnostic)>, all: usize) -> Vec<Diagnostic> {
    let mut kept: Vec<(Diagnostic, Vec<String>)> = Vec::new();
    for (host, mistake) in found {
        match kept.iter_mut().find(|(known, _)| *known == mistake) {
            Some((_, hosts)) if hosts.contains(&host) => {}
            Some((_, hosts)) => hosts.push(host),
            None => kept.push((mistake, vec![host])),
        }
    }
    let named = |(mistake, hosts): (Diagnostic, Vec<String>)| match hosts.as_slice() {
        hosts if hosts.len() == all => mistake,
        [one] => mistake.help(format!("for host {one}")),
        [one, other] => mistake.help(format!("for hosts {one} and {other}")),
        [first, others @ ..] => {
            mistake.help(format!("for host {first} and {} others", others.len()))
        }
        [] => mistake,
    };
    kept.into_iter().map(named).collect()
}

/// Tells mistakes in the order of their places, and how many there are.
pub(super) fn tell(style: Style, sources: &Sources, mut mistakes: Vec<Diagnostic>) {
    mistakes.sort_by_key(|mistake| mistake.primary.as_ref().map(|label| label.span));
    mistakes.dedup();
    let text = report::render_diagnostics(style, &mistakes, |file| {
        let source = sources.get(file);
        (source.path.display().to_string(), source.text)
    });
    let count = mistakes.len();
    let word = if count == 1 { "error" } else { "errors" };
    report::print_error(&format!("{text}{count} {word}. No host was contacted.\n"));
}
