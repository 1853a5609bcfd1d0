//! `trueup runs merge`: runs of parts of a fleet as one. What is read may have come a long way: it is checked.
#![expect(clippy::disallowed_methods, reason = "the one place that reads what is merged")]

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::args::{Common, RunsMerge};
use super::exit::Exit;
use super::records::{self, Records};
use super::saved;
use crate::report::merged::{self, MergedJson, Merging, Overlap};
use crate::report::record::{RunStatus, SummaryJson};
use crate::report::{self, Style};

/// The largest file that is read as a run, in bytes.
const MOST: u64 = 1 << 30;

/// What a run is, behind what is wrong with a file.
const RUN: &str =
    "\n  help: a run is what `trueup runs show RUN --json` prints, or a folder in .trueup/runs";

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &RunsMerge, style: Style) -> Exit {
    match merge(common, verb, style) {
        Ok(exit) => exit,
        Err(why) => {
            report::print_error(&format!("error: {why}\n"));
            Exit::Mistake
        }
    }
}

fn merge(common: &Common, verb: &RunsMerge, style: Style) -> Result<Exit, String> {
    let mut merging = Merging::default();
    for name in &verb.runs {
        named(&mut merging, common, name)?;
    }
    let overlap = if verb.latest { Overlap::Latest } else { Overlap::Refused };
    let (mut merged, notes) = merging.merge(overlap)?;
    let end = merged::end(&merged)?;
    let exit = Exit::of(end.hosts.iter().map(|host| host.outcome), verb.detailed_exitcode);
    let whole = merged.missing_shards.is_empty() && merged.missing_runs.is_empty();
    let known = whole && merged.status == RunStatus::Ended;
    let exit = if known || exit == Exit::RolledBack { exit } else { Exit::Hosts };
    merged.exit_status = exit.status();
    for note in notes {
        report::print_error(&format!("warning: {note}\n"));
    }
    if let Some(path) = &verb.junit {
        let written = report::write_file(path, report::junit(&end).as_bytes());
        written.map_err(|error| unwritten(path, &error))?;
    }
    if let Some(path) = &verb.out {
        let written = saved::write(path, json(&merged).as_bytes());
        written.map_err(|error| unwritten(path, &error))?;
    }
    report::print(&if verb.json { json(&merged) } else { merged::render(style, &merged, end) });
    Ok(exit)
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", records::shown(path))
}

fn json(merged: &MergedJson) -> String {
    serde_json::to_string_pretty(merged).expect("a form with string keys is JSON") + "\n"
}

/// Takes what a word of the command line names: what is there as a path, else a run that is recorded here.
fn named(merging: &mut Merging, common: &Common, name: &str) -> Result<(), String> {
    let path = Path::new(name);
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => folder(merging, path),
        Ok(_) => file(merging, path, File::open(path)),
        Err(error) if name.contains('/') || path.extension().is_some() => {
            Err(format!("cannot read {}: {error}", records::shown(path)))
        }
        Err(_) => {
            let records = Records::beside(&common.directory);
            let records =
                records.map_err(|error| format!("cannot read the records of runs: {error}"))?;
            let run = records.find(name)?;
            merging.run(run.summary()?)
        }
    }
}

/// Takes a record, or every record and every file of a run in a folder.
fn folder(merging: &mut Merging, path: &Path) -> Result<(), String> {
    let said = |why: String| format!("{}: {why}", records::shown(path));
    if let Some(run) = records::at(path)? {
        return merging.run(run.summary()?).map_err(said);
    }
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(path).map_err(unread_at(path))? {
        found.push(entry.map_err(unread_at(path))?.path());
    }
    found.sort();
    let mut taken = 0;
    for inner in found {
        if inner.is_dir() {
            let Some(run) = records::at(&inner)? else { continue };
            let summary = run.summary()?;
            merging.run(summary).map_err(|why| format!("{}: {why}", records::shown(&inner)))?;
        } else if inner.extension().is_some_and(|end| end == "json") {
            file(merging, &inner, records::opened(&inner))?;
        } else {
            continue;
        }
        taken += 1;
    }
    if taken == 0 {
        return Err(said("no record of a run and no .json file is in it".to_owned()));
    }
    Ok(())
}

fn unread_at(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("cannot read {}: {error}", records::shown(path))
}

/// What tells several runs that were merged from a run.
#[derive(Deserialize)]
struct Several {
    runs: Option<IgnoredAny>,
}

/// Takes the runs in a file.
fn file(merging: &mut Merging, path: &Path, opened: io::Result<File>) -> Result<(), String> {
    let said = |why: String| format!("{}: {why}", records::shown(path));
    let mut text = Vec::new();
    let read = opened.and_then(|file| file.take(MOST).read_to_end(&mut text));
    read.map_err(unread_at(path))?;
    let wrong = |error: serde_json::Error| {
        let why: String = report::visible(&error.to_string()).chars().take(300).collect();
        said(format!("this is no run: {why}{RUN}"))
    };
    if text.first() != Some(&b'{') {
        return Err(said("this is no run: it does not begin as a JSON object".to_owned() + RUN));
    }
    // Twice over the text costs less memory than a form that may be either.
    let several: Several = serde_json::from_slice(&text).map_err(wrong)?;
    if several.runs.is_some() {
        let merged: MergedJson = serde_json::from_slice(&text).map_err(wrong)?;
        merging.merged(merged).map_err(said)
    } else {
        let summary: SummaryJson = serde_json::from_slice(&text).map_err(wrong)?;
        merging.run(summary).map_err(said)
    }
}
