//! Vars against a dumb ladder: inventory < group (parent < child) < host < `--var`.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;
use trueup::model::{Facts, Value};
use trueup::resolve::Resolver;

use super::memory::{Files, facts, rendered, runner};

/// What somebody says: vars by their number.
type Says = BTreeMap<usize, i64>;

const KEYS: usize = 3;
const GROUPS: usize = 6;
const HOSTS: usize = 4;

/// An inventory, as it is written.
#[derive(Debug, Clone)]
struct Model {
    top: Says,
    groups: Vec<(Says, BTreeSet<usize>)>,
    /// The groups that name a host, and those that the host names.
    hosts: Vec<(Says, BTreeSet<usize>, BTreeSet<usize>)>,
    given: Says,
}

fn says(most: usize) -> impl Strategy<Value = Says> {
    prop::collection::btree_map(0..KEYS, 0..3_i64, 0..=most)
}

fn model() -> impl Strategy<Value = Model> {
    let some = || prop::collection::btree_set(0..GROUPS, 0..3);
    (
        says(2),
        prop::collection::vec((says(2), some()), GROUPS),
        prop::collection::vec((says(1), some(), some()), HOSTS),
        says(1),
    )
        .prop_map(|(top, mut groups, hosts, given)| {
            for (index, (_, children)) in groups.iter_mut().enumerate() {
                // Only later groups: no group holds itself.
                children.retain(|child| *child > index);
            }
            Model { top, groups, hosts, given }
        })
}

fn vars(says: &Says) -> String {
    let vars: Vec<String> = says.iter().map(|(key, value)| format!("k{key} = {value}")).collect();
    format!("{{ {} }}", vars.join(", "))
}

fn list(prefix: &str, of: impl Iterator<Item = usize>) -> String {
    let names: Vec<String> = of.map(|index| format!("\"{prefix}{index}\"")).collect();
    format!("[{}]", names.join(", "))
}

impl Model {
    /// The tables of the inventory, each alone.
    fn tables(&self) -> Vec<String> {
        let mut tables = vec![format!("vars = {}\n", vars(&self.top))];
        for (index, (says, children)) in self.groups.iter().enumerate() {
            let named = |host: &usize| self.hosts[*host].1.contains(&index);
            tables.push(format!(
                "[groups.g{index}]\nchildren = {}\nhosts = {}\nvars = {}\n",
                list("g", children.iter().copied()),
                list("h", (0..HOSTS).filter(named)),
                vars(says),
            ));
        }
        for (index, (says, _, names)) in self.hosts.iter().enumerate() {
            let names = list("g", names.iter().copied());
            tables.push(format!("[hosts.h{index}]\ngroups = {names}\nvars = {}\n", vars(says)));
        }
        tables
    }

    fn files(tables: &[String]) -> Files {
        let mut content = String::new();
        for key in 0..KEYS {
            let _ = write!(content, "{{{{ vars.k{key} | default(value='-') }}}} ");
        }
        Files::one_stage(&tables.concat(), &format!("[file.\"/a\"]\ncontent = \"{content}\"\n"))
    }

    fn given(&self) -> BTreeMap<String, Value> {
        let given = self.given.iter();
        given.map(|(key, value)| (format!("k{key}"), Value::Integer(*value))).collect()
    }

    /// Whether a group is above another one.
    fn above(&self, group: usize, other: usize) -> bool {
        self.groups[group].1.iter().any(|&child| child == other || self.above(child, other))
    }

    /// The groups that say a key to a host.
    fn voices(&self, host: usize, key: usize) -> BTreeSet<usize> {
        let (_, inside, names) = &self.hosts[host];
        let own = || inside.union(names);
        let member = |group: usize| own().any(|&own| own == group || self.above(group, own));
        (0..GROUPS)
            .filter(|&group| member(group) && self.groups[group].0.contains_key(&key))
            .collect()
    }

    /// The values of the groups with the last word.
    fn last_words(&self, host: usize, key: usize) -> BTreeSet<i64> {
        let voices = self.voices(host, key);
        let last =
            voices.iter().filter(|&&group| !voices.iter().any(|&other| self.above(group, other)));
        last.map(|group| self.groups[*group].0[&key]).collect()
    }

    /// What a host has: nothing, a value, or an error.
    fn value(&self, host: usize, key: usize) -> Result<Option<i64>, ()> {
        let above = self.given.get(&key).or_else(|| self.hosts[host].0.get(&key));
        if let Some(value) = above {
            return Ok(Some(*value));
        }
        let words = self.last_words(host, key);
        match words.len() {
            0 => Ok(self.top.get(&key).copied()),
            1 => Ok(words.first().copied()),
            _ => Err(()),
        }
    }
}

/// Everything that `explain` says of a key: the value, and who says what, the winner first.
fn explained(
    resolver: &Resolver,
    host: usize,
    key: usize,
) -> (Option<Value>, Vec<(String, Option<Value>)>) {
    let all = resolver.explain(host, &Facts::stand_in("h"));
    let found = all.into_iter().find(|one| one.name == format!("vars.k{key}"));
    found.map_or_else(Default::default, |one| {
        (one.value, one.said.into_iter().map(|said| (said.by, said.value)).collect())
    })
}

