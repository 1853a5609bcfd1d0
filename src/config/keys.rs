//! Every key of the three kinds of file in words: what the JSON Schema and the manual are made from.
//!
//! The readers beside this file take tables key by key, to tell every mistake at its place; these
//! structs say the same shapes as data, and a test holds both together.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::param::ParamType;

/// Any TOML value.
type Any = BTreeMap<String, serde_json::Value>;

/// trueup.toml: what goes where.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProjectFile {
    /// The project's own settings.
    pub project: ProjectTable,
    /// What goes on which hosts; stages run in the order of the file.
    pub stage: Option<Vec<Stage>>,
    /// Addresses that changed, `module/type[name]`: what hosts remember of the old one is the new one's.
    pub moved: Option<Vec<Moved>>,
    /// How many records of runs are kept.
    pub runs: Option<Runs>,
}

/// `{ from = "type[name]", to = "type[name]" }`
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Moved {
    /// The address that it had; inside a module without the module's name.
    pub from: String,
    /// The address that it has now.
    pub to: String,
}

/// `[runs]`: after each apply the records that are older or more than this go, never the newest.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Runs {
    /// The most records that are kept.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 100))]
    pub keep: Option<u32>,
    /// For how many days a record is kept.
    #[schemars(range(min = 1, max = 36_500), extend("default" = 90))]
    pub keep_days: Option<u32>,
}

/// `[project]`
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProjectTable {
    /// The project's name, a part of paths on hosts: letters, digits, `-`, `_` and `.`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"))]
    pub name: String,
    /// The inventory where `-i` names none: a path inside the project.
    pub inventory: Option<String>,
}

/// `[[stage]]`
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Stage {
    /// A name that no other stage has.
    pub name: String,
    /// A pattern of hosts: names and globs of hosts and groups, `all`, `and`, `or`, `not`, `( )`.
    pub hosts: String,
    /// The modules that these hosts get, in this order.
    pub modules: Vec<ModuleEntry>,
    /// Words that select this stage and all in it.
    pub tags: Option<Vec<String>>,
    /// In what time all its changes must be confirmed over a new connection, or the host puts them back: seconds,
    /// or `"60s"`, `"5m"`; `false`: not at all. A resource's own `confirm` comes first.
    #[schemars(with = "Option<Confirm>")]
    pub confirm: Option<String>,
}

/// A module: its name alone, or its name with values for its params.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum ModuleEntry {
    /// The module's name, where no param needs a value.
    Name(String),
    /// The module with values for its params.
    Use(ModuleUse),
}

/// `{ use = "name", with = { … } }`
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ModuleUse {
    /// The module: a folder in modules/, or one that comes with the program.
    pub r#use: String,
    /// Values for its params; strings may hold expressions.
    pub with: Option<Any>,
    /// Words that select this module and all in it.
    pub tags: Option<Vec<String>>,
}

/// An inventory: hosts, groups and vars.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Inventory {
    /// How all hosts are reached.
    pub connection: Option<Connection>,
    /// Values for all hosts.
    pub vars: Option<Any>,
    /// Groups of hosts, by name.
    pub groups: Option<BTreeMap<String, Group>>,
    /// Single hosts, by name.
    pub hosts: Option<BTreeMap<String, Host>>,
}

/// `[groups.NAME]`
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Group {
    /// Names of hosts, with ranges: `web[01:03]`, `db-[a:c]`, `n[1:9:2]`.
    pub hosts: Option<Vec<String>>,
    /// Groups whose hosts are in this one too.
    pub children: Option<Vec<String>>,
    /// Values for its hosts.
    pub vars: Option<Any>,
    /// How its hosts are reached.
    pub connection: Option<Connection>,
}

/// `[hosts."NAME"]`
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Host {
    /// Groups that it is in.
    pub groups: Option<Vec<String>>,
    /// What is connected to; its name if absent.
    pub address: Option<String>,
    /// Values for this host.
    pub vars: Option<Any>,
    /// How this host is reached.
    pub connection: Option<Connection>,
}

/// `[connection]`: what is not set, ssh takes from its own config.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Connection {
    /// What carries the connection.
    #[schemars(extend("default" = "ssh"))]
    pub transport: Option<Transport>,
    /// The login user.
    pub user: Option<String>,
    /// The port of ssh.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// A private key: a path on this machine.
    pub identity: Option<String>,
    /// Hosts to jump through, as `ssh -J` takes them.
    pub jump: Option<String>,
    /// How to become root; a password for sudo is asked for, or given beside the files.
    #[schemars(extend("default" = "no"))]
    pub r#become: Option<Become>,
    /// For the `command` transport: a program and its arguments, ending in a shell, with `{name}` and `{address}`.
    #[schemars(length(min = 1))]
    pub command: Option<Vec<String>>,
}

