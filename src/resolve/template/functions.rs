//! What templates can call: `hosts(group=…)`, and the names of tera's own functions and filters.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use tera::{Kwargs, State, Tera};

use super::keep;
use super::scope::{host_value, into_tera};
use super::shared::Space;
use crate::model::{Host, Value};

/// The hosts that `hosts(group=…)` can return, by group, as lists.
#[derive(Debug, Default)]
pub(in crate::resolve) struct Peers {
    groups: OnceLock<HashMap<String, tera::Value>>,
    hosts: Vec<(Host, Arc<Space>)>,
}

impl Peers {
    /// All hosts with their vars.
    pub(in crate::resolve) fn new(hosts: Vec<(Host, Arc<Space>)>) -> Arc<Self> {
        Arc::new(Self { groups: OnceLock::new(), hosts })
    }

    fn group(&self, name: &str) -> Option<tera::Value> {
        let groups = self.groups.get_or_init(|| {
            let mut groups: HashMap<String, Vec<tera::Value>> = HashMap::new();
            for (host, vars) in &self.hosts {
                let Value::Table(table) = host_value(host) else {
                    unreachable!("a host is a table")
                };
                let fields = table.iter().map(|(key, value)| (key.clone(), into_tera(value)));
                let vars = std::iter::once(("vars".to_owned(), vars.tera().clone()));
                let peer: tera::Value = fields.chain(vars).collect::<BTreeMap<_, _>>().into();
                for group in host.groups.iter().map(String::as_str).chain(["all"]) {
                    groups.entry(group.to_owned()).or_default().push(peer.clone());
                }
            }
            groups.into_iter().map(|(group, peers)| (group, tera::Value::from(peers))).collect()
        });
        groups.get(name).cloned()
    }
}

/// tera with our functions and no templates.
pub(super) fn bare(peers: &Arc<Peers>) -> Tera {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    tera.register_function("__keep", keep);
    let peers = Arc::clone(peers);
    tera.register_function("hosts", move |kwargs: Kwargs, _: &State<'_>| {
        let group = kwargs.must_get::<&str>("group")?;
        peers
            .group(group)
            .ok_or_else(|| tera::Error::message(format!("no host is in a group `{group}`")))
    });
    tera
}

/// The names of tera's own filters, functions and tests, for "did you mean": its documentation.
pub(super) fn builtins(what: &str) -> &'static [&'static str] {
    match what {
        "filter" => &[
            "abs",
            "capitalize",
            "default",
            "escape",
            "first",
            "float",
            "get",
            "group_by",
            "indent",
            "int",
            "join",
            "keys",
            "last",
            "length",
            "lower",
            "nth",
            "pairs",
            "pluralize",
            "replace",
            "reverse",
            "round",
            "safe",
            "sort",
            "split",
            "str",
            "title",
            "trim",
            "trim_end",
            "trim_start",
            "truncate",
            "unique",
            "upper",
            "values",
            "wordcount",
        ],
        "test" => &[
            "array",
            "bool",
            "containing",
            "defined",
            "divisible_by",
            "ending_with",
            "even",
            "float",
            "integer",
            "iterable",
            "map",
            "none",
            "number",
            "odd",
            "starting_with",
            "string",
            "undefined",
        ],
        "function" => &["hosts", "range", "throw"],
        _ => &[],
    }
}
