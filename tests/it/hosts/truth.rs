//! The plan tells the truth: for random projects on a real host, what an apply changes is exactly what its
//! plan named, with the values that it named, and a second apply finds nothing to do and changes nothing.
//!
//! The host is looked at by other means than ours, before and after; whole, for files. It keeps what a
//! round left, so that the next project meets it in whatever state that is. `TRUEUP_TRUTH=200` does so
//! many rounds, and `TRUEUP_SEED=N` begins at the seed that a failure printed.

mod draft;
mod machine;
mod random;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use serde_json::Value;

use self::draft::{Draft, Shape};
use self::random::Random;
use self::world::World;
use crate::support::lab::Shell;
use crate::support::{Output, Project, lab, lab::left_out, lab::own};

/// Rounds of a plain run.
const ROUNDS: u64 = 8;

/// One host while rounds go on.
struct Rounds {
    host: &'static str,
    shape: Shape,
    shell: Shell,
    /// Changes by their type.
    changes: BTreeMap<String, usize>,
}

/// Things whose state differs.
fn changed(before: &World, after: &World) -> BTreeSet<String> {
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    // A name is what the user database makes of a number.
    let differs =
        |thing: &&String| !thing.starts_with("names ") && before.get(*thing) != after.get(*thing);
    all.into_iter().filter(differs).cloned().collect()
}

/// The changes of a plan document.
fn changes(document: &Value) -> &[Value] {
    document["sets"][0]["changes"].as_array().map_or(&[], Vec::as_slice)
}

/// Changes as a failure prints them.
fn lines(changes: &[Value]) -> String {
    let line = |change: &Value| {
        let Value::Object(change) = change else { return String::new() };
        let part = |key: &str| change.get(key).map(ToString::to_string).unwrap_or_default();
        let parts = ["address", "actions", "before", "after", "reason"].map(part);
        parts.join("  ") + "\n"
    };
    changes.iter().map(line).collect()
}

