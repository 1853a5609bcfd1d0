//! The rules of the house: which room may name which, budgets, and what every file has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use syn::visit::Visit;

use crate::support::repository;

/// Which rooms a room may name: those that stand above it in the reading order of `src/lib.rs`, and of
/// these only the ones listed.
const ROOMS: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("shell", &["model"]),
    ("config", &["model"]),
    ("resources", &["model", "shell"]),
    ("resolve", &["model", "config", "resources"]),
    ("manual", &["model", "config", "resources"]),
    ("plan", &["model", "shell", "resources", "resolve"]),
    ("ledger", &["model", "resources", "resolve", "plan"]),
    ("transport", &["model", "shell"]),
    (
        "execute",
        &["model", "shell", "config", "resources", "resolve", "plan", "ledger", "transport"],
    ),
    ("report", &["model", "manual", "plan", "ledger"]),
    (
        "cli",
        &[
            "model",
            "shell",
            "config",
            "resources",
            "resolve",
            "manual",
            "plan",
            "ledger",
            "transport",
            "execute",
            "report",
        ],
    ),
];

/// The most lines of a file, its tests not counted.
const FILE_MAX: usize = 400;

/// Every Rust file of `src/`, with its path below it.
fn sources() -> Vec<(PathBuf, String)> {
    let root = repository().join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                files.push((path.strip_prefix(&root).expect("below src").to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// The room that a file is in; `None` for main.rs and lib.rs.
fn room(path: &Path) -> Option<&str> {
    let first = path.components().next()?.as_os_str().to_str()?;
    (path.components().count() > 1).then_some(first)
}

/// Collects the rooms that a file names: `crate::ROOM` anywhere, in grouped imports and inline paths.
/// `super` from a room's own mod.rs would be the crate too.
struct Names {
    /// How many `super` lead out of the room.
    out: usize,
    found: BTreeSet<String>,
}

impl Names {
    fn tree(&mut self, tree: &syn::UseTree, at_crate: bool, supers: usize) {
        match tree {
            syn::UseTree::Path(path) => {
                let name = path.ident.to_string();
                match name.as_str() {
                    "crate" => self.tree(&path.tree, true, 0),
                    "super" => self.tree(&path.tree, supers + 1 >= self.out, supers + 1),
                    _ if at_crate => {
                        self.found.insert(name);
                    }
                    _ => {}
                }
            }
            syn::UseTree::Name(name) if at_crate => {
                self.found.insert(name.ident.to_string());
            }
            syn::UseTree::Rename(name) if at_crate => {
                self.found.insert(name.ident.to_string());
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, at_crate, supers);
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, false, 0);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        let supers = names.iter().take_while(|name| *name == "super").count();
        let skip = match names.first().map(String::as_str) {
            Some("crate") => 1,
            Some("super") if supers >= self.out => supers,
            _ => names.len(),
        };
        self.found.extend(names.get(skip).cloned());
        syn::visit::visit_path(self, path);
    }
}

/// The rooms that a source text, `depth` folders and files below `src/`, names.
fn names(text: &str, depth: usize) -> BTreeSet<String> {
    let mut names = Names { out: depth, found: BTreeSet::new() };
    names.visit_file(&syn::parse_file(text).expect("Rust"));
    names.found
}

#[test]
fn no_room_reaches_up() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(own) = room(&path) else { continue };
        let depth = path.components().count() - usize::from(path.ends_with("mod.rs"));
        let (_, allowed) = ROOMS.iter().find(|(room, _)| *room == own).unwrap_or_else(|| {
            panic!("{} is in a room that the house does not have", path.display())
        });
        for name in names(&text, depth) {
            let is_room = ROOMS.iter().any(|(room, _)| *room == name);
            if is_room && name != own && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: `{own}` names `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_layering_test_sees_every_way_to_name_a_room() {
    let ways = [
        ("use crate::execute::Run;", 2),
        ("use crate::{model::Host, execute};", 2),
        ("fn f() { crate::execute::run(); }", 2),
        ("use super::super::execute::Run;", 2),
        ("use super::execute;", 1),
        ("fn f(x: super::super::execute::Run) {}", 2),
    ];
    for (text, depth) in ways {
        assert!(names(text, depth).contains("execute"), "{text}");
    }
    assert!(!names("use super::execute;", 2).contains("execute"), "a neighbour in the room");
}

/// A file without its tests.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let lines = without_tests(&text).lines().count();
        if lines > FILE_MAX {
            wrong.push(format!("{}: {lines} lines, more than {FILE_MAX}", path.display()));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{}: no opening //! line", path.display()));
        }
        for word in ["TODO", "FIXME", "XXX"] {
            if text.contains(word) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if matches!(name, "util" | "utils" | "helpers" | "common") {
            wrong.push(format!("{}: a room for nothing in particular", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn verbs_and_main_stay_thin() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        if path == Path::new("main.rs") {
            assert!(lines <= 15, "main.rs has {lines} lines");
        }
    }
}

/// Finds public items without documentation.
struct Undocumented(Vec<String>);

impl Undocumented {
    fn check(&mut self, vis: &syn::Visibility, attrs: &[syn::Attribute], name: &syn::Ident) {
        let documented = attrs.iter().any(|attribute| attribute.path().is_ident("doc"));
        if matches!(vis, syn::Visibility::Public(_)) && !documented {
            self.0.push(name.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Undocumented {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.check(&item.vis, &item.attrs, &item.sig.ident);
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.check(&item.vis, &item.attrs, &item.sig.ident);
    }
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.check(&item.vis, &item.attrs, &item.ident);
    }
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.check(&item.vis, &item.attrs, &item.ident);
    }
    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.check(&item.vis, &item.attrs, &item.ident);
    }
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.check(&item.vis, &item.attrs, &item.ident);
    }
    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.check(&item.vis, &item.attrs, &item.ident);
    }
}

#[test]
fn public_items_are_documented() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let mut found = Undocumented(Vec::new());
        found.visit_file(&syn::parse_file(&text).expect("Rust"));
        wrong.extend(found.0.into_iter().map(|name| format!("{}: {name}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Licences that the project may be built from.
const LICENCES: [&str; 12] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
    "CC0-1.0",
];

#[test]
fn dependencies_come_from_the_registry_under_known_licences() {
    // What is built here is there without the network; other systems' packages need not be.
    let version = Command::new("rustc").arg("-vV").output().expect("rustc").stdout;
    let version = String::from_utf8(version).expect("UTF-8");
    let here = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("its system");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", here])
        .arg("--manifest-path")
        .arg(repository().join("Cargo.toml"))
        .output()
        .expect("cargo metadata");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("its JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 50, "the dependencies are listed");
    let mut wrong = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let source = package["source"].as_str();
        if source.is_some_and(|source| !source.starts_with("registry+")) {
            wrong.insert(name, "not from the registry".to_owned());
        }
        let licence = package["license"].as_str().unwrap_or_default();
        // An expression of OR: one known licence is enough; of AND: each part must be known.
        let known = |part: &str| LICENCES.contains(&part.trim().trim_matches(['(', ')']));
        let good =
            licence.replace('/', " OR ").split(" AND ").all(|all| all.split(" OR ").any(known));
        if !good {
            wrong.insert(name, format!("licence {licence:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn words_of_other_tools_are_not_ours() {
    let banned = ["playbook", "handler", "converge run", "manifest file", "idempotency"];
    for (path, text) in sources() {
        for word in banned {
            assert!(!text.to_lowercase().contains(word), "{}: {word}", path.display());
        }
    }
}
