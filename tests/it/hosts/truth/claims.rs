//! What a plan says, held against what a host was and is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::draft::Draft;
use super::world::World;

/// Things whose state differs.
pub(super) fn changed(before: &World, after: &World) -> BTreeSet<String> {
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    // A name is what the user database makes of a number.
    let differs =
        |thing: &&String| !thing.starts_with("names ") && before.get(*thing) != after.get(*thing);
    all.into_iter().filter(differs).cloned().collect()
}

/// The changes of a plan document.
pub(super) fn changes(document: &Value) -> &[Value] {
    document["sets"][0]["changes"].as_array().map_or(&[], Vec::as_slice)
}

/// Changes as a failure prints them.
pub(super) fn lines(changes: &[Value]) -> String {
    let line = |change: &Value| {
        let Value::Object(change) = change else { return String::new() };
        let part = |key: &str| change.get(key).map(ToString::to_string).unwrap_or_default();
        let parts = ["address", "actions", "before", "after", "reason"].map(part);
        parts.join("  ") + "\n"
    };
    changes.iter().map(line).collect()
}

/// What an apply said in its last line.
pub(super) fn end(events: &str) -> String {
    let last = events.lines().last().unwrap_or_default();
    let end: Value = serde_json::from_str(last).unwrap_or_default();
    format!("{:#}\n", end["hosts"][0])
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn has(change: &Value, action: &str) -> bool {
    change["actions"].as_array().is_some_and(|all| all.iter().any(|one| one == action))
}

/// Things that a change may change, `KIND NAME` or `KIND PATH/**`.
pub(super) fn things(change: &Value, about: &[String]) -> Vec<String> {
    let mut things = about.to_vec();
    let (kind, name) = (text(&change["type"]), text(&change["name"]));
    let gone = match &change["before"]["entry"] {
        Value::Array(entries) => entries.iter().map(text).collect(),
        entry => vec![text(entry)],
    };
    for entry in gone.into_iter().filter_map(|entry| entry.split_once(", ")) {
        things.push(format!("file {name}/{}/**", entry.0));
    }
    if kind == "user" {
        let before = &change["before"];
        let home = text(&before["home"]);
        if !home.is_empty() && change["after"]["home"].is_null() {
            things.push(format!("file {home}/**"));
        }
        // useradd makes a home; usermod gives to the new number what is in it, as the plan says.
        for home in [format!("/home/{name}"), "/srv/truth-home".to_owned()] {
            if has(change, "create") || text(&change["reason"]).contains(&format!("in {home} is")) {
                things.push(format!("file {home}/**"));
            }
        }
    }
    things
}

/// Whether a thing is one of those.
pub(super) fn covers(things: &BTreeSet<String>, thing: &str) -> bool {
    things.contains(thing)
        || things.iter().filter_map(|one| one.strip_suffix("/**")).any(|above| {
            thing.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// What one side of a change says of its things: thing, field, value.
pub(super) fn said(change: &Value, side: &str, about: &[String]) -> Vec<(String, String, String)> {
    let Some(first) = about.first() else { return Vec::new() };
    let hidden = &change[format!("{side}_sensitive")];
    let fields = change[side].as_object().into_iter().flatten();
    let mut all = Vec::new();
    for (field, value) in fields {
        if !hidden[field].is_null() || change["after_unknown"][field] == true {
            continue;
        }
        let value = match value {
            Value::Object(content) => text(&content["sha256"]).to_owned(),
            Value::Null if field == "content" => continue,
            // What is behind a mask, the host tells by files alone.
            Value::String(text) if field == "enabled" && text == "masked" => continue,
            Value::String(text) if field == "locked" && text.starts_with("its ") => continue,
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            _ => continue,
        };
        let thing = match (text(&change["type"]), field.as_str()) {
            ("user", "groups") => format!("member {}", text(&change["name"])),
            ("authorized_key" | "command", _)
            | (_, "entry" | "state" | "hard links" | "password")
                if text(&change["type"]) != "service" =>
            {
                continue;
            }
            _ => first.clone(),
        };
        all.push((thing, field.clone(), value));
    }
    all
}

/// Compares what a plan said of a side with what was there.
pub(super) fn compare(
    (changes, side): (&[Value], &str),
    draft: &Draft,
    world: &World,
) -> Result<(), String> {
    let mut wanted: BTreeMap<(String, String), (String, &str)> = BTreeMap::new();
    let mut touched: BTreeSet<String> = BTreeSet::new();
    for change in changes {
        let address = text(&change["address"]);
        let known = !has(change, "known after");
        for (thing, field, value) in said(change, side, &draft.about[address]) {
            // Before a change counts what the first one found, after it what the last one leaves.
            if side == "before" && (touched.contains(&thing) || !known) {
                continue;
            }
            // A group that goes in the same run is still in the list.
            let goes = |name: &&str| {
                changes.iter().any(|change| has(change, "delete") && change["name"] == **name)
            };
            let value = if field == "groups" && side == "after" {
                value.split(',').filter(|name| !goes(name)).collect::<Vec<_>>().join(",")
            } else {
                value
            };
            let of = (thing, field);
            if known {
                wanted.insert(of, (value, address))
            } else {
                wanted.remove(&of)
            };
        }
        touched.extend(draft.about[address].first().cloned());
    }
    for ((thing, field), (value, address)) in wanted {
        let fact = |thing: &str| world.get(thing).and_then(|facts| facts.get(field.as_str()));
        let really = fact(&thing).cloned().unwrap_or_default();
        if really != value && fact(&thing.replacen("file", "names", 1)) != Some(&value) {
            return Err(format!(
                "{address}: {side} {thing} {field}: said {value:?}, there is {really:?}"
            ));
        }
    }
    Ok(())
}

/// What a service did: one start for each that was named, and one reload.
pub(super) fn starts(change: &Value, before: &World, after: &World) -> Result<(), String> {
    let thing = format!("service {}", text(&change["name"]));
    let count = |world: &World, what: &str| {
        let log = world.get(&thing).and_then(|facts| facts.get("log"));
        log.map_or(0, |log| log.split(' ').filter(|word| *word == what).count())
    };
    // Behind a mask it may run already.
    let starts =
        change["after"]["state"] == "running" && change["before"]["state"] != "masked+running";
    let started = usize::from(has(change, "restart") || starts);
    for (what, wanted) in [("start", started), ("reload", usize::from(has(change, "reload")))] {
        let really = count(after, what) - count(before, what);
        if really != wanted {
            return Err(format!("{thing}: {wanted} × {what} was named, {really} × was done"));
        }
    }
    Ok(())
}

/// Whether a path that changed is the trace of a change of this type.
pub(super) fn trace(path: &str, kind: &str) -> bool {
    let below = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    match kind {
        "user" | "group" => {
            let file = path.strip_prefix("/etc/").map(|name| name.trim_end_matches('-'));
            let files = ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"];
            file.is_some_and(|name| files.contains(&name)) || below(&["/var/mail/"])
        }
        "package" => below(&[
            "/var/lib/dpkg/",
            "/var/lib/apt/",
            "/var/cache/",
            "/usr/share/lab-pkg",
            "/usr/share/tr-",
            "/etc/tr/",
        ]),
        "service" => below(&["/etc/systemd/system/"]),
        _ => false,
    }
}
