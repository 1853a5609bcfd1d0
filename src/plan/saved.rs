//! A plan in a file: what it shows, and everything that is needed to do exactly that and nothing else.
//!
//! The file holds the desired state of every host that changes as tables and contents, so that no project
//! is needed beside it. Of a resource that a sensitive value went into it holds a keyed digest only: the
//! value comes from the project again. It is sealed with the project's key; what was touched is refused.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod connection;
mod selected;

use connection::SavedConnection;
pub use selected::Selected;

use super::document::Document;
use super::json::{ContentJson, FORMAT, PlanJson};
use crate::model::change::{TriggerKind, sha256_hex};
use crate::model::{Address, Body, Host, Key};
use crate::resolve::{Desired, Instance, LeftOut, Places, Resolver, Source, Together};

/// What a saved plan holds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// Names this plan; sorts by time (ULID).
    pub id: String,
    /// When it was made: RFC 3339, UTC.
    pub created: String,
    /// Which key it is sealed with; tells nothing of the key.
    pub key: String,
    /// What the command line selected.
    pub selected: Selected,
    /// Names of stages in which a host that fails goes back by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retreats: Vec<String>,
    pub plan: PlanJson,
    /// The hosts that change.
    hosts: Vec<SavedHost>,
    orders: Vec<SavedOrder>,
    resources: Vec<SavedResource>,
    /// Contents by their SHA-256.
    contents: BTreeMap<String, ContentJson>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct SavedHost {
    name: String,
    address: String,
    connection: SavedConnection,
    /// Index of its order.
    order: usize,
    /// Indices of its resources, in the order in which they are done.
    resources: Vec<usize>,
    /// Triggers that the selection leaves out: what sets them off, what they do, and to what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<(String, String, String)>,
    /// Those that go in together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sets: Vec<Together>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
struct SavedOrder {
    stages: Vec<usize>,
    after: Vec<Vec<usize>>,
    triggers: Vec<Vec<(String, Vec<usize>)>>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct SavedResource {
    address: String,
    place: String,
    /// SHA-256 of what it is made from; keyed where that is sensitive.
    digest: String,
    sensitive: bool,
    timeout: Option<u32>,
    retries: u32,
    confirm: Option<u32>,
    /// Whether it goes because nobody declares it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    orphan: bool,
    /// Its table as TOML; not there where it is sensitive, or a content of it is not held in memory.
    table: Option<String>,
    /// The contents that its table names, by their digests.
    contents: Vec<(String, String)>,
}

/// Why a file is not a plan that may be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    #[error("this is not a saved plan: {0}")]
    Form(String),
    #[error("it was made by trueup {0}; this is {version}", version = env!("CARGO_PKG_VERSION"))]
    Version(String),
    #[error("it is sealed with another key ({0})")]
    OtherKey(String),
    #[error("it was changed after it was saved")]
    Tampered,
}

/// How the file begins and goes on: exactly so, so that no byte of it can be another.
const HEAD: &str = "{\"trueup_plan\":\"";
const MIDDLE: &str = "\",\"saved\":";
const TAIL: &str = "}\n";

impl Saved {
    /// Takes a plan and the desired states of its hosts that change in. Where resources do not keep what
    /// they were made from ([`Resolver::keeping`]) that is our mistake.
    #[must_use]
    pub fn new(
        plan: &Document,
        runs: &[(&Host, &Desired)],
        key: &Key,
        place: impl Fn(&Instance) -> String,
    ) -> Self {
        let mut saving = Saving {
            key,
            place,
            known: HashMap::new(),
            orders: HashMap::new(),
            saved: Self {
                id: String::new(),
                created: String::new(),
                key: key.id(),
                selected: Selected::default(),
                retreats: Vec::new(),
                plan: PlanJson::of(plan),
                hosts: Vec::new(),
                orders: Vec::new(),
                resources: Vec::new(),
                contents: BTreeMap::new(),
            },
        };
        for (host, desired) in runs {
            saving.host(host, desired);
        }
        saving.saved
    }

    /// The whole file, sealed.
    ///
    /// # Panics
    /// Never: its form has string keys only.
    #[must_use]
    pub fn seal(&self, key: &Key) -> String {
        let body = serde_json::to_string(self).expect("a form with string keys is JSON");
        format!("{HEAD}{}{MIDDLE}{body}{TAIL}", mac(&body, key))
    }

    /// Reads a file without looking at its seal: to show it.
    ///
    /// # Errors
    /// When it is not in the form of a saved plan of this version.
    pub fn read(text: &str) -> Result<Self, SavedError> {
        Ok(Self::parts(text)?.0)
    }

    fn parts(text: &str) -> Result<(Self, &str, &str), SavedError> {
        let form = |why: &str| SavedError::Form(why.to_owned());
        let inner = text.strip_prefix(HEAD).ok_or_else(|| form("it does not begin as one"))?;
        let (mac, rest) = inner.split_once(MIDDLE).ok_or_else(|| form("it has no seal"))?;
        let body = rest.strip_suffix(TAIL).ok_or_else(|| form("its end is missing"))?;
        let saved: Self = serde_json::from_str(body).map_err(|error| form(&error.to_string()))?;
        if saved.plan.format_version != FORMAT {
            return Err(form(&format!("its format is {}", saved.plan.format_version)));
        }
        Ok((saved, mac, body))
    }

    /// Reads a file that is to be applied.
    ///
    /// # Errors
    /// When it is no saved plan, of another version or key, or was touched.
    pub fn open(text: &str, key: &Key) -> Result<Self, SavedError> {
        let (saved, seal, body) = Self::parts(text)?;
        if saved.key != key.id() {
            return Err(SavedError::OtherKey(saved.key));
        }
        if mac(body, key) != seal {
            return Err(SavedError::Tampered);
        }
        if saved.plan.trueup_version != env!("CARGO_PKG_VERSION") {
            return Err(SavedError::Version(saved.plan.trueup_version));
        }
        Ok(saved)
    }

    /// Whether a sensitive value is needed that only the project has.
    #[must_use]
    pub fn needs_project(&self) -> bool {
        self.kept_back().next().is_some()
    }

    /// The addresses of which it holds a digest only, each with why.
    pub fn kept_back(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let kept = self.resources.iter().filter(|resource| resource.table.is_none());
        let why = ["it is larger than 1 MiB: it", "a sensitive value goes into it: the value"];
        kept.map(move |one| (one.address.as_str(), why[usize::from(one.sensitive)]))
    }

    /// The hosts that change.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| host.name.as_str())
    }

    /// The first resource of a host that is no longer made from the same: its address, and whether it is
    /// a sensitive one. An address alone on either side counts too.
    #[must_use]
    pub fn changed_in_files(
        &self,
        host: &str,
        desired: &Desired,
        key: &Key,
    ) -> Option<(String, bool)> {
        let host = self.hosts.iter().find(|known| known.name == host)?;
        if let Some(other) = host
            .sets
            .iter()
            .chain(&desired.sets)
            .find(|set| !host.sets.contains(set) || !desired.sets.contains(set))
        {
            return Some((other.label(), false));
        }
        let planned = host.resources.iter().filter_map(|&index| self.resources.get(index));
        let mut planned: BTreeMap<&str, &SavedResource> =
            planned.map(|resource| (resource.address.as_str(), resource)).collect();
        for instance in &desired.resources {
            let address = instance.address.to_string();
            let same = planned.remove(address.as_str()).is_some_and(|known| {
                known.sensitive == instance.kept_back() && known.digest == digest(instance, key)
            });
            if !same {
                return Some((address, instance.kept_back()));
            }
        }
        planned.into_values().next().map(|gone| (gone.address.clone(), gone.sensitive))
    }

    /// The hosts as they were planned, for a plan that needs no project.
    ///
    /// # Errors
    /// When the file holds what no plan holds.
    pub fn restore(&self) -> Result<(Resolver, Vec<Arc<Desired>>), String> {
        let places = Places::new(self.resources.iter().map(|resource| resource.place.as_str()));
        let resources = self.resources.iter().map(|resource| self.resource(resource, &places));
        let resources: Vec<Arc<Instance>> = resources.collect::<Result<_, String>>()?;
        let mut all = Vec::with_capacity(self.hosts.len());
        let mut hosts = Vec::with_capacity(self.hosts.len());
        for host in &self.hosts {
            let own = host.resources.iter().map(|&index| resources.get(index).cloned());
            let own = own.collect::<Option<Vec<_>>>().ok_or("a resource is missing")?;
            let order = self.orders.get(host.order).ok_or("an order is missing")?;
            let triggers = order.triggers.iter().map(|all| all.iter().map(trigger).collect());
            let triggers = triggers.collect::<Option<Vec<_>>>().ok_or("an unknown trigger")?;
            let mut desired =
                Desired::ordered(own, order.stages.clone(), order.after.clone(), triggers)?;
            let left_out = host.left_out.iter().map(left_out);
            desired.left_out = left_out.collect::<Option<Vec<_>>>().ok_or("an unknown trigger")?;
            let desired = desired.with_sets(host.sets.clone())?;
            all.push(Arc::new(desired));
            hosts.push(Host {
                name: host.name.clone(),
                address: host.address.clone(),
                groups: Vec::new(),
                connection: host.connection.restore(),
            });
        }
        let stages = (self.plan.stages.as_slice(), self.retreats.as_slice());
        Ok((places.resolver(&self.plan.project, hosts, stages), all))
    }

    fn resource(&self, saved: &SavedResource, places: &Places) -> Result<Arc<Instance>, String> {
        let address = Address::read(&saved.address).ok_or("no address")?;
        let table = saved.table.as_deref().ok_or("a table is missing")?;
        let bodies = saved.contents.iter().map(|(name, digest)| {
            let bytes = self.contents.get(digest).and_then(ContentJson::bytes);
            let body = bytes.map(Body::of).filter(|body| body.digest() == digest);
            Ok((name.clone(), body.ok_or("a content is missing")?))
        });
        let bodies = bodies.collect::<Result<Vec<_>, &str>>()?;
        let place = places.span(&saved.place);
        let mut made = Source::restore(address, (table, bodies), place)?;
        (made.timeout, made.retries) = (saved.timeout, saved.retries);
        made.confirm = saved.confirm;
        made.orphan = saved.orphan;
        Ok(Arc::new(made))
    }
}

