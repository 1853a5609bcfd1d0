//! A command's table: its keys, and what is wrong with their values.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::super::input::{absolute_path, account_name};
use super::super::{Input, Trigger};
use super::Command;
use crate::model::Diagnostic;
use crate::model::change::TriggerKind;

/// Bytes of a command's output that may be kept: 1 KiB to 16 MiB. Answers of a host are 64 MiB at most.
const MAX_OUTPUT: RangeInclusive<u32> = 1024..=16 << 20;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["command"] }, { "required": ["until"] }]))]
pub(super) struct Table {
    /// Text for sh(1); its umask is 022, and it may take 300 s unless `timeout` says otherwise. It may be left out where there is an `until`.
    #[schemars(with = "Option<String>")]
    command: Option<Spanned<String>>,
    /// A path: it runs only while nothing is there.
    #[schemars(with = "Option<String>")]
    creates: Option<Spanned<String>>,
    /// Text for sh(1) that changes nothing: it runs only while this fails; it may take 60 s.
    unless: Option<String>,
    /// Text for sh(1) that changes nothing: it runs only while this succeeds; it may take 60 s.
    only_if: Option<String>,
    /// Text for sh(1) that changes nothing: after the command it is tried every second until it succeeds; `timeout` is for both together. Without a command it is waited for while it fails.
    until: Option<String>,
    /// The folder in which it and its probes run.
    #[schemars(with = "Option<String>", extend("default" = "/"))]
    cwd: Option<Spanned<String>>,
    /// The user as whom it and its probes run, with that user's groups and HOME and else a clean environment; the login if absent.
    #[schemars(with = "Option<String>")]
    as_user: Option<Spanned<String>>,
    /// Variables that it and its probes see, and no other program.
    #[schemars(with = "Option<BTreeMap<String, Word>>")]
    environment: Option<Spanned<BTreeMap<String, Word>>>,
    /// What it reads on its standard input: the way for secrets.
    stdin: Option<String>,
    /// Bytes of what it prints that are kept for the report and the run's record, from 1,024 to 16,777,216: of more the
    /// first and the last half.
    #[schemars(with = "Option<u32>", range(min = 1024, max = 16_777_216), extend("default" = 65536))]
    max_output: Option<Spanned<i64>>,
    /// Addresses: it runs too when one of them changes.
    #[serde(default)]
    #[schemars(with = "Vec<Trigger>")]
    run_on: Vec<Spanned<String>>,
}

/// The value of a variable: text, or what is text to every program.
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Word;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("strings in its table")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Word, E> {
                Ok(Word(value.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Word {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Word".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// Reads a command's table.
pub(super) fn parse(input: &Input<'_>) -> Result<Command, Vec<Diagnostic>> {
    let table: Table = input.read("a command resource")?;
    let mut found = Vec::new();
    if let Some(text) = &table.command
        && text.get_ref().trim().is_empty()
    {
        found.push(Diagnostic::at(input.span(text), "this command is empty"));
    }
    if table.command.is_none() && table.until.is_none() {
        found.push(
            Diagnostic::at(input.header, "a command resource needs `command`")
                .label("`command` is missing here")
                .help("or `until` alone, to wait for something"),
        );
    }
    if let Some(stdin) = &table.stdin
        && table.command.is_none()
        && !stdin.is_empty()
    {
        found.push(Diagnostic::at(input.header, "`stdin` is for a `command`"));
    }
    for path in [&table.creates, &table.cwd].into_iter().flatten() {
        if let Err(why) = absolute_path(path.get_ref())
            && path.get_ref() != "/"
        {
            found.push(Diagnostic::at(input.span(path), why));
        }
    }
    surroundings(input, &table, &mut found);
    let max_output = max_output(input, &table, &mut found);
    let run_on = input.triggers(TriggerKind::Run, &table.run_on, &mut found);
    if !found.is_empty() {
        return Err(found);
    }
    let environment = table.environment.map(Spanned::into_inner).unwrap_or_default();
    Ok(Command {
        name: input.name.value.clone(),
        text: table.command.map(Spanned::into_inner).unwrap_or_default(),
        creates: table.creates.map(Spanned::into_inner),
        unless: table.unless,
        only_if: table.only_if,
        until: table.until,
        cwd: table.cwd.map_or_else(|| "/".into(), Spanned::into_inner),
        as_user: table.as_user.map(Spanned::into_inner),
        environment: environment.into_iter().map(|(name, Word(value))| (name, value)).collect(),
        stdin: table.stdin.unwrap_or_default(),
        max_output,
        run_on,
    })
}

/// How much of its output is kept.
fn max_output(input: &Input<'_>, table: &Table, found: &mut Vec<Diagnostic>) -> Option<u32> {
    let given = table.max_output.as_ref()?;
    let bytes = u32::try_from(*given.get_ref()).ok().filter(|bytes| MAX_OUTPUT.contains(bytes));
    if bytes.is_none() {
        let (least, most) = (MAX_OUTPUT.start(), MAX_OUTPUT.end());
        let message = format!(
            "`max_output` takes bytes, a number from {least} to {most}, not {}",
            given.get_ref()
        );
        found.push(Diagnostic::at(input.span(given), message));
    }
    bytes
}

/// As whom it runs and what it sees.
fn surroundings(input: &Input<'_>, table: &Table, found: &mut Vec<Diagnostic>) {
    if let Some(user) = &table.as_user {
        let name = user.get_ref();
        if !account_name(name) || name.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{}` is not a name for a user", name.escape_debug());
            found.push(Diagnostic::at(input.span(user), message));
        }
    }
    let Some(environment) = &table.environment else { return };
    for name in environment.get_ref().keys() {
        let span = input.span(environment);
        if !is_variable(name) {
            let message = format!("`{}` is not a name for a variable", name.escape_debug());
            found.push(
                Diagnostic::at(span, message)
                    .help("letters, digits and `_`, the first of them no digit"),
            );
        } else if ["UID", "EUID", "PPID", "IFS"].contains(&name.as_str()) {
            found.push(Diagnostic::at(span, format!("`{name}` is the shell's own variable")));
        }
    }
}

fn is_variable(name: &str) -> bool {
    let right = |char: char| char.is_ascii_alphanumeric() || char == '_';
    !name.is_empty()
        && !name.starts_with(|char: char| char.is_ascii_digit())
        && name.chars().all(right)
}
