//! Figures as data: what was measured, kept in results.json between calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// All that was measured, by the names of the rows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    pub rows: BTreeMap<String, Row>,
}

/// What one row gave.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub machine: Machine,
    pub lines: Vec<Line>,
    /// What a reader has to know besides.
    pub notes: Vec<String>,
    /// Why it could not be measured, or not to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// One measure: all its runs, in their order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    pub part: Part,
    /// What was done.
    pub work: String,
    /// What of it was measured, with its unit.
    pub measure: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aim: Option<Aim>,
    pub runs: Vec<f64>,
}

/// Where on the page a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// It has an aim.
    Aim,
    /// What an aim's figure was made from.
    Beside,
    Peer,
    /// The same work without the program.
    Hand,
    Curve,
}

/// What a median should reach.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    /// A row with nothing in it yet.
    pub const fn new(machine: Machine) -> Self {
        Self { machine, lines: Vec::new(), notes: Vec::new(), failed: None }
    }

    /// Adds a figure that has an aim.
    pub fn aim(&mut self, work: &str, measure: &str, aim: Aim, runs: Vec<f64>) {
        self.add(Part::Aim, work, measure, runs);
        if let Some(line) = self.lines.last_mut() {
            line.aim = Some(aim);
        }
    }

    /// Adds a figure that one with an aim was made from.
    pub fn beside(&mut self, work: &str, measure: &str, runs: Vec<f64>) {
        self.add(Part::Beside, work, measure, runs);
    }

    /// Adds a figure.
    pub fn add(&mut self, part: Part, work: &str, measure: &str, runs: Vec<f64>) {
        let (work, measure) = (work.to_owned(), measure.to_owned());
        self.lines.push(Line { part, work, measure, aim: None, runs });
    }

    /// Adds what a reader has to know.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

impl Line {
    /// Median, minimum and maximum.
    pub fn spread(&self) -> (f64, f64, f64) {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        let (first, last) = (sorted.first(), sorted.last());
        let or_none = |figure: Option<&f64>| figure.copied().unwrap_or(f64::NAN);
        // Of an even number of runs, the mean of the two in the middle.
        let upper = or_none(sorted.get(sorted.len() / 2));
        let lower = or_none(sorted.get(sorted.len().saturating_sub(1) / 2));
        (f64::midpoint(lower, upper), or_none(first), or_none(last))
    }

    /// Whether the median reaches the aim.
    pub fn reached(&self) -> Option<bool> {
        let (median, ..) = self.spread();
        self.aim.map(|aim| match aim {
            Aim::AtMost(most) => median <= most,
            Aim::AtLeast(least) => median >= least,
        })
    }
}

impl Results {
    /// What was kept, or nothing yet.
    pub fn read() -> Result<Self, String> {
        let text = match std::fs::read_to_string(path()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            text => text.map_err(|error| format!("{}: {error}", path().display()))?,
        };
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path().display()))
    }

    /// Keeps it.
    pub fn write(&self) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        std::fs::write(path(), text + "\n").map_err(|error| error.to_string())
    }
}

fn path() -> PathBuf {
    root().join("benches/results.json")
}

/// The project's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Seconds of each run.
pub fn seconds(runs: &[Duration]) -> Vec<f64> {
    runs.iter().map(Duration::as_secs_f64).collect()
}

/// Runs divided by others, pair by pair.
pub fn ratios(runs: &[Duration], by: &[Duration]) -> Vec<f64> {
    runs.iter().zip(by).map(|(run, by)| run.as_secs_f64() / by.as_secs_f64()).collect()
}

/// Seconds by which runs took longer than others, pair by pair.
pub fn over(runs: &[Duration], bare: &[Duration]) -> Vec<f64> {
    runs.iter().zip(bare).map(|(run, bare)| run.as_secs_f64() - bare.as_secs_f64()).collect()
}
