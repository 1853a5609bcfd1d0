//! What templates can call: `hosts(group=…)`, and the names of tera's own functions and filters.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use tera::{Kwargs, State, Tera};

use super::keep;
use super::scope::{host_value, into_tera};
use super::shared::Space;
use crate::model::{Facts, Host, Value};

/// The hosts that `hosts(group=…)` can return.
#[derive(Debug, Default)]
pub(in crate::resolve) struct Peers {
    hosts: Vec<(Host, Arc<Space>)>,
    /// All groups, those without hosts too.
    known: Vec<String>,
    facts: RwLock<PeerFacts>,
    /// By group, as lists; made when first asked for.
    groups: RwLock<Option<HashMap<String, tera::Value>>>,
}

/// What `….facts` is of other hosts.
#[derive(Debug, Default)]
pub(in crate::resolve) enum PeerFacts {
    /// Nothing names it.
    #[default]
    Unasked,
    /// Every host looks like the one that stands in.
    StoodIn,
    /// Those of the hosts that answered, by name.
    Known(BTreeMap<String, Facts>),
}

impl Peers {
    /// All hosts with their vars.
    pub(in crate::resolve) fn new(hosts: Vec<(Host, Arc<Space>)>, known: Vec<String>) -> Arc<Self> {
        Arc::new(Self { hosts, known, ..Self::default() })
    }

    /// Sets what is known of the hosts' facts.
    pub(in crate::resolve) fn set_facts(&self, facts: PeerFacts) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = facts;
        *self.groups.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn group(&self, name: &str) -> Option<tera::Value> {
        if let Some(groups) = &*self.groups.read().unwrap_or_else(PoisonError::into_inner) {
            return groups.get(name).cloned();
        }
        let groups = self.lists();
        let found = groups.get(name).cloned();
        *self.groups.write().unwrap_or_else(PoisonError::into_inner) = Some(groups);
        found
    }

    fn lists(&self) -> HashMap<String, tera::Value> {
        let facts = self.facts.read().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.iter().map(|group| (group.clone(), Vec::new()));
        let mut groups: HashMap<String, Vec<tera::Value>> = known.collect();
        for (host, vars) in &self.hosts {
            let facts = match &*facts {
                PeerFacts::Unasked => None,
                PeerFacts::StoodIn => Some(Facts::stand_in(&host.name).to_value()),
                PeerFacts::Known(known) => known.get(&host.name).map(Facts::to_value),
            };
            let Value::Table(fields) = host_value(host) else { unreachable!("a host is a table") };
            let mut peer: BTreeMap<String, tera::Value> =
                fields.iter().map(|(key, value)| (key.clone(), into_tera(value))).collect();
            peer.insert("vars".to_owned(), vars.tera().clone());
            peer.extend(facts.map(|facts| ("facts".to_owned(), into_tera(&facts))));
            let peer: tera::Value = peer.into();
            for group in host.groups.iter().map(String::as_str).chain(["all"]) {
                groups.entry(group.to_owned()).or_default().push(peer.clone());
            }
        }
        drop(facts);
        groups.into_iter().map(|(group, peers)| (group, tera::Value::from(peers))).collect()
    }
}

/// tera with our functions and no templates.
pub(super) fn bare(peers: &Arc<Peers>) -> Tera {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    tera.register_function("__keep", keep);
    tera.register_filter("join", join);
    let peers = Arc::clone(peers);
    tera.register_function("hosts", move |kwargs: Kwargs, _: &State<'_>| {
        let group = kwargs.must_get::<&str>("group")?;
        peers
            .group(group)
            .ok_or_else(|| tera::Error::message(format!("no host is in a group `{group}`")))
    });
    tera
}

/// tera's `join`, for which an item that is not defined is no empty text.
#[expect(clippy::needless_pass_by_value, reason = "the form of tera's filters")]
fn join(items: &[tera::Value], kwargs: Kwargs, _: &State<'_>) -> tera::TeraResult<String> {
    if let Some(index) = items.iter().position(tera::Value::is_undefined) {
        return Err(tera::Error::message(format!("item {index} of this list is not defined")));
    }
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    Ok(items.join(kwargs.get::<&str>("sep")?.unwrap_or_default()))
}

/// The arguments of what can be called, where it has any: tera's documentation.
pub(in crate::resolve) fn arguments(name: &str) -> Option<&'static [&'static str]> {
    const CALLED: [(&str, &[&str]); 25] = [
        ("containing", &["pat"]),
        ("default", &["value", "boolean"]),
        ("divisible_by", &["divisor"]),
        ("ending_with", &["pat"]),
        ("get", &["key", "default"]),
        ("group_by", &["attribute"]),
        ("hosts", &["group"]),
        ("indent", &["width", "indentation", "first", "blank"]),
        ("int", &["base"]),
        ("join", &["sep"]),
        ("lower", &[]),
        ("nth", &["n"]),
        ("pluralize", &["singular", "plural"]),
        ("range", &["start", "end", "step_by"]),
        ("replace", &["from", "to"]),
        ("round", &["method", "precision"]),
        ("sort", &["attribute"]),
        ("split", &["pat"]),
        ("starting_with", &["pat"]),
        ("throw", &["message"]),
        ("trim", &["pat"]),
        ("trim_end", &["pat"]),
        ("trim_start", &["pat"]),
        ("truncate", &["length", "end"]),
        ("upper", &[]),
    ];
    CALLED.iter().find(|(called, _)| *called == name).map(|(_, arguments)| *arguments)
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
