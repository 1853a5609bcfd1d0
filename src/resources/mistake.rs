//! What is wrong with a resource's table, in the words of this project: serde's errors, and the keys
//! that other tools have for what has another name here.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::input::{BARE_MODE, Input};
use crate::model::diagnostic::LIKE_EVERY_RESOURCE;
use crate::model::suggest::{a, either};
use crate::model::{Diagnostic, Span, key_text};

/// Keys of other tools: the types where they mean it (all where none is said), the key, and ours; none
/// where it is what stands in the header.
const FOREIGN: [(&[&str], &str, &str); 33] = [
    (&[], "name", ""),
    (&["package"], "pkg", ""),
    (&["service"], "service", ""),
    (&["service"], "unit", ""),
    (&["user"], "username", ""),
    (&["user"], "login", ""),
    (&["file", "directory", "symlink"], "path", ""),
    (&["file", "directory", "symlink"], "dest", ""),
    (&["file"], "src", "source"),
    (&["symlink"], "src", "target"),
    (&["symlink"], "source", "target"),
    (&["symlink"], "to", "target"),
    (&["line"], "dest", "path"),
    (&["line"], "file", "path"),
    (&["line"], "regexp", "match"),
    (&["line"], "regex", "match"),
    (&["line"], "pattern", "match"),
    (&["command"], "cmd", "command"),
    (&["command"], "chdir", "cwd"),
    (&["command"], "onlyif", "only_if"),
    (&["group"], "id", "gid"),
    (&["user"], "id", "uid"),
    (&["user"], "home_dir", "home"),
    (&["user"], "homedir", "home"),
    (&["user"], "gecos", "comment"),
    (&["user"], "managehome", "create_home"),
    (&["service"], "enable", "enabled"),
    (&[], "ensure", "state"),
    (&[], "depends_on", "requires"),
    (&[], "loop", "for_each"),
    (&[], "if", "when"),
    (&[], "no_log", "sensitive"),
    (&[], "permissions", "mode"),
];

/// States of other tools, and ours.
const STATES: [(&str, &str); 8] = [
    ("started", "running"),
    ("active", "running"),
    ("inactive", "stopped"),
    ("installed", "present"),
    ("exists", "present"),
    ("created", "present"),
    ("removed", "absent"),
    ("deleted", "absent"),
];

/// What serde tells about: where, and in which key.
pub(super) struct Error<'e> {
    pub(super) message: &'e str,
    /// What the table is: `a file resource`.
    pub(super) what: &'e str,
    pub(super) key: Option<&'e str>,
    pub(super) span: Span,
}

/// `as_user` where it is not a command's.
fn only_a_command(span: Span, what: &str) -> Diagnostic {
    let message = format!("{what} has no `as_user`: only a command runs as another user");
    Diagnostic::at(span, message).code("unknown-key").help(
        "all else is done by the login, after `become`; `owner` and `group` say whose a path is",
    )
}

