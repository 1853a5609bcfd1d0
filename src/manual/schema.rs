//! JSON Schemas of the three kinds of file, draft-07: the newest that editors of TOML understand.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::config::keys;
use crate::resources::{REGISTRY, ResourceType};

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// trueup.toml
    Project,
    Inventory,
    /// module.toml
    Module,
}

/// A whole value that is one expression, which keeps its type.
const EXPRESSION: &str = r"^\s*\{\{[\s\S]*\}\}\s*$";
/// Text that holds an expression or a statement somewhere.
const TEMPLATED: &str = r"\{[{%]";

/// What no key may be that is not named. Editors that take a refusal for one of the table show it at
/// every key of it; refusing the value of the key points at that key.
const UNKNOWN: &str = "an unknown key";

/// The schema of a kind of file.
#[must_use]
pub fn schema(document: Document) -> Value {
    let (title, mut shape) = match document {
        Document::Project => ("trueup.toml", shape::<keys::ProjectFile>()),
        Document::Inventory => ("an inventory of trueup", shape::<keys::Inventory>()),
        Document::Module => ("a module.toml of trueup", module()),
    };
    let mut whole = Map::new();
    whole.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    whole.insert("title".into(), title.into());
    whole.append(object(&mut shape));
    whole.into()
}

/// The schema of a resource's table once its expressions are evaluated: the keys of its type.
pub(super) fn table(kind: &dyn ResourceType) -> Value {
    let mut schema = kind.about().schema(&mut generator()).to_value();
    tidy(&mut schema);
    schema
}

/// The schema of a type that says the keys of a table.
pub(super) fn shape<T: JsonSchema>() -> Value {
    let mut schema = T::json_schema(&mut generator()).to_value();
    tidy(&mut schema);
    schema
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true).into_generator()
}

/// The fields of a schema that is an object.
fn object(schema: &mut Value) -> &mut Map<String, Value> {
    schema.as_object_mut().expect("every schema here is an object")
}

/// A module: its own keys, and one table of tables for each resource type.
fn module() -> Value {
    let mut schema = shape::<keys::Module>();
    for kind in REGISTRY {
        let about = kind.about();
        let text = format!("{}. The name is {}.", about.summary, about.name);
        let resource = resource(*kind);
        let named = json!({
            "description": text,
            "type": "object",
            "additionalProperties": resource,
        });
        object(&mut schema["properties"]).insert(kind.name().to_owned(), named);
    }
    let definitions = json!({
        "expression": {
            "$comment": "An expression, alone in its string: it keeps its type.",
            "type": "string",
            "pattern": EXPRESSION,
        },
        "templated": {
            "$comment": "Text that holds an expression.",
            "type": "string",
            "pattern": TEMPLATED,
        },
    });
    object(&mut schema).insert("definitions".into(), definitions);
    schema
}

/// A resource as it is written: the keys of its type and those of every resource, with expressions.
fn resource(kind: &dyn ResourceType) -> Value {
    let mut schema = table(kind);
    object(&mut schema).insert("description".into(), kind.about().summary.into());
    let mut shared = shape::<keys::ResourceKeys>();
    let properties = object(&mut schema["properties"]);
    properties.append(object(&mut shared["properties"]));
    for (name, property) in properties {
        if name != "when" {
            open(property);
        }
    }
    schema
}

/// Lets a value be an expression too.
fn open(schema: &mut Value) {
    if let Some(items) = schema.get_mut("items") {
        open(items);
    }
    let text = schema["type"] == "string";
    if text && schema.get("pattern").is_none() && schema.get("enum").is_none() {
        return;
    }
    let other = if text { "#/definitions/templated" } else { "#/definitions/expression" };
    let mut inner = std::mem::take(object(schema));
    let outer = object(schema);
    for key in ["description", "default"] {
        if let Some(value) = inner.shift_remove(key) {
            outer.insert(key.to_owned(), value);
        }
    }
    let mut ways = match inner.shift_remove("anyOf") {
        Some(Value::Array(ways)) => ways,
        _ => vec![inner.into()],
    };
    ways.push(json!({ "$ref": other }));
    outer.insert("anyOf".into(), ways.into());
}

/// Takes out what TOML has not (null) and what says nothing (formats of numbers), at every depth.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => {
            if let Some(Value::Array(kinds)) = fields.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [one] = kinds.as_slice() {
                    let one = one.clone();
                    fields.insert("type".into(), one);
                }
            }
            if let Some(Value::Array(values)) = fields.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            if fields.get("format").is_some_and(Value::is_string) {
                fields.shift_remove("format");
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            if fields.get("additionalProperties") == Some(&Value::Bool(false)) {
                fields
                    .insert("additionalProperties".into(), json!({ "not": { "title": UNKNOWN } }));
            }
            one_way(fields);
            fields.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// `anyOf` of something and null is that something; words beside it win over its own.
fn one_way(fields: &mut Map<String, Value>) {
    let Some(Value::Array(ways)) = fields.get_mut("anyOf") else { return };
    ways.retain(|way| way["type"] != "null");
    if let [Value::Object(one)] = ways.as_slice() {
        let one = one.clone();
        fields.shift_remove("anyOf");
        for (key, value) in one {
            fields.entry(key).or_insert(value);
        }
    }
}
