//! Names that are not defined, seen in the texts themselves: also in branches that are not taken, and
//! where tera would take a missing name for false.

use std::collections::{BTreeMap, BTreeSet};

use super::bind::Bound;
use super::foreign;
use super::template::{Argument, Engine, Names, ROOTS, Use, arguments, usage, within};
use super::wanted::{KnownVars, not_defined};
use crate::config::{Module, ModuleUse, Project, TomlValue};
use crate::model::suggest::nearest;
use crate::model::{Diagnostic, Facts, FileId, Label, Span, Value};

use toml::de::DeValue;

/// The fields of `host`, `each`, `stage` and `project`.
const HOST: [&str; 3] = ["name", "address", "groups"];
const EACH: [&str; 3] = ["key", "value", "index"];
const NAMED: [&str; 1] = ["name"];

/// A text with its place and the names in it.
struct Seen<'s> {
    names: &'s Names,
    span: Span,
    /// The text as tera has it, where it is written in a string of a TOML file, and all of the file.
    text: Option<(&'s str, &'s str)>,
}

impl Seen<'_> {
    /// The place of some bytes of the text.
    fn place(&self, range: &std::ops::Range<usize>) -> Span {
        match self.text {
            Some((text, source)) => within(source, self.span, text, range.clone()),
            None => Span::new(self.span.file, range.clone()),
        }
    }
}

/// What stands where a text does.
struct Context<'c> {
    project: &'c Project,
    known: &'c KnownVars,
    module: Option<&'c Module>,
    /// Whether vars can be judged: some host of this inventory uses the module.
    vars: bool,
    each: bool,
    /// Whether it is about a set, whose staged folder has a name.
    staged: bool,
    /// Names that templates around it may have made.
    bound: &'c BTreeSet<String>,
    facts: &'c BTreeMap<String, Value>,
}

/// Looks through every text of a project.
pub(super) fn check(
    project: &Project,
    bound: &BTreeMap<String, Bound>,
    stages: &Engine,
    known: &KnownVars,
    found: &mut Vec<Diagnostic>,
) {
    let Value::Table(facts) = Facts::stand_in("").to_value() else {
        unreachable!("facts are a table")
    };
    let used = used_modules(project);
    let none = BTreeSet::new();
    let context = Context {
        project,
        known,
        module: None,
        vars: true,
        each: false,
        staged: false,
        bound: &none,
        facts: &facts,
    };
    for stage in &project.stages {
        for used in &stage.modules {
            context.with(stages, used, found);
        }
    }
    for (name, bound) in bound {
        // Of a module that is no TOML nobody knows what it declares.
        let Some(module) = project.modules.get(name).filter(|m| !m.broken) else { continue };
        let made: BTreeSet<String> =
            bound.engine.files.values().flat_map(|file| file.names.bound.iter().cloned()).collect();
        let context = Context {
            module: Some(module),
            vars: used.contains(name.as_str()),
            bound: &made,
            ..context
        };
        context.module(module, bound, found);
    }
}

/// The modules that stages reach.
pub(super) fn used_modules(project: &Project) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    let mut waiting: Vec<&ModuleUse> =
        project.stages.iter().flat_map(|stage| &stage.modules).collect();
    while let Some(next) = waiting.pop() {
        if used.insert(next.module.value.as_str())
            && let Some(module) = project.modules.get(&next.module.value)
        {
            waiting.extend(&module.uses);
        }
    }
    used
}

