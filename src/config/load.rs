//! Reads the files of a project. The only place that reads them.
#![expect(clippy::disallowed_methods, reason = "the one reader of project files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use include_dir::Dir;

use super::inventory::{self, Inventory};
use super::module::{self, Module};
use super::project::{self, Project, ProjectFile};
use super::source::Sources;
use super::standard;
use super::table;
use crate::model::{Diagnostic, FileId, Located, Span};

/// The largest TOML file or template that is read, in bytes.
const TEXT_MAX: u64 = 16 << 20;

/// What stopped the loading of a project: mistakes in its files, with the files they point into.
#[derive(Debug)]
pub struct LoadError {
    pub sources: Sources,
    pub mistakes: Vec<Diagnostic>,
}

/// A project while it is read.
struct Loader<'r> {
    root: &'r Path,
    sources: Sources,
    found: Vec<Diagnostic>,
}

/// Loads the project in `root`, with another inventory than its own where one is given.
///
/// # Errors
/// All mistakes that can be seen in the files one by one.
pub fn load(root: &Path, inventory: Option<&Path>) -> Result<Project, LoadError> {
    let mut loader = Loader { root, sources: Sources::default(), found: Vec::new() };
    let project = loader.project(inventory);
    match project {
        Some(mut project) if loader.found.is_empty() => {
            project.sources = loader.sources;
            Ok(project)
        }
        _ => Err(LoadError { sources: loader.sources, mistakes: loader.found }),
    }
}

impl Loader<'_> {
    fn project(&mut self, inventory: Option<&Path>) -> Option<Project> {
        let file = self.text(Path::new("trueup.toml"), None)?;
        let table = table::parse(file, self.sources.get(file).text, &mut self.found);
        let read = project::read(file, &table, &mut self.found);
        let inventory = self.inventory(inventory, &read, file);
        let modules = self.modules(&read);
        Some(Project {
            name: read.name,
            sources: Sources::default(),
            stages: read.stages,
            inventory: inventory?,
            modules,
        })
    }

    /// Reads a text file of the project, or says why it cannot.
    fn text(&mut self, path: &Path, named_at: Option<Span>) -> Option<FileId> {
        match read_text(&self.root.join(path)) {
            Ok(text) => Some(self.sources.add(path.to_owned(), text)),
            Err(why) => {
                let mut mistake =
                    Diagnostic::error(format!("cannot read {}: {why}", path.display()));
                if let Some(span) = named_at {
                    mistake = mistake.primary(span, "named here");
                } else if path == Path::new("trueup.toml") {
                    mistake = mistake.help(format!(
                        "{} is no project folder; name one with -C DIR",
                        self.root.display()
                    ));
                }
                self.found.push(mistake);
                None
            }
        }
    }

    fn inventory(
        &mut self,
        given: Option<&Path>,
        project: &ProjectFile,
        project_file: FileId,
    ) -> Option<Inventory> {
        let (path, span) = match (given, &project.inventory) {
            (Some(path), _) => (path.to_owned(), None),
            (None, Some(named)) => (self.inside(named)?, Some(named.span)),
            (None, None) => {
                self.found.push(
                    Diagnostic::at(Span::new(project_file, 0..0), "no inventory is named")
                        .help("set `inventory` in [project], or give one with -i FILE"),
                );
                return None;
            }
        };
        let file = self.text(&path, span)?;
        let table = table::parse(file, self.sources.get(file).text, &mut self.found);
        Some(inventory::read(file, &table, &mut self.found))
    }

    /// A path written in a file of the project, which must stay inside it.
    fn inside(&mut self, named: &Located<String>) -> Option<PathBuf> {
        let path = PathBuf::from(&named.value);
        let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if path.components().all(plain) {
            return Some(path);
        }
        self.found.push(
            Diagnostic::at(named.span, "a path in a project stays inside it")
                .label("relative to the project's folder, without `..`"),
        );
        None
    }

    /// Every module that a stage uses: the project's own, else the shipped one.
    fn modules(&mut self, project: &ProjectFile) -> BTreeMap<String, Module> {
        let mut modules = BTreeMap::new();
        for used in project.stages.iter().flat_map(|stage| &stage.modules) {
            let name = &used.module.value;
            if modules.contains_key(name) || self.bad_module_name(&used.module) {
                continue;
            }
            let folder = Path::new("modules").join(name);
            let module = if self.root.join(&folder).join("module.toml").is_file() {
                self.own_module(name, &folder)
            } else if let Some(dir) = standard::module(name) {
                Some(self.shipped_module(name, dir))
            } else {
                self.no_module(&used.module);
                continue;
            };
            if let Some(module) = module {
                modules.insert(name.clone(), module);
            }
        }
        modules
    }

    fn bad_module_name(&mut self, name: &Located<String>) -> bool {
        let right = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        let bad = name.value.is_empty() || !name.value.chars().all(right);
        if bad {
            self.found.push(
                Diagnostic::at(name.span, format!("`{}` is not a name for a module", name.value))
                    .label("letters, digits, `-` and `_`"),
            );
        }
        bad
    }

    fn no_module(&mut self, name: &Located<String>) {
        let mut names = fs::read_dir(self.root.join("modules"))
            .map(|entries| {
                entries
                    .flatten()
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .collect::<Vec<_>>()
            })
            .unwrap_or_default();
        names.extend(standard::names().map(ToOwned::to_owned));
        self.found.push(
            Diagnostic::at(name.span, format!("there is no module `{}`", name.value))
                .suggest(&name.value, names.iter().map(String::as_str))
                .help(format!(
                    "a module is a folder with a module.toml: modules/{}/module.toml",
                    name.value
                )),
        );
    }

    fn own_module(&mut self, name: &str, folder: &Path) -> Option<Module> {
        let file = self.text(&folder.join("module.toml"), None)?;
        let table = table::parse(file, self.sources.get(file).text, &mut self.found);
        let mut module = module::read(name, file, &table, &mut self.found);
        for path in self.files_below(&folder.join("templates")) {
            let key = relative(&path, &folder.join("templates"));
            if let Some(file) = self.text(&path, None) {
                module.templates.insert(key, file);
            }
        }
        for path in self.files_below(&folder.join("files")) {
            match fs::read(self.root.join(&path)) {
                Ok(bytes) => {
                    module.files.insert(relative(&path, folder), Arc::from(bytes));
                }
                Err(error) => self
                    .found
                    .push(Diagnostic::error(format!("cannot read {}: {error}", path.display()))),
            }
        }
        Some(module)
    }

    /// All plain files below a folder, sorted; links that lead out of the project are refused.
    fn files_below(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(self.root.join(&folder)) else { continue };
            for entry in entries.flatten() {
                let path = folder.join(entry.file_name());
                if self.leads_out(&path) {
                    self.found.push(
                        Diagnostic::error(format!("{} leads out of the project", path.display()))
                            .help("put the file itself into the module"),
                    );
                } else if self.root.join(&path).is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }

    fn leads_out(&self, path: &Path) -> bool {
        let (Ok(root), Ok(path)) = (self.root.canonicalize(), self.root.join(path).canonicalize())
        else {
            return true;
        };
        !path.starts_with(root)
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
                    module.files.insert(key, Arc::from(entry.contents()));
                }
            }
        }
        module
    }
}

/// `path` below `folder`, with `/` between its parts.
fn relative(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

/// Text of a bounded size, or why it cannot be read.
fn read_text(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > TEXT_MAX {
        return Err(format!("it has {size} bytes, more than the {TEXT_MAX} that are read"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to())
    })
}
