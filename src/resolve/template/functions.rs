//! What templates can call: `hosts(group=…)`, and the names of tera's own functions and filters.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use tera::{Kwargs, State, Tera};

use super::keep;
use super::scope::{host_value, into_tera};
use super::shared::Space;
use crate::model::suggest::list as in_words;
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

/// What can be called and has arguments: what it takes before the bar, and its arguments with their
/// types, as messages say them; empty where anything is taken. tera's documentation.
type Called = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const CALLED: [Called; 25] = [
    ("containing", "", &[("pat", "")]),
    ("default", "", &[("value", ""), ("boolean", "a boolean")]),
    ("divisible_by", "an integer", &[("divisor", "an integer")]),
    ("ending_with", "a string", &[("pat", "a string")]),
    ("get", "a table", &[("key", "a string"), ("default", "")]),
    ("group_by", "a list", &[("attribute", "a string")]),
    ("hosts", "", &[("group", "a string")]),
    (
        "indent",
        "a string",
        &[
            ("width", "an integer"),
            ("indentation", "a string"),
            ("first", "a boolean"),
            ("blank", "a boolean"),
        ],
    ),
    ("int", "", &[("base", "an integer")]),
    ("join", "a list", &[("sep", "a string")]),
    ("lower", "a string", &[]),
    ("nth", "a list", &[("n", "an integer")]),
    ("pluralize", "", &[("singular", "a string"), ("plural", "a string")]),
    ("range", "", &[("start", "an integer"), ("end", "an integer"), ("step_by", "an integer")]),
    ("replace", "a string", &[("from", "a string"), ("to", "a string")]),
    ("round", "", &[("method", "a string"), ("precision", "an integer")]),
    ("sort", "a list", &[("attribute", "a string")]),
    ("split", "a string", &[("pat", "a string")]),
    ("starting_with", "a string", &[("pat", "a string")]),
    ("throw", "", &[("message", "a string")]),
    ("trim", "a string", &[("pat", "a string")]),
    ("trim_end", "a string", &[("pat", "a string")]),
    ("trim_start", "a string", &[("pat", "a string")]),
    ("truncate", "a string", &[("length", "an integer"), ("end", "a string")]),
    ("upper", "a string", &[]),
];

fn called(name: &str) -> Option<&'static Called> {
    CALLED.iter().find(|(called, ..)| *called == name)
}

/// What a filter takes before the bar and its arguments with their types, where they are known.
pub(super) fn takes(name: &str) -> Option<(&'static str, &'static [(&'static str, &'static str)])> {
    called(name).map(|(_, input, arguments)| (*input, *arguments))
}

/// The names of the arguments of what can be called, where it is known.
pub(in crate::resolve) fn arguments(name: &str) -> Option<Vec<&'static str>> {
    called(name).map(|(.., arguments)| arguments.iter().map(|(name, _)| *name).collect())
}

/// How `name` is called, with `value` for its first argument.
pub(in crate::resolve) fn usage(name: &str, value: &str) -> Option<String> {
    let known = arguments(name)?;
    let Some(first) = known.first() else { return Some(format!("`{name}` takes no argument")) };
    let list: Vec<String> = known.iter().map(|argument| format!("`{argument}`")).collect();
    let value = if value.is_empty() { "…" } else { value };
    Some(format!("`{name}` takes {}: {name}({first}={value})", in_words(&list)))
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
