//! An inventory: hosts, groups, vars and connection settings, each with its place.

use std::collections::{BTreeMap, BTreeSet};

use super::range;
use super::table::{Fields, Shape, TomlTable, TomlValue};
use crate::model::suggest::wrong_character;
use crate::model::{Diagnostic, FileId, Located, Span, Value};

/// Vars or connection settings by name.
pub type Settings = BTreeMap<String, Located<Value>>;

/// A level of an inventory.
#[derive(Debug, Clone, Copy)]
pub enum Who<'i> {
    All,
    Group(&'i str),
    Host(&'i str),
}

impl std::fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all hosts"),
            Self::Group(name) => write!(f, "group `{name}`"),
            Self::Host(name) => f.write_str(name),
        }
    }
}

/// An inventory as it is written.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Whether there were mistakes in it, so that what is not there may only not have been read.
    pub doubtful: bool,
    pub file: Option<FileId>,
    pub connection: Settings,
    pub vars: Settings,
    pub groups: BTreeMap<String, Group>,
    /// Every host, from groups and from `[hosts]`.
    pub hosts: BTreeMap<String, HostEntry>,
}

/// A group as it is written; its hosts are in [`HostEntry::groups`].
#[derive(Debug)]
pub struct Group {
    pub span: Span,
    pub children: Vec<Located<String>>,
    pub connection: Settings,
    pub vars: Settings,
}

/// A host as it is written.
#[derive(Debug)]
pub struct HostEntry {
    /// Where it is first named.
    pub span: Span,
    pub address: Option<Located<String>>,
    /// The groups that name it, or that it names.
    pub groups: Vec<Located<String>>,
    pub connection: Settings,
    pub vars: Settings,
}

impl Inventory {
    /// The vars of every level: of the inventory, of its groups, of its hosts.
    pub fn all_vars(&self) -> impl Iterator<Item = &Settings> {
        self.said_vars().map(|(_, vars)| vars)
    }

    /// As [`Self::all_vars`], with who says them: `all`, `` group `web` ``, `web1`.
    pub fn said_vars(&self) -> impl Iterator<Item = (Who<'_>, &Settings)> {
        let groups = self.groups.iter().map(|(name, group)| (Who::Group(name), &group.vars));
        let hosts = self.hosts.iter().map(|(name, host)| (Who::Host(name), &host.vars));
        std::iter::once((Who::All, &self.vars)).chain(groups).chain(hosts)
    }

    /// Whether group `outer` is or holds group `inner`, directly or through others.
    #[must_use]
    pub fn holds(&self, outer: &str, inner: &str) -> bool {
        let mut seen = BTreeSet::from([outer]);
        let mut waiting = vec![outer];
        while let Some(name) = waiting.pop() {
            if name == inner {
                return true;
            }
            let children = self.groups.get(name).into_iter().flat_map(|group| &group.children);
            waiting.extend(children.map(|child| &*child.value).filter(|&name| seen.insert(name)));
        }
        false
    }
}

/// The most hosts of an inventory.
const HOSTS: usize = 1_000_000;

/// Every setting of `[connection]`.
pub const CONNECTION_KEYS: [&str; 7] =
    ["transport", "user", "port", "identity", "jump", "become", "command"];

const CONNECTION: Shape = Shape {
    what: "[connection]",
    is: "`connection` takes",
    write: "[connection], and below it settings such as user = \"…\"",
};
const GROUP: Shape = Shape {
    what: "a group",
    is: "a group is",
    write: "[groups.NAME], and below it hosts = [\"…\"]",
};
const HOST: Shape = Shape {
    what: "a host",
    is: "a host is",
    write: "[hosts.NAME], and below it settings such as address = \"…\"",
};

/// Reads an inventory.
pub(super) fn read(file: FileId, table: &TomlTable, found: &mut Vec<Diagnostic>) -> Inventory {
    let mut top = Fields::new("an inventory", Span::new(file, 0..0), table);
    let before = found.len();
    let mut inventory = Inventory {
        doubtful: false,
        file: Some(file),
        connection: connection(&mut top, found),
        vars: top.vars("vars", found),
        groups: BTreeMap::new(),
        hosts: BTreeMap::new(),
    };
    for (name, value) in top.entries("groups", found) {
        group(&mut inventory, (&name, value), found);
    }
    for (name, value) in top.entries("hosts", found) {
        host(&mut inventory, (&name, value), found);
    }
    top.finish(found);
    check_groups(&mut inventory, found);
    inventory.doubtful = found.len() > before;
    inventory
}

/// `[connection]` of an inventory, a group or a host.
fn connection(fields: &mut Fields<'_>, found: &mut Vec<Diagnostic>) -> Settings {
    let file = fields.file();
    let Some(value) = fields.take("connection") else { return Settings::new() };
    let Some(mut inner) = Fields::of(&CONNECTION, file, value, found) else {
        return Settings::new();
    };
    let mut settings = Settings::new();
    for key in CONNECTION_KEYS {
        if let Some(value) = inner.take(key) {
            let span = Span::new(file, value.span());
            let value = super::table::to_value(value.get_ref());
            settings.insert(key.to_owned(), Located { value, span });
        }
    }
    inner.finish(found);
    settings
}

