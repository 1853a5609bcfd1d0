//! `trueup ledger`: prints what a host remembers of the project, or lets it forget. `trueup unlock`: ends an
//! apply that holds a host.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::args::{Common, Ledger, Reach, Unlock};
use super::exit::Exit;
use super::project;
use super::run::runtime;
use super::settings;
use crate::config::{Loaded, Modules};
use crate::execute::{self, Ended, Password, Settings};
use crate::model::{Host, RunId};
use crate::report::{self, LedgerJson};
use crate::resolve::Resolver;

/// A host of the project, and how it is reached.
struct Place {
    project: String,
    host: Host,
    settings: Settings,
}

impl Place {
    /// Finds the host; tells what is wrong and gives `None` where there is none.
    fn find(common: &Common, name: &str, reach: &Reach) -> Option<Self> {
        let style = settings::style(common, report::Zoom::Plain);
        // The inventory is all that is needed: a mistake elsewhere must not keep anybody from a host.
        let Loaded { project, mistakes, whole } = project::load(common, Modules::Used);
        let project = Arc::new(project);
        let tell = |mistakes| {
            project::tell(style, &project.sources, mistakes);
            None
        };
        if !whole {
            return tell(mistakes);
        }
        let resolver = Resolver::new(&project, BTreeMap::new(), &mut Vec::new());
        let given = match settings::password(reach) {
            Ok(given) => given.map_or_else(Password::none, Password::given),
            Err(mistake) => return tell(vec![mistake]),
        };
        match project::host(&resolver, name) {
            Ok(target) => Some(Self {
                project: project.name.clone(),
                host: resolver.targets[target].host.clone(),
                settings: settings::reaching(reach, given),
            }),
            Err(mistake) => tell(vec![mistake]),
        }
    }

    /// What could not be done, and why.
    fn ended(&self, ended: &Ended) -> Exit {
        let help = ended.help.iter().map(|help| format!("  {help}\n"));
        let help: String = help.collect();
        let (name, word) = (&self.host.name, ended.outcome.word());
        report::print_error(&format!("{name}  {word}: {}\n{help}", ended.message));
        Exit::Hosts
    }

    /// Asks a question; how the verb ends where it was not answered with yes, which is told.
    fn sure(&self, yes: bool, question: &str) -> Option<Exit> {
        if yes {
            return None;
        }
        if !report::can_ask() {
            report::print_error("error: there is no terminal to ask on; give --yes\n");
            return Some(Exit::Mistake);
        }
        if report::ask(&format!("{}: {question}", self.host.name)) {
            return None;
        }
        report::print("Nothing was changed.\n");
        Some(Exit::Good)
    }
}

/// Runs `trueup ledger`.
pub(super) fn run(common: &Common, verb: &Ledger) -> Exit {
    let Some(place) = Place::find(common, &verb.host, &verb.reach) else { return Exit::Mistake };
    if verb.forget {
        return forget(&place, verb.yes);
    }
    let looked = execute::remembered(&place.host, &place.project, &place.settings);
    match runtime().block_on(looked) {
        Err(ended) => place.ended(&ended),
        Ok(memory) => {
            let view = LedgerJson::of(&place.project, &place.host.name, memory);
            report::print(&if verb.json { view.json() } else { view.text() });
            if view.damage.is_some() { Exit::Hosts } else { Exit::Good }
        }
    }
}

fn forget(place: &Place, yes: bool) -> Exit {
    let question = "let it forget all that this project applied there? What it keeps for the way back goes too: \
                    no run can be taken back there after it";
    if let Some(exit) = place.sure(yes, question) {
        return exit;
    }
    let asked = execute::end_apply(&place.host, &place.project, None, &place.settings);
    let name = &place.host.name;
    match runtime().block_on(asked) {
        Err(ended) => return place.ended(&ended),
        Ok(said) => match said.split_once(' ').unwrap_or((&said, "")) {
            ("", _) => report::print(&format!(
                "{name}  remembers nothing of this project now, and keeps nothing for the way back\n"
            )),
            ("none", _) => report::print(&format!("{name}  remembered nothing of this project\n")),
            ("lock", who) => {
                report::print_error(&format!(
                    "{name}  refused: an apply is at work there: {who}\n"
                ));
                return Exit::Hosts;
            }
            _ => {
                report::print_error(&format!("{name}  failed: {said}\n"));
                return Exit::Hosts;
            }
        },
    }
    Exit::Good
}

/// The run of who holds a lock, as the text about it names it.
fn holder(who: &str) -> Option<RunId> {
    let (_, rest) = who.split_once(", run ")?;
    RunId::parse(rest.split([',', ' ']).next()?)
}

/// Runs `trueup unlock`.
pub(super) fn unlock(common: &Common, verb: &Unlock) -> Exit {
    let Some(place) = Place::find(common, &verb.host, &verb.reach) else { return Exit::Mistake };
    let looked = execute::remembered(&place.host, &place.project, &place.settings);
    let name = &place.host.name;
    let who = match runtime().block_on(looked) {
        Err(ended) => return place.ended(&ended),
        Ok(memory) => memory.lock,
    };
    let Some(who) = who else {
        report::print(&format!("{name}  nobody holds its lock\n"));
        return Exit::Good;
    };
    let holder = holder(&who);
    let Some(begin) = &verb.run else {
        let run = holder.as_ref().map_or("RUN", RunId::as_str);
        report::print_error(&format!(
            "{name}  is held by {who}\n  to end that apply: trueup unlock {name} --run {run}\n"
        ));
        return Exit::Hosts;
    };
    let Some(run) = holder.filter(|run| run.begins(begin)) else {
        report::print_error(&format!("{name}  refused: it is another run's: {who}\n"));
        return Exit::Hosts;
    };
    if let Some(exit) = place.sure(verb.yes, &format!("end the apply of {who}?")) {
        return exit;
    }
    let by = settings::mark().who();
    let ended = Some([run.as_str(), &by]);
    let asked = execute::end_apply(&place.host, &place.project, ended, &place.settings);
    match runtime().block_on(asked) {
        Err(ended) => place.ended(&ended),
        Ok(said) => match said.as_str() {
            "" | "free" => {
                report::print(&format!("{name}  is free; trueup plan shows where it stands\n"));
                Exit::Good
            }
            "killed" => {
                report::print(&format!(
                    "{name}  is free; the step that ran did not end within 20 s and may go on: look at it\n"
                ));
                Exit::Good
            }
            who => {
                report::print_error(&format!("{name}  refused: it is another run's: {who}\n"));
                Exit::Hosts
            }
        },
    }
}
