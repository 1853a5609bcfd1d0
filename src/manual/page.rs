//! Pages about resource types, as data: what is on them, not how it is drawn.

use serde_json::Value;

use super::schema;
use crate::config::keys::ResourceKeys;
use crate::resources::ResourceType;

/// A page of the manual.
#[derive(Debug)]
pub struct Page {
    pub name: String,
    /// One line.
    pub summary: String,
    pub sections: Vec<Section>,
}

/// A part of a page.
#[derive(Debug)]
pub struct Section {
    /// Empty for what stands under the page's own name.
    pub heading: &'static str,
    pub body: Body,
}

/// What a section holds.
#[derive(Debug)]
pub enum Body {
    /// Sentences, to be wrapped.
    Text(String),
    /// Lines as they are.
    Lines(Vec<String>),
    Keys(Vec<Key>),
    /// Parts of a TOML file.
    Toml(String),
}

/// A key of a table, or a param of a module.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    /// Its type in words.
    pub kind: String,
    /// As TOML.
    pub default: Option<String>,
    /// Whether it must be given.
    pub required: bool,
    pub meaning: String,
}

/// The page of a resource type.
#[must_use]
pub fn resource(kind: &dyn ResourceType) -> Page {
    let about = kind.about();
    let path = about.name.contains("path");
    let written = if path { "\"/path\"" } else { "NAME" };
    let name = format!("[{}.{written}]: the name is {}. {}", kind.name(), about.name, about.notes);
    let example = about.examples.join("\n");
    let sections = vec![
        Section { heading: "", body: Body::Text(name.trim_end().to_owned()) },
        Section { heading: "Keys", body: Body::Keys(keys(&schema::table(kind))) },
        Section { heading: "Example", body: Body::Toml(example.trim_end().to_owned()) },
    ];
    Page { name: kind.name().to_owned(), summary: about.summary.to_owned(), sections }
}

/// The keys that every resource has.
#[must_use]
pub fn shared() -> Vec<Key> {
    keys(&schema::shape::<ResourceKeys>())
}

/// The keys that the schema of a table names.
fn keys(schema: &Value) -> Vec<Key> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| Key {
            name: name.clone(),
            kind: kind(property),
            default: property.get("default").filter(|value| !value.is_null()).map(toml),
            required: required.contains(&name.as_str()),
            meaning: property["description"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

/// The type of a value in words.
fn kind(schema: &Value) -> String {
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    if let Some(values) = schema["enum"].as_array() {
        return either(values.iter().map(ToString::to_string));
    }
    if let Some(ways) = schema["anyOf"].as_array() {
        return either(ways.iter().map(kind));
    }
    match schema["type"].as_str() {
        Some("array") if schema["items"].get("type").is_some() => match kind(&schema["items"]) {
            item if item.ends_with('s') => format!("list of {item}es"),
            item => format!("list of {item}s"),
        },
        Some("array") => "list".to_owned(),
        Some("object") => "table".to_owned(),
        Some(kind) => kind.to_owned(),
        None => "any value".to_owned(),
    }
}

/// `a`, `a or b`, `a, b or c`.
fn either(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A value as TOML on one line.
pub(super) fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key} = {}", toml(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
