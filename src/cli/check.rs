//! `trueup check`: finds mistakes in the project; no host is contacted.

use std::collections::BTreeSet;

use super::args::{Check, Common};
use super::exit::Exit;
use super::forms::CheckOutput;
use super::project::{self, Examined};
use super::settings;
use crate::config::Modules;
use crate::model::Severity;
use crate::report::view::CheckView;
use crate::report::{self, Zoom, counted, github};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Check) -> Exit {
    let (limit, wrong) = match settings::limit(common) {
        Ok(limit) => (limit, None),
        Err(mistake) => (None, Some(mistake)),
    };
    let mut examined = project::examine(common, Modules::All, limit.as_ref());
    examined.found.extend(wrong);
    let (errors, warnings) = (examined.count(Severity::Error), examined.count(Severity::Warning));
    let good = errors == 0 && (warnings == 0 || !verb.strict);
    let sources = &examined.project.sources;
    let file = |file| {
        let source = sources.get(file);
        (source.path.display().to_string(), source.text)
    };
    let view = CheckView {
        good,
        errors,
        warnings,
        hosts: examined.survey.hosts(),
        modules: examined.project.modules.len(),
        resources: examined.survey.resources(),
    };
    match verb.output() {
        CheckOutput::Json => report::print(&report::check_json(&view, &examined.found, file)),
        CheckOutput::Sarif => report::print(&report::check_sarif(&examined.found, file)),
        output => {
            let style = settings::style(common, Zoom::Plain);
            report::print_error(&project::draw(style, sources, &examined.found));
            let text = summary(&examined, &view);
            let print = if good { report::print } else { report::print_error };
            print(&text);
            if output == CheckOutput::Github {
                report::print(&github::mistakes(&examined.found, file));
            }
        }
    }
    if good { Exit::Good } else { Exit::Mistake }
}

/// The last line: what was found, in how much.
fn summary(examined: &Examined, view: &CheckView) -> String {
    let mut counts: Vec<String> = Vec::new();
    if view.errors > 0 {
        counts.push(counted(view.errors, "error"));
    }
    if view.warnings > 0 {
        counts.push(counted(view.warnings, "warning"));
    }
    let files: BTreeSet<_> = examined
        .found
        .iter()
        .filter_map(|mistake| Some(mistake.primary.as_ref()?.span.file))
        .collect();
    let mut found = counts.join(", ");
    if found.is_empty() {
        found.push_str("No mistakes");
    } else if !files.is_empty() {
        found = format!("{found} in {}", counted(files.len(), "file"));
    }
    if view.errors == 0 && view.warnings > 0 && !view.good {
        found.push_str(" (--strict takes warnings for errors)");
    }
    format!(
        "{found}; {}, {}, {} read. No host was contacted.\n",
        counted(view.hosts, "host"),
        counted(view.modules, "module"),
        counted(view.resources, "resource"),
    )
}
