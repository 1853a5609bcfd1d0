//! Which vars and connection settings a host has: inventory < group (parent < child) < host < `--var`.

use std::collections::{BTreeMap, BTreeSet};

use super::Target;
use crate::config::{CONNECTION_KEYS, HostEntry, Inventory, Settings};
use crate::model::{Become, Connection, Diagnostic, Host, Located, Span, TransportKind, Value, a};

/// Every host of the inventory, in the order of names.
pub(super) fn targets(
    inventory: &Inventory,
    overrides: &BTreeMap<String, Value>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Target> {
    inventory
        .hosts
        .iter()
        .map(|(name, entry)| {
            let groups = closure(inventory, entry);
            let layers = Layers { inventory, entry, groups: &groups, host: name };
            let mut vars = layers.all(|layer| layer.vars, found);
            vars.extend(overrides.iter().map(|(key, value)| (key.clone(), value.clone())));
            let address = entry.address.as_ref().map_or(name, |address| &address.value);
            if let Some(address) = &entry.address {
                check_word("address", &address.value, address.span, found);
            }
            let host = Host {
                name: name.clone(),
                address: address.clone(),
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                connection: connection(&layers, found),
            };
            Target { host, vars: Value::Table(vars) }
        })
        .collect()
}

/// The groups that a host is in, with all that hold them.
fn closure<'i>(inventory: &'i Inventory, entry: &'i HostEntry) -> BTreeSet<&'i str> {
    let mut groups: BTreeSet<&str> =
        entry.groups.iter().map(|group| group.value.as_str()).collect();
    loop {
        let above: Vec<&str> = inventory
            .groups
            .iter()
            .filter(|(name, group)| {
                !groups.contains(name.as_str())
                    && group.children.iter().any(|child| groups.contains(child.value.as_str()))
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if above.is_empty() {
            return groups;
        }
        groups.extend(above);
    }
}

/// Whether `outer` holds `inner`, directly or through others.
fn is_above(inventory: &Inventory, outer: &str, inner: &str) -> bool {
    inventory.groups.get(outer).is_some_and(|group| {
        group
            .children
            .iter()
            .any(|child| child.value == inner || is_above(inventory, &child.value, inner))
    })
}

/// All that can say something about one host.
struct Layers<'i> {
    inventory: &'i Inventory,
    entry: &'i HostEntry,
    groups: &'i BTreeSet<&'i str>,
    host: &'i str,
}

/// One layer's settings.
struct Layer<'i> {
    vars: &'i Settings,
    connection: &'i Settings,
}

impl<'i> Layers<'i> {
    /// The values that win, by name.
    fn all(
        &self,
        pick: impl Fn(&Layer<'i>) -> &'i Settings,
        found: &mut Vec<Diagnostic>,
    ) -> BTreeMap<String, Value> {
        let host = Layer { vars: &self.entry.vars, connection: &self.entry.connection };
        let top = Layer { vars: &self.inventory.vars, connection: &self.inventory.connection };
        let mut values: BTreeMap<String, Value> = BTreeMap::new();
        let mut take = |settings: &Settings| {
            values.extend(settings.iter().map(|(key, value)| (key.clone(), value.value.clone())));
        };
        take(pick(&top));
        take(&self.group_values(&pick, pick(&host), found));
        take(pick(&host));
        values
    }

    /// The values that the groups agree on: a child's hides its parents'; siblings that disagree are
    /// a mistake unless the host itself says.
    fn group_values(
        &self,
        pick: &impl Fn(&Layer<'i>) -> &'i Settings,
        own: &Settings,
        found: &mut Vec<Diagnostic>,
    ) -> Settings {
        let mut said: BTreeMap<&str, Vec<(&str, &Located<Value>)>> = BTreeMap::new();
        for name in self.groups {
            let Some(group) = self.inventory.groups.get(*name) else { continue };
            let layer = Layer { vars: &group.vars, connection: &group.connection };
            for (key, value) in pick(&layer) {
                said.entry(key).or_default().push((name, value));
            }
        }
        let mut agreed = Settings::new();
        for (key, groups) in said {
            let lowest: Vec<_> = groups
                .iter()
                .filter(|(name, _)| {
                    !groups.iter().any(|(other, _)| is_above(self.inventory, name, other))
                })
                .collect();
            let (first_group, first) = lowest[0];
            if let Some((group, other)) =
                lowest.iter().find(|(_, value)| value.value != first.value)
                && !own.contains_key(key)
            {
                found.push(
                    Diagnostic::at(
                        first.span,
                        format!("groups `{first_group}` and `{group}` disagree on `{key}`"),
                    )
                    .label(format!("{} here", first.value))
                    .related(other.span, format!("{} here", other.value))
                    .help(format!("host `{}` is in both: set `{key}` for the host, or put one group into the other's `children`", self.host)),
                );
            }
            agreed.insert(key.to_owned(), (*first).clone());
        }
        agreed
    }

    /// Where the value of a connection setting that won was written.
    fn place(&self, key: &str) -> Span {
        let groups = self.groups.iter().filter_map(|name| self.inventory.groups.get(*name));
        let settings = std::iter::once(&self.entry.connection)
            .chain(groups.map(|group| &group.connection))
            .chain([&self.inventory.connection]);
        let place = settings.into_iter().find_map(|settings| settings.get(key));
        place.map_or(self.entry.span, |value| value.span)
    }
}

/// A host's connection settings, typed and checked.
fn connection(layers: &Layers<'_>, found: &mut Vec<Diagnostic>) -> Connection {
    let values = layers.all(|layer| layer.connection, found);
    let mut connection = Connection::default();
    for key in CONNECTION_KEYS {
        if let Some(value) = values.get(key)
            && let Err(why) = set(&mut connection, key, value)
        {
            found.push(Diagnostic::at(layers.place(key), why));
        }
    }
    let command = connection.transport == Some(TransportKind::Command);
    if command && connection.command.is_none() {
        found.push(
            Diagnostic::at(layers.place("transport"), "the `command` transport needs `command`")
                .help("such as command = [\"docker\", \"exec\", \"-i\", \"{name}\", \"/bin/sh\"]"),
        );
    }
    connection
}

/// Sets one connection setting, or says why its value is wrong.
fn set(connection: &mut Connection, key: &str, value: &Value) -> Result<(), String> {
    let text = |value: &Value| match value.as_str() {
        Some(text) if word(text) => Ok(text.to_owned()),
        Some(text) => Err(format!("`{}` cannot be a {key}", text.escape_debug())),
        None => Err(format!("`{key}` takes a string, not {}", a(value.kind()))),
    };
    match key {
        "user" => connection.user = Some(text(value)?),
        "identity" => connection.identity = Some(text(value)?),
        "jump" => connection.jump = Some(text(value)?),
        "port" => {
            let Value::Integer(number) = value else {
                return Err(format!("`port` takes a number, not {}", a(value.kind())));
            };
            let port = u16::try_from(*number).ok().filter(|port| *port > 0);
            connection.port =
                Some(port.ok_or_else(|| format!("{number} is not a port: 1 to 65535"))?);
        }
        "transport" => connection.transport = Some(one_of(key, value, &TransportKind::NAMES)?),
        "become" => connection.r#become = Some(one_of(key, value, &Become::NAMES)?),
        _ => {
            let Value::List(items) = value else {
                return Err(
                    "`command` takes a list of strings: the program and its arguments".into()
                );
            };
            let words: Option<Vec<String>> =
                items.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect();
            let words = words.filter(|words| !words.is_empty());
            connection.command =
                Some(words.ok_or("`command` takes a list of strings, one at least")?);
        }
    }
    Ok(())
}

/// The meaning of a word that must be one of `names`.
fn one_of<T: Copy>(key: &str, value: &Value, names: &[(&str, T)]) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| value.as_str() == Some(*name));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let list: Vec<String> = names.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        format!("{value} is not a `{key}`: one of {}", list.join(", "))
    })
}

/// Whether a text may reach ssh's arguments: not empty, no option, no control character, no space.
fn word(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 1024
        && !text.starts_with('-')
        && !text
            .chars()
            .any(|char| char.is_control() || char.is_whitespace() || "\"'\\;%".contains(char))
}

fn check_word(key: &str, text: &str, span: Span, found: &mut Vec<Diagnostic>) {
    if !word(text) {
        found.push(Diagnostic::at(span, format!("`{}` cannot be an {key}", text.escape_debug())));
    }
}