impl Context<'_> {
    fn module(&self, module: &Module, bound: &Bound, found: &mut Vec<Diagnostic>) {
        for file in bound.engine.files.values() {
            let span = Span::new(file.id, 0..0);
            let inside = Context { each: true, ..*self };
            let mut seen = Vec::new();
            inside.seen(&Seen { names: &file.names, span, text: None }, &mut seen);
            let readable = |label: &Label| label.span.start < file.readable();
            seen.retain(|mistake| mistake.primary.as_ref().is_some_and(readable));
            found.append(&mut seen);
        }
        for used in &module.uses {
            self.with(&bound.engine, used, found);
        }
        for (span, value) in module.locals.values() {
            self.value(&bound.engine, span.file, value, found);
        }
        for set in &module.sets {
            for text in &set.members {
                self.text(&bound.engine, &text.value, text.span, found);
            }
            let inside = Context { staged: true, ..*self };
            if let Some(text) = &set.validate {
                inside.text(&bound.engine, &text.value, text.span, found);
            }
        }
        for declaration in &module.resources {
            let table = &declaration.table;
            let inside = Context { each: table.contains_key("for_each"), ..*self };
            let name = &declaration.name;
            inside.text(&bound.engine, &name.value, name.span, found);
            for (key, value) in table {
                let key: &str = key.get_ref();
                // `each` is what `for_each` makes.
                let context = if key == "for_each" { self } else { &inside };
                let text = value.get_ref().as_str();
                if let ("when" | "for_each", Some(text)) = (key, text) {
                    let span = Span::new(module.file, value.span());
                    context.expression(&bound.engine, text, span, found);
                } else {
                    context.value(&bound.engine, module.file, value, found);
                }
            }
        }
    }

    fn with(&self, engine: &Engine, used: &ModuleUse, found: &mut Vec<Diagnostic>) {
        for (name, value) in &used.with {
            self.value(engine, name.span.file, value, found);
        }
    }

    fn value(&self, engine: &Engine, file: FileId, value: &TomlValue, found: &mut Vec<Diagnostic>) {
        each_text(value, &mut |text, range| {
            self.text(engine, text, Span::new(file, range), found);
        });
    }

    fn text(&self, engine: &Engine, text: &str, span: Span, found: &mut Vec<Diagnostic>) {
        if let Some(names) = engine.names_of(text) {
            self.seen(&Seen { names: &names, span, text: Some((text, engine.source)) }, found);
        }
    }

    fn expression(&self, engine: &Engine, text: &str, span: Span, found: &mut Vec<Diagnostic>) {
        if let Some((names, written)) = engine.names_of_expression(text) {
            self.seen(&Seen { names: &names, span, text: Some((&written, engine.source)) }, found);
        }
    }

    fn seen(&self, seen: &Seen<'_>, found: &mut Vec<Diagnostic>) {
        for used in seen.names.uses.iter().filter(|used| !used.guarded) {
            let span = seen.place(&used.at);
            if let Some(mistake) = self.wrong(used, span) {
                found.push(mistake);
            }
        }
        for used in seen.names.peer_uses.iter().filter(|used| !used.guarded) {
            let span = seen.place(&used.at);
            let missing = |name: &String| !self.known.places.contains_key(name);
            if used.root == "facts" {
                found.extend(self.fact(used, span));
            } else if self.vars && used.path.first().is_some_and(missing) {
                found.push(self.known.undefined(&self.project.sources, span, &used.path));
            }
        }
        for Argument { called, name, at, value } in &seen.names.arguments {
            let Some(known) = arguments(called).filter(|known| !known.contains(&name.as_str()))
            else {
                continue;
            };
            let message = format!("`{called}` has no argument `{name}`");
            let mistake = Diagnostic::at(seen.place(at), message).code("template");
            let mistake = mistake.suggest(name, known);
            found.push(usage(called, value).into_iter().fold(mistake, Diagnostic::help));
        }
        for bare in seen.names.bare.iter().filter(|bare| !self.bound.contains(&bare.root)) {
            found.push(self.bare(bare, seen.place(&bare.at)));
        }
        for (group, at) in seen.names.groups.iter().flatten() {
            let groups = &self.project.inventory.groups;
            if group != "all" && !groups.contains_key(group) {
                found.push(
                    Diagnostic::at(seen.place(at), format!("there is no group `{group}`"))
                        .code("unknown-group")
                        .suggest(group, groups.keys().map(String::as_str)),
                );
            }
        }
    }

    /// Why a name cannot be right, whatever is evaluated.
    fn wrong(&self, used: &Use, span: Span) -> Option<Diagnostic> {
        let first = used.path.first();
        let among = |known: &mut dyn Iterator<Item = &str>| {
            let name = first?;
            let known: Vec<&str> = known.collect();
            let missing = !known.contains(&name.as_str());
            missing.then(|| suggest(not_defined(span, &used.root, &used.path), used, &known))
        };
        match (used.root.as_str(), self.module) {
            ("vars", _) => {
                let missing =
                    self.vars && first.is_some_and(|name| !self.known.places.contains_key(name));
                let told = || self.known.undefined(&self.project.sources, span, &used.path);
                missing.then(|| self.elsewhere(used, span).unwrap_or_else(told))
            }
            ("params", Some(module)) => {
                let told =
                    among(&mut module.params.keys().chain(&module.unread).map(String::as_str))?;
                Some(self.elsewhere(used, span).unwrap_or(told))
            }
            ("locals", Some(module)) => {
                let told = among(&mut module.locals.keys().map(String::as_str))?;
                Some(self.elsewhere(used, span).unwrap_or(told))
            }
            ("params" | "locals" | "each" | "candidate" | "staged", None) => Some(
                not_defined(span, &used.root, &used.path)
                    .help("in a stage there are vars, facts, host, stage and project"),
            ),
            ("staged", _) if !self.staged => Some(
                not_defined(span, &used.root, &used.path)
                    .help("`staged` is the folder of a set, for its `validate`: [set.NAME]"),
            ),
            ("facts", _) => self.fact(used, span),
            ("host", _) => among(&mut HOST.into_iter()),
            ("each", _) if !self.each => Some(
                not_defined(span, &used.root, &used.path)
                    .help("`each` exists only in a resource with `for_each`; this one has none"),
            ),
            ("each", _) => among(&mut EACH.into_iter()),
            ("stage" | "project", _) => among(&mut NAMED.into_iter()),
            _ => None,
        }
    }

    /// What has the very name behind another prefix.
    fn elsewhere(&self, used: &Use, span: Span) -> Option<Diagnostic> {
        let name = used.path.first()?;
        let root = self.roots_of(name).into_iter().next()?;
        let mistake = not_defined(span, &used.root, &used.path[..1]);
        Some(mistake.label(format!("did you mean `{root}.{name}`?")))
    }

    /// The prefixes behind which there is a `name`.
    fn roots_of(&self, name: &String) -> Vec<&'static str> {
        let mut roots = Vec::new();
        if let Some(module) = self.module {
            roots.extend(module.params.contains_key(name).then_some("params"));
            roots.extend(module.locals.contains_key(name).then_some("locals"));
        }
        roots.extend(self.known.places.contains_key(name).then_some("vars"));
        roots
    }

    /// A fact that no host has, or one that is no value.
    fn fact(&self, used: &Use, span: Span) -> Option<Diagnostic> {
        let known = fact_names(self.facts);
        let name = std::iter::once("facts").chain(used.path.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join(".");
        if used.path.is_empty() || known.contains(&name) {
            return None;
        }
        let inside = format!("{name}.");
        let fields = known.iter().filter(|known| known.starts_with(&inside));
        let fields: Vec<&str> = fields.map(String::as_str).collect();
        if !fields.is_empty() {
            let mistake = Diagnostic::at(span, format!("`{name}` is no value by itself"));
            return Some(mistake.code("wrong-type").help(format!("name {}", fields.join(", "))));
        }
        let mistake = not_defined(span, "facts", &used.path);
        if let Some(ours) = foreign::ours(&used.path.join(".")) {
            return Some(mistake.label(format!("did you mean `{ours}`?")));
        }
        let last = used.path.last().map_or("", String::as_str);
        // `facts.family` and `facts.os_family` mean `facts.os.family`.
        let meant = known.iter().find(|known| {
            known.rsplit('.').next() == Some(last)
                || known.replace('.', "_") == name.replace('.', "_")
        });
        Some(
            match meant
                .map(String::as_str)
                .or_else(|| nearest(&name, known.iter().map(String::as_str)))
            {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.help(format!("there are {}", known.join(", "))),
            },
        )
    }

    /// A name without a prefix.
    fn bare(&self, bare: &Use, span: Span) -> Diagnostic {
        let name = &bare.root;
        let mistake = Diagnostic::at(span, format!("`{name}` is not defined")).code("undefined");
        let roots = self.roots_of(name).into_iter();
        let mut meant: Vec<String> = roots.map(|root| format!("{root}.{name}")).collect();
        let facts = fact_names(self.facts);
        let whole = std::iter::once(name).chain(&bare.path).cloned().collect::<Vec<_>>().join(".");
        let same = |fact: &&String| {
            let fact = fact.trim_start_matches("facts.");
            let last = fact.rsplit('.').next() == Some(name);
            fact == whole || (bare.path.is_empty() && (last || fact.replace('.', "_") == *name))
        };
        meant.extend(facts.iter().find(same).cloned());
        meant.extend(foreign::ours(&whole).map(str::to_owned));
        match meant.first() {
            Some(meant) => mistake.label(format!("did you mean `{meant}`?")),
            None if foreign::is_fact(&whole) => {
                mistake.help(format!("the facts are {}", facts.join(", ")))
            }
            None => mistake.suggest(name, ROOTS).help(
                "names have a prefix: vars, params, locals, facts, host, each, stage or project",
            ),
        }
    }
}

