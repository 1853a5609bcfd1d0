//! The page of a module, from the text of its module.toml.

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::de::{DeTable, DeValue};

use super::page::{self, Body, Key, Page, Section};
use crate::config::keys::Param;
use crate::config::{ParamType, Shelved};
use crate::resources;

/// The page of a module; of one with mistakes, what can be told.
#[must_use]
pub fn module(shelved: &Shelved) -> Page {
    let (table, _) = DeTable::parse_recoverable(&shelved.text);
    let table = table.get_ref();
    let text = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
    let params = params(table);
    let example = example(&shelved.name, &params);
    let keys: Vec<Key> = params.into_iter().map(|(name, param)| key(name, &param)).collect();
    let notes = head(&shelved.text);
    let mut sections = Vec::new();
    if !notes.is_empty() {
        sections.push(Section { heading: "", body: Body::Lines(notes) });
    }
    if !keys.is_empty() {
        sections.push(Section { heading: "Params", body: Body::Keys(keys) });
    }
    sections.push(Section { heading: "Declares", body: Body::Lines(declares(table)) });
    sections.push(Section { heading: "Example", body: Body::Toml(example) });
    let summary = text("description").and_then(|text| text.trim().lines().next());
    let summary = summary.unwrap_or("no description").to_owned();
    Page { name: shelved.name.clone(), summary, sections }
}

/// The comment that a module.toml begins with.
fn head(text: &str) -> Vec<String> {
    let comment = text.lines().map_while(|line| line.strip_prefix('#'));
    comment.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()).collect()
}

/// The params that can be read, in the order of the document.
fn params(table: &DeTable<'_>) -> Vec<(String, Param)> {
    let Some(DeValue::Table(params)) = table.get("params").map(toml::Spanned::get_ref) else {
        return Vec::new();
    };
    let mut params: Vec<_> = params.iter().collect();
    params.sort_by_key(|(name, _)| name.span().start);
    params
        .into_iter()
        .filter_map(|(name, value)| {
            let param = Param::deserialize(value.clone().into_deserializer()).ok()?;
            Some((name.get_ref().to_string(), param))
        })
        .collect()
}

/// `type[name]` of every resource, in the order of the document.
fn declares(table: &DeTable<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (kind, value) in table {
        let DeValue::Table(named) = value.get_ref() else { continue };
        if resources::find(kind.get_ref()).is_some() {
            let address = |name: &str| format!("{}[{name}]", kind.get_ref());
            found.extend(named.keys().map(|name| (name.span().start, address(name.get_ref()))));
        }
    }
    found.sort();
    found.into_iter().map(|(_, address)| address).collect()
}

/// Whether a value must be given.
fn required(param: &Param) -> bool {
    param.required.unwrap_or_else(|| param.default.is_none())
}

/// A param as a key: its bounds stand behind its type.
fn key(name: String, param: &Param) -> Key {
    let kind = match (param.of, &param.values) {
        (Some(of), _) => format!("{} of {}s", param.r#type.name(), of.name()),
        (_, Some(values)) if param.r#type == ParamType::Enum => {
            values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" or ")
        }
        _ => param.r#type.name().to_owned(),
    };
    let bounds = match (&param.min, &param.max) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        (Some(min), None) => format!(", at least {min}"),
        (None, Some(max)) => format!(", at most {max}"),
        (None, None) => String::new(),
    };
    let mut meaning = Vec::new();
    if let Some(text) = &param.description {
        meaning.push(if text.ends_with('.') { text.clone() } else { format!("{text}.") });
    }
    if let Some(pattern) = &param.pattern {
        meaning.push(format!("It matches `{pattern}`."));
    }
    if param.sensitive {
        meaning.push("A secret: never printed.".to_owned());
    }
    let default = param.default.as_ref().filter(|_| !param.sensitive).map(page::toml);
    let meaning = meaning.join(" ");
    Key { name, kind: kind + &bounds, default, required: required(param), meaning }
}

/// A stage that uses the module, with a value for each param that needs one.
fn example(name: &str, params: &[(String, Param)]) -> String {
    let value = |param: &Param| match param.r#type {
        ParamType::String => "\"…\"".to_owned(),
        ParamType::Integer | ParamType::Float => {
            param.min.as_ref().map_or_else(|| "1".to_owned(), ToString::to_string)
        }
        ParamType::Boolean => "true".to_owned(),
        ParamType::List => "[]".to_owned(),
        ParamType::Table => "{}".to_owned(),
        ParamType::Enum => {
            let first = param.values.as_ref().and_then(|values| values.first());
            format!("{:?}", first.map_or("…", String::as_str))
        }
    };
    let with = params
        .iter()
        .filter(|(_, param)| required(param))
        .map(|(name, param)| format!("{name} = {}", value(param)));
    let with = with.collect::<Vec<_>>().join(", ");
    let used = if with.is_empty() {
        format!("\"{name}\"")
    } else {
        format!("{{ use = \"{name}\", with = {{ {with} }} }}")
    };
    format!("[[stage]]\nname = \"{name}\"\nhosts = \"all\"\nmodules = [{used}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        module(&Shelved { name: "m".into(), standard: false, text: text.into() })
    }

    fn keys(page: &Page) -> &[Key] {
        let keys = page.sections.iter().find_map(|section| match &section.body {
            Body::Keys(keys) => Some(keys),
            _ => None,
        });
        keys.map_or(&[], Vec::as_slice)
    }

    #[test]
    fn params_stand_in_their_order_with_their_bounds() {
        let page = page(
            "[params]\nz = { type = \"enum\", values = [\"a\", \"b\"] }\n\
             key = { type = \"string\", sensitive = true, default = \"x\", description = \"The key\" }\n\
             a = { type = \"list\", of = \"integer\", required = false, description = \"Ports.\" }\n",
        );
        let told: Vec<_> = keys(&page)
            .iter()
            .map(|key| (key.name.as_str(), key.kind.as_str(), key.required, key.meaning.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("z", "\"a\" or \"b\"", true, ""),
                ("key", "string", false, "The key. A secret: never printed."),
                ("a", "list of integers", false, "Ports."),
            ]
        );
        assert!(keys(&page).iter().all(|key| key.default.is_none()), "no secret is told");
    }

    #[test]
    fn of_a_module_with_mistakes_is_told_what_can_be() {
        let page = page(
            "description = \"two\\nlines\"\n[params]\na = 3\nb = { type = \"table\" }\n[file.x\n",
        );
        assert_eq!(page.summary, "two");
        assert_eq!(keys(&page).len(), 1);
    }
}