fn trigger((kind, from): &(String, Vec<usize>)) -> Option<(TriggerKind, Vec<usize>)> {
    Some((TriggerKind::of(kind)?, from.clone()))
}

fn left_out((cause, kind, address): &(String, String, String)) -> Option<LeftOut> {
    let kind = TriggerKind::of(kind)?;
    Some(LeftOut { cause: Address::read(cause)?, kind, address: Address::read(address)? })
}

fn mac(body: &str, key: &Key) -> String {
    key.digest(&format!("saved plan {}", sha256_hex(body.as_bytes())))
}

/// What a resource is made from, as a digest.
fn digest(instance: &Instance, key: &Key) -> String {
    let source =
        instance.source.as_ref().expect("a plan that is saved keeps what it was made from");
    let (timeout, retries) = (instance.timeout.unwrap_or(0), instance.retries);
    let mut text = format!("{}\n{timeout} {retries} {:?}", source.text(), instance.confirm);
    for (name, body) in &source.bodies {
        let _ = write!(text, "\n{} {name}", body.digest());
    }
    let plain = sha256_hex(text.as_bytes());
    if instance.kept_back() { key.digest(&plain) } else { plain }
}

/// A plan while it is put together: each resource and each order once.
struct Saving<'s, P> {
    key: &'s Key,
    place: P,
    known: HashMap<*const Instance, usize>,
    orders: HashMap<SavedOrder, usize>,
    saved: Saved,
}

