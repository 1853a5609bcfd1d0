//! Names of any kind survive: what the real steps make is observed as wanted, in every shell.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use trueup::model::Change;
use trueup::resources::{Part, Verdict, find};
use trueup::shell::Step;

use super::case::parse;
use super::session::{Item, Shell, folder, shells};

/// Parts of paths that something on the way could take for its own.
const NASTY: [&str; 32] = [
    "@links",
    "a b",
    " a",
    "a ",
    "  ",
    "it's",
    "''",
    "\"",
    "\"a\"",
    "$HOME",
    "$(id)",
    "`id`",
    "\\",
    "a\\nb",
    "\\\\x",
    "-",
    "-rf",
    "--",
    "*",
    "?[a]",
    "~",
    "#a",
    "a;b",
    "a&&b",
    "é",
    "漢字 ü",
    "%s%n",
    "!",
    "x: OK",
    "@groups",
    "x: FAILED",
    "a: No such file or directory",
];

/// A resource of `kind` from its keys.
fn item(kind: &str, name: &str, keys: &[(&str, &str)]) -> Item {
    let kind = find(kind).expect("a type");
    let mut table = toml::Table::new();
    table.extend(keys.iter().map(|&(key, value)| (key.to_owned(), value.into())));
    let desired = parse(kind, name, &table, &BTreeMap::new());
    (kind, desired.unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}")))
}

/// Waves that make a folder for each name, and things of that name in it.
fn waves(root: &Path, names: &[String]) -> Vec<Vec<Item>> {
    let mut waves: [Vec<Item>; 5] = Default::default();
    for name in names {
        let folder = format!("{}/{name}", root.display());
        let file = format!("{folder}/{name}");
        waves[0].push(item("directory", &folder, &[("mode", "2750")]));
        waves[1].push(item("file", &file, &[("content", name), ("mode", "0640")]));
        waves[1].push(item("symlink", &format!("{folder}/{name}@"), &[("target", name)]));
        waves[2].push(item("file", &file, &[("content", &format!("{name}\n")), ("mode", "0600")]));
        waves[3].push(item("line", name, &[("path", &file), ("line", &format!("line {name}"))]));
        let text = r#"printf '%s' "$PWD" >"${PWD}/made""#;
        let made = format!("{folder}/made");
        let keys = [("command", text), ("cwd", folder.as_str()), ("creates", &made)];
        waves[4].push(item("command", name, &keys));
    }
    waves.into()
}

/// The changes of a wave, from what the shell says.
fn changes(shell: &Shell, state: &Path, wave: &[Item]) -> Vec<Result<(usize, Step), String>> {
    let mut found = Vec::new();
    for (at, (state, (kind, desired))) in shell.look(state, wave).into_iter().zip(wave).enumerate()
    {
        let subject = kind.subject(desired);
        let observed = match state {
            Ok(observed) => observed,
            Err(why) => {
                found.push(Err(format!("{} {subject}: {why}", kind.name())));
                continue;
            }
        };
        let change: Change = match kind.diff(desired, &observed) {
            Verdict::Same(_) => continue,
            Verdict::Change(change) => change,
            other => {
                found.push(Err(format!("{} {subject}: {other:?}", kind.name())));
                continue;
            }
        };
        let part = Part { desired, observed: &observed, change: &change, timeout: None };
        found.extend(kind.steps(&[part]).into_iter().map(|(_, step)| Ok((at, step))));
    }
    found
}

/// Makes everything with one shell; says what is not as wanted then.
fn made(shell: &Shell, names: &[String]) -> Result<(), String> {
    let place = folder();
    let (root, state) = (place.path().join("root"), place.path().join("state"));
    fs::create_dir(&root).expect("a folder");
    for wave in waves(&root, names) {
        let steps: Vec<(usize, Step)> =
            changes(shell, &state, &wave).into_iter().collect::<Result<_, _>>()?;
        if steps.len() != wave.len() {
            return Err(format!("{} changes of {}", steps.len(), wave.len()));
        }
        let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
        shell.apply(&state, &steps)?;
        if let Some(left) = changes(shell, &state, &wave).into_iter().next() {
            let (at, step) = left?;
            let text = String::from_utf8_lossy(step.script.bytes()).into_owned();
            let (kind, desired) = &wave[at];
            return Err(format!("{} {} still differs: {text}", kind.name(), kind.subject(desired)));
        }
    }
    right(&root, names)
}

/// The tree itself, without asking any shell: nothing but what was wanted.
fn right(root: &Path, names: &[String]) -> Result<(), String> {
    let listed = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    if listed(root) != names.iter().cloned().collect() {
        return Err(format!("in the folder are {:?}", listed(root)));
    }
    for name in names {
        let folder = root.join(name);
        let there = BTreeSet::from([name.clone(), format!("{name}@"), "made".to_owned()]);
        let content = fs::read_to_string(folder.join(name)).unwrap_or_default();
        let target = fs::read_link(folder.join(format!("{name}@"))).unwrap_or_default();
        let made = fs::read_to_string(folder.join("made")).unwrap_or_default();
        let right = listed(&folder) == there
            && content == format!("{name}\nline {name}\n")
            && target == Path::new(name)
            && Path::new(&made) == folder;
        if !right {
            let entries = listed(&folder);
            let target = target.display();
            return Err(format!("{name:?}: {entries:?} {content:?} {target} {made:?}"));
        }
    }
    Ok(())
}

#[track_caller]
fn everywhere(names: &[String]) {
    for shell in shells() {
        made(&shell, names).unwrap_or_else(|why| panic!("{}: {why}", shell.name));
    }
}

#[test]
fn nasty_names_survive_every_shell() {
    everywhere(&NASTY.map(str::to_owned));
}

#[test]
fn random_names_survive_every_shell() {
    let mut runner = TestRunner::default();
    let name = r"[ -.0-~äß漢😀]{1,24}"
        .prop_filter("a name", |name: &String| name.as_str() != "." && name.as_str() != "..");
    let names = prop::collection::btree_set(name, 16);
    let names = names.new_tree(&mut runner).expect("names").current();
    everywhere(&names.into_iter().collect::<Vec<_>>());
}
