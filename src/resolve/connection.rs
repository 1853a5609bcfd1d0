//! A host's connection settings, typed and checked.

use std::collections::BTreeMap;

use crate::config::{CONNECTION_KEYS, HostEntry};
use crate::model::suggest::either;
use crate::model::{Become, Connection, Diagnostic, Located, Span, TransportKind, Value};

/// What may reach ssh's arguments, for messages.
const WORD: &str = "no spaces, quotes, `\\`, `;` or `%`, and no `-` at its beginning";

/// What is said of each setting.
pub(super) type Layer<'l> = BTreeMap<&'l str, &'l Located<Value>>;

/// The settings of a host from its layers, the least first.
pub(super) fn settings(
    entry: &HostEntry,
    layers: [Layer<'_>; 3],
    found: &mut Vec<Diagnostic>,
) -> Connection {
    let mut values: Layer<'_> = BTreeMap::new();
    for layer in layers {
        values.extend(layer);
    }
    let mut connection = Connection::default();
    for key in CONNECTION_KEYS {
        if let Some(value) = values.get(key)
            && let Err(mistake) = set(&mut connection, key, value)
        {
            found.push(*mistake);
        }
    }
    let command = connection.transport == Some(TransportKind::Command);
    if command && connection.command.is_none() && !values.contains_key("command") {
        let place = values.get("transport").map_or(entry.span, |value| value.span);
        found.push(
            Diagnostic::at(place, "the `command` transport needs `command`")
                .code("missing")
                .help("such as command = [\"docker\", \"exec\", \"-i\", \"{name}\", \"/bin/sh\"]"),
        );
    }
    connection
}

/// What ssh connects to: the `address`, else the name.
pub(super) fn address(name: &str, entry: &HostEntry, found: &mut Vec<Diagnostic>) -> String {
    let Some(address) = &entry.address else { return name.to_owned() };
    check_word("address", &address.value, address.span, found);
    address.value.clone()
}

/// Sets one connection setting, or says why its value is wrong.
fn set(
    connection: &mut Connection,
    key: &str,
    Located { value, span }: &Located<Value>,
) -> Result<(), Box<Diagnostic>> {
    let wrong_type = |wanted: &str| Diagnostic::wrong_type(*span, key, wanted, value);
    let text = || match value.as_str() {
        Some(text) if word(text) => Ok(text.to_owned()),
        Some(text) => {
            let message = format!("`{}` cannot be a {key}: {WORD}", text.escape_debug());
            Err(Diagnostic::at(*span, message))
        }
        None => Err(wrong_type("a string")),
    };
    match key {
        "user" => connection.user = Some(text()?),
        "identity" => connection.identity = Some(text()?),
        "jump" => connection.jump = Some(text()?),
        "port" => {
            let Value::Integer(number) = value else {
                return Err(wrong_type("a number").into());
            };
            let port = u16::try_from(*number).ok().filter(|port| *port > 0);
            connection.port = Some(port.ok_or_else(|| {
                let message = format!("`port` takes a number from 1 to 65535, not {number}");
                Diagnostic::at(*span, message)
            })?);
        }
        "transport" => {
            connection.transport = Some(one_of(key, (value, *span), &TransportKind::NAMES)?);
        }
        "become" => connection.r#become = Some(one_of(key, (value, *span), &Become::NAMES)?),
        _ => {
            let help = "the program and its arguments, one string each";
            let Value::List(items) = value else {
                return Err(wrong_type("a list of strings").help(help).into());
            };
            let words: Option<Vec<String>> =
                items.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect();
            let words = words.filter(|words| !words.is_empty());
            connection.command = Some(words.ok_or_else(|| {
                Diagnostic::at(*span, "`command` takes a list of strings, one at least").help(help)
            })?);
        }
    }
    Ok(())
}

/// The meaning of a word that must be one of `names`.
fn one_of<T: Copy>(
    key: &str,
    (value, span): (&Value, Span),
    names: &[(&str, T)],
) -> Result<T, Box<Diagnostic>> {
    let found = names.iter().find(|(name, _)| value.as_str() == Some(*name));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words = || names.iter().map(|(name, _)| *name);
        let message = format!("`{key}` takes {}, not {value}", either(words()));
        Box::new(Diagnostic::at(span, message).suggest(value.as_str().unwrap_or_default(), words()))
    })
}

/// Whether a text may reach ssh's arguments: not empty, no option, no control character, no space.
fn word(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 1024
        && !text.starts_with('-')
        && !text
            .chars()
            .any(|char| char.is_control() || char.is_whitespace() || "\"'\\;%".contains(char))
}

fn check_word(key: &str, text: &str, span: Span, found: &mut Vec<Diagnostic>) {
    if !word(text) {
        found.push(Diagnostic::at(
            span,
            format!("`{}` cannot be an {key}: {WORD}", text.escape_debug()),
        ));
    }
}