impl Input<'_> {
    /// An error of serde in the words of this project.
    pub(super) fn mistake(&self, error: &Error<'_>) -> Diagnostic {
        let Error { message, span, .. } = *error;
        let mut names = message.split('`').skip(1).step_by(2);
        if message.starts_with("unknown field") {
            let name = names.next().unwrap_or_default();
            if name == "as_user" {
                return only_a_command(span, error.what);
            }
            return self.unknown_key(error, name, names.collect());
        }
        if message.starts_with("unknown variant") {
            let name = names.next().unwrap_or_default();
            return unknown_word(error, name, &names.collect::<Vec<_>>());
        }
        if let Some((given, _)) =
            message.strip_prefix("invalid value: integer ").and_then(|rest| rest.split_once(','))
        {
            let (key, given) = (error.key.unwrap_or("this"), given.trim_matches('`'));
            let message =
                format!("`{key}` takes a whole number from 0 to {}, not {given}", u32::MAX);
            return Diagnostic::at(span, message);
        }
        if let Some((given, wanted)) =
            message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
        {
            return self.wrong_type(error, given, wanted);
        }
        if let (Some(key), true) = (error.key, message == BARE_MODE)
            && let Some(DeValue::Integer(number)) = self.table.get(key).map(toml::Spanned::get_ref)
        {
            let digits = number.as_str().trim_start_matches("0o");
            return Diagnostic::at(span, format!("{BARE_MODE}: write \"{digits:0>4}\""));
        }
        Diagnostic::at(span, message.trim_end().replace('\n', ", "))
    }

    fn unknown_key(&self, error: &Error<'_>, name: &str, mut own: Vec<&str>) -> Diagnostic {
        own.sort_unstable();
        let all: Vec<&str> = own.iter().chain(self.meta_keys).copied().collect();
        let shared: Vec<String> = self.meta_keys.iter().map(|key| format!("`{key}`")).collect();
        let mistake = Diagnostic::unknown_key(error.span, name, error.what, &own);
        let kind = error.what.split(' ').nth(1).unwrap_or_default();
        let taken = |key: &str| self.table.contains_key(key);
        let meant = FOREIGN
            .iter()
            .filter(|(kinds, theirs, _)| {
                *theirs == name && (kinds.is_empty() || kinds.contains(&kind))
            })
            .map(|(.., ours)| *ours)
            .find(|ours| ours.is_empty() || all.contains(ours));
        let mistake = match meant {
            Some("") => {
                let written = if self.is_evaluated(self.name.span) {
                    "…".to_owned()
                } else {
                    key_text(&self.name.value)
                };
                mistake.label(format!("this stands in the header: [{kind}.{written}]"))
            }
            Some(ours) if taken(ours) => mistake.label(format!("`{ours}` is there already")),
            Some(ours) => mistake.label(format!("did you mean `{ours}`?")),
            None => mistake.suggest_free(name, all, taken),
        };
        match shared.as_slice() {
            [] => mistake,
            shared => mistake.help(format!("{LIKE_EVERY_RESOURCE}{}", shared.join(", "))),
        }
    }

    fn wrong_type(&self, error: &Error<'_>, given: &str, wanted: &str) -> Diagnostic {
        let Error { key, span, .. } = *error;
        let list = key.and_then(|key| self.table.get(key)).filter(|value| {
            let inside = value.span() != (span.start..span.end);
            inside && matches!(value.get_ref(), DeValue::Array(_))
        });
        let given = described(given, self.is_evaluated(span));
        let key = key.unwrap_or("this");
        let items = if ["requires", "restart_on", "reload_on", "run_on"].contains(&key) {
            "a list of addresses"
        } else {
            "a list of strings"
        };
        let wanted = match wanted {
            "u32" => "a whole number",
            "a sequence" => items,
            "a map" => "a table",
            "a boolean" => "true or false",
            wanted => wanted,
        };
        let message = match list {
            Some(_) => format!("`{key}` takes {items}; this item is {given}"),
            None => format!("`{key}` takes {wanted}, not {given}"),
        };
        let mistake = Diagnostic::at(span, message).code("wrong-type");
        let text = given.strip_prefix("the string \"").and_then(|text| text.strip_suffix('"'));
        match text.filter(|text| list.is_none() && !text.contains('\\')) {
            Some(text) => mistake.write_as(wanted, text),
            None => mistake,
        }
    }

    /// Keys that must be there and are not, all in one.
    pub(super) fn missing(&self, what: &str, keys: &[String]) -> Diagnostic {
        let all = |form: &dyn Fn(&String) -> String| {
            crate::model::suggest::list(&keys.iter().map(form).collect::<Vec<_>>())
        };
        let message = format!("{what} needs {}", all(&|key| format!("`{key}`")));
        Diagnostic::at(self.header, message)
            .code("missing")
            .label(format!("add {}", all(&|key| format!("{key} = \"…\""))))
    }

    /// Whether what stands at a place came out of an expression.
    pub(super) fn is_evaluated(&self, span: Span) -> bool {
        self.evaluated.contains(&(span.start..span.end))
    }
}

/// A word that is none of those that are known.
fn unknown_word(error: &Error<'_>, name: &str, known: &[&str]) -> Diagnostic {
    let all = either(known.iter().copied());
    let key = error.key.unwrap_or("this");
    let mistake = Diagnostic::at(error.span, format!("`{key}` takes {all}, not \"{name}\""));
    let meant = STATES.iter().find(|(theirs, ours)| *theirs == name && known.contains(ours));
    match meant {
        Some((_, ours)) => mistake.label(format!("did you mean `{ours}`?")),
        None => mistake.suggest(name, known.iter().copied()),
    }
}

/// A value as serde calls it, in our words: `the integer 3`. What an expression gave is not shown: it may
/// be another one on each host.
fn described(given: &str, evaluated: bool) -> String {
    let kinds = [
        ("integer ", "integer"),
        ("string ", "string"),
        ("boolean ", "boolean"),
        ("floating point ", "float"),
    ];
    for (theirs, ours) in kinds {
        if let Some(value) = given.strip_prefix(theirs) {
            let value = value.trim_matches('`');
            let short = value.chars().count() <= 40 && !evaluated;
            return if short { format!("the {ours} {value}") } else { a(ours) };
        }
    }
    match given {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        other => a(other),
    }
}

/// The key whose value or name an error points into.
pub(super) fn at_fault(
    table: &DeTable<'_>,
    error: &toml::de::Error,
) -> Option<(String, Range<usize>)> {
    let range = error.span()?;
    table.iter().find_map(|(key, value)| {
        let inside = |whole: Range<usize>| whole.start <= range.start && range.end <= whole.end;
        (inside(key.span()) || inside(value.span()))
            .then(|| (key.get_ref().to_string(), range.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_given() {
        assert_eq!(described("integer `3`", false), "the integer 3");
        assert_eq!(described("string \"yes\"", false), "the string \"yes\"");
        assert_eq!(described("string \"yes\"", true), "a string");
        assert_eq!(described("sequence", false), "a list");
        assert_eq!(described(&format!("string \"{}\"", "x".repeat(99)), false), "a string");
    }
}
