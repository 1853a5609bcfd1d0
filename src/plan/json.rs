//! A plan as JSON, for machines and for saved plans: its form is public, versioned, and has a schema.
//!
//! Actions are a list, what is sensitive or not known yet stands in trees beside the values, and
//! `applyable`, `complete` and `errored` say what a pipeline asks first. Equal hosts share a set of
//! changes, equal contents stand once. The same plan gives the same bytes.

mod read;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::Body;

pub use read::acted;
pub use write::actions;

/// The version of the form: the first number changes when a reader of the old form would fail.
pub const FORMAT: &str = "1.1";

/// What `trueup plan --json` prints.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "a plan of trueup")]
pub struct PlanJson {
    /// The version of this form: readers check the first number.
    pub format_version: String,
    /// The program that made it.
    pub trueup_version: String,
    pub project: String,
    /// The inventory's path.
    pub inventory: String,
    /// Whether there is something to do, and no host stands in the way of it.
    pub applyable: bool,
    /// Whether every host was compared and everything about every change is known.
    pub complete: bool,
    /// Whether some host could not be compared, or has a resource that cannot be done.
    pub errored: bool,
    /// The run that is taken back, where this is a way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<UndoesJson>,
    /// Names of the stages, in their order.
    pub stages: Vec<String>,
    /// Every host, in the order of their names.
    pub hosts: Vec<HostJson>,
    /// Each distinct set of changes, the rarest first.
    pub sets: Vec<SetJson>,
    /// Contents by their SHA-256. Those that are sensitive or too large to be shown are not here.
    pub contents: BTreeMap<String, ContentJson>,
    /// How many changes there are of each kind, over all hosts.
    pub counts: BTreeMap<String, usize>,
}

/// A run that is taken back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UndoesJson {
    pub run: String,
    /// `apply` or `rollback`.
    pub verb: String,
    /// The run that a rollback took back itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// `user@controller`; empty where no host says.
    pub who: String,
    /// When it began: RFC 3339, UTC.
    pub since: String,
}

/// A host of a plan.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HostJson {
    pub name: String,
    /// `ok`, `changed` (there are changes), `failed`, `unreachable`, `refused`, `unknown`.
    pub outcome: String,
    /// Index of its set of changes; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<usize>,
    /// Why it could not be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Resources that cannot be done; where there is one nothing is done on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemJson>,
    /// What the files declared once and declare no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<OrphanJson>,
    /// What is to be known of the host besides: who is at work there, that what it remembers cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What the files declared once and declare no more.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OrphanJson {
    pub address: String,
    /// What `--prune` does with it, or why it stays.
    pub becomes: String,
    /// The run that applied it last.
    pub run: String,
}

/// Something wrong with a resource, or with a host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProblemJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `file:line` of its declaration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    pub message: String,
}

/// Hosts with the same changes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetJson {
    pub hosts: Vec<String>,
    /// In the order in which they will be done.
    pub changes: Vec<ChangeJson>,
}

/// The change of one resource.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ChangeJson {
    /// `module/type[name]`.
    pub address: String,
    pub module: String,
    pub r#type: String,
    pub name: String,
    pub stage: String,
    /// `file:line` of its declaration.
    pub place: String,
    /// `create`, `update`, `delete`, `run`, `known after`, and the trigger that goes off with it:
    /// `reload`, `restart`, `run`.
    pub actions: Vec<String>,
    /// What is to be known besides: why it runs, what is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is there now, of each attribute that differs. A content is its `sha256` and `size`, a
    /// sensitive value its keyed digest; of what there are several (the entries of a folder) it is a list.
    pub before: Map<String, Value>,
    /// What will be there.
    pub after: Map<String, Value>,
    /// Attributes whose value after the change is not known yet; `true` where none is.
    pub after_unknown: Value,
    /// Attributes whose value before is sensitive.
    pub before_sensitive: Map<String, Value>,
    /// Attributes whose value after is sensitive.
    pub after_sensitive: Map<String, Value>,
    /// Addresses whose change sets its trigger off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// The run that called for its trigger and ended before it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed_since: Option<String>,
    /// What moved since it was applied last: `drift` (the host), `change` (the files), `both`, or `new`
    /// where that is not known.
    #[serde(default)]
    pub origin: String,
    /// The run that left what the host had, where the host moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The set that it goes in with: all members of it that change, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<InSetJson>,
    /// What is dangerous about it, the worst first: `deletes`, `stops`, `restarts`, `may cut access`,
    /// `runs`, `reloads`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangers: Vec<String>,
    /// SHA-256 of the state that it was planned against: `actions` and `before` as JSON.
    pub observed: String,
    /// With `--why`: where the values that went into it come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<WhyJson>,
}

/// A set of files that go in together.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct InSetJson {
    /// `module/set[name]`.
    pub name: String,
    /// What must succeed before its members go in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WhyJson {
    pub name: String,
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    pub by: String,
}

/// A content: text where it is UTF-8, else base64; neither where it was too large to be fetched.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ContentJson {
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl ContentJson {
    /// The content of a body.
    #[must_use]
    pub fn of(body: &Body) -> Self {
        let bytes = body.bytes().map(AsRef::as_ref);
        let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(ToOwned::to_owned);
        let base64 = bytes
            .filter(|_| text.is_none())
            .map(|bytes| base64::engine::general_purpose::STANDARD.encode(bytes));
        Self { size: body.size(), text, base64 }
    }

    /// Its bytes, if they are there.
    #[must_use]
    pub fn bytes(&self) -> Option<Arc<[u8]>> {
        if let Some(text) = &self.text {
            return Some(text.as_bytes().into());
        }
        let decoded = base64::engine::general_purpose::STANDARD.decode(self.base64.as_ref()?);
        decoded.ok().map(Into::into)
    }
}
