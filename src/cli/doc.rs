//! `trueup doc`: the manual of resource types and modules.

use super::args::{Common, Doc};
use super::exit::Exit;
use crate::config::{self, Shelved};
use crate::model::suggest::nearest;
use crate::resources::{self, REGISTRY};
use crate::{manual, report};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Doc) -> Exit {
    if verb.markdown {
        report::print(&manual::reference());
        return Exit::Good;
    }
    let modules = config::shelf(&common.directory);
    let Some(name) = &verb.name else {
        report::print(&contents(&modules));
        return Exit::Good;
    };
    // A type and a module may share a name: both are told.
    let kind = resources::find(name).map(manual::resource);
    let module = modules.iter().find(|module| module.name == *name).map(manual::module);
    let pages: Vec<String> = kind.iter().chain(&module).map(report::render_page).collect();
    if pages.is_empty() {
        unknown(name, &modules);
        return Exit::Mistake;
    }
    report::print(&pages.join("\n"));
    Exit::Good
}

/// All types, all modules, and the keys of every resource.
fn contents(modules: &[Shelved]) -> String {
    let kinds = REGISTRY.iter().map(|kind| (kind.name().to_owned(), kind.about().summary.into()));
    let mut kinds: Vec<(String, String)> = kinds.collect();
    kinds.sort();
    let mut parts = vec![report::render_list("Resource types", &kinds)];
    for (heading, standard) in [("Modules of this project", false), ("Standard modules", true)] {
        let of = modules.iter().filter(|module| module.standard == standard).map(manual::module);
        let of: Vec<(String, String)> = of.map(|page| (page.name, page.summary)).collect();
        if !of.is_empty() {
            parts.push(report::render_list(heading, &of));
        }
    }
    let shared = report::render_keys(&manual::shared());
    parts.push(format!("Keys of every resource\n{shared}"));
    parts.push("trueup doc NAME tells more of a type or a module.\n".to_owned());
    parts.join("\n")
}

/// There is nothing of this name.
fn unknown(name: &str, modules: &[Shelved]) {
    let names = REGISTRY.iter().map(|kind| kind.name());
    let names = names.chain(modules.iter().map(|module| module.name.as_str()));
    let meant = nearest(name, names).map_or_else(
        || "`trueup doc` lists what there is".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    );
    report::print_error(&format!(
        "error: there is no resource type and no module `{}`\n  {meant}\n",
        name.escape_debug()
    ));
}
