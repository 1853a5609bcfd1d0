//! Resources as they are written for a host, for `render`.

use super::expand::ModuleBodies;
use crate::config::{Declaration, TomlTable, to_value};
use crate::model::{Address, Body, Span, Value};
use crate::resources::Bodies as _;

/// A resource as it is written for one host, every expression evaluated.
#[derive(Debug, Clone)]
pub struct Rendered {
    pub address: Address,
    /// Where it is declared.
    pub place: Span,
    /// Whether a sensitive value went into it.
    pub sensitive: bool,
    /// Its keys and values as they are written, but for its content.
    pub keys: Vec<(String, Value)>,
    /// What `content`, `template` or `source` stands for.
    pub content: Option<Body>,
}

/// What `content`, `template` or `source` of a table stands for.
pub(super) fn content(table: &TomlTable, bodies: &ModuleBodies<'_>) -> Option<Body> {
    let text = |key: &str| {
        let value = table.get(key)?;
        match to_value(value.get_ref()) {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    };
    let nowhere = Span::new(bodies.module.file, 0..0);
    if let Some(name) = text("template") {
        return bodies.template(&name, nowhere).ok();
    }
    if let Some(name) = text("source") {
        return bodies.source(&name, nowhere).ok();
    }
    text("content").map(|text| Body::of(text.into_bytes()))
}

/// The keys of a table in the order in which they are written, but for the content; without the
/// values of those that are `secret`.
pub(super) fn written(
    declaration: &Declaration,
    table: &TomlTable,
    secret: &[&str],
) -> Vec<(String, Value)> {
    let mut keys: Vec<_> = declaration.table.keys().collect();
    keys.sort_by_key(|key| key.span().start);
    keys.into_iter()
        .filter(|key| &**key.get_ref() != "content")
        .filter_map(|key| {
            let value = table.get(&**key.get_ref())?;
            let value = if secret.contains(&&**key.get_ref()) {
                Value::String("(sensitive)".to_owned())
            } else {
                to_value(value.get_ref())
            };
            Some((key.get_ref().to_string(), value))
        })
        .collect()
}