impl<P: Fn(&Instance) -> String> Saving<'_, P> {
    fn host(&mut self, host: &Host, desired: &Desired) {
        let resources = desired.resources.iter().map(|instance| self.resource(instance));
        let resources = resources.collect();
        let (stages, after, triggers) = desired.order();
        let words = |all: &Vec<(TriggerKind, Vec<usize>)>| {
            all.iter().map(|(kind, from)| (kind.word().to_owned(), from.clone())).collect()
        };
        let order = SavedOrder {
            stages: stages.to_vec(),
            after: after.to_vec(),
            triggers: triggers.iter().map(words).collect(),
        };
        let next = self.saved.orders.len();
        let at = *self.orders.entry(order).or_insert_with_key(|order| {
            self.saved.orders.push(order.clone());
            next
        });
        self.saved.hosts.push(SavedHost {
            name: host.name.clone(),
            address: host.address.clone(),
            connection: SavedConnection::of(&host.connection),
            order: at,
            resources,
            sets: desired.sets.clone(),
            left_out: desired
                .left_out
                .iter()
                .map(|left| {
                    let LeftOut { cause, kind, address } = left;
                    (cause.to_string(), kind.word().to_owned(), address.to_string())
                })
                .collect(),
        });
    }

    fn resource(&mut self, instance: &Arc<Instance>) -> usize {
        if let Some(&known) = self.known.get(&Arc::as_ptr(instance)) {
            return known;
        }
        let large = |source: &Source| source.bodies.iter().any(|(_, body)| body.file().is_some());
        let source = instance.source.as_ref();
        let source = source.filter(|source| !instance.kept_back() && !large(source));
        let mut contents = Vec::new();
        for (name, body) in source.iter().flat_map(|source| &source.bodies) {
            contents.push((name.clone(), body.digest().to_owned()));
            let kept = ContentJson::of(body);
            self.saved.contents.entry(body.digest().to_owned()).or_insert(kept);
        }
        let index = self.saved.resources.len();
        self.saved.resources.push(SavedResource {
            address: instance.address.to_string(),
            place: (self.place)(instance),
            digest: digest(instance, self.key),
            sensitive: instance.kept_back(),
            timeout: instance.timeout,
            retries: instance.retries,
            confirm: instance.confirm,
            orphan: instance.orphan,
            table: source.map(|source| source.text()),
            contents,
        });
        self.known.insert(Arc::as_ptr(instance), index);
        index
    }
}
