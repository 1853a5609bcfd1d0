//! What a host remembers of a resource, and what becomes of it when the files no longer declare it.

use crate::model::Value;

/// The attributes that a resource holds its host to, as its changes name them, each with its value; of a
/// content that is its SHA-256. What hangs on the rest of the host is not among them.
pub type Record = Vec<(&'static str, String)>;

/// What `--prune` does with what nobody declares any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parting {
    /// It goes: the table of its absence, as TOML on one line.
    Goes(String),
    /// It goes where it was made by an apply of this project, and stays where it was there before.
    GoesIfMade(String),
    /// It goes only where that is asked for by its own word: a user, a group.
    GoesIfAsked(String),
    /// It stays as it is, and why.
    Stays(&'static str),
    /// There is nothing of it: it was declared absent.
    Nothing,
}

/// `{ state = "absent", … }` with more keys.
pub(super) fn absent<const N: usize>(keys: [(&str, Value); N]) -> String {
    let state = ("state", Value::String("absent".to_owned()));
    let all = std::iter::once(state).chain(keys);
    Value::Table(all.map(|(key, value)| (key.to_owned(), value)).collect()).to_string()
}

/// A text as a value of such a table.
pub(super) fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

/// What stands at a path, whatever it is, as an identity.
pub(super) fn at_path(path: &str) -> Vec<String> {
    vec![format!("path {path}")]
}
