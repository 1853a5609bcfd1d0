//! Where records of runs are, and what is in them: `.trueup/runs` of the project; for saved plans that
//! are applied beside no project the user's state folder.
#![expect(clippy::disallowed_methods, reason = "the one place that reads records")]

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::FlockOperation;

use super::settings;
use crate::config::Runs;
use crate::model::RunId;
use crate::plan::json::PlanJson;
use crate::report;
use crate::report::events::EventJson;
use crate::report::record::{RunJson, RunStatus, Story, SummaryJson};

/// The largest file of a record that is read, in bytes.
const MOST: u64 = 1 << 30;

/// Names the newest run.
const LAST: &str = "last";

/// Files of a record.
pub(super) const RUN: &str = "run.json";
pub(super) const PLAN: &str = "plan.json";
pub(super) const EVENTS: &str = "events.jsonl";
pub(super) const SUMMARY: &str = "summary.json";

/// The records that a verb looks at.
#[derive(Debug)]
pub(super) struct Records {
    folders: Vec<PathBuf>,
}

/// A run whose record is there.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) id: RunId,
    folder: PathBuf,
}

/// Where a project keeps its records.
pub(super) fn of_project(directory: &Path) -> PathBuf {
    directory.join(".trueup/runs")
}

/// Where records of a project are that is not beside its saved plan.
pub(super) fn of_state(project: &str) -> PathBuf {
    settings::state_folder().join("runs").join(project)
}

/// Whether a folder holds a project.
pub(super) fn is_project(directory: &Path) -> bool {
    directory.join("trueup.toml").exists()
}

