//! What a host remembers of a project, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::counted;
use super::escape::visible;
use crate::ledger::{Entry, Memory, Parted};
use crate::model::RunId;

/// What `trueup ledger HOST --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LedgerJson {
    pub project: String,
    pub host: String,
    /// Who is at work there now.
    pub lock: Option<String>,
    /// Why it cannot be read.
    pub damage: Option<String>,
    /// How often it was written whole.
    pub serial: u64,
    /// The last run whose journal is not taken in yet, and who began it.
    pub last: Option<(String, String)>,
    pub owed: Vec<OwedJson>,
    pub resources: BTreeMap<String, EntryJson>,
}

/// A trigger that a change called for and that was not done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OwedJson {
    pub address: String,
    /// `reload`, `restart` or `run`.
    pub kind: String,
    pub because: Vec<String>,
    pub run: String,
}

/// A resource as it was applied last.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EntryJson {
    pub run: String,
    /// When that run began: RFC 3339, UTC.
    pub at: Option<String>,
    /// Whether an apply of this project made it.
    pub made: bool,
    /// Whether it is not known to hold: its apply ended early.
    pub unsettled: bool,
    /// Its attributes; contents and sensitive values by the first digits of their SHA-256.
    pub record: BTreeMap<String, String>,
    /// What `--prune` does once it is not declared any more.
    pub parting: String,
}

impl LedgerJson {
    /// The form of what a host said.
    #[must_use]
    pub fn of(project: &str, host: &str, memory: Memory) -> Self {
        let Memory { lock, ledger, damage, .. } = memory;
        let owed = ledger.owed.into_iter().map(|owed| OwedJson {
            address: owed.address,
            kind: owed.kind,
            because: owed.because.into_iter().collect(),
            run: owed.run,
        });
        Self {
            project: project.to_owned(),
            host: host.to_owned(),
            lock,
            damage: damage.map(|damage| damage.to_string()),
            serial: ledger.serial,
            last: ledger.last.map(|last| (last.run, last.who)),
            owed: owed.collect(),
            resources: ledger.entries.into_iter().map(|(at, one)| (at, entry(one))).collect(),
        }
    }

    /// One JSON document.
    ///
    /// # Panics
    /// Never: its form has string keys only.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a form with string keys is JSON") + "\n"
    }

    /// For a reader.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let host = visible(&self.host);
        if let Some(who) = &self.lock {
            let _ = writeln!(text, "{host}  an apply is at work there: {}", visible(who));
        }
        if let Some(why) = &self.damage {
            let _ = writeln!(text, "{host}  {}", visible(why));
        }
        for owed in &self.owed {
            let because: Vec<String> = owed.because.iter().map(|cause| visible(cause)).collect();
            let (kind, address) = (visible(&owed.kind), visible(&owed.address));
            let run = visible(&owed.run);
            let _ = writeln!(
                text,
                "  ! {address}  {kind} owed since run {run}, in which {} changed",
                because.join(", ")
            );
        }
        for (address, entry) in &self.resources {
            let at = entry.at.as_deref().unwrap_or("?");
            let made = if entry.made { "made" } else { "applied" };
            let unsettled = if entry.unsettled { ", not known to hold" } else { "" };
            let _ = writeln!(
                text,
                "  {}\n      {made} by run {} ({at}){unsettled}",
                visible(address),
                visible(&entry.run)
            );
            for (name, value) in &entry.record {
                let _ = writeln!(text, "      {}  {}", visible(name), visible(value));
            }
        }
        let (resources, owed) = (self.resources.len(), self.owed.len());
        let owed = if owed == 0 { String::new() } else { format!(", {owed} owed") };
        let _ = writeln!(text, "{host}: {}{owed}.", counted(resources, "resource"));
        text
    }
}

fn entry(entry: Entry) -> EntryJson {
    let at = RunId::parse(&entry.run).map(|run| run.since());
    EntryJson {
        at,
        run: entry.run,
        made: entry.made,
        unsettled: entry.unsettled,
        record: entry.record,
        parting: match entry.parting {
            Parted::Nothing => "nothing is left of it".to_owned(),
            Parted::Goes(_) => "it is removed".to_owned(),
            Parted::Made(_) if entry.made => "it is removed".to_owned(),
            Parted::Made(_) => "it stays: it was there before this project".to_owned(),
            Parted::Asked(_) => "it is removed with --prune-accounts".to_owned(),
            Parted::Stays(why) => format!("it stays: {why}"),
        },
    }
}
