//! Which vars and connection settings a host has: inventory < group (parent < child) < host < `--var`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Target;
use super::connection;
use super::template::{Pool, Shared, Space, host_value};
use crate::config::{Group, HostEntry, Inventory, Settings};
use crate::model::{Diagnostic, Host, Located, Span, Value};

/// Who says a value. The order is the precedence, the least first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    Inventory,
    Group(String),
    Host,
    CommandLine,
}

/// A value as one layer says it.
#[derive(Debug, Clone)]
pub struct Said {
    pub layer: Layer,
    pub value: Value,
    /// Where it is written; nowhere on the command line.
    pub place: Option<Span>,
}

/// Which settings are asked about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Vars,
    Connection,
}

/// The groups of an inventory, and which stand above which.
pub(super) struct Ladder<'i> {
    inventory: &'i Inventory,
    /// All groups above each group, directly or through others.
    above: BTreeMap<&'i str, BTreeSet<&'i str>>,
}

impl<'i> Ladder<'i> {
    pub(super) fn new(inventory: &'i Inventory) -> Self {
        let mut parents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, group) in &inventory.groups {
            for child in &group.children {
                parents.entry(&child.value).or_default().push(name);
            }
        }
        let closure = |name: &'i str| {
            let mut above = BTreeSet::new();
            let mut waiting = vec![name];
            while let Some(name) = waiting.pop() {
                let parents = parents.get(name).into_iter().flatten();
                waiting.extend(parents.copied().filter(|parent| above.insert(*parent)));
            }
            above
        };
        let names = inventory.groups.keys().map(String::as_str);
        let above = names.map(|name| (name, closure(name))).collect();
        Self { inventory, above }
    }

    /// The groups that a host is in, with all that hold them.
    pub(super) fn groups(&self, entry: &'i HostEntry) -> BTreeSet<&'i str> {
        let own = entry.groups.iter().map(|group| group.value.as_str());
        own.flat_map(|name| self.above.get(name).into_iter().flatten().copied().chain([name]))
            .collect()
    }

    /// What the groups say of each key, parents first, and which of them have the last word.
    fn said_by(&self, groups: &BTreeSet<&'i str>, which: Which) -> BTreeMap<&'i str, Voices<'i>> {
        let mut known: Vec<(&'i str, &'i Group)> = groups
            .iter()
            .filter_map(|name| Some((*name, self.inventory.groups.get(*name)?)))
            .collect();
        // A group has all groups above it that its parents have, and its parents besides.
        known.sort_by_key(|(name, _)| (self.above.get(name).map_or(0, BTreeSet::len), *name));
        let mut said: BTreeMap<&str, Voices<'i>> = BTreeMap::new();
        for (name, group) in known {
            for (key, value) in which.of(&group.vars, &group.connection) {
                said.entry(key).or_default().all.push((name, value));
            }
        }
        for voices in said.values_mut() {
            let over = |name: &str, other: &str| {
                self.above.get(other).is_some_and(|above| above.contains(name))
            };
            let all = voices.all.iter();
            let last =
                all.filter(|(name, _)| !voices.all.iter().any(|(other, _)| over(name, other)));
            voices.last = last.copied().collect();
        }
        said
    }

    /// All that is said of one host, by key: the last one wins.
    pub(super) fn said(
        &self,
        host: &str,
        which: Which,
        overrides: &BTreeMap<String, Value>,
    ) -> BTreeMap<String, Vec<Said>> {
        let mut all: BTreeMap<String, Vec<Said>> = BTreeMap::new();
        let Some(entry) = self.inventory.hosts.get(host) else { return all };
        let mut say = |layer: Layer, key: &str, value: &Located<Value>| {
            let said = Said { layer, value: value.value.clone(), place: Some(value.span) };
            all.entry(key.to_owned()).or_default().push(said);
        };
        let top = self.inventory;
        for (key, value) in which.of(&top.vars, &top.connection) {
            say(Layer::Inventory, key, value);
        }
        for (key, voices) in self.said_by(&self.groups(entry), which) {
            for (group, value) in voices.all {
                say(Layer::Group(group.to_owned()), key, value);
            }
        }
        for (key, value) in which.of(&entry.vars, &entry.connection) {
            say(Layer::Host, key, value);
        }
        if matches!(which, Which::Vars) {
            for (key, value) in overrides {
                let said = Said { layer: Layer::CommandLine, value: value.clone(), place: None };
                all.entry(key.clone()).or_default().push(said);
            }
        }
        all
    }
}

impl Which {
    /// What stands before a key's name.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Vars => "vars.",
            Self::Connection => "connection.",
        }
    }

    const fn of<'s>(self, vars: &'s Settings, connection: &'s Settings) -> &'s Settings {
        match self {
            Self::Vars => vars,
            Self::Connection => connection,
        }
    }
}

/// What groups say of one key.
#[derive(Default)]
struct Voices<'i> {
    all: Vec<(&'i str, &'i Located<Value>)>,
    /// Those with no other one below them that says something too.
    last: Vec<(&'i str, &'i Located<Value>)>,
}

impl Voices<'_> {
    /// Two groups, neither above the other, that say different things.
    fn disagree(&self, key: &str, which: Which) -> Option<Diagnostic> {
        let (first_group, first) = self.last[0];
        let (group, other) = self.last.iter().find(|(_, value)| value.value != first.value)?;
        let mistake = Diagnostic::at(
            first.span,
            format!("groups `{first_group}` and `{group}` disagree on `{}{key}`", which.prefix()),
        );
        Some(
            mistake
                .code("conflict")
                .label(format!("group `{first_group}` says {}", first.value))
                .related(other.span, format!("group `{group}` says {}", other.value)),
        )
    }
}

