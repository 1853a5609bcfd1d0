//! A resource's table on its way to a typed struct, and the checks that several types share.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, de};
use toml::Spanned;
use toml::de::DeTable;

use super::Trigger;
use super::mistake::{Error, at_fault};
use crate::model::change::TriggerKind;
use crate::model::suggest::wrong_character;
use crate::model::{AddressPattern, Body, Diagnostic, Located, Span};

/// Contents that live in files of the module.
pub trait Bodies {
    /// The template `name` under templates/, rendered.
    ///
    /// # Errors
    /// When there is none of that name or it cannot be rendered.
    fn template(&self, name: &str, span: Span) -> Result<Body, Diagnostic>;
    /// The content of the file `name` of the module.
    ///
    /// # Errors
    /// When there is none of that name.
    fn source(&self, name: &str, span: Span) -> Result<Body, Diagnostic>;
}

/// A resource's name and table, with all expressions evaluated.
pub struct Input<'i> {
    pub name: &'i Located<String>,
    /// The table's header: where a missing key is told.
    pub header: Span,
    pub table: &'i DeTable<'static>,
    /// Where values stand that came out of an expression: these become text where text is wanted.
    pub evaluated: &'i [std::ops::Range<usize>],
    pub bodies: &'i dyn Bodies,
    /// Keys that every resource has and that were taken out before, for messages.
    pub meta_keys: &'i [&'i str],
}

impl Input<'_> {
    /// The place of something in the same file.
    #[must_use]
    pub fn span<T>(&self, spanned: &Spanned<T>) -> Span {
        Span::new(self.header.file, spanned.span())
    }

    /// Reads the table into a typed struct. After each mistake the key at fault is taken out and the
    /// rest is read again, so that one mistake does not hide the next.
    ///
    /// # Errors
    /// All mistakes, at their places.
    pub fn read<T: DeserializeOwned>(&self, what: &str) -> Result<T, Vec<Diagnostic>> {
        use serde::de::IntoDeserializer as _;
        let mut table = self.table.clone();
        let mut found: Vec<Diagnostic> = Vec::new();
        let (mut removed, mut missing): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let header = self.header.start..self.header.end;
        loop {
            let whole = Spanned::new(header.clone(), toml::de::DeValue::Table(table.clone()));
            let error = match T::deserialize(whole.into_deserializer()) {
                Ok(value) if found.is_empty() && missing.is_empty() => return Ok(value),
                Ok(_) => break,
                Err(error) => error,
            };
            let message = error.message();
            if let Some(key) = message.strip_prefix("missing field `") {
                let key = key.split('`').next().unwrap_or_default().to_owned();
                // What was wrong and taken out is not missing; a stand-in shows what else is.
                if !removed.contains(&key) && !missing.contains(&key) {
                    missing.push(key.clone());
                }
                if table.contains_key(key.as_str()) {
                    break;
                }
                let stand_in = toml::de::DeValue::String("".into());
                let key = Spanned::new(usize::MAX..usize::MAX, key.into());
                table.insert(key, Spanned::new(usize::MAX..usize::MAX, stand_in));
                continue;
            }
            let Some((key, range)) = at_fault(&table, &error) else {
                let (key, span) = (None, self.header);
                found.push(self.mistake(&Error { message, what, key, span }));
                break;
            };
            if range.start == usize::MAX {
                break;
            }
            if self.evaluated.contains(&range) && message.ends_with("expected a string") {
                let value = table.get_mut(key.as_str()).expect("the key at fault is there");
                let text = to_text(value.get_ref());
                if let Some(text) = text {
                    *value = Spanned::new(range, toml::de::DeValue::String(text.into()));
                    continue;
                }
            }
            let span = Span::new(self.header.file, range);
            found.push(self.mistake(&Error { message, what, key: Some(&key), span }));
            table.remove(key.as_str());
            removed.push(key);
        }
        // What has another name there is not missing.
        missing.retain(|key| !found.iter().any(|mistake| mistake.means(key)));
        if !missing.is_empty() {
            found.push(self.missing(what, &missing));
        }
        Err(found)
    }

    /// Checks that the resource's name is a path that can be managed.
    pub fn path(&self, found: &mut Vec<Diagnostic>) {
        if let Err(why) = absolute_path(&self.name.value) {
            let mistake = Diagnostic::at(self.name.span, why);
            // What an expression gave is another one on each host.
            let normal = normal(&self.name.value).filter(|_| !self.is_evaluated(self.name.span));
            found.push(match normal {
                Some(normal) => mistake.help(format!("write {normal:?}")),
                None => mistake,
            });
        }
    }

    /// The patterns of a trigger key.
    pub fn triggers(
        &self,
        kind: TriggerKind,
        patterns: &[Spanned<String>],
        found: &mut Vec<Diagnostic>,
    ) -> Vec<Trigger> {
        let mut triggers = Vec::new();
        for text in patterns {
            let span = self.span(text);
            match AddressPattern::parse(text.get_ref()) {
                Ok(value) => triggers.push(Trigger { kind, on: Located { value, span } }),
                Err(error) => found.push(Diagnostic::at(span, error.to_string())),
            }
        }
        triggers
    }

    /// Checks an owner or a group.
    pub fn account(&self, what: &str, name: Option<&Spanned<String>>, found: &mut Vec<Diagnostic>) {
        if let Some(name) = name
            && !account_name(name.get_ref())
        {
            found.push(
                Diagnostic::at(
                    self.span(name),
                    format!("`{}` is not a name for a {what}", name.get_ref().escape_debug()),
                )
                .wrong_name(
                    wrong_character(
                        name.get_ref(),
                        |char| !matches!(char, '-' | '.'),
                        account_character,
                    ),
                    "letters, digits, `_`, `-` and `.`, or a number in quotes",
                ),
            );
        }
    }
}

