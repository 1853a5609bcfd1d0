//! The rows: what is measured, in which order, on which hosts.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::figures::{Results, Row};
use crate::lab::{Hosts, Lab};
use crate::machine::Machine;
use crate::program::Program;
use crate::{apply, check, content, crowd, line, page, peers, plans, render};

/// Something that is measured: its name on the command line, and how.
type Named = (&'static str, fn(&mut Bench, &mut Row) -> Result<(), String>);

/// In the order in which they run: those that share hosts stand together. The page has its own order.
const ROWS: [Named; 14] = [
    ("start", render::start),
    ("render", render::render),
    ("check", check::check),
    ("curve", check::curve),
    ("cold", plans::cold),
    ("line", line::line),
    ("apply", apply::first),
    ("file", content::file),
    ("1130", plans::thousand),
    ("10013", plans::ten_thousand),
    ("peers", peers::peers),
    ("twenty", plans::twenty),
    ("tree", content::tree),
    ("crowd", crowd::crowd),
];

/// What rows measure with: a folder of their own, and the hosts that the last one asked for.
pub struct Bench {
    lab: Option<(Hosts, Lab)>,
    folder: TempDir,
}

impl Bench {
    /// A lab of these hosts: that of the row before where it had the same.
    pub fn lab(&mut self, hosts: Hosts) -> Result<(&Lab, Program), String> {
        if self.lab.as_ref().is_none_or(|(there, _)| *there != hosts) {
            // The old one goes first: both together may be more than this machine can hold.
            self.lab = None;
            self.lab = Some((hosts, Lab::start(&self.folder.path().join("lab"), hosts)?));
        }
        let program = Program::new(self.folder.path());
        let (_, lab) = self.lab.as_ref().expect("it was started");
        Ok((lab, program.over(&lab.config())))
    }

    /// The program, where no lab is needed.
    pub fn program(&self) -> Program {
        Program::new(self.folder.path())
    }

    /// A folder of this name that is empty.
    pub fn project(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.folder.path().join("projects").join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        Ok(folder)
    }
}

/// How often each thing is measured: 7, or what `TRUEUP_BENCH_RUNS` says.
pub fn runs() -> usize {
    let said = std::env::var("TRUEUP_BENCH_RUNS").ok().and_then(|text| text.parse().ok());
    said.unwrap_or(7).max(1)
}

/// Measures the rows of these names, or all, and writes page and results after each.
pub fn measure(names: &[&str]) -> Result<(), String> {
    if let Some(name) = names.iter().find(|name| ROWS.iter().all(|row| row.0 != **name)) {
        let all: Vec<&str> = ROWS.iter().map(|row| row.0).collect();
        return Err(format!("no row of this name: {name}; there are {}", all.join(", ")));
    }
    let folder = tempfile::Builder::new().prefix("tb").tempdir().map_err(|e| e.to_string())?;
    let mut bench = Bench { lab: None, folder };
    let mut failed = Vec::new();
    for (name, work) in ROWS {
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        eprintln!("{name} …");
        let mut row = Row::new(Machine::this());
        if let Err(why) = work(&mut bench, &mut row) {
            eprintln!("{name} was not measured: {why}");
            failed.push(name);
            row = Row { failed: Some(why), ..row };
        }
        println!("{}", page::brief(name, &row));
        // Read again: another call may have measured other rows meanwhile.
        let mut results = Results::read()?;
        results.rows.insert(name.to_owned(), row);
        results.write()?;
        page::write(&results)?;
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("not measured: {}", failed.join(", "))) }
}
