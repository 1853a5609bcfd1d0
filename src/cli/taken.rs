//! Which run a rollback takes back: what hosts keep decides, and the project's own records say where that may not be
//! all.

use std::collections::{BTreeMap, BTreeSet};

use super::args::Common;
use super::exit::Exit;
use super::project::Ready;
use super::records::{self, Recorded, Records};
use crate::execute::{Ended, Keeper};
use crate::ledger::KeptRun;
use crate::model::{Outcome, RunId};
use crate::plan::Undoes;
use crate::report::counted;
use crate::report::record::SummaryJson;

/// Runs that are named where none fits.
const NAMED: usize = 5;

/// The hosts that were asked, and those that could not be.
pub(super) struct Met<'m> {
    pub(super) ready: &'m Ready,
    pub(super) keepers: &'m [Keeper],
    pub(super) gone: &'m [Ended],
    /// Recorded runs that were at work when hosts were not asked yet.
    pub(super) busy: &'m [RunId],
}

/// The runs of the project that are recorded here.
fn recorded(common: &Common) -> Vec<Recorded> {
    Records::only(records::of_project(&common.directory)).all().unwrap_or_default()
}

/// Those of them that are at work now.
pub(super) fn at_work(common: &Common) -> Vec<RunId> {
    recorded(common).into_iter().filter(Recorded::goes_on).map(|run| run.id).collect()
}

/// Why no run is taken back, and what the program ends with.
pub(super) struct Unknown {
    pub(super) why: String,
    pub(super) exit: Exit,
}

