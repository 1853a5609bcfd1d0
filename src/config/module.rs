//! module.toml: params and resource declarations, in the order of the document.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use super::moved::{self, Moved};
use super::param::{Param, check_name, read_param};
use super::project::{ModuleUse, module_uses};
use super::set::{self, FileSet};
use super::table::{TomlTable, TomlValue, located, to_value, wrong_type};
use crate::model::{Body, Diagnostic, FileId, Located, Span, Value, key_text};

/// A module: typed inputs and the resources made from them.
#[derive(Debug)]
pub struct Module {
    pub name: String,
    pub file: FileId,
    /// Whether it comes with the program.
    pub shipped: bool,
    /// Whether its module.toml could not be read as TOML: nothing is known of it then.
    pub broken: bool,
    pub description: Option<String>,
    pub params: BTreeMap<String, Param>,
    /// Params that are declared and could not be read, which was told.
    pub unread: BTreeSet<String>,
    /// Computed values by name, which may name params and each other.
    pub locals: BTreeMap<String, (Span, TomlValue)>,
    /// Modules whose resources come before its own.
    pub uses: Vec<ModuleUse>,
    /// Files that go in together, in the order of the document.
    pub sets: Vec<FileSet>,
    /// Addresses that changed.
    pub moved: Vec<Moved>,
    /// In the order of the document.
    pub resources: Vec<Declaration>,
    /// Keys at the top that are neither its own nor tables, as those of resource types would be.
    pub strange: Vec<(Located<String>, Value)>,
    /// Text under templates/, by its path below that folder.
    pub templates: BTreeMap<String, FileId>,
    /// Contents under files/, by their path below the module (`files/…`).
    pub files: BTreeMap<String, Body>,
}

impl Module {
    fn empty(name: &str, file: FileId) -> Self {
        Self {
            name: name.to_owned(),
            file,
            shipped: false,
            broken: false,
            description: None,
            params: BTreeMap::new(),
            unread: BTreeSet::new(),
            locals: BTreeMap::new(),
            uses: Vec::new(),
            sets: Vec::new(),
            moved: Vec::new(),
            resources: Vec::new(),
            strange: Vec::new(),
            templates: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// A module whose module.toml is no TOML.
    pub(super) fn broken(name: &str, file: FileId) -> Self {
        Self { broken: true, ..Self::empty(name, file) }
    }
}

/// One `[type.name]` of a module, with its expressions not yet evaluated.
#[derive(Debug)]
pub struct Declaration {
    pub kind: Located<String>,
    pub name: Located<String>,
    /// The table's header or inline table: where a missing key is told.
    pub span: Span,
    pub table: TomlTable,
}

/// Keys at the top of a module that are no resource types.
pub const MODULE_KEYS: [&str; 6] = ["description", "params", "locals", "use", "set", "moved"];
/// Keys that later versions give a meaning to.
const RESERVED: [&str; 1] = ["types"];

/// Reads module.toml. Templates and files are put in by the loader.
pub(super) fn read(
    name: &str,
    file: FileId,
    table: &TomlTable,
    found: &mut Vec<Diagnostic>,
) -> Module {
    let mut module = Module::empty(name, file);
    for (key, value) in located(file, table) {
        match key.value.as_str() {
            "description" => match value.get_ref().as_str() {
                Some(text) => module.description = Some(text.to_owned()),
                None => found.push(wrong_type(file, "description", "a string", value)),
            },
            "params" => read_params(&mut module, value, found),
            "locals" => read_locals(&mut module, value, found),
            "use" => module.uses = module_uses(file, "use", value, found),
            "set" => module.sets = set::read(file, value, found),
            "moved" => module.moved = moved::read(file, Some(name), value, found),
            reserved if RESERVED.contains(&reserved) => found.push(
                Diagnostic::at(key.span, format!("`{reserved}` is reserved for a later version"))
                    .help("rename it if it is meant as something else"),
            ),
            _ => read_declarations(&mut module, &key, value, found),
        }
    }
    module.resources.sort_by_key(|declaration| declaration.name.span.start);
    module
}

/// Reads `[params]`.
fn read_params(module: &mut Module, value: &TomlValue, found: &mut Vec<Diagnostic>) {
    let DeValue::Table(table) = value.get_ref() else {
        found.push(wrong_type(module.file, "params", "a table", value));
        return;
    };
    for (name, value) in located(module.file, table) {
        match read_param(module.file, &name, value, found) {
            Some(param) => drop(module.params.insert(name.value, param)),
            None => drop(module.unread.insert(name.value)),
        }
    }
}

/// Reads `[locals]`.
fn read_locals(module: &mut Module, value: &TomlValue, found: &mut Vec<Diagnostic>) {
    let DeValue::Table(table) = value.get_ref() else {
        found.push(wrong_type(module.file, "locals", "a table", value));
        return;
    };
    for (name, value) in located(module.file, table) {
        check_name("local", &name, found);
        module.locals.insert(name.value, (name.span, value.clone()));
    }
}

/// Reads the resources of one type.
fn read_declarations(
    module: &mut Module,
    kind: &Located<String>,
    value: &TomlValue,
    found: &mut Vec<Diagnostic>,
) {
    let DeValue::Table(table) = value.get_ref() else {
        module.strange.push((kind.clone(), to_value(value.get_ref())));
        return;
    };
    for (name, value) in located(module.file, table) {
        let DeValue::Table(table) = value.get_ref() else {
            found.push(
                wrong_type(
                    module.file,
                    &format!("{}.{}", kind.value, name.value),
                    "a table",
                    value,
                )
                .help(format!(
                    "write [{}.{}], and below it the keys of its type",
                    kind.value,
                    key_text(&name.value)
                )),
            );
            continue;
        };
        module.resources.push(Declaration {
            kind: kind.clone(),
            span: Span::new(module.file, name.span.start..name.span.end),
            name,
            table: table.clone(),
        });
    }
}