/// Every fact that is a value, by its whole name.
fn fact_names(facts: &BTreeMap<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in facts {
        match value {
            Value::Table(inner) => {
                let inner = fact_names(inner).into_iter();
                names.extend(
                    inner.map(|field| field.replacen("facts.", &format!("facts.{name}."), 1)),
                );
            }
            _ => names.push(format!("facts.{name}")),
        }
    }
    names
}

fn suggest(mistake: Diagnostic, used: &Use, known: &[&str]) -> Diagnostic {
    let name = used.path.first().map_or("", String::as_str);
    match nearest(name, known.iter().copied()) {
        Some(near) => mistake.label(format!("did you mean `{}.{near}`?", used.root)),
        None if known.is_empty() => mistake.help(format!("the module has no {}", used.root)),
        None => {
            let known: Vec<String> =
                known.iter().map(|name| format!("{}.{name}", used.root)).collect();
            mistake.help(format!("there are {}", known.join(", ")))
        }
    }
}

/// Calls `tell` for every string in a value.
pub(super) fn each_text(value: &TomlValue, tell: &mut dyn FnMut(&str, std::ops::Range<usize>)) {
    match value.get_ref() {
        DeValue::String(text) => tell(text, value.span()),
        DeValue::Array(items) => items.iter().for_each(|item| each_text(item, tell)),
        DeValue::Table(table) => table.values().for_each(|value| each_text(value, tell)),
        _ => {}
    }
}