/// Everything that groups say of hosts that are in the same ones.
struct Level<'i> {
    vars: BTreeMap<&'i str, Voices<'i>>,
    connection: BTreeMap<&'i str, Voices<'i>>,
    /// The vars of a host that says nothing itself.
    shared: Arc<Space>,
    /// Vars of the command line: a host has no say in them.
    overridden: &'i BTreeSet<&'i String>,
}

/// Every host of the inventory, in the order of names.
pub(super) fn targets(
    inventory: &Inventory,
    overrides: &BTreeMap<String, Value>,
    pool: &Pool,
    found: &mut Vec<Diagnostic>,
) -> Vec<Target> {
    let ladder = Ladder::new(inventory);
    let overridden: BTreeSet<&String> = overrides.keys().collect();
    let mut levels: HashMap<BTreeSet<&str>, Level<'_>> = HashMap::new();
    let mut disagree: BTreeMap<Diagnosis, (Diagnostic, Vec<&str>)> = BTreeMap::new();
    let mut targets = Vec::with_capacity(inventory.hosts.len());
    for (name, entry) in &inventory.hosts {
        let groups = ladder.groups(entry);
        let level = levels.entry(groups.clone()).or_insert_with(|| {
            let vars = ladder.said_by(&groups, Which::Vars);
            let connection = ladder.said_by(&groups, Which::Connection);
            let shared = Arc::new(Space::new(layered(inventory, &vars, overrides, pool)));
            Level { vars, connection, shared, overridden: &overridden }
        });
        let own = [
            (Which::Vars, &level.vars, &entry.vars),
            (Which::Connection, &level.connection, &entry.connection),
        ];
        for (which, said, own) in own {
            for (key, voices) in said {
                if let Some(mistake) = voices.disagree(key, which)
                    && !own.contains_key(*key)
                    && !overrides.contains_key(*key)
                {
                    let at = (mistake.message.clone(), voices.last[0].1.span);
                    disagree.entry(at).or_insert_with(|| (mistake, Vec::new())).1.push(name);
                }
            }
        }
        targets.push(target(inventory, (name, entry), (level, &groups), pool, found));
    }
    found.extend(disagree.into_values().map(|(mistake, hosts)| {
        let (each, hosts) = match hosts.as_slice() {
            [one] => ("the", format!("host `{one}` is")),
            [one, other] => ("each", format!("hosts `{one}` and `{other}` are")),
            [one, rest @ ..] => ("each", format!("host `{one}` and {} more are", rest.len())),
            [] => unreachable!("a mistake of no host"),
        };
        mistake.help(format!(
            "{hosts} in both: set it for {each} host, or put one group into the other's `children`: a child's value outweighs its parent's"
        ))
    }));
    targets
}

/// A host with all that counts for it.
fn target(
    inventory: &Inventory,
    (name, entry): (&String, &HostEntry),
    (level, groups): (&Level<'_>, &BTreeSet<&str>),
    pool: &Pool,
    found: &mut Vec<Diagnostic>,
) -> Target {
    let vars = if entry.vars.is_empty() {
        Arc::clone(&level.shared)
    } else {
        let mut values: BTreeMap<String, Shared> =
            level.shared.iter().map(|(key, value)| (key.clone(), Arc::clone(value))).collect();
        for (key, value) in &entry.vars {
            if !level.overridden.contains(key) {
                values.insert(key.clone(), pool.share(value.value.clone()));
            }
        }
        Arc::new(Space::new(values))
    };
    let voices =
        level.connection.iter().filter_map(|(key, said)| Some((*key, said.last.first()?.1)));
    let layers = [
        inventory.connection.iter().map(|(key, value)| (key.as_str(), value)).collect(),
        voices.collect(),
        entry.connection.iter().map(|(key, value)| (key.as_str(), value)).collect(),
    ];
    let host = Host {
        name: name.clone(),
        address: connection::address(name, entry, found),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        connection: connection::settings(entry, layers, found),
    };
    let space = Arc::new(host_space(&host, pool));
    Target { host, vars, space }
}

/// What was said and where.
type Diagnosis = (String, Span);

/// `host`, as expressions see it: the name is shared with nobody.
fn host_space(host: &Host, pool: &Pool) -> Space {
    let Value::Table(fields) = host_value(host) else { unreachable!("a host is a table") };
    let entries = fields.into_iter().map(|(key, value)| {
        let value = if key == "groups" { pool.share(value) } else { pool.single(value) };
        (key, value)
    });
    Space::new(entries.collect())
}

/// The inventory's vars under those of groups, with those of the command line on top.
fn layered(
    inventory: &Inventory,
    groups: &BTreeMap<&str, Voices<'_>>,
    overrides: &BTreeMap<String, Value>,
    pool: &Pool,
) -> BTreeMap<String, Shared> {
    let mut values: BTreeMap<&str, &Value> =
        inventory.vars.iter().map(|(key, value)| (key.as_str(), &value.value)).collect();
    values.extend(groups.iter().map(|(key, voices)| (*key, &voices.last[0].1.value)));
    values.extend(overrides.iter().map(|(key, value)| (key.as_str(), value)));
    values.into_iter().map(|(key, value)| (key.to_owned(), pool.share(value.clone()))).collect()
}
