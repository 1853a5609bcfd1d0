//! `trueup apply --resume RUN`: the command line of an earlier run, for the hosts that it left.

use std::collections::BTreeSet;

use super::args::{Apply, Common, Select, ShardClash};
use super::project::Ready;
use super::records::{self, Recorded, Records};
use crate::model::{RunId, Shard};
use crate::report::record::{RunStatus, SelectionJson, SummaryJson};
use crate::report::{self, counted};

/// What an earlier run has left to do.
pub(super) struct Resumed {
    pub(super) common: Common,
    pub(super) verb: Apply,
    /// Names of hosts.
    pub(super) left: BTreeSet<String>,
    pub(super) id: RunId,
}

/// The run that `--resume` names, as a command line; `None` where it left nothing, which is told.
pub(super) fn resumed(
    common: &Common,
    verb: &Apply,
    start: &str,
) -> Result<Option<Resumed>, String> {
    let Select { tags, skip_tags, targets, .. } = &verb.hosts.select;
    let given = [
        ("a saved plan", verb.plan.is_some()),
        ("--limit", common.limit.is_some()),
        ("--inventory", common.inventory.is_some()),
        ("--tags", !tags.is_empty()),
        ("--skip-tags", !skip_tags.is_empty()),
        ("--target", !targets.is_empty()),
    ];
    if let Some((what, _)) = given.iter().find(|(_, given)| *given) {
        return Err(format!(
            "--resume goes on with the hosts and resources of the run that it names: {what} \
             cannot be given with it"
        ));
    }
    if !records::is_project(&common.directory) {
        let directory = common.directory.display();
        return Err(format!(
            "--resume needs the project, and there is no trueup.toml in {directory}"
        ));
    }
    let recorded = Records::only(records::of_project(&common.directory)).find(start)?;
    let summary = recorded.summary()?;
    let Recorded { id, .. } = recorded;
    not_a_way_back(&summary, &id)?;
    let left: BTreeSet<String> = summary.left().map(ToOwned::to_owned).collect();
    match summary.status {
        RunStatus::Running => return Err(format!("run {id} still goes on: wait for its end")),
        RunStatus::Ended if left.is_empty() => {
            let hosts = counted(summary.hosts.len(), "host");
            report::print(&format!(
                "Nothing to resume: every host of run {id} ended as the files say ({hosts}).\n"
            ));
            return Ok(None);
        }
        _ => {}
    }
    if left.is_empty() {
        report::print(&format!("Nothing to resume: run {id} left no host.\n"));
        return Ok(None);
    }
    let selection = &summary.run.selection;
    if selection.saved_plan.is_some() {
        let names: Vec<&str> = left.iter().map(String::as_str).collect();
        return Err(format!(
            "run {id} applied a saved plan, which is used up\n  \
             help: plan again: trueup plan --limit \"{}\"",
            names.join(" or ").escape_debug()
        ));
    }
    let (mut common, mut verb) = (common.clone(), verb.clone());
    common.vars = vars(&common.vars, selection, &id)?;
    common.shard = shard(&common, selection, &id)?;
    common.inventory = Some(common.directory.join(&summary.run.inventory));
    select(&mut verb.hosts.select, selection);
    tell(&summary, &left);
    Ok(Some(Resumed { common, verb, left, id }))
}

/// A way back has no files to be applied anew.
fn not_a_way_back(summary: &SummaryJson, id: &RunId) -> Result<(), String> {
    let Some(undone) = &summary.run.selection.undoes else { return Ok(()) };
    let undone = undone.escape_debug();
    let why = format!("run {id} took run {undone} back, and --resume is for applies");
    Err(match summary.left().next() {
        Some(_) => format!("{why}\n  help: trueup rollback {undone} does the rest"),
        None => format!("{why}; it left no host"),
    })
}

/// The vars of the run: those that were recorded, and those that must be given again.
fn vars(given: &[String], selection: &SelectionJson, id: &RunId) -> Result<Vec<String>, String> {
    let name = |text: &str| text.split_once('=').map_or(text, |(name, _)| name).to_owned();
    let names: Vec<String> = given.iter().map(|text| name(text)).collect();
    let hidden = &selection.sensitive_vars;
    if let Some(other) = names.iter().find(|name| !hidden.contains(name)) {
        return Err(format!(
            "--var {}: --resume takes vars from run {id}; only sensitive ones, which are not \
             recorded, are given again",
            other.escape_debug()
        ));
    }
    let missing: Vec<String> = hidden
        .iter()
        .filter(|name| !names.contains(name))
        .map(|name| format!("--var {}=…", name.escape_debug()))
        .collect();
    if !missing.is_empty() {
        let vars = missing.join(" ");
        return Err(format!(
            "run {id} was given sensitive vars, whose values are not recorded\n  \
             help: give them again: trueup apply --resume {id} {vars}"
        ));
    }
    let kept = selection.vars.iter().map(|(name, value)| format!("{name}={value}"));
    Ok(kept.chain(given.iter().cloned()).collect())
}

/// The shard of the run.
fn shard(common: &Common, selection: &SelectionJson, id: &RunId) -> Result<Option<Shard>, String> {
    common.shard_of(selection.shard.as_deref()).map_err(|clash| match clash {
        ShardClash::None(text) => {
            format!("the record of run {id} names a shard that is none: `{text}`")
        }
        ShardClash::Other { made, given } => format!(
            "run {id} was about shard {made}, and --shard says {given}: --resume goes on with its hosts"
        ),
    })
}

fn select(select: &mut Select, selection: &SelectionJson) {
    select.tags.clone_from(&selection.tags);
    select.skip_tags.clone_from(&selection.skip_tags);
    select.targets.clone_from(&selection.targets);
}

fn tell(summary: &SummaryJson, left: &BTreeSet<String>) {
    let (all, left) = (summary.hosts.len(), left.len());
    report::print_error(&format!("Run {} left {left} of {all} hosts.\n", summary.run.id));
}

/// Names the hosts that the run left and that the inventory has no more.
pub(super) fn tell_gone(left: Option<&BTreeSet<String>>, ready: &Ready) {
    let known =
        |name: &&String| ready.resolver.targets.iter().any(|target| target.host.name == **name);
    let gone: Vec<String> = left
        .into_iter()
        .flatten()
        .filter(|name| !known(name))
        .map(|name| name.escape_debug().to_string())
        .collect();
    if !gone.is_empty() {
        let names = gone.join(", ");
        report::print_error(&format!(
            "warning: no longer in the inventory, and left out: {names}\n"
        ));
    }
}
