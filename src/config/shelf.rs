//! What can be had of a project that may have mistakes or be none: every module that it could use,
//! unread, for the manual; its inventory, for shells that complete a name.

use std::collections::BTreeMap;
use std::path::Path;

use super::inventory::{self, Inventory};
use super::load::Tree;
use super::source::Sources;
use super::{project, standard, table};

/// The text of a module.toml.
#[derive(Debug, Clone)]
pub struct Shelved {
    pub name: String,
    /// Whether it came with the program.
    pub standard: bool,
    pub text: String,
}

/// The modules of the project in `root`, if it is one, and the standard ones, by name. A project's
/// own comes before a standard one of the same name.
#[must_use]
pub fn shelf(root: &Path) -> Vec<Shelved> {
    let mut found = BTreeMap::new();
    for name in standard::names() {
        let file =
            standard::module(name).and_then(|dir| dir.get_file(dir.path().join("module.toml")));
        if let Some(text) = file.and_then(|file| file.contents_utf8()) {
            let module = Shelved { name: name.to_owned(), standard: true, text: text.to_owned() };
            found.insert(module.name.clone(), module);
        }
    }
    let tree = Tree::Folder(root.to_owned(), None);
    let modules = Path::new("modules");
    let own = tree.entry(Path::new("trueup.toml")).map(|_| tree.names(modules));
    for name in own.into_iter().flatten() {
        if let Ok(text) = tree.text(&modules.join(&name).join("module.toml")) {
            found.insert(name.clone(), Shelved { name, standard: false, text });
        }
    }
    found.into_values().collect()
}

/// The inventory of the project in `root`, or the one given, without what is wrong in it.
#[must_use]
pub fn inventory(root: &Path, given: Option<&Path>) -> Option<Inventory> {
    let (mut sources, tree) = (Sources::default(), Tree::Folder(root.to_owned(), None));
    let mut read = |path: &Path| {
        let file = sources.add(path.to_owned(), tree.text(path).ok()?);
        let table = table::parse(file, sources.get(file).text, &mut Vec::new());
        Some((file, table))
    };
    let path = if let Some(path) = given {
        path.to_owned()
    } else {
        let (file, table) = read(Path::new("trueup.toml"))?;
        project::read(file, &table, &mut Vec::new()).inventory?.value.into()
    };
    let (file, table) = read(&path)?;
    Some(inventory::read(file, &table, &mut Vec::new()))
}