/// Reads `[groups.NAME]` and enters its hosts.
fn group(
    inventory: &mut Inventory,
    (name, value): (&Located<String>, &TomlValue),
    found: &mut Vec<Diagnostic>,
) {
    check_name("group", name, found);
    let Some(mut fields) = Fields::of(&GROUP, name.span.file, value, found) else { return };
    for written in fields.strings("hosts", found) {
        match range::expand(&written.value) {
            Err(error) => found.push(Diagnostic::at(written.span, error.to_string())),
            Ok(hosts) if inventory.hosts.len() + hosts.len() > HOSTS => {
                let message = format!("the inventory has more than {HOSTS} hosts");
                found.push(Diagnostic::at(written.span, message));
                break;
            }
            Ok(hosts) => {
                for host in hosts {
                    let located = Located { value: host, span: written.span };
                    enter(inventory, &located, found).groups.push(name.clone());
                }
            }
        }
    }
    let group = Group {
        span: name.span,
        children: fields.strings("children", found),
        connection: connection(&mut fields, found),
        vars: fields.vars("vars", found),
    };
    fields.finish(found);
    inventory.groups.insert(name.value.clone(), group);
}

/// Reads `[hosts.NAME]`.
fn host(
    inventory: &mut Inventory,
    (name, value): (&Located<String>, &TomlValue),
    found: &mut Vec<Diagnostic>,
) {
    let Some(mut fields) = Fields::of(&HOST, name.span.file, value, found) else { return };
    let entry = enter(inventory, name, found);
    entry.span = name.span;
    entry.address = fields.string("address", found);
    entry.groups.extend(fields.strings("groups", found));
    entry.connection = connection(&mut fields, found);
    entry.vars = fields.vars("vars", found);
    fields.finish(found);
}

/// The entry of a host, made when it is new.
fn enter<'i>(
    inventory: &'i mut Inventory,
    name: &Located<String>,
    found: &mut Vec<Diagnostic>,
) -> &'i mut HostEntry {
    inventory.hosts.entry(name.value.clone()).or_insert_with(|| {
        check_name("host", name, found);
        HostEntry {
            span: name.span,
            address: None,
            groups: Vec::new(),
            connection: Settings::new(),
            vars: Settings::new(),
        }
    })
}

/// Names reach ssh as arguments and patterns as words: a strict grammar keeps both plain.
fn check_name(what: &str, name: &Located<String>, found: &mut Vec<Diagnostic>) {
    let right = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let begins = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let word = matches!(name.value.as_str(), "all" | "and" | "or" | "not");
    if word
        || name.value.len() > 253
        || !name.value.starts_with(begins)
        || !name.value.chars().all(right)
    {
        let message = format!("`{}` is not a name for a {what}", name.value.escape_debug());
        let mistake = Diagnostic::at(name.span, message);
        found.push(if word {
            mistake.help("`all`, `and`, `or` and `not` are words of patterns: take another name")
        } else {
            let made_of = "letters, digits, `-`, `_` and `.`, beginning with a letter or digit";
            mistake.wrong_name(wrong_character(&name.value, begins, right), made_of)
        });
    }
}

/// Groups that hold themselves, each once: the child that closes the circle is left out.
fn break_cycles(inventory: &mut Inventory, found: &mut Vec<Diagnostic>) {
    let names: Vec<String> = inventory.groups.keys().cloned().collect();
    for name in names {
        let children = &inventory.groups[&name].children;
        let closes = |child: &Located<String>| inventory.holds(&child.value, &name);
        let (closing, kept): (Vec<_>, Vec<_>) = children.iter().cloned().partition(closes);
        found.extend(closing.iter().map(|child| {
            let label = if child.value == name {
                "this is the group itself".to_owned()
            } else {
                format!("`{}` holds `{name}`", child.value)
            };
            Diagnostic::at(child.span, format!("group `{name}` would hold itself"))
                .code("cycle")
                .label(label)
        }));
        inventory.groups.entry(name).and_modify(|group| group.children = kept);
    }
}

/// Groups that are named but not there, and groups that hold themselves.
fn check_groups(inventory: &mut Inventory, found: &mut Vec<Diagnostic>) {
    break_cycles(inventory, found);
    let inventory = &*inventory;
    let names = || inventory.groups.keys().map(String::as_str);
    let unknown = |name: &Located<String>| {
        Diagnostic::at(name.span, format!("there is no group `{}`", name.value))
            .code("unknown-group")
            .suggest(&name.value, names())
    };
    for child in inventory.groups.values().flat_map(|group| &group.children) {
        if !inventory.groups.contains_key(&child.value) {
            found.push(unknown(child));
        }
    }
    for host in inventory.hosts.values() {
        let missing = host.groups.iter().filter(|name| !inventory.groups.contains_key(&name.value));
        found.extend(missing.map(unknown));
    }
}
