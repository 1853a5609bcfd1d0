//! A project put together from its files: trueup.toml, the inventory, and every module that is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use include_dir::Dir;

use super::inventory::{self, Inventory};
use super::load::{Entry, Tree};
use super::module::{self, Module};
use super::moved;
use super::project::{self, ModuleUse, Project, ProjectFile};
use super::source::Sources;
use super::{standard, table};
use crate::model::suggest::wrong_character;
use crate::model::{Body, Diagnostic, FileId, Located, Span};

/// What was read of a project. Where there are mistakes the project holds what could be read.
#[derive(Debug)]
pub struct Loaded {
    pub project: Project,
    pub mistakes: Vec<Diagnostic>,
    /// Whether trueup.toml and the inventory could be read whole, so that hosts can be looked at.
    pub whole: bool,
}

/// Which modules are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modules {
    /// Those that stages use, and those that they use.
    Used,
    /// Every other one of the project too.
    All,
}

/// A project while it is read.
struct Loader<'t> {
    tree: &'t Tree,
    sources: Sources,
    found: Vec<Diagnostic>,
    whole: bool,
}

/// Loads a project, with another inventory than its own where one is given.
#[must_use]
pub fn load(tree: &Tree, inventory: Option<&Path>, modules: Modules) -> Loaded {
    let mut loader = Loader { tree, sources: Sources::default(), found: Vec::new(), whole: true };
    let mut project = loader.project(inventory, modules);
    project.sources = loader.sources;
    Loaded { project, mistakes: loader.found, whole: loader.whole }
}

