//! What is the same for all hosts: a module with everything compiled, what each part of it depends on,
//! and the mistakes that show without a host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::locals;
use super::params;
use super::sets;
use super::template::{Compiler, Engine, Needs, Peers, is_template, within};
use super::undefined;
use super::wanted::{self, Wanted};
use crate::config::{Declaration, MODULE_KEYS, Module, ModuleUse, Project, TomlTable, TomlValue};
use crate::model::{AddressPattern, Body, Diagnostic, FileId, Located, Span, Value, key_text};
use crate::resources::{self, Bodies, Input};

use super::meta::META_KEYS;

/// Keys whose values are selectors of resources.
const SELECTORS: [&str; 4] = ["requires", "reload_on", "restart_on", "run_on"];

/// A module that is ready to be expanded.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) engine: Engine,
    /// What each declaration depends on, in their order.
    pub(super) declarations: Vec<Needs>,
    /// The vars that each declaration takes for granted: those of its `for_each` and `when`, and those
    /// of all else.
    pub(super) wanted: Vec<(Vec<Wanted>, Vec<Wanted>)>,
    /// The order in which locals are computed.
    pub(super) locals: Vec<String>,
    /// What the locals depend on, besides each other.
    pub(super) locals_needs: Needs,
}

impl Bound {
    pub(super) fn new(
        module: &Module,
        project: &Project,
        peers: &Arc<Peers>,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut compiler = Compiler::new(peers, project.sources.get(module.file).text, found);
        compiler.module(module, &project.sources);
        let engine = compiler.finish();
        params::check_defaults(module, found);
        check_declarations(module, found);
        sets::check(module, found);
        for declaration in &module.resources {
            check_literals(module, &engine, declaration, found);
        }
        let (locals, locals_needs) = locals::order(module, &engine, found);
        let declarations =
            module.resources.iter().map(|declaration| needs(&engine, declaration)).collect();
        let wanted = module
            .resources
            .iter()
            .map(|declaration| wanted(module, &engine, declaration))
            .collect();
        Self { engine, declarations, wanted, locals, locals_needs }
    }
}

/// Everything that a declaration depends on.
fn needs(engine: &Engine, declaration: &Declaration) -> Needs {
    let mut needs = Needs::default();
    engine.needs_of_text(&declaration.name.value, &mut needs);
    for (key, value) in &declaration.table {
        let text = value.get_ref().as_str();
        if let ("when" | "for_each", Some(text)) = (&**key.get_ref(), text) {
            needs.add(&engine.needs_of_expression(text));
        }
        engine.needs_of(value, &mut needs);
    }
    match declaration.table.get("template").and_then(|value| value.get_ref().as_str()) {
        Some(name) if !is_template(name) => {
            if let Some(file) = engine.files.get(name) {
                needs.add(&file.needs);
            }
        }
        // Which one is known only when the name is.
        Some(_) => engine.files.values().for_each(|file| needs.add(&file.needs)),
        None => {}
    }
    needs
}

/// The vars that a declaration takes for granted.
fn wanted(
    module: &Module,
    engine: &Engine,
    declaration: &Declaration,
) -> (Vec<Wanted>, Vec<Wanted>) {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    let strings = |text: &str, span: Span, all: &mut Vec<Wanted>| {
        if let Some(names) = engine.names_of(text) {
            wanted::wanted(&names, |range| within(engine.source, span, text, range), all);
        }
    };
    strings(&declaration.name.value, declaration.name.span, &mut rest);
    for (key, value) in &declaration.table {
        let span = Span::new(module.file, value.span());
        match (&**key.get_ref(), value.get_ref().as_str()) {
            ("when" | "for_each", Some(text)) => {
                if let Some((names, written)) = engine.names_of_expression(text) {
                    let place = |range| within(engine.source, span, &written, range);
                    wanted::wanted(&names, place, &mut first);
                }
            }
            _ => undefined::each_text(value, &mut |text, range| {
                strings(text, Span::new(module.file, range), &mut rest);
            }),
        }
    }
    // What `when` asks about may be missing where it says no.
    let template = declaration.table.get("template").and_then(|value| value.get_ref().as_str());
    let mut files: Vec<&str> = template.into_iter().collect();
    let mut at = 0;
    while let Some(file) = files.get(at).map(|name| engine.files.get(*name)) {
        at += 1;
        let Some(file) = file else { continue };
        wanted::wanted(&file.names, |range| Span::new(file.id, range), &mut rest);
        let sure = file.names.templates.iter().filter(|(_, sure)| *sure);
        for (name, _) in sure {
            if !files.contains(&name.as_str()) {
                files.push(name);
            }
        }
    }
    (first, rest)
}

