//! trueup.toml: the project's settings and its stages, and the whole that is loaded from it.

use std::collections::BTreeMap;

use super::inventory::Inventory;
use super::module::Module;
use super::moved::{self, Moved};
use super::pattern::HostPattern;
use super::source::Sources;
use super::table::{Fields, Shape, TomlTable, TomlValue, string, to_value, wrong_type};
use crate::model::suggest::wrong_character;
use crate::model::{Diagnostic, FileId, Located, Span, window};

use toml::de::DeValue;

/// A loaded project: everything that resolving it needs.
#[derive(Debug, Default)]
pub struct Project {
    /// Addresses that changed: what was remembered under the first is the second's.
    pub moved: Vec<(String, String)>,
    pub name: String,
    pub sources: Sources,
    pub stages: Vec<Stage>,
    pub inventory: Inventory,
    pub modules: BTreeMap<String, Module>,
    pub runs: Runs,
}

/// How many records of runs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runs {
    /// At most so many.
    pub keep: u32,
    /// None that is older than so many days.
    pub keep_days: u32,
}

impl Default for Runs {
    fn default() -> Self {
        Self { keep: 100, keep_days: 90 }
    }
}

impl Project {
    /// Every use of a module: by stages, and by modules.
    pub fn uses(&self) -> impl Iterator<Item = &ModuleUse> {
        let stages = self.stages.iter().flat_map(|stage| &stage.modules);
        stages.chain(self.modules.values().flat_map(|module| &module.uses))
    }
}

/// What goes on which hosts.
#[derive(Debug)]
pub struct Stage {
    pub name: Located<String>,
    pub hosts: Located<HostPattern>,
    pub modules: Vec<ModuleUse>,
    /// Words that every resource of the stage has as tags.
    pub tags: Vec<Located<String>>,
    /// Seconds in which changes of the stage must be confirmed, where it says; 0: they need not be.
    pub confirm: Option<u32>,
}

/// A module with values for its params.
#[derive(Debug)]
pub struct ModuleUse {
    pub module: Located<String>,
    pub with: Vec<(Located<String>, TomlValue)>,
    /// Words that every resource of this use has as tags.
    pub tags: Vec<Located<String>>,
    /// Whether there was a mistake in it, so that what is not there may only not have been read.
    pub doubtful: bool,
}

/// The settings of trueup.toml.
#[derive(Default)]
pub(super) struct ProjectFile {
    /// Where `[project]` is, if it is there.
    pub(super) place: Option<Span>,
    pub(super) name: String,
    pub(super) inventory: Option<Located<String>>,
    pub(super) stages: Vec<Stage>,
    pub(super) moved: Vec<Moved>,
    pub(super) runs: Runs,
}

const PROJECT: Shape = Shape {
    what: "[project]",
    is: "`project` takes",
    write: "[project], and below it name = \"…\"",
};
const RUNS: Shape = Shape {
    what: "[runs]",
    is: "`runs` takes",
    write: "[runs], and below it keep = 100 or keep_days = 90",
};
const STAGE: Shape = Shape {
    what: "a stage",
    is: "a stage is",
    write: "each stage as [[stage]], and below it its keys",
};
const USE: Shape = Shape {
    what: "a use of a module",
    is: "a use of a module is its name or",
    write: "\"NAME\", or { use = \"NAME\", with = { … } }",
};

/// Reads trueup.toml.
pub(super) fn read(file: FileId, table: &TomlTable, found: &mut Vec<Diagnostic>) -> ProjectFile {
    let mut top = Fields::new("trueup.toml", Span::new(file, 0..0), table);
    let mut project = ProjectFile::default();
    if let Some(value) = top.need("project", "[project], and below it name = \"…\"")
        && let Some(mut fields) = Fields::of(&PROJECT, file, value, found)
    {
        project.place = Some(Span::new(file, value.span()));
        if fields.need("name", "name = \"…\"").is_some()
            && let Some(name) = fields.string("name", found)
        {
            check_name(&name, found);
            project.name = name.value;
        }
        project.inventory = fields.string("inventory", found);
        fields.finish(found);
    }
    if let Some(value) = top.take("moved") {
        project.moved = moved::read(file, None, value, found);
    }
    match top.take("stage").map(|value| (value, value.get_ref())) {
        None => {}
        Some((_, DeValue::Array(items))) => {
            project.stages = items.iter().filter_map(|item| stage(file, item, found)).collect();
        }
        Some((value, _)) => found.push(
            wrong_type(file, "stage", "a list of tables", value)
                .help("write each stage as [[stage]]"),
        ),
    }
    project.runs = runs(file, &mut top, found);
    top.finish(found);
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for stage in &project.stages {
        if let Some(first) = seen.insert(&stage.name.value, stage.name.span) {
            found.push(
                Diagnostic::at(
                    stage.name.span,
                    format!("two stages are named `{}`", stage.name.value),
                )
                .code("conflict")
                .related(first, "the first one"),
            );
        }
    }
    project
}