impl Loader<'_> {
    fn project(&mut self, inventory: Option<&Path>, modules: Modules) -> Project {
        let mut project = Project::default();
        self.check_access(Path::new(""));
        let Some(file) = self.text(Path::new("trueup.toml"), None) else {
            self.whole = false;
            return project;
        };
        let table = self.parse(file);
        let read = table.map(|table| project::read(file, &table, &mut self.found));
        self.whole &= read.is_some();
        let read = read.unwrap_or_default();
        if let Some(inventory) = self.inventory(inventory, &read) {
            project.inventory = inventory;
        } else {
            self.whole = false;
        }
        project.modules = self.modules(&read, modules);
        let modules = project.modules.values().flat_map(|module| module.moved.iter().cloned());
        let all: Vec<_> = read.moved.into_iter().chain(modules).collect();
        project.moved = moved::settled(&all);
        project.name = read.name;
        project.rollback = read.rollback;
        project.stages = read.stages;
        project.runs = read.runs;
        project
    }

    /// Parses a file; `None` when it is not TOML, which is told.
    fn parse(&mut self, file: FileId) -> Option<table::TomlTable> {
        let before = self.found.len();
        let table = table::parse(file, self.sources.get(file).text, &mut self.found);
        (self.found.len() == before).then_some(table)
    }

    /// Reads a text file of the project, or says why it cannot.
    fn text(&mut self, path: &Path, named_at: Option<Span>) -> Option<FileId> {
        self.check_access(path);
        match self.tree.text(path) {
            Ok(text) => Some(self.sources.add(path.to_owned(), text)),
            Err(why) => {
                let mut mistake =
                    Diagnostic::error(format!("cannot read {}: {why}", path.display()))
                        .code("unreadable");
                if let Some(span) = named_at {
                    mistake = mistake.primary(span, "named here");
                } else if path == Path::new("trueup.toml") {
                    mistake = mistake.help(format!(
                        "{} is no project folder; name one with -C DIR, or make one with trueup init DIR",
                        self.tree.shown()
                    ));
                }
                self.found.push(mistake);
                None
            }
        }
    }

    fn check_access(&mut self, path: &Path) {
        if self.tree.open_to_others(path) {
            let shown = if path.as_os_str().is_empty() {
                self.tree.shown()
            } else {
                path.display().to_string()
            };
            self.found.push(
                Diagnostic::error(format!("everybody on this machine can write to {shown}"))
                    .code("access")
                    .help(format!(
                        "what they write there would run on your hosts: chmod o-w {shown}"
                    )),
            );
        }
    }

    fn inventory(&mut self, given: Option<&Path>, project: &ProjectFile) -> Option<Inventory> {
        let (path, span) = match (given, &project.inventory) {
            (Some(path), _) => (path.to_owned(), None),
            (None, Some(named)) => (self.inside(named)?, Some(named.span)),
            (None, None) => {
                if let Some(place) = project.place {
                    self.found.push(
                        Diagnostic::at(place, "no inventory is named")
                            .code("missing")
                            .help("set `inventory` in [project], or give one with -i FILE"),
                    );
                }
                return None;
            }
        };
        let file = self.text(&path, span)?;
        let table = self.parse(file)?;
        Some(inventory::read(file, &table, &mut self.found))
    }

    /// A path written in a file of the project, which must stay inside it.
    fn inside(&mut self, named: &Located<String>) -> Option<PathBuf> {
        let path = PathBuf::from(&named.value);
        let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !path.components().all(plain) {
            self.found.push(
                Diagnostic::at(named.span, "a path in a project stays inside it")
                    .code("outside")
                    .label("relative to the project's folder, without `..`"),
            );
            return None;
        }
        if self.tree.entry(&path) == Some(Entry::Outside) {
            self.found.push(
                Diagnostic::at(
                    named.span,
                    format!("`{}` is a link out of the project", named.value),
                )
                .code("outside")
                .help("put the file itself there, or give it with -i FILE"),
            );
            return None;
        }
        Some(path)
    }

    /// Every module that stages use, those that modules use, and where asked for all others.
    fn modules(&mut self, project: &ProjectFile, which: Modules) -> BTreeMap<String, Module> {
        let mut modules = BTreeMap::new();
        let (mut missing, mut unreadable) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting: Vec<Located<String>> =
            names_of(project.stages.iter().flat_map(|stage| &stage.modules));
        if which == Modules::All {
            // At the end, so that a mistake is told where a stage names the module, if one does.
            let own = self.tree.names(Path::new("modules")).into_iter();
            let own = own.filter(|name| self.has_module(name));
            let nowhere = Span::new(FileId(0), 0..0);
            waiting.splice(0..0, own.map(|value| Located { value, span: nowhere }));
        }
        while let Some(name) = waiting.pop() {
            if unreadable.contains(&name.value)
                || modules.contains_key(&name.value)
                || self.bad_module_name(&name)
            {
                continue;
            }
            let module = if self.has_module(&name.value) {
                self.own_module(&name)
            } else if let Some(dir) = standard::module(&name.value) {
                Some(self.shipped_module(&name.value, dir))
            } else {
                if missing.insert(name.span) {
                    self.no_module(&name);
                }
                continue;
            };
            match module {
                Some(module) => {
                    waiting.extend(names_of(&module.uses));
                    modules.insert(name.value, module);
                }
                None => drop(unreadable.insert(name.value)),
            }
        }
        modules
    }

    fn has_module(&self, name: &str) -> bool {
        self.tree.entry(&Path::new("modules").join(name).join("module.toml")).is_some()
    }

    fn bad_module_name(&mut self, name: &Located<String>) -> bool {
        let right = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        let bad = name.value.is_empty() || !name.value.chars().all(right);
        if bad {
            let text = name.value.escape_debug();
            let mistake = Diagnostic::at(name.span, format!("`{text}` is not a name for a module"))
                .wrong_name(
                    wrong_character(&name.value, right, right),
                    "letters, digits, `-` and `_`",
                );
            if !self.found.contains(&mistake) {
                self.found.push(mistake);
            }
        }
        bad
    }

    fn no_module(&mut self, name: &Located<String>) {
        let folder = Path::new("modules").join(&name.value);
        let mistake = Diagnostic::at(name.span, format!("there is no module `{}`", name.value))
            .code("unknown-module");
        let mistake = if self.tree.entry(&folder).is_some() {
            mistake.help(format!("the folder {} has no module.toml", folder.display()))
        } else {
            let mut names = self.tree.names(Path::new("modules"));
            names.retain(|name| self.has_module(name));
            let list = |names: &BTreeSet<String>| {
                let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            };
            let own = list(&names);
            let shipped: BTreeSet<String> = standard::names().map(ToOwned::to_owned).collect();
            let help = format!(
                "modules of the project are folders modules/NAME with a module.toml: {own}; those that come with the program: {}",
                list(&shipped)
            );
            names.extend(shipped);
            mistake.suggest(&name.value, names.iter().map(String::as_str)).help(help)
        };
        self.found.push(mistake);
    }

    fn own_module(&mut self, named: &Located<String>) -> Option<Module> {
        let name = named.value.as_str();
        let folder = Path::new("modules").join(name);
        self.check_access(&folder);
        if self.tree.entry(&folder.join("module.toml")) == Some(Entry::Outside) {
            self.leads_out(&folder.join("module.toml"));
            return None;
        }
        // Those that no stage names have no place.
        let named_at = Some(named.span).filter(|span| span.end > 0);
        let file = self.text(&folder.join("module.toml"), named_at)?;
        let table = self.parse(file);
        let mut module = match &table {
            Some(table) => module::read(name, file, table, &mut self.found),
            None => Module::broken(name, file),
        };
        // What is there and cannot be read is told here, and empty for all that comes.
        let (paths, lost) = self.files_below(&folder.join("templates"));
        for path in paths.iter().chain(&lost) {
            let read = if lost.contains(path) { None } else { self.text(path, None) };
            let file = read.unwrap_or_else(|| self.sources.add(path.clone(), String::new()));
            module.templates.insert(relative(path, &folder.join("templates")), file);
        }
        let (paths, lost) = self.files_below(&folder.join("files"));
        for path in &lost {
            module.files.insert(relative(path, &folder), Body::of([]));
        }
        for path in paths {
            self.check_access(&path);
            let body = self.tree.body(&path).unwrap_or_else(|why| {
                let message = format!("cannot read {}: {why}", path.display());
                self.found.push(Diagnostic::error(message).code("unreadable"));
                Body::of([])
            });
            module.files.insert(relative(&path, &folder), body);
        }
        Some(module)
    }

    /// All plain files below a folder, sorted, and what else is there that is no folder, such as
    /// links that lead out of the project: these are refused.
    fn files_below(&mut self, folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let (mut files, mut lost) = (Vec::new(), Vec::new());
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            // A link to a folder above would go on for ever.
            if folder.components().count() > 64 {
                self.leads_out(&folder);
                continue;
            }
            for name in self.tree.names(&folder) {
                let path = folder.join(name);
                match self.tree.entry(&path) {
                    Some(Entry::Folder) => {
                        self.check_access(&path);
                        folders.push(path);
                    }
                    Some(Entry::File) => files.push(path),
                    Some(Entry::Outside) => {
                        self.leads_out(&path);
                        lost.push(path);
                    }
                    Some(Entry::Other) | None => {
                        let shown = path.display();
                        let message = format!("cannot read {shown}: it is not a regular file");
                        self.found.push(Diagnostic::error(message).code("unreadable"));
                        lost.push(path);
                    }
                }
            }
        }
        files.sort();
        (files, lost)
    }

    fn leads_out(&mut self, path: &Path) {
        self.found.push(
            Diagnostic::error(format!("{} leads out of the project, or nowhere", path.display()))
                .code("outside")
                .help("it is a link to somewhere else: put the file itself into the module"),
        );
    }

    fn shipped_module(&mut self, name: &str, dir: &'static Dir<'static>) -> Module {
        let shown = |path: &Path| Path::new("<standard modules>").join(path);
        let text = dir
            .get_file(dir.path().join("module.toml"))
            .and_then(|file| file.contents_utf8())
            .expect("every shipped module has a module.toml");
        let file = self.sources.add(shown(&dir.path().join("module.toml")), text.to_owned());
        let table = table::parse(file, text, &mut self.found);
        let mut module = module::read(name, file, &table, &mut self.found);
        module.shipped = true;
        let mut dirs = vec![dir];
        while let Some(inner) = dirs.pop() {
            dirs.extend(inner.dirs());
            for entry in inner.files() {
                let key = relative(entry.path(), dir.path());
                if let Some(template) = key.strip_prefix("templates/") {
                    let text = entry.contents_utf8().expect("shipped templates are text");
                    let file = self.sources.add(shown(entry.path()), text.to_owned());
                    module.templates.insert(template.to_owned(), file);
                } else if key.starts_with("files/") {
                    module.files.insert(key, Body::of(entry.contents()));
                }
            }
        }
        module
    }
}

/// The names of modules, the last first: they are taken from the end.
fn names_of<'u>(uses: impl IntoIterator<Item = &'u ModuleUse>) -> Vec<Located<String>> {
    let mut names: Vec<_> = uses.into_iter().map(|used| used.module.clone()).collect();
    names.reverse();
    names
}

/// `path` below `folder`, with `/` between its parts.
fn relative(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}