/// Makes a folder for records, with all above it, for this user alone. What is in `.trueup` is of this
/// machine and no part of the project: a `.gitignore` says so, where there is none yet.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let above = folder.parent().filter(|above| above.ends_with(".trueup"));
    if let Some(above) = above {
        match File::create_new(above.join(".gitignore")) {
            Ok(mut file) => io::Write::write_all(&mut file, b"*\n")?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The runs in a folder, the oldest first. What is named otherwise is none of ours.
fn within(folder: &Path) -> io::Result<Vec<Recorded>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let id = name.to_str().and_then(RunId::parse);
        if let Some(id) = id.filter(|id| name.to_str() == Some(id.as_str()))
            && entry.file_type()?.is_dir()
        {
            found.push(Recorded { id, folder: entry.path() });
        }
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

/// Removes records that are too old or too many, never the newest and none of a run that goes on.
pub(super) fn prune(folder: &Path, keep: Runs, now: SystemTime) -> io::Result<()> {
    let mut all = within(folder)?;
    all.pop();
    let days = Duration::from_secs(u64::from(keep.keep_days) * 24 * 60 * 60);
    let oldest =
        now.checked_sub(days).and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let oldest = oldest.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    // One of those that are kept is the newest.
    let many = (all.len() + 1).saturating_sub(keep.keep as usize);
    for (index, run) in all.iter().enumerate() {
        if (index < many || run.id.milliseconds() < oldest) && !run.goes_on() {
            fs::remove_dir_all(&run.folder)?;
        }
    }
    Ok(())
}

/// A path as it may be shown: names of files may come from another machine too.
pub(super) fn shown(path: &Path) -> String {
    report::visible(&path.display().to_string())
}

/// A file to read. Who opens a pipe would wait for its other end.
pub(super) fn opened(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// The run whose record a folder is, if it is one.
pub(super) fn at(folder: &Path) -> Result<Option<Recorded>, String> {
    if !folder.join(RUN).exists() {
        if folder.join(EVENTS).exists() {
            return Err(format!(
                "{} is missing\n  help: name the run by its id, or take what `trueup runs show RUN --json` prints",
                shown(&folder.join(RUN))
            ));
        }
        return Ok(None);
    }
    let nameless = RunId::new(0, 0);
    let recorded = Recorded { id: nameless, folder: folder.to_owned() };
    let run: RunJson = recorded.form(RUN)?;
    let id = RunId::parse(&run.id);
    let wrong =
        || format!("{}: its id is none: {}", shown(&folder.join(RUN)), run.id.escape_debug());
    Ok(Some(Recorded { id: id.ok_or_else(wrong)?, ..recorded }))
}

impl Records {
    /// Those of the project in a folder; where there is none, those of plans applied without one.
    pub(super) fn beside(directory: &Path) -> io::Result<Self> {
        if is_project(directory) {
            return Ok(Self { folders: vec![of_project(directory)] });
        }
        let mut folders = Vec::new();
        match fs::read_dir(of_state("")) {
            Ok(entries) => {
                for entry in entries {
                    folders.push(entry?.path());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { folders })
    }

    /// In this folder alone.
    pub(super) fn only(folder: PathBuf) -> Self {
        Self { folders: vec![folder] }
    }

    /// All runs, the newest first.
    pub(super) fn all(&self) -> io::Result<Vec<Recorded>> {
        let mut all = Vec::new();
        for folder in &self.folders {
            all.extend(within(folder)?);
        }
        all.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(all)
    }

    /// The one run whose id begins so, the newest where it is called `last`, or what is wrong with that.
    pub(super) fn find(&self, start: &str) -> Result<Recorded, String> {
        let all =
            self.all().map_err(|error| format!("cannot read the records of runs: {error}"))?;
        if start == LAST {
            let none =
                || "no run is recorded here\n  help: trueup apply records each one".to_owned();
            return all.into_iter().next().ok_or_else(none);
        }
        let found: Vec<&Recorded> = all.iter().filter(|run| run.id.begins(start)).collect();
        let shown = start.escape_debug();
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] if start.is_empty() => {
                Err("an empty id names no run\n  help: trueup runs lists all".to_owned())
            }
            [] => Err(format!(
                "no recorded run has an id that begins with `{shown}`\n  help: trueup runs lists all"
            )),
            several => {
                let ids: Vec<&str> = several.iter().take(5).map(|run| run.id.as_str()).collect();
                let more = several.len() - ids.len();
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let (ids, count) = (ids.join(", "), several.len());
                Err(format!(
                    "{count} runs have an id that begins with `{shown}`\n  \
                     help: give more of it: {ids}{more}"
                ))
            }
        }
    }
}

impl Recorded {
    fn text(&self, name: &str) -> Result<String, String> {
        let path = self.folder.join(name);
        let said = |error: io::Error| format!("cannot read {}: {error}", shown(&path));
        let mut text = Vec::new();
        opened(&path).and_then(|file| file.take(MOST).read_to_end(&mut text)).map_err(said)?;
        Ok(String::from_utf8(text)
            .unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned()))
    }

    fn form<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        // What is wrong may be told in letters of the file, which may come from another machine.
        let wrong = |error: serde_json::Error| {
            let why = error.to_string();
            format!("{}: {}", shown(&self.folder.join(name)), report::visible(&why))
        };
        serde_json::from_str(&self.text(name)?).map_err(wrong)
    }

    /// Its plan, as it was then.
    pub(super) fn plan(&self) -> Result<PlanJson, String> {
        self.form(PLAN)
    }

    /// What became of it, as far as that is known.
    pub(super) fn summary(&self) -> Result<SummaryJson, String> {
        let goes_on = self.goes_on();
        let written = self.folder.join(SUMMARY).exists();
        if written && let Ok(summary) = self.form(SUMMARY) {
            return Ok(summary);
        }
        let run: RunJson = self.form(RUN)?;
        let status = if goes_on { RunStatus::Running } else { RunStatus::Interrupted };
        let mut story = self.story(status);
        if written {
            report::print_error(&format!(
                "warning: {} is damaged: what is shown of this run is what {EVENTS} beside it says\n",
                self.folder.join(SUMMARY).display()
            ));
        }
        if matches!(story.events.last(), Some(EventJson::End(_)))
            && let Some(EventJson::End(end)) = story.events.pop()
        {
            return Ok(SummaryJson::told(run, end));
        }
        Ok(SummaryJson::open(run, status, &self.plan()?, &story))
    }

    /// What was written while it ran. Lines that say nothing are told, but for half a line at the end: the last words of a
    /// program that was killed.
    fn story(&self, status: RunStatus) -> Story {
        let text = self.text(EVENTS);
        let (mut events, mut damaged) = (Vec::new(), 0);
        for line in text.iter().flat_map(|text| text.split_inclusive('\n')) {
            match serde_json::from_str::<EventJson>(line) {
                Ok(event) => events.push(event),
                Err(_) => damaged += usize::from(line.ends_with('\n') || line.contains('\0')),
            }
        }
        let path = shown(&self.folder.join(EVENTS));
        let why = match &text {
            Err(why) => why.clone(),
            Ok(_) if damaged > 0 => {
                format!("{path} is damaged: {} cannot be read", report::counted(damaged, "line"))
            }
            Ok(_) if events.is_empty() && status == RunStatus::Interrupted => {
                format!("{path} says nothing")
            }
            Ok(_) => return Story { events, whole: true },
        };
        report::print_error(&format!(
            "warning: {why}: more may have been done in this run than is shown\n"
        ));
        Story { events, whole: false }
    }

    /// Whether its apply still holds the lock on it.
    pub(super) fn goes_on(&self) -> bool {
        let Ok(file) = opened(&self.folder.join(EVENTS)) else { return false };
        let tried = rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared);
        matches!(tried, Err(error) if error == rustix::io::Errno::WOULDBLOCK)
    }
}
