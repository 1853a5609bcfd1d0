//! What nothing uses: params, locals, vars, templates, files and modules. Warnings, for `check`.

use std::collections::{BTreeMap, BTreeSet};

use super::Resolver;
use super::bind::Bound;
use super::template::{Names, is_template, names};
use super::undefined::{each_text, used_modules};
use crate::config::{Declaration, FileSet, Module, ModuleUse, TomlValue};
use crate::model::suggest::{list, nearest};
use crate::model::{Diagnostic, Span};

/// Everything that texts name.
#[derive(Default)]
pub(super) struct Used {
    /// By prefix: the fields, or `None` for all of them.
    fields: BTreeMap<String, BTreeSet<Option<String>>>,
    peers: BTreeSet<Option<String>>,
}

impl Used {
    pub(super) fn add(&mut self, names: &Names) {
        for used in &names.uses {
            let fields = self.fields.entry(used.root.clone()).or_default();
            fields.insert(used.path.first().cloned());
        }
        self.peers.extend(names.peer_vars.iter().cloned());
    }

    fn merge(&mut self, other: Self) {
        for (root, fields) in other.fields {
            self.fields.entry(root).or_default().extend(fields);
        }
        self.peers.extend(other.peers);
    }

    pub(super) fn has(&self, root: &str, name: &str) -> bool {
        let named = |set: &BTreeSet<Option<String>>| {
            set.contains(&None) || set.contains(&Some(name.to_owned()))
        };
        self.fields.get(root).is_some_and(named) || (root == "vars" && named(&self.peers))
    }

    pub(super) fn value(&mut self, value: &TomlValue) {
        each_text(value, &mut |text, _| {
            if is_template(text) {
                self.add(&names(text));
            }
        });
    }

    fn with(&mut self, used: &ModuleUse) {
        used.with.iter().for_each(|(_, value)| self.value(value));
    }

    fn module(&mut self, module: &Module, bound: &Bound) {
        for file in bound.engine.files.values() {
            self.add(&file.names);
        }
        module.uses.iter().for_each(|used| self.with(used));
        module.locals.values().for_each(|(_, value)| self.value(value));
        for text in module.sets.iter().flat_map(FileSet::texts) {
            if is_template(&text.value) {
                self.add(&names(&text.value));
            }
        }
        module.resources.iter().for_each(|declaration| self.declaration(declaration));
    }

    pub(super) fn declaration(&mut self, declaration: &Declaration) {
        if is_template(&declaration.name.value) {
            self.add(&names(&declaration.name.value));
        }
        for (key, value) in &declaration.table {
            match (&**key.get_ref(), value.get_ref().as_str()) {
                ("when" | "for_each", Some(text)) if !is_template(text) => {
                    self.add(&names(&format!("{{{{ {text} }}}}")));
                }
                _ => self.value(value),
            }
        }
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.fields.values().map(BTreeSet::len).sum::<usize>() + self.peers.len()
    }
}

impl Resolver {
    /// Everything in the project that nothing uses.
    #[must_use]
    pub fn unused(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut all = Used::default();
        for used in self.project.stages.iter().flat_map(|stage| &stage.modules) {
            all.with(used);
        }
        let reached = used_modules(&self.project);
        for (name, bound) in &self.bound {
            let module = &self.project.modules[name];
            let mut used = Used::default();
            used.module(module, bound);
            if !module.shipped {
                if !reached.contains(name.as_str()) {
                    let span = Span::new(module.file, 0..0);
                    found.push(unused(span, &format!("module `{name}`"), "no stage uses it"));
                }
                unused_names(module, &used, &mut found);
                unused_files(module, bound, &mut found);
            }
            all.merge(used);
        }
        // A module that could not be read may use any var.
        if self.bound.len() == self.project.modules.len()
            && self.project.modules.values().all(|module| !module.broken)
        {
            self.unused_vars(&all, &mut found);
        }
        found
    }

    /// Vars of the command line that nothing names: a slip of the pen.
    #[must_use]
    pub fn unnamed_overrides(&self) -> Vec<Diagnostic> {
        if self.overrides.is_empty() {
            return Vec::new();
        }
        let mut all = Used::default();
        for used in self.project.stages.iter().flat_map(|stage| &stage.modules) {
            all.with(used);
        }
        for (name, bound) in &self.bound {
            all.module(&self.project.modules[name], bound);
        }
        let known = all.fields.get("vars").into_iter().flatten().chain(&all.peers).flatten();
        let known: BTreeSet<&str> = known.map(String::as_str).collect();
        let unnamed = self.overrides.keys().filter(|name| !all.has("vars", name));
        let mistakes = unnamed.map(|name| {
            let mistake =
                Diagnostic::error(format!("--var: nothing in the project names `vars.{name}`"))
                    .code("unused");
            match nearest(name, known.iter().copied()) {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None => mistake,
            }
        });
        mistakes.collect()
    }

    fn unused_vars(&self, all: &Used, found: &mut Vec<Diagnostic>) {
        let mut places: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
        for vars in self.project.inventory.all_vars() {
            for (name, value) in vars.iter().filter(|(name, _)| !all.has("vars", name)) {
                places.entry(name).or_default().push(value.span);
            }
        }
        for (name, mut spans) in places {
            spans.sort_unstable();
            let mistake = unused(spans[0], &format!("var `{name}`"), "no module names it");
            let more = spans.len() - 1;
            let shown = spans[1..].iter().take(3).map(|span| self.place(*span));
            let shown = list(&shown.collect::<Vec<_>>());
            found.push(match more {
                0 => mistake,
                1..=3 => mistake.help(format!("it is set in {shown} too")),
                _ => mistake.help(format!("it is set in {more} more places, such as {shown}")),
            });
        }
    }
}

fn unused(span: Span, what: &str, why: &str) -> Diagnostic {
    Diagnostic::warning("unused", span, format!("{what} is never used")).label(why)
}

fn unused_names(module: &Module, used: &Used, found: &mut Vec<Diagnostic>) {
    for (name, param) in &module.params {
        if !used.has("params", name) {
            let why = "nothing in the module names it";
            found.push(unused(param.span, &format!("param `{name}`"), why));
        }
    }
    for (name, (span, _)) in &module.locals {
        if !used.has("locals", name) {
            let why = "nothing in the module names it";
            found.push(unused(*span, &format!("local `{name}`"), why));
        }
    }
}

fn unused_files(module: &Module, bound: &Bound, found: &mut Vec<Diagnostic>) {
    for (key, what) in [("template", "template"), ("source", "file")] {
        let values = module.resources.iter().filter_map(|resource| resource.table.get(key));
        let named: Vec<&str> = values.filter_map(|value| value.get_ref().as_str()).collect();
        if named.iter().any(|name| is_template(name)) {
            continue;
        }
        let mut named: BTreeSet<&str> = named.into_iter().collect();
        if what == "file" {
            let files = module.files.keys().filter(|name| !named.contains(name.as_str()));
            found.extend(files.map(|name| {
                let place = Span::new(module.file, 0..0);
                unused(
                    place,
                    &format!("file `modules/{}/{name}`", module.name),
                    "no `source` of the module names it",
                )
            }));
            continue;
        }
        let files = &bound.engine.files;
        named.extend(
            files
                .values()
                .flat_map(|file| file.names.templates.iter().map(|(name, _)| name.as_str())),
        );
        let lost = files.iter().filter(|(name, _)| !named.contains(name.as_str()));
        found.extend(lost.map(|(name, file)| {
            let why = "no `template` of the module names it";
            unused(Span::new(file.id, 0..0), &format!("template `{name}`"), why)
        }));
    }
}
