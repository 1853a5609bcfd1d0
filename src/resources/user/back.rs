//! The way back of a user's change.

use super::super::account::Entry;
use super::super::inverse::differs;
use super::super::record::text;
use super::super::{Back, Inverse, Resource as _};
use super::User;
use crate::model::{Action, Change, Value};

pub(super) fn inverse(user: &User, entry: Option<&Entry>, change: &Change) -> Inverse {
    let Some(entry) = entry else {
        let inverse = Inverse::of(Back::gone(User::NAME, &user.name).leaving_all(change));
        return if user.create_home {
            inverse.but("the home that was made for it stays")
        } else {
            inverse
        };
    };
    if change.action == Action::Delete {
        let why = "a user that was removed is not made again: its password and what was its own are not known";
        return Inverse::cannot(why);
    }
    let mut lost = Vec::new();
    let back = Back::to(User::NAME, &user.name, keys(entry, change, &mut lost)).leaving_all(change);
    let back = if back.table.is_empty() { Vec::new() } else { vec![back] };
    Inverse { back, lost }
}

/// What it was before, as keys of its table; what no table can say goes into `lost`.
fn keys(entry: &Entry, change: &Change, lost: &mut Vec<String>) -> Vec<(&'static str, Value)> {
    let mut keys = Vec::new();
    if differs(change, "uid") {
        keys.push(("uid", Value::Integer(entry.uid.into())));
    }
    let number = !entry.group.is_empty() && entry.group.bytes().all(|byte| byte.is_ascii_digit());
    let texts = [
        ("group", &entry.group, !number),
        ("home", &entry.home, entry.home.starts_with('/')),
        ("shell", &entry.shell, entry.shell.starts_with('/')),
        ("comment", &entry.comment, true),
    ];
    for (key, before, can) in texts.into_iter().filter(|(key, ..)| differs(change, key)) {
        if can {
            keys.push((key, text(before)));
        } else {
            lost.push(format!("its {key} stays: it was `{before}`, which no file can say"));
        }
    }
    if differs(change, "groups") {
        let names = entry.groups.iter().map(|name| text(name)).collect();
        keys.extend([("groups", Value::List(names)), ("exclusive_groups", Value::Boolean(true))]);
    }
    if differs(change, "locked") {
        match entry.shadow.as_ref().map(super::super::account::Shadow::locked) {
            Some("true") => keys.push(("locked", Value::Boolean(true))),
            Some("false") => keys.push(("locked", Value::Boolean(false))),
            _ => lost.push("its lock stays: before it was half locked".to_owned()),
        }
    }
    if differs(change, "password") {
        lost.push("its password stays: the one before is kept nowhere".to_owned());
    }
    keys
}