/// Modules that use themselves, by others perhaps; they are told and cannot be expanded.
pub(super) fn cycles<'p>(project: &'p Project, found: &mut Vec<Diagnostic>) -> BTreeSet<&'p str> {
    let inner = |name: &str| project.modules.get(name).into_iter().flat_map(|module| &module.uses);
    let mut cyclic: BTreeSet<&str> = BTreeSet::new();
    for name in project.modules.keys().map(String::as_str) {
        // The way from the module to each that it uses.
        let mut from: BTreeMap<&str, (&str, &ModuleUse)> = BTreeMap::new();
        let mut waiting = vec![name];
        while let Some(at) = waiting.pop() {
            for used in inner(at) {
                if !from.contains_key(used.module.value.as_str()) {
                    from.insert(&used.module.value, (at, used));
                    waiting.push(&used.module.value);
                }
            }
        }
        if cyclic.contains(name) || !from.contains_key(name) {
            continue;
        }
        let mut path = Vec::new();
        let mut at = name;
        loop {
            path.push(from[at]);
            at = from[at].0;
            cyclic.insert(at);
            if at == name {
                break;
            }
        }
        path.reverse();
        let mut mistake =
            Diagnostic::at(path[0].1.module.span, format!("module `{name}` uses itself"))
                .code("cycle")
                .label(format!("{name} uses {}", path[0].1.module.value));
        for (user, used) in &path[1..] {
            mistake =
                mistake.related(used.module.span, format!("{user} uses {}", used.module.value));
        }
        found.push(mistake);
    }
    cyclic
}

/// Uses of modules whose params are not there or missing.
pub(super) fn check_uses(project: &Project, cyclic: &BTreeSet<&str>, found: &mut Vec<Diagnostic>) {
    let stages = project.stages.iter().flat_map(|stage| &stage.modules);
    let modules = project.modules.values().filter(|module| !cyclic.contains(&*module.name));
    let modules = modules.flat_map(|module| &module.uses);
    for used in stages.chain(modules) {
        if let Some(module) = project.modules.get(&used.module.value).filter(|m| !m.broken) {
            params::check_use(module, used, found);
        }
    }
}

/// What can be seen in a module's declarations without a host: types that are not there, and
/// addresses that are none.
fn check_declarations(module: &Module, found: &mut Vec<Diagnostic>) {
    let names = || resources::REGISTRY.iter().map(|kind| kind.name());
    found.extend(module.strange.iter().map(strange));
    let mut told = BTreeSet::new();
    for declaration in &module.resources {
        let kind = &declaration.kind;
        if resources::find(&kind.value).is_none() && told.insert(kind.value.clone()) {
            found.push(
                Diagnostic::at(kind.span, format!("there is no resource type `{}`", kind.value))
                    .code("unknown-type")
                    .suggest(&kind.value, names())
                    .help(format!("the types are {}", names().collect::<Vec<_>>().join(", "))),
            );
        }
        for (text, span) in selectors(module.file, declaration) {
            match AddressPattern::parse(text) {
                Err(error) => {
                    found.push(Diagnostic::at(span, error.to_string()).code("selector"));
                }
                Ok(pattern) if resources::find(pattern.kind()).is_none() => found.push(
                    Diagnostic::at(span, format!("there is no resource type `{}`", pattern.kind()))
                        .code("unknown-type")
                        .suggest(pattern.kind(), names()),
                ),
                Ok(_) => {}
            }
        }
    }
}