/// Reads `[runs]`.
fn runs(file: FileId, top: &mut Fields<'_>, found: &mut Vec<Diagnostic>) -> Runs {
    let mut runs = Runs::default();
    let Some(value) = top.take("runs") else { return runs };
    let Some(mut fields) = Fields::of(&RUNS, file, value, found) else { return runs };
    if let Some(keep) = fields.count("keep", 100_000, found) {
        runs.keep = keep;
    }
    if let Some(days) = fields.count("keep_days", 36_500, found) {
        runs.keep_days = days;
    }
    fields.finish(found);
    runs
}

/// A project's name is part of paths on hosts.
fn check_name(name: &Located<String>, found: &mut Vec<Diagnostic>) {
    let right = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    if name.value.is_empty() || name.value.starts_with('.') || !name.value.chars().all(right) {
        found.push(
            Diagnostic::at(name.span, "a project's name is part of paths on the hosts").wrong_name(
                wrong_character(&name.value, |char| char != '.', right),
                "letters, digits, `-`, `_` and `.`, not beginning with a dot",
            ),
        );
    }
}

/// A time to confirm changes in that is none.
#[must_use]
pub fn no_window(at: Span) -> Diagnostic {
    Diagnostic::at(at, "this is no time to confirm a change in")
        .label("seconds, or \"90s\", \"5m\"; from 5 s to one hour; false: it need not be confirmed")
}

/// Reads one [[stage]].
fn stage(file: FileId, value: &TomlValue, found: &mut Vec<Diagnostic>) -> Option<Stage> {
    let mut fields = Fields::of(&STAGE, file, value, found)?;
    let mut text =
        |key, write| fields.need(key, write).and_then(|value| string(file, key, value, found));
    let name = text("name", "name = \"…\"");
    let hosts = text("hosts", "hosts = \"…\"");
    let modules = fields
        .need("modules", "modules = [\"…\"]")
        .map_or_else(Vec::new, |value| module_uses(file, "modules", value, found));
    let tags = fields.words("tags", found);
    let confirm = fields.take("confirm").and_then(|value| {
        let seconds = window(&to_value(value.get_ref()));
        if seconds.is_none() {
            found.push(no_window(Span::new(file, value.span())));
        }
        seconds
    });
    fields.finish(found);
    let hosts = hosts?;
    match HostPattern::parse(&hosts.value) {
        Ok(pattern) => Some(Stage {
            name: name?,
            hosts: Located { value: pattern, span: hosts.span },
            modules,
            tags,
            confirm,
        }),
        Err(error) => {
            let at =
                hosts.span.within(1 + error.at.start, 1 + error.at.end.max(error.at.start + 1));
            found.push(Diagnostic::at(at, error.why));
            None
        }
    }
}

/// The modules that `key` of a stage or a module lists.
pub(super) fn module_uses(
    file: FileId,
    key: &str,
    value: &TomlValue,
    found: &mut Vec<Diagnostic>,
) -> Vec<ModuleUse> {
    let DeValue::Array(items) = value.get_ref() else {
        found.push(wrong_type(file, key, "a list of modules", value));
        return Vec::new();
    };
    items.iter().filter_map(|item| module_use(file, item, found)).collect()
}

/// A module by its name alone, or `{ use = "name", with = { … } }`.
fn module_use(file: FileId, value: &TomlValue, found: &mut Vec<Diagnostic>) -> Option<ModuleUse> {
    if value.get_ref().as_str().is_some() {
        let module = string(file, "modules", value, found)?;
        return Some(ModuleUse { module, with: Vec::new(), tags: Vec::new(), doubtful: false });
    }
    let before = found.len();
    let mut fields = Fields::of(&USE, file, value, found)?;
    let module =
        fields.need("use", "use = \"…\"").and_then(|value| string(file, "use", value, found));
    let with = fields
        .entries("with", found)
        .into_iter()
        .map(|(name, value)| (name, value.clone()))
        .collect();
    let tags = fields.words("tags", found);
    fields.finish(found);
    Some(ModuleUse { module: module?, with, tags, doubtful: found.len() > before })
}
