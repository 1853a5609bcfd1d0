//! The record of an apply, written as it goes: what it is about and its plan before anything is changed,
//! then what happens, and the summary whole at the end. That it cannot be written is told once and stops
//! nothing.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::SystemTime;

use rustix::fs::FlockOperation;

use super::args::{Common, Select};
use super::project::{self, Ready};
use super::records::{self, EVENTS, PLAN, RUN, Records, SUMMARY};
use super::saved::{self, Opened};
use crate::config::{Modules, Runs};
use crate::execute::failpoint::failpoint;
use crate::model::{RunId, RunMark};
use crate::plan::Document;
use crate::report::events::EventJson;
use crate::report::record::{FORMAT, RunJson, SelectionJson, SummaryJson};
use crate::report::view::{EndView, RunView};
use crate::report::{self, plan_json};

/// What a run is about.
pub(super) struct About<'a> {
    pub(super) common: &'a Common,
    pub(super) select: &'a Select,
    pub(super) opened: Option<&'a Opened>,
    pub(super) resumes: Option<RunId>,
    /// The run that it is the way back of.
    pub(super) undoes: Option<RunId>,
}

/// A record that is being written.
pub(super) struct Record {
    /// The folder of all records.
    place: PathBuf,
    folder: PathBuf,
    /// Locked for as long as the run goes on.
    events: File,
    run: RunJson,
    id: RunId,
    keep: Runs,
    /// Whether something could not be written: nothing more is tried then.
    broken: bool,
}

impl Record {
    /// Begins a record; `None` where it cannot be written, which is told.
    pub(super) fn begin(
        about: &About<'_>,
        ready: &Ready,
        (mark, plan): (&RunMark, &Document),
    ) -> Option<Self> {
        let (place, keep) = place(about, ready);
        let run = RunJson {
            format_version: FORMAT.to_owned(),
            trueup_version: env!("CARGO_PKG_VERSION").to_owned(),
            id: mark.id.to_string(),
            who: mark.who(),
            since: mark.id.since(),
            project: plan.project.clone(),
            inventory: plan.inventory.clone(),
            selection: selection(about, ready),
        };
        let folder = place.join(mark.id.as_str());
        let begun = records::make(&place)
            .and_then(|()| DirBuilder::new().mode(0o700).create(&folder))
            .and_then(|()| {
                let mut options = OpenOptions::new();
                let events =
                    options.append(true).create_new(true).mode(0o600).open(folder.join(EVENTS))?;
                // Where there are no locks a run that goes on is taken for one that was interrupted.
                let _ = rustix::fs::flock(&events, FlockOperation::NonBlockingLockExclusive);
                saved::write(&folder.join(RUN), json(&run).as_bytes())?;
                saved::write(&folder.join(PLAN), plan_json(plan).as_bytes())?;
                Ok(events)
            });
        failpoint!("recorded");
        match begun {
            Ok(events) => {
                let (id, broken) = (mark.id.clone(), false);
                Some(Self { place, folder, events, run, id, keep, broken })
            }
            Err(error) => {
                let folder = folder.display();
                warn(&format!("this run is not recorded: cannot write {folder}: {error}"));
                None
            }
        }
    }

    /// Writes what happened.
    pub(super) fn events(&mut self, lines: &[EventJson]) {
        failpoint!("event");
        let text: String = lines.iter().map(EventJson::line).collect();
        if !self.broken && !text.is_empty() {
            let written = self.events.write_all(text.as_bytes());
            self.check(written);
        }
    }

    /// Writes how the run ended, and puts into the end what a reader calls the run.
    pub(super) fn end(mut self, end: &mut EndView, exit_status: u8) {
        end.run = Some(self.name());
        self.events(&[EventJson::end(end, exit_status)]);
        failpoint!("summary");
        if !self.broken {
            let summary = SummaryJson::ended(self.run.clone(), end, exit_status);
            let written = saved::write(&self.folder.join(SUMMARY), json(&summary).as_bytes());
            self.check(written);
        }
        if self.broken {
            end.run = None;
            return;
        }
        if let Err(error) = records::prune(&self.place, self.keep, SystemTime::now()) {
            let place = self.place.display();
            warn(&format!("old records in {place} cannot be removed: {error}"));
        }
    }

    /// What a reader calls the run.
    fn name(&self) -> RunView {
        let others = Records::only(self.place.clone()).all().unwrap_or_default();
        let short = self.id.short(others.iter().map(|run| &run.id)).to_owned();
        RunView { id: self.id.clone(), short }
    }

    fn check(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.broken = true;
            let folder = self.folder.display();
            warn(&format!("the record of this run is not whole: cannot write {folder}: {error}"));
        }
    }
}

fn warn(text: &str) {
    report::print_error(&format!("warning: {text}\n"));
}

fn json<T: serde::Serialize>(form: &T) -> String {
    serde_json::to_string_pretty(form).expect("a form with string keys is JSON") + "\n"
}

/// Where the record goes and how many are kept there.
fn place(about: &About<'_>, ready: &Ready) -> (PathBuf, Runs) {
    let directory = &about.common.directory;
    let Some(opened) = about.opened.filter(|opened| !opened.saved.needs_project()) else {
        return (records::of_project(directory), ready.project.runs);
    };
    let project = &opened.saved.plan.project;
    if records::is_project(directory) {
        let beside = project::load(about.common, Modules::Used).project;
        if beside.name == *project {
            return (records::of_project(directory), beside.runs);
        }
    }
    (records::of_state(project), Runs::default())
}

/// What the command line said, without values that went into something sensitive.
fn selection(about: &About<'_>, ready: &Ready) -> SelectionJson {
    let hidden = ready.resolver.sensitive_overrides();
    let typed = about.common.vars.iter().filter_map(|text| text.split_once('='));
    let typed = typed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (sensitive, vars): (Vec<_>, Vec<_>) = typed.partition(|(name, _)| hidden.contains(name));
    let select = about.select;
    let (mut tags, mut skip_tags, mut targets) =
        (select.tags.clone(), select.skip_tags.clone(), select.targets.clone());
    if let Some(opened) = about.opened {
        let selected = &opened.saved.selected;
        tags.clone_from(&selected.tags);
        skip_tags.clone_from(&selected.skip_tags);
        targets.clone_from(&selected.targets);
    }
    let made_for = about.opened.and_then(|opened| opened.saved.selected.shard.clone());
    let shard = about.common.shard.map(|shard| shard.to_string()).or(made_for);
    let mut sensitive_vars: Vec<String> = sensitive.into_iter().map(|(name, _)| name).collect();
    sensitive_vars.sort();
    sensitive_vars.dedup();
    SelectionJson {
        limit: about.common.limit.clone(),
        shard,
        tags,
        skip_tags,
        targets,
        vars: vars.into_iter().collect(),
        sensitive_vars,
        saved_plan: about.opened.map(|opened| opened.saved.id.clone()),
        resumes: about.resumes.as_ref().map(ToString::to_string),
        undoes: about.undoes.as_ref().map(ToString::to_string),
    }
}
