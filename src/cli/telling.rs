//! In which forms a run is told: text or JSON on standard output, annotations beside it, files.

use std::path::PathBuf;

use super::exit::Exit;
use super::forms::Output;
use crate::plan::Document;
use crate::report::events::EventJson;
use crate::report::view::EndView;
use crate::report::{self, Style, github};

/// How a run is told.
pub(super) struct Telling {
    pub(super) style: Style,
    output: Output,
    junit: Option<PathBuf>,
}

impl Telling {
    pub(super) const fn new(style: Style, output: Output, junit: Option<PathBuf>) -> Self {
        Self { style, output, junit }
    }

    /// Whether standard output is for a program.
    pub(super) const fn json(&self) -> bool {
        matches!(self.output, Output::Json)
    }

    /// The plan as the only result.
    pub(super) fn plan(&self, plan: &Document) {
        match self.output {
            Output::Json => report::print(&report::plan_json(plan)),
            Output::Text => report::print(&report::render_plan(self.style, plan)),
            Output::Github => {
                report::print(&report::render_plan(self.style, plan));
                report::print(&github::plan(plan));
            }
        }
    }

    /// What moved on hosts, as the only result.
    pub(super) fn drift(&self, drift: &Document) {
        match self.output {
            Output::Json => report::print(&report::plan_json(drift)),
            Output::Text => report::print(&report::render_drift(self.style, drift)),
            Output::Github => {
                report::print(&report::render_drift(self.style, drift));
                report::print(&github::plan(drift));
            }
        }
    }

    /// The plan that is applied next.
    pub(super) fn announce(&self, plan: &Document) {
        if self.json() {
            report::print(&EventJson::plan(plan).line());
        } else {
            report::print(&report::render_plan(self.style, plan));
        }
    }

    /// The end of an apply, which the program ends with.
    pub(super) fn end(&self, end: &EndView, exit: Exit) -> Exit {
        if self.json() {
            report::print(&EventJson::end(end, exit.status()).line());
        } else {
            report::print(&report::render_summary(self.style, end));
        }
        self.end_quietly(end, exit)
    }

    /// As [`Self::end`], where all of it was told before: annotations and files alone.
    pub(super) fn end_quietly(&self, end: &EndView, exit: Exit) -> Exit {
        if matches!(self.output, Output::Github) {
            for host in &end.hosts {
                report::print(&github::ended(&host.host, host.outcome, &host.problems));
            }
        }
        if let Some(path) = &self.junit
            && let Err(error) = report::write_file(path, report::junit(end).as_bytes())
        {
            report::print_error(&format!("error: cannot write {}: {error}\n", path.display()));
            return if exit == Exit::Good { Exit::Mistake } else { exit };
        }
        exit
    }
}
