//! A value as TOML has them, without places: what vars, params and expressions hold.

use std::collections::BTreeMap;
use std::fmt;

/// A value of a var, a param or an expression.
#[derive(Debug, Clone, PartialEq)]
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
            Self::Float(value) => write!(f, "{value:?}"),
            Self::String(value) => write!(f, "{value:?}"),
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
                    write!(f, "{} {key:?} = {value}", if index > 0 { "," } else { "" })?;
                }
                f.write_str(if entries.is_empty() { "}" } else { " }" })
            }
        }
    }
}