/// What carries a connection.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Transport {
    Ssh,
    Local,
    Command,
}

/// How to become root.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Become {
    No,
    Sudo,
}

/// module.toml: inputs, and the resources that are made from them.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Module {
    /// What the module is for: one line.
    pub description: Option<String>,
    /// Its typed inputs, by name; checked before any host is touched.
    pub params: Option<BTreeMap<String, Param>>,
    /// Named values, computed from params, vars and facts; they may use each other.
    pub locals: Option<Any>,
    /// Modules that come before this one on the same hosts.
    pub r#use: Option<Vec<ModuleEntry>>,
    /// Addresses of this module that changed: what hosts remember of the old one is the new one's.
    pub moved: Option<Vec<Moved>>,
    /// Files and symlinks that go in together or not at all, by a name for them.
    pub set: Option<BTreeMap<String, FileSet>>,
}

/// `[set.NAME]`
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FileSet {
    /// Addresses of files and symlinks of this module: `file[/etc/app.conf]`, `file[/etc/app/**]`.
    #[schemars(length(min = 1))]
    pub members: Vec<String>,
    /// Text for sh(1) that must succeed before any of them goes in; `{{ staged }}` is the folder around them, as it will be.
    pub validate: Option<String>,
}

/// `[params] NAME = { … }`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// The type of its value.
    pub r#type: ParamType,
    /// For an enum: the values that it may have.
    pub values: Option<Vec<String>>,
    /// For a list: the type of its items.
    pub of: Option<ParamType>,
    /// For a number: the least that it may be.
    pub min: Option<serde_json::Number>,
    /// For a number: the most that it may be.
    pub max: Option<serde_json::Number>,
    /// For a string: a regular expression that it must match.
    pub pattern: Option<String>,
    /// Its value where none is given; without one it is required.
    pub default: Option<serde_json::Value>,
    /// Whether a value must be given; if absent, where there is no default.
    pub required: Option<bool>,
    /// Whether its value is a secret that is never printed.
    #[serde(default)]
    pub sensitive: bool,
    /// What it is for: one line.
    pub description: Option<String>,
}

/// What every resource has, beside the keys of its type.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ResourceKeys {
    /// An expression, without braces: the resource is there only where it is true.
    #[schemars(with = "Option<Condition>")]
    pub when: Option<String>,
    /// A list or a table: one resource for each item, which is `each.key`, `each.value` and `each.index`.
    #[schemars(with = "Option<Items>")]
    pub for_each: Option<serde_json::Value>,
    /// With `for_each` over a list of tables: the field that is `each.key`; the index if absent.
    pub key: Option<String>,
    /// Addresses that come before: `file[/etc/x]`, `other/user[www]`, `file[/etc/app/**]`.
    #[schemars(with = "Option<Vec<Address>>")]
    pub requires: Option<Vec<String>>,
    /// How long a step may take: seconds, or `"90s"`, `"5m"`, `"1h"`, one day at most; 300 s if absent, 1,800 s for a package.
    #[schemars(with = "Option<Duration>")]
    pub timeout: Option<String>,
    /// How often a step that failed is tried again, after 1, 2, 4 … 60 s; for types whose steps may fail for a while only (package, service, user, group, command).
    #[schemars(range(max = 100), extend("default" = 0))]
    pub retries: Option<u32>,
    /// In what time a change must be confirmed over a new connection, or the host puts it back: seconds, or
    /// `"60s"`, `"5m"`; `false`: not at all. If absent, 60 s for what may cut access.
    #[schemars(with = "Option<Confirm>")]
    pub confirm: Option<String>,
    /// Words that select this resource.
    pub tags: Option<Vec<String>>,
    /// Whether its values are secrets that are never printed.
    #[schemars(extend("default" = false))]
    pub sensitive: Option<bool>,
}

/// `when`
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "a shape, never a value")]
enum Condition {
    Text(String),
    Fixed(bool),
}

/// `for_each`
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "a shape, never a value")]
enum Items {
    List(Vec<serde_json::Value>),
    Table(Any),
}

/// An address or a pattern of addresses.
#[derive(JsonSchema)]
#[schemars(title = "address")]
#[expect(dead_code, reason = "a shape, never a value")]
struct Address(#[schemars(regex(pattern = crate::model::AddressPattern::SHAPE))] String);

/// `timeout`
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "a shape, never a value")]
enum Duration {
    Seconds(#[schemars(range(min = 1, max = 86400))] u32),
    Text(#[schemars(regex(pattern = "^[0-9]+[smh]$"))] String),
}

/// `confirm`
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "a shape, never a value")]
enum Confirm {
    Seconds(#[schemars(range(min = 5, max = 3600))] u32),
    Text(#[schemars(regex(pattern = "^[0-9]+[smh]$"))] String),
    No(bool),
}