impl Met<'_> {
    fn name(&self, target: usize) -> &str {
        &self.ready.resolver.targets[target].host.name
    }

    /// The run that `word` names.
    pub(super) fn choose(&self, common: &Common, word: &str) -> Result<RunId, Unknown> {
        if let Some(shard) =
            common.shard.filter(|_| self.keepers.is_empty() && self.gone.is_empty())
        {
            let why = format!("no host is in shard {shard}: there is nothing to take back");
            return Err(Unknown { why, exit: Exit::Mistake });
        }
        let recorded = recorded(common);
        let recorded =
            || recorded.iter().filter_map(|run| Some((run.id.clone(), run.summary().ok()?)));
        let chosen = if word == "last" {
            let recorded: Vec<(RunId, SummaryJson)> = recorded().collect();
            self.last(&recorded)
        } else {
            self.named(word, recorded().map(|(id, _)| id))
        };
        let exit = if self.gone.is_empty() { Exit::Mistake } else { Exit::Hosts };
        match chosen {
            Ok(id) if word == "last" && self.busy.contains(&id) => {
                let why = format!(
                    "run {id} was at work when this was typed: which run was meant is not known\n  \
                     help: give the id of a run: trueup runs lists them"
                );
                Err(Unknown { why, exit: Exit::Hosts })
            }
            chosen => chosen.map_err(|why| Unknown { why, exit }),
        }
    }

    /// The newest apply that changed something on one of the hosts and was not taken back there.
    fn last(&self, recorded: &[(RunId, SummaryJson)]) -> Result<RunId, String> {
        if !self.gone.is_empty() {
            let count = counted(self.gone.len(), "host");
            return Err(format!(
                "which run is the last is not known: {count} could not be asked\n{}  \
                 give the id of a run (trueup runs lists them), or leave these hosts out with --limit",
                self.missing()
            ));
        }
        let all = self.keepers.iter().flat_map(|keeper| &keeper.runs);
        let last = all.filter(|run| counts(run)).map(|run| &run.id).max();
        if let Some((id, host)) = self.newer(last, recorded) {
            return Err(format!(
                "the last run that changed {host} is {id}, and nothing of it is kept there\n  \
                 to take back an earlier one all the same, give its id: trueup runs lists them"
            ));
        }
        last.cloned().ok_or_else(|| match self.kept().as_str() {
            "" => "no host keeps anything of a run".to_owned(),
            kept => format!(
                "no host keeps an apply that changed something and was not taken back\n  \
                 what is kept is of {kept}"
            ),
        })
    }

    /// A recorded apply that changed one of the hosts later than `last`, and of which that host keeps nothing.
    fn newer(
        &self,
        last: Option<&RunId>,
        recorded: &[(RunId, SummaryJson)],
    ) -> Option<(RunId, String)> {
        let inventory = self.ready.project.inventory.file;
        let inventory =
            inventory.map(|file| self.ready.project.sources.get(file).path.display().to_string());
        let undone: BTreeSet<&String> = recorded
            .iter()
            .filter_map(|(_, summary)| summary.run.selection.undoes.as_ref())
            .collect();
        let keepers: BTreeMap<&str, &Keeper> =
            self.keepers.iter().map(|keeper| (self.name(keeper.target), keeper)).collect();
        let keeps = |host: &str, id: &RunId| {
            // Of a host that is not selected nothing is asked.
            let keeper = keepers.get(host);
            keeper.is_none_or(|keeper| keeper.runs.iter().any(|run| run.id == *id))
        };
        recorded.iter().filter(|(id, _)| Some(id) > last).find_map(|(id, summary)| {
            let run = &summary.run;
            let apply = run.selection.undoes.is_none() && !undone.contains(&run.id);
            let here = apply && Some(&run.inventory) == inventory.as_ref();
            let back = Outcome::RolledBack.word();
            let changed = |host: &&crate::report::events::HostEndJson| {
                !host.done.is_empty() && host.outcome != back && !keeps(&host.host, id)
            };
            let host = summary.hosts.iter().filter(|_| here).find(changed)?;
            Some((id.clone(), host.host.escape_debug().to_string()))
        })
    }

    /// The one run whose id begins so.
    fn named(&self, word: &str, recorded: impl Iterator<Item = RunId>) -> Result<RunId, String> {
        let fits = |id: &&RunId| id.begins(word);
        let all = self.keepers.iter().flat_map(|keeper| &keeper.runs).map(|run| &run.id);
        let found: BTreeSet<&RunId> = all.filter(fits).collect();
        let shown = word.escape_debug();
        match found.into_iter().collect::<Vec<_>>().as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let known: Vec<RunId> = recorded.filter(|id| fits(&id)).collect();
                let why = match known.as_slice() {
                    [one] => {
                        let kept = self.ready.project.rollback;
                        format!(
                            "no host that was asked keeps anything of run {one}: it changed nothing there, or it is \
                             too old; the newest {} that fit in {} bytes are kept ([rollback] keep_runs and keep_bytes)",
                            counted(kept.keep_runs as usize, "run"),
                            kept.keep_bytes
                        )
                    }
                    _ => format!("no host keeps anything of a run `{shown}`"),
                };
                let kept = match self.kept().as_str() {
                    "" => String::new(),
                    kept => format!("\n  what is kept is of {kept}"),
                };
                let gone = match self.gone.len() {
                    0 => String::new(),
                    many => format!(
                        "\n  {} could not be asked:\n{}",
                        counted(many, "host"),
                        self.missing().trim_end()
                    ),
                };
                Err(format!("{why}{kept}{gone}"))
            }
            several => {
                let ids: Vec<&str> = several.iter().take(NAMED).map(|id| id.as_str()).collect();
                let ids = ids.join(", ");
                Err(format!("`{shown}` begins more than one run: {ids}; give more of its id"))
            }
        }
    }

    /// The hosts that could not be asked, and why: a line for each.
    fn missing(&self) -> String {
        let line = |ended: &Ended| {
            let (name, word) = (self.name(ended.target), ended.outcome.word());
            let message =
                ended.message.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
            let help = ended.help.as_ref().map_or_else(String::new, |help| format!("    {help}\n"));
            format!("  {name}  {word}: {message}\n{help}")
        };
        self.gone.iter().map(line).collect()
    }

    /// What is kept, the newest first.
    fn kept(&self) -> String {
        let mut all: BTreeMap<&RunId, &KeptRun> = BTreeMap::new();
        for run in self.keepers.iter().flat_map(|keeper| &keeper.runs) {
            all.insert(&run.id, run);
        }
        let each = all.values().rev().take(NAMED).map(|run| match (&run.of, run.back) {
            (Some(of), _) => format!("{} (rollback of {of})", run.id),
            (None, true) => format!("{} (taken back)", run.id),
            (None, false) => run.id.to_string(),
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// The run as it is told: what it was, when, and whose.
    pub(super) fn told(&self, id: &RunId) -> Undoes {
        let all = self.keepers.iter().flat_map(|keeper| &keeper.runs);
        let run = all
            .filter(|run| run.id == *id)
            .max_by_key(|run| (run.of.is_some(), !run.who.is_empty()));
        let who = run.map_or_else(String::new, |run| run.who.clone());
        let of = run.and_then(|run| run.of.as_ref()).map(ToString::to_string);
        Undoes { run: id.to_string(), since: id.since(), who, of }
    }
}

/// Whether `last` may mean a run: it is an apply, it changed something, and that still stands.
const fn counts(run: &KeptRun) -> bool {
    run.of.is_none() && run.changed && !run.back
}
