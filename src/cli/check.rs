//! `trueup check`: finds mistakes in the project; no host is contacted.

use super::args::{Check, Common};
use super::exit::Exit;
use super::{project, settings};
use crate::report;

/// Runs the verb.
pub(super) fn run(common: &Common, _verb: &Check) -> Exit {
    let style = settings::style(common, false);
    let Some(ready) = project::ready(common, style) else { return Exit::Mistake };
    let resources: usize = ready.hosts.iter().map(|(_, desired)| desired.resources.len()).sum();
    report::print(&format!(
        "No mistakes: {} hosts, {} modules, {resources} resources. No host was contacted.\n",
        ready.hosts.len(),
        ready.project.modules.len(),
    ));
    Exit::Good
}