/// Whether what is said of a key is all that is said, each behind those that it is under.
fn in_order(
    model: &Model,
    (host, key): (usize, usize),
    said: &[(String, Option<Value>)],
) -> Result<(), String> {
    let mut wanted: Vec<(String, i64)> = Vec::new();
    wanted.extend(model.given.get(&key).map(|value| ("--var".to_owned(), *value)));
    wanted.extend(model.hosts[host].0.get(&key).map(|value| ("host".to_owned(), *value)));
    let before = wanted.len();
    let voices = model.voices(host, key);
    wanted.extend(
        voices.iter().map(|group| (format!("group g{group}"), model.groups[*group].0[&key])),
    );
    wanted.extend(model.top.get(&key).map(|value| ("inventory".to_owned(), *value)));
    let said: Vec<(String, i64)> = said
        .iter()
        .map(|(by, value)| match value {
            Some(Value::Integer(value)) => (by.clone(), *value),
            other => (format!("{by} {other:?}"), 0),
        })
        .collect();
    let sorted = |all: &[(String, i64)]| {
        let mut all = all.to_vec();
        all.sort();
        all
    };
    if sorted(&said) != sorted(&wanted) {
        return Err(format!("{said:?} instead of {wanted:?}"));
    }
    let groups = before..before + voices.len();
    if said[..groups.start] != wanted[..groups.start] || said[groups.end..] != wanted[groups.end..]
    {
        return Err(format!("{said:?} instead of {wanted:?}"));
    }
    let number = |at: usize| said[at].0["group g".len()..].parse::<usize>().unwrap_or(usize::MAX);
    for at in groups.clone() {
        if let Some(child) =
            (at + 1..groups.end).find(|&later| model.above(number(at), number(later)))
        {
            return Err(format!("{} is behind its parent in {said:?}", said[child].0));
        }
    }
    Ok(())
}

fn agrees(model: &Model) -> Result<(), String> {
    let (resolver, errors) = Model::files(&model.tables()).resolver(&model.given());
    let mut clashes = BTreeSet::new();
    for host in 0..HOSTS {
        let name = resolver.targets[host].host.name.clone();
        let shown =
            rendered(&resolver, host, &facts(&name)).map_err(|errors| format!("{errors:?}"))?;
        let shown: Vec<&str> = shown["m/file[/a]"].split_whitespace().collect();
        for (key, shown) in shown.iter().enumerate() {
            let (value, said) = explained(&resolver, host, key);
            in_order(model, (host, key), &said).map_err(|why| format!("{name} k{key}: {why}"))?;
            let Ok(wanted) = model.value(host, key) else {
                clashes.insert(format!("disagree on `vars.k{key}`"));
                continue;
            };
            let text = wanted.map_or_else(|| "-".to_owned(), |value| value.to_string());
            if *shown != text || value != wanted.map(Value::Integer) {
                return Err(format!("{name} k{key}: {shown} and {value:?} instead of {text}"));
            }
        }
    }
    let told: BTreeSet<String> = errors
        .iter()
        .map(|error| {
            error
                .split_once("disagree")
                .map_or_else(|| error.clone(), |(_, key)| format!("disagree{key}"))
        })
        .collect();
    if told == clashes { Ok(()) } else { Err(format!("{told:?} instead of {clashes:?}")) }
}

#[test]
fn vars_are_what_the_ladder_says() {
    let (clashing, right) = (Cell::new(0), Cell::new(0));
    runner(400)
        .run(&model(), |model| {
            let clash = (0..HOSTS).any(|host| (0..KEYS).any(|key| model.value(host, key).is_err()));
            let count = if clash { &clashing } else { &right };
            count.set(count.get() + 1);
            let agrees = agrees(&model);
            agrees.map_err(|why| TestCaseError::fail(format!("{why}\n{}", model.tables().concat())))
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let (clashing, right) = (clashing.get(), right.get());
    assert!(clashing > 20 && right > 20, "{clashing} with clashes, {right} without");
}

#[test]
fn the_order_of_tables_changes_nothing() {
    let shuffled = model().prop_flat_map(|model| {
        let tables = model.tables();
        let order = Just(tables[1..].to_vec()).prop_shuffle();
        (Just(model), order)
    });
    runner(200)
        .run(&shuffled, |(model, order)| {
            let tables = model.tables();
            let other = [&tables[..1], &order].concat();
            let (one, mut errors) = Model::files(&tables).resolver(&model.given());
            let (other, mut other_errors) = Model::files(&other).resolver(&model.given());
            errors.sort();
            other_errors.sort();
            prop_assert_eq!(errors.len(), other_errors.len());
            for host in 0..HOSTS {
                let facts = Facts::stand_in("h");
                prop_assert_eq!(rendered(&one, host, &facts), rendered(&other, host, &facts));
                for key in 0..KEYS {
                    prop_assert_eq!(explained(&one, host, key), explained(&other, host, key));
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