/// What an apply said in its last line.
fn end(events: &str) -> String {
    let last = events.lines().last().unwrap_or_default();
    let end: Value = serde_json::from_str(last).unwrap_or_default();
    format!("{:#}\n", end["hosts"][0])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn has(change: &Value, action: &str) -> bool {
    change["actions"].as_array().is_some_and(|all| all.iter().any(|one| one == action))
}

/// Things that a change may change, `KIND NAME` or `KIND PATH/**`.
fn things(change: &Value, about: &[String]) -> Vec<String> {
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
fn covers(things: &BTreeSet<String>, thing: &str) -> bool {
    things.contains(thing)
        || things.iter().filter_map(|one| one.strip_suffix("/**")).any(|above| {
            thing.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// What one side of a change says of its things: thing, field, value.
fn said(change: &Value, side: &str, about: &[String]) -> Vec<(String, String, String)> {
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
fn compare((changes, side): (&[Value], &str), draft: &Draft, world: &World) -> Result<(), String> {
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
fn starts(change: &Value, before: &World, after: &World) -> Result<(), String> {
    let thing = format!("service {}", text(&change["name"]));
    let count = |world: &World, what: &str| {
        let log = world.get(&thing).and_then(|facts| facts.get("log"));
        log.map_or(0, |log| log.split(' ').filter(|word| *word == what).count())
    };
    let started = usize::from(has(change, "restart") || change["after"]["state"] == "running");
    for (what, wanted) in [("start", started), ("reload", usize::from(has(change, "reload")))] {
        let really = count(after, what) - count(before, what);
        if really != wanted {
            return Err(format!("{thing}: {wanted} × {what} was named, {really} × was done"));
        }
    }
    Ok(())
}

/// Whether a path that changed is the trace of a change of this type.
fn trace(path: &str, kind: &str) -> bool {
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

impl Rounds {
    fn new(host: &'static str, shape: Shape) -> Self {
        let mut shell = lab().shell(host);
        world::clean(&mut shell, shape);
        world::make(&mut shell, shape);
        Self { host, shape, shell, changes: BTreeMap::new() }
    }

    /// The plan, which changes nothing, and its apply, at once or as it was saved.
    fn apply(&mut self, random: &mut Random, project: &Project) -> Result<(Value, Output), String> {
        let saved = random.chance(30);
        let file = project.path().join("p.json");
        let file = file.to_str().expect("a path that is a text");
        let words: &[&str] =
            if saved { &["plan", "--json", "-o", file] } else { &["plan", "--json"] };
        let plan = project.on_lab(words);
        let document: Value = serde_json::from_str(&plan.stdout)
            .map_err(|_| format!("the plan failed\n{}{}", plan.stdout, plan.stderr))?;
        if document["errored"] == true {
            return Err(format!("the host cannot be planned\n{:#}", document["hosts"]));
        }
        let words = match Some(file).filter(|_| saved && !changes(&document).is_empty()) {
            Some(file) => vec!["apply", file, "--json"],
            None => vec!["apply", "--yes", "--json"],
        };
        world::stamp(&mut self.shell);
        let applied = project.on_lab(&words);
        if applied.status != 0 {
            return Err(format!(
                "the apply failed\n{}{}{}",
                lines(changes(&document)),
                end(&applied.stdout),
                applied.stderr
            ));
        }
        Ok((document, applied))
    }

    /// One project, planned and applied twice.
    fn round(&mut self, seed: u64) -> Result<(), String> {
        let mut random = Random(seed);
        world::drift(&mut random, &mut self.shell, self.shape);
        let draft = Draft::of(&mut random, self.shape);
        let word = random.one(&["one", "two"]);
        let project = draft.project(self.host, word);
        self.told(&mut random, &draft, &project)
            .map_err(|why| format!("{why}\n\nword = {word}\n{}", draft.module))
    }

    fn told(
        &mut self,
        random: &mut Random,
        draft: &Draft,
        project: &Project,
    ) -> Result<(), String> {
        let before = world::look(&mut self.shell);
        let (plan, applied) = self.apply(random, project)?;
        let after = world::look(&mut self.shell);
        let newer = world::newer(&mut self.shell);
        let all = changes(&plan);
        let details = |why: String| format!("{why}\n{}{}", lines(all), end(&applied.stdout));
        Self::named((all, draft), (&before, &after), &newer).map_err(details)?;
        compare((all, "before"), draft, &before).map_err(details)?;
        compare((all, "after"), draft, &after).map_err(details)?;
        for change in all {
            *self.changes.entry(text(&change["type"]).to_owned()).or_default() += 1;
        }
        world::stamp(&mut self.shell);
        let again = project.on_lab(&["apply", "--yes", "--json"]);
        let first: Value = serde_json::from_str(again.stdout.lines().next().unwrap_or_default())
            .map_err(|_| format!("the second apply failed\n{}{}", again.stdout, again.stderr))?;
        if again.status != 0 || !changes(&first["plan"]).is_empty() {
            return Err(format!(
                "the next plan is not empty\n{:#}\n{}",
                first["plan"], again.stdout
            ));
        }
        let still = changed(&after, &world::look(&mut self.shell));
        let newer = world::newer(&mut self.shell);
        if !still.is_empty() || !newer.is_empty() {
            return Err(format!("a second apply changed {still:?} {newer:?}"));
        }
        Ok(())
    }

    /// Each named change changed something, and nothing else changed.
    fn named(
        (changes, draft): (&[Value], &Draft),
        (before, after): (&World, &World),
        newer: &[String],
    ) -> Result<(), String> {
        let really = changed(before, after);
        let mut named: BTreeSet<String> = BTreeSet::new();
        let mut kinds: BTreeSet<&str> = BTreeSet::new();
        let mut along = String::new();
        for change in changes {
            let address = text(&change["address"]);
            let about = draft
                .about
                .get(address)
                .ok_or_else(|| format!("an address of nobody: {address}"))?;
            let things: BTreeSet<String> = things(change, about).into_iter().collect();
            let known = !has(change, "known after");
            // A number that nobody had may be that of its new owner.
            let renamed = things.iter().any(|thing| {
                let names = thing.replacen("file", "names", 1);
                names != *thing && before.get(&names) != after.get(&names)
            });
            if known && !renamed && !really.iter().any(|thing| covers(&things, thing)) {
                return Err(format!("named and not changed: {address}"));
            }
            if text(&change["type"]) == "service" && known {
                starts(change, before, after)?;
            }
            kinds.insert(text(&change["type"]));
            along.push_str(text(&change["reason"]));
            named.extend(things);
        }
        let foreign = |thing: &&String| {
            let came = thing.strip_prefix("package ").is_some_and(|name| along.contains(name));
            !came && !covers(&named, thing)
        };
        if let Some(more) = really.iter().find(foreign) {
            return Err(format!(
                "changed and not named: {more}: {:?} -> {:?}",
                before.get(more),
                after.get(more)
            ));
        }
        let foreign = |path: &&String| {
            // Of a file with two names the other one has a new number of names.
            !path.ends_with("/f2-twin")
                && !covers(&named, &format!("file {path}"))
                && !kinds.iter().any(|kind| trace(path, kind))
                && !path.starts_with("/var/lib/trueup/")
        };
        newer
            .iter()
            .find(foreign)
            .map_or(Ok(()), |path| Err(format!("written and not named: {path}")))
    }
}

/// Rounds on a host, as many as the environment says.
fn rounds(host: &'static str, shape: Shape) {
    if left_out() {
        return;
    }
    let _host = own(host);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("TRUEUP_SEED").unwrap_or(1);
    let rounds = number("TRUEUP_TRUTH").unwrap_or(ROUNDS);
    let mut all = Rounds::new(host, shape);
    for seed in first..first + rounds {
        if let Err(why) = all.round(seed) {
            panic!("TRUEUP_SEED={seed} on {host}: {why}");
        }
    }
    let changes: usize = all.changes.values().sum();
    assert!(changes > 0, "no project changed anything");
    let _ = writeln!(
        std::io::stderr(),
        "{host}: {rounds} projects from seed {first}, {changes} changes: {:?}",
        all.changes
    );
    world::clean(&mut all.shell, shape);
}

#[test]
fn an_apply_changes_what_its_plan_named_and_nothing_else() {
    rounds("spare1", Shape::Whole);
}

#[test]
fn so_it_does_with_other_tools() {
    rounds("busybox1", Shape::Paths);
}
