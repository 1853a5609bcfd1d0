//! The way back of a change: what makes a host again what it was before, as tables that the types read,
//! and what cannot be undone, in words. It never says a content: that is in the copy that the host keeps.

use std::collections::BTreeMap;

use super::Record;
use super::path::Meta;
use crate::model::{Attribute, Body, Change, Difference, Value};

/// The way back of one change. Empty where there is nothing to undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inverse {
    pub back: Vec<Back>,
    /// What stays as the change leaves it, and why: whole fragments.
    pub lost: Vec<String>,
}

/// One resource that is as it was once it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// Its type and its name.
    pub kind: &'static str,
    pub name: String,
    pub table: BTreeMap<String, Value>,
    /// Whether its content is that of the copy which the host keeps of the path that is its name.
    pub kept: bool,
    /// The digest of that content, where it is known.
    pub was: Option<String>,
    /// What the change leaves there, as the changes of its type name it; `None` where that is nothing.
    pub left: Option<Record>,
    /// Whether it is done once more on the way back, behind what set it off.
    pub again: bool,
}

/// What a change leaves where it makes something and says of no owner: the login's number stands under this name.
pub const LOGIN: &str = "login";

/// What a run left of something, long values by their digests.
pub type Left = BTreeMap<String, String>;

/// A copy that a host keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where it is, below the folder of all copies.
    pub place: String,
    pub body: Body,
}

impl Inverse {
    /// One resource that goes back.
    pub(crate) fn of(back: Back) -> Self {
        Self { back: vec![back], lost: Vec::new() }
    }

    /// Nothing goes back, and why.
    pub(super) fn cannot(why: impl Into<String>) -> Self {
        Self { back: Vec::new(), lost: vec![why.into()] }
    }

    /// As `self`, with something that does not go back.
    pub(super) fn but(mut self, why: impl Into<String>) -> Self {
        self.lost.push(why.into());
        self
    }
}

impl Back {
    /// Goes back to a table with these keys; nothing is said of what the change leaves.
    pub(super) fn to<'k>(
        kind: &'static str,
        name: &str,
        keys: impl IntoIterator<Item = (&'k str, Value)>,
    ) -> Self {
        let table = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Self {
            kind,
            name: name.to_owned(),
            table,
            kept: false,
            was: None,
            left: None,
            again: false,
        }
    }

    /// It was not there.
    pub(super) fn gone(kind: &'static str, name: &str) -> Self {
        Self::to(kind, name, [("state", Value::String("absent".to_owned()))])
    }

    /// It is done once more.
    pub(super) const fn again(mut self) -> Self {
        self.again = true;
        self
    }

    /// Its content is the copy's, which is to be this one.
    pub(super) fn kept(mut self, was: Option<&Body>) -> Self {
        self.kept = true;
        self.was = was.map(|body| body.digest().to_owned());
        self
    }

    /// The change leaves this.
    pub(super) fn leaving(mut self, left: Record) -> Self {
        self.left = Some(left);
        self
    }

    /// It leaves what its attributes say.
    pub(super) fn leaving_all(self, change: &Change) -> Self {
        self.leaving(change.attributes.iter().filter_map(after).collect())
    }

    /// Its table as TOML on one line.
    #[must_use]
    pub fn text(&self) -> String {
        Value::Table(self.table.clone()).to_string()
    }
}

/// What a change makes of an attribute.
fn after(attribute: &Attribute) -> Option<(&'static str, String)> {
    let value = match &attribute.difference {
        Difference::Value { after, .. } => after.clone()?,
        Difference::Content { after, .. } => after.as_ref()?.digest().to_owned(),
        Difference::Secret { after, .. } => {
            String::from_utf8_lossy(after.as_ref()?.reveal()).into_owned()
        }
        Difference::Sensitive { .. } => return None,
    };
    Some((attribute.name, value))
}

/// Whether a change is also about this attribute.
pub(super) fn differs(change: &Change, name: &str) -> bool {
    change.attributes.iter().any(|attribute| attribute.name == name)
}

/// Which of a path's mode, owner and group is not what a run left.
pub(super) fn unlike(meta: &Meta, left: &Left) -> Option<&'static str> {
    let (mode, uid, gid) = (meta.mode.to_string(), meta.uid.to_string(), meta.gid.to_string());
    let all =
        [("mode", [&mode, &mode]), ("owner", [&meta.owner, &uid]), ("group", [&meta.group, &gid])];
    let other = all.into_iter().find(|(name, now)| {
        let left = left.get(*name).or_else(|| left.get(LOGIN).filter(|_| *name == "owner"));
        left.is_some_and(|left| !now.contains(&left))
    });
    other.map(|(name, _)| name)
}
