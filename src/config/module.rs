//! module.toml: params and resource declarations, in the order of the document.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::DeValue;

use super::table::{Fields, TomlTable, TomlValue, located, wrong_type};
use crate::model::{Diagnostic, FileId, Located, Span, Value};

/// A module: typed inputs and the resources made from them.
#[derive(Debug)]
pub struct Module {
    pub name: String,
    pub file: FileId,
    pub description: Option<String>,
    pub params: BTreeMap<String, Param>,
    /// In the order of the document.
    pub resources: Vec<Declaration>,
    /// Text under templates/, by its path below that folder.
    pub templates: BTreeMap<String, FileId>,
    /// Bytes under files/, by their path below the module (`files/…`).
    pub files: BTreeMap<String, Arc<[u8]>>,
}

/// A typed input of a module.
#[derive(Debug)]
pub struct Param {
    pub span: Span,
    pub kind: ParamType,
    /// The type of a list's items.
    pub of: Option<ParamType>,
    pub default: Option<TomlValue>,
    pub min: Option<Located<Value>>,
    pub max: Option<Located<Value>>,
    pub pattern: Option<Located<String>>,
    pub description: Option<String>,
}

/// The types of params.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    String,
    Integer,
    Float,
    Boolean,
    List,
    Table,
}

impl ParamType {
    /// Every name that a module may write, with what it means.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("string", Self::String),
        ("integer", Self::Integer),
        ("float", Self::Float),
        ("boolean", Self::Boolean),
        ("list", Self::List),
        ("table", Self::Table),
    ];

    /// Whether `value` is of this type; an integer is a float too.
    #[must_use]
    pub const fn admits(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::String, Value::String(_) | Value::Datetime(_))
                | (Self::Integer, Value::Integer(_))
                | (Self::Float, Value::Float(_) | Value::Integer(_))
                | (Self::Boolean, Value::Boolean(_))
                | (Self::List, Value::List(_))
                | (Self::Table, Value::Table(_))
        )
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

/// Keys at the top of a module that are no resource types, those of later versions too.
const RESERVED: [&str; 7] = ["description", "params", "locals", "use", "moved", "set", "types"];

/// Reads module.toml. Templates and files are put in by the loader.
pub(super) fn read(
    name: &str,
    file: FileId,
    table: &TomlTable,
    found: &mut Vec<Diagnostic>,
) -> Module {
    let mut module = Module {
        name: name.to_owned(),
        file,
        description: None,
        params: BTreeMap::new(),
        resources: Vec::new(),
        templates: BTreeMap::new(),
        files: BTreeMap::new(),
    };
    for (key, value) in located(file, table) {
        match key.value.as_str() {
            "description" => match value.get_ref().as_str() {
                Some(text) => module.description = Some(text.to_owned()),
                None => found.push(wrong_type(file, "description", "a string", value)),
            },
            "params" => read_params(&mut module, value, found),
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
        if let Some(param) = read_param(module.file, &name, value, found) {
            module.params.insert(name.value, param);
        }
    }
}

/// Reads one param.
fn read_param(
    file: FileId,
    name: &Located<String>,
    value: &TomlValue,
    found: &mut Vec<Diagnostic>,
) -> Option<Param> {
    let mut fields = Fields::of("a param", file, value, found)?;
    fields.need("type", found);
    let kind = param_type(&mut fields, "type", found);
    let of = param_type(&mut fields, "of", found);
    let mut number = |key| {
        fields.take(key).map(|value| Located {
            value: super::table::to_value(value.get_ref()),
            span: Span::new(file, value.span()),
        })
    };
    let (min, max) = (number("min"), number("max"));
    let param = Param {
        span: name.span,
        kind: kind?,
        of,
        default: fields.take("default").cloned(),
        min,
        max,
        pattern: fields.string("pattern", found),
        description: fields.string("description", found).map(|text| text.value),
    };
    fields.finish(found);
    check_bounds(name, &param, found);
    Some(param)
}

/// The type that `key` names.
fn param_type(
    fields: &mut Fields<'_>,
    key: &'static str,
    found: &mut Vec<Diagnostic>,
) -> Option<ParamType> {
    let written = fields.string(key, found)?;
    let names = ParamType::NAMES.map(|(name, _)| name);
    let kind = ParamType::NAMES.into_iter().find(|(name, _)| *name == written.value);
    if kind.is_none() {
        found.push(
            Diagnostic::at(written.span, format!("there is no param type `{}`", written.value))
                .suggest(&written.value, names)
                .help(format!("the types are {}", names.join(", "))),
        );
    }
    kind.map(|(_, kind)| kind)
}

/// Bounds that do not fit the param's own type.
fn check_bounds(name: &Located<String>, param: &Param, found: &mut Vec<Diagnostic>) {
    let numeric = matches!(param.kind, ParamType::Integer | ParamType::Float);
    for (key, bound) in [("min", &param.min), ("max", &param.max)] {
        if let Some(bound) = bound
            && (!numeric || !ParamType::Float.admits(&bound.value))
        {
            found.push(
                Diagnostic::at(bound.span, format!("`{key}` is a number, for numbers only"))
                    .related(name.span, "the param"),
            );
        }
    }
    if param.of.is_some() && param.kind != ParamType::List {
        found.push(Diagnostic::at(name.span, "`of` is for params of type list"));
    }
    if let Some(pattern) = &param.pattern
        && let Err(error) = regex::Regex::new(&pattern.value)
    {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        found.push(Diagnostic::at(pattern.span, format!("not a regular expression: {why}")));
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
        found.push(
            Diagnostic::at(kind.span, format!("unknown key `{}` in a module", kind.value))
                .suggest(&kind.value, RESERVED)
                .help("a resource is written [type.name] or [type.\"name\"]"),
        );
        return;
    };
    for (name, value) in located(module.file, table) {
        let DeValue::Table(table) = value.get_ref() else {
            found.push(
                wrong_type(module.file, &name.value, "a table", value)
                    .help(format!("write [{}.{:?}] and its keys below", kind.value, name.value)),
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
