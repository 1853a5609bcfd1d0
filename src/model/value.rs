//! A value as TOML has them, without places: what vars, params and expressions hold.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A value of a var, a param or an expression.
#[derive(Debug, Clone)]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(String),
    /// A TOML date or time, in its own text.
    Datetime(String),
    List(Vec<Self>),
    Table(BTreeMap<String, Self>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Boolean(one), Self::Boolean(other)) => one == other,
            (Self::Integer(one), Self::Integer(other)) => one == other,
            // By their bits, so that a value always equals itself.
            (Self::Float(one), Self::Float(other)) => one.to_bits() == other.to_bits(),
            (Self::String(one), Self::String(other))
            | (Self::Datetime(one), Self::Datetime(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            (Self::Table(one), Self::Table(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Boolean(value) => value.hash(state),
            Self::Integer(value) => value.hash(state),
            Self::Float(value) => value.to_bits().hash(state),
            Self::String(value) | Self::Datetime(value) => value.hash(state),
            Self::List(items) => items.hash(state),
            Self::Table(entries) => entries.hash(state),
        }
    }
}

impl Value {
    /// What the user calls this kind of value.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::String(_) => "string",
            Self::Datetime(_) => "datetime",
            Self::List(_) => "list",
            Self::Table(_) => "table",
        }
    }

    /// The value with its kind: `the integer 3`; of what is long the kind alone: `a list`.
    #[must_use]
    pub fn described(&self) -> String {
        let shown = self.to_string();
        match self {
            Self::List(_) | Self::Table(_) => super::a(self.kind()),
            _ if shown.chars().count() > 40 => super::a(self.kind()),
            _ => format!("the {} {shown}", self.kind()),
        }
    }

    /// An integer or a float as a number.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bounds of params are far below 2⁵²")]
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    /// As TOML would write it on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) if value.is_nan() => {
                f.write_str(if value.is_sign_negative() { "-nan" } else { "nan" })
            }
            Self::Float(value) => write!(f, "{value:?}"),
            Self::String(value) => string(f, value),
            Self::Datetime(value) => f.write_str(value),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Table(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { " " })?;
                    write!(f, "{} = {value}", key_text(key))?;
                }
                f.write_str(if entries.is_empty() { "}" } else { " }" })
            }
        }
    }
}

/// A key as TOML writes it: with quotes where it needs them.
#[must_use]
pub fn key_text(name: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        Value::String(name.to_owned()).to_string()
    }
}

/// A basic string of TOML; what would not be seen is written by its number.
fn string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for char in text.chars() {
        match char {
            '"' => f.write_str("\\\"")?,
            '\'' => f.write_str("'")?,
            _ if char.escape_debug().len() < 3 && char != '\0' => {
                write!(f, "{}", char.escape_debug())?;
            }
            _ if u32::from(char) <= 0xffff => write!(f, "\\u{:04X}", u32::from(char))?,
            _ => write!(f, "\\U{:08X}", u32::from(char))?,
        }
    }
    f.write_str("\"")
}
