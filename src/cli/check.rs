//! `trueup check`: finds mistakes in the project; no host is contacted.

use super::args::{Check, Common};
use super::exit::Exit;
use super::{project, settings};
use crate::report::{self, counted};

/// Runs the verb.
pub(super) fn run(common: &Common, _verb: &Check) -> Exit {
    let style = settings::style(common, false);
    let Some(ready) = project::ready(common, style) else { return Exit::Mistake };
    let resources: usize = ready.hosts.iter().map(|(_, desired)| desired.resources.len()).sum();
    report::print(&format!(
        "No mistakes: {}, {}, {}. No host was contacted.\n",
        counted(ready.hosts.len(), "host"),
        counted(ready.project.modules.len(), "module"),
        counted(resources, "resource"),
    ));
    Exit::Good
}