/// A key at the top of a module that is neither one of its own nor a table.
fn strange((key, value): &(Located<String>, Value)) -> Diagnostic {
    let name = &key.value;
    if resources::find(name).is_some() {
        let first = match value {
            Value::List(items) => items.iter().find_map(Value::as_str),
            value => value.as_str(),
        };
        let first = first.map_or_else(|| "NAME".to_owned(), key_text);
        return Diagnostic::at(
            key.span,
            format!("`{name}` is a resource type: one table for each, not {}", value.described()),
        )
        .code("wrong-type")
        .help(format!("write [{name}.{first}], and below it the keys of its type"));
    }
    let mistake = Diagnostic::at(key.span, format!("unknown key `{name}` in a module"))
        .code("unknown-key")
        .suggest(name, MODULE_KEYS)
        .help("a module has `description`, `use`, `params`, `locals`, `set` and resources: [type.name] or [type.\"name\"], one for each");
    match name.as_str() {
        "name" => mistake.help("its name is its folder's"),
        _ => mistake,
    }
}

/// Every selector of a declaration that is written without expressions.
pub(super) fn selectors(file: FileId, declaration: &Declaration) -> Vec<(&str, Span)> {
    let mut all = Vec::new();
    for key in SELECTORS {
        let Some(value) = declaration.table.get(key) else { continue };
        let DeValue::Array(items) = value.get_ref() else { continue };
        all.extend(items.iter().filter_map(|item| {
            let text = item.get_ref().as_str().filter(|text| !is_template(text))?;
            Some((text, Span::new(file, item.span())))
        }));
    }
    all
}

/// Contents as far as they can be named without a host: whether they are there.
struct Named<'m> {
    module: &'m Module,
    engine: &'m Engine,
}

impl Bodies for Named<'_> {
    fn template(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        self.engine.missing_file(name, span).map_or_else(|| Ok(Body::of([])), Err)
    }

    fn source(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        super::expand::source(self.module, name, span)
    }
}

/// Mistakes in what a declaration says without expressions: they are there on every host, also where
/// a `when` says no.
fn check_literals(
    module: &Module,
    engine: &Engine,
    declaration: &Declaration,
    found: &mut Vec<Diagnostic>,
) {
    let Some(kind) = resources::find(&declaration.kind.value) else { return };
    let mut table = TomlTable::new();
    let mut left_out: Vec<&str> = Vec::new();
    for (key, value) in &declaration.table {
        let name: &str = key.get_ref();
        if META_KEYS.contains(&name) {
            continue;
        }
        if holds_expression(value) {
            left_out.push(name);
        } else {
            table.insert(key.clone(), value.clone());
        }
    }
    let mut mistakes = Vec::new();
    super::meta::check_meta(module.file, declaration, &mut mistakes);
    let named = is_template(&declaration.name.value);
    let name = if named { "/".to_owned() } else { declaration.name.value.clone() };
    let name = Located { value: name, span: declaration.name.span };
    let parsed = kind.parse(&Input {
        name: &name,
        header: declaration.span,
        table: &table,
        evaluated: &[],
        bodies: &Named { module, engine },
        meta_keys: &META_KEYS,
    });
    mistakes.extend(parsed.err().into_iter().flatten());
    // What is missing may be what was left out, and so may be what does not fit together.
    found.extend(mistakes.into_iter().filter(|mistake| {
        let at = mistake.primary.as_ref().map(|label| label.span);
        let in_name = at.is_some_and(|at| {
            declaration.name.span.start <= at.start && at.end <= declaration.span.end
        });
        if in_name { !named && left_out.is_empty() } else { at.is_some() }
    }));
}

/// Whether any string in a value is to be evaluated.
fn holds_expression(value: &TomlValue) -> bool {
    match value.get_ref() {
        DeValue::String(text) => is_template(text),
        DeValue::Array(items) => items.iter().any(holds_expression),
        DeValue::Table(table) => table.values().any(holds_expression),
        _ => false,
    }
}

/// Where the values of a declaration stand that are written as expressions, and its name if it holds
/// some.
pub(super) fn expressions(declaration: &Declaration) -> Vec<std::ops::Range<usize>> {
    let expression = |value: &&TomlValue| {
        value.get_ref().as_str().is_some_and(|text| text.trim_start().starts_with("{{"))
    };
    let name = Some(&declaration.name).filter(|name| is_template(&name.value));
    let name = name.map(|name| name.span.start..name.span.end);
    declaration.table.values().filter(expression).map(Spanned::span).chain(name).collect()
}