/// What is said of a mode that is a number: how it is written right comes behind it.
pub(super) const BARE_MODE: &str = "a mode is a quoted string, not a number";

/// A number or a boolean as text.
fn to_text(value: &toml::de::DeValue<'_>) -> Option<String> {
    match value {
        toml::de::DeValue::Integer(number) => Some(number.to_string()),
        toml::de::DeValue::Float(number) => Some(number.to_string()),
        toml::de::DeValue::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}

/// Whether `name` can name a user or a group: the useradd(8) rules, upper case and a final `$`
/// allowed, or a number.
#[must_use]
pub fn account_name(name: &str) -> bool {
    let body = name.strip_suffix('$').unwrap_or(name);
    let right = !body.starts_with(['-', '.']) && body.chars().all(account_character);
    !body.is_empty() && name.len() <= 32 && right
}

/// What names of users and groups are made of.
const fn account_character(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')
}

/// Why a text is not a path that can be managed: absolute, normal, without control characters.
///
/// # Errors
/// With what is wrong.
pub fn absolute_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("a path on a host is absolute: it begins with `/`");
    }
    if path == "/" {
        return Err("`/` itself cannot be managed");
    }
    if path.ends_with('/') {
        return Err("a path does not end with `/`");
    }
    for part in path.split('/').skip(1) {
        match part {
            "" => return Err("a path is normal: no `//` in it"),
            "." => return Err("a path is normal: no `.` in it"),
            ".." => return Err("a path is normal: no `..` in it"),
            _ => {}
        }
    }
    if path.chars().any(char::is_control) {
        return Err("a path has no control characters");
    }
    if path.len() > 4000 || path.split('/').any(|part| part.len() > 255) {
        return Err("a path has at most 4,000 bytes, and 255 in each part");
    }
    Ok(())
}

/// The path that was meant by one that is not normal, where it is inside the root.
fn normal(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.strip_prefix('/')?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let normal = format!("/{}", parts.join("/"));
    absolute_path(&normal).is_ok().then_some(normal)
}

/// The folder that `path` is in.
#[must_use]
pub fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// Permission bits, written as a quoted octal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// As chmod(1) takes it. Five digits: with four, GNU chmod leaves the set-group-ID bit of a
    /// directory as it is.
    #[must_use]
    pub fn octal(self) -> String {
        format!("{:05o}", self.0)
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Mode;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a quoted octal string such as \"0644\"")
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Mode, E> {
                Err(E::custom(BARE_MODE))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Mode, E> {
                let octal = (3..=4).contains(&text.len())
                    && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
                let mode = u32::from_str_radix(text, 8).ok().filter(|_| octal);
                mode.map(Mode).ok_or_else(|| {
                    E::custom(format!(
                        "\"{text}\" is not a mode: three or four octal digits, such as \"0644\""
                    ))
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mode".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "octal string", "type": "string", "pattern": "^[0-7]{3,4}$" })
    }
}

/// As it is written: an address, or a pattern of some.
impl JsonSchema for Trigger {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Trigger".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "address", "type": "string", "pattern": AddressPattern::SHAPE })
    }
}

/// There or not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    #[default]
    Present,
    Absent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_normal() {
        for path in ["/etc/motd", "/a b", "/é/x\\y", "/-n"] {
            assert_eq!(absolute_path(path), Ok(()), "{path}");
        }
        for path in ["", "etc", "/", "/etc/", "/a//b", "/a/../b", "/./a", "/a\nb", "~x"] {
            assert!(absolute_path(path).is_err(), "{path}");
        }
        assert_eq!(normal("/a//b/./c/../d/").as_deref(), Some("/a/b/d"));
        assert_eq!((normal("/../a"), normal("a/b"), normal("/")), (None, None, None));
        assert_eq!((parent("/etc"), parent("/etc/a/b")), ("/", "/etc/a"));
    }

    #[test]
    fn accounts_cannot_be_options_or_shell() {
        for name in ["root", "www-data", "_apt", "a.b", "PC$", "1000"] {
            assert!(account_name(name), "{name}");
        }
        for name in ["", "-x", "a b", "a:b", "$", "a;b", "x\n"] {
            assert!(!account_name(name), "{name}");
        }
    }
}
