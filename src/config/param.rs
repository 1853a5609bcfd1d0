//! The typed inputs of modules: their declarations in `[params]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::table::{Fields, Shape, TomlValue, to_value, wrong_type};
use crate::model::suggest::wrong_character;
use crate::model::{Diagnostic, FileId, Located, Span, Value};

/// A typed input of a module.
#[derive(Debug)]
pub struct Param {
    pub span: Span,
    pub kind: ParamType,
    /// The type of a list's items or of a table's values.
    pub of: Option<ParamType>,
    /// What an enum may be.
    pub values: Vec<Located<String>>,
    pub default: Option<TomlValue>,
    /// Whether a use of the module must give it.
    pub required: bool,
    /// Whether its value is never shown.
    pub sensitive: bool,
    pub min: Option<Located<Value>>,
    pub max: Option<Located<Value>>,
    pub pattern: Option<Located<String>>,
    pub description: Option<String>,
}

/// The types of params.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    String,
    Integer,
    Float,
    Boolean,
    List,
    Table,
    Enum,
}

impl ParamType {
    /// Every name that a module may write, with what it means.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("string", Self::String),
        ("integer", Self::Integer),
        ("float", Self::Float),
        ("boolean", Self::Boolean),
        ("list", Self::List),
        ("table", Self::Table),
        ("enum", Self::Enum),
    ];

    /// As a module writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("value", |(name, _)| name)
    }

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
                | (Self::Enum, Value::String(_))
        )
    }
}

const PARAM: Shape =
    Shape { what: "a param", is: "a param is", write: "NAME = { type = \"…\" }" };

/// Reads one param.
pub(super) fn read_param(
    file: FileId,
    name: &Located<String>,
    value: &TomlValue,
    found: &mut Vec<Diagnostic>,
) -> Option<Param> {
    check_name("param", name, found);
    let mut fields = Fields::of(&PARAM, file, value, found)?;
    fields.need("type", "type = \"…\"");
    let kind = param_type(&mut fields, "type", found);
    let of = param_type(&mut fields, "of", found);
    let (min, max) = (bound(&mut fields, "min", found), bound(&mut fields, "max", found));
    let default = fields.take("default").cloned();
    let required = fields.boolean("required", found);
    if let (Some(default), Some(true)) = (&default, required) {
        found.push(
            Diagnostic::at(
                Span::new(file, default.span()),
                format!("param `{}` is required and has a default", name.value),
            )
            .code("conflict")
            .help("take `required` or `default` out: a param without a default is required"),
        );
    }
    let before = found.len();
    let values = fields.strings("values", found);
    let listed = found.len() == before;
    let param = Param {
        span: name.span,
        kind: kind.unwrap_or(ParamType::String),
        of,
        values,
        required: required.unwrap_or_else(|| default.is_none()),
        sensitive: fields.boolean("sensitive", found) == Some(true),
        default,
        min,
        max,
        pattern: fields.string("pattern", found),
        description: fields.string("description", found).map(|text| text.value),
    };
    fields.finish(found);
    kind?;
    if listed && param.kind == ParamType::Enum && param.values.is_empty() {
        found.push(
            Diagnostic::at(name.span, "an enum needs `values`: the list of what it may be")
                .code("missing"),
        );
    }
    check_bounds(name, &param, found);
    Some(param)
}

/// A least or a most, which is a number; its place is that of the key and the value.
fn bound(
    fields: &mut Fields<'_>,
    key: &'static str,
    found: &mut Vec<Diagnostic>,
) -> Option<Located<Value>> {
    let value = fields.take(key)?;
    let span = fields.whole(key)?;
    let bound = to_value(value.get_ref());
    if !ParamType::Float.admits(&bound) {
        found.push(wrong_type(span.file, key, "a number", value));
        return None;
    }
    Some(Located { value: bound, span })
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
                .code("unknown-type")
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
        let Some(bound) = bound else { continue };
        if !numeric {
            let message = format!("`{key}` is for params of type integer or float");
            found.push(Diagnostic::at(bound.span, message));
        }
    }
    if param.of.is_some() && !matches!(param.kind, ParamType::List | ParamType::Table) {
        found.push(Diagnostic::at(name.span, "`of` is for params of type list or table"));
    }
    if let (Some(first), false) = (param.values.first(), param.kind == ParamType::Enum) {
        found.push(Diagnostic::at(first.span, "`values` is for params of type enum"));
    }
    if let (Some(pattern), false) = (&param.pattern, param.kind == ParamType::String) {
        found.push(Diagnostic::at(pattern.span, "`pattern` is for params of type string"));
    }
    if let (Some(min), Some(max)) = (&param.min, &param.max)
        && let (Some(low), Some(high)) = (min.value.number(), max.value.number())
        && low > high
    {
        found.push(
            Diagnostic::at(min.span, format!("`min` is {}, above `max`", min.value))
                .code("conflict")
                .related(max.span, "`max` is here"),
        );
    }
    if let Some(pattern) = &param.pattern
        && let Err(error) = regex::Regex::new(&pattern.value)
    {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        found.push(Diagnostic::at(pattern.span, format!("not a regular expression: {why}")));
    }
}

/// Names that expressions can write after a dot.
pub(super) fn check_name(what: &str, name: &Located<String>, found: &mut Vec<Diagnostic>) {
    let right = |char: char| char.is_ascii_alphanumeric() || char == '_';
    if !name.value.chars().all(right) || !name.value.starts_with(|c: char| !c.is_ascii_digit()) {
        found.push(
            Diagnostic::at(
                name.span,
                format!("`{}` is not a name for a {what}", name.value.escape_debug()),
            )
            .wrong_name(
                wrong_character(&name.value, |char| !char.is_ascii_digit(), right),
                "letters, digits and `_`, not beginning with a digit",
            ),
        );
    }
}
