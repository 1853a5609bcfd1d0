//! Saved plans as files: written for their owner alone and whole, read, and opened to be applied.
#![expect(clippy::disallowed_methods, reason = "the one place that writes and reads plans")]

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use super::args::{Apply, Common, Select, ShardClash};
use super::key::ProjectKey;
use super::project::{self, Asked, Ready};
use super::run::Run;
use super::settings;
use crate::config::HostPattern;
use crate::execute::failpoint::failpoint;
use crate::execute::{HostResult, HostRun};
use crate::model::{Connection, Host, Key, Outcome, RunId, Shard};
use crate::plan::json::PlanJson;
use crate::plan::saved::{Saved, SavedError, Selected};
use crate::plan::{Document, HostPlan, HostState, moved};
use crate::report::{self, Style};
use crate::resolve::{Desired, Instance};

/// The largest file that is read as a plan, in bytes.
const MOST: u64 = 1 << 30;

/// Saves a plan with the hosts of it that change.
pub(super) fn save(
    (path, shard): (&Path, Option<Shard>),
    run: &Run<'_>,
    plan: &Document,
    results: &[HostResult],
) -> Result<(), String> {
    let ready = run.ready;
    let key = ready.key.get()?;
    let changing = |host: &HostPlan| host.outcome() == Outcome::Changed;
    let runs: Vec<(&Host, &Desired)> = results
        .iter()
        .zip(&plan.hosts)
        .filter(|(_, host)| changing(host))
        .filter_map(|(result, _)| result.as_ref().ok())
        .map(|run| (&ready.resolver.targets[run.target].host, &*run.desired))
        .collect();
    let place = |instance: &Instance| ready.resolver.place(instance.place);
    let mut saved = Saved::new(plan, &runs, key, place);
    // Named as runs are: by when it was made.
    let id = settings::mark().id;
    (saved.id, saved.created) = (id.to_string(), id.since());
    let Select { tags, skip_tags, targets, .. } = run.select.clone();
    let shard = shard.map(|shard| shard.to_string());
    saved.selected = Selected { tags, skip_tags, targets, shard };
    let stages = ready.project.stages.iter().filter(|stage| stage.rollback_on_failure);
    saved.retreats = stages.map(|stage| stage.name.value.clone()).collect();
    write(path, saved.seal(key).as_bytes())
        .map_err(|error| format!("cannot save the plan in {}: {error}", path.display()))
}

/// Writes a file beside its place and moves it there: mode 0600, whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What is no file, such as /dev/stdout, would be moved over.
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other("something that is no file is there"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // tempfile makes files with mode 0600.
    let mut file = tempfile::Builder::new()
        .prefix(".trueup-plan-")
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    failpoint!("unnamed");
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let said = |error: io::Error| format!("cannot read {}: {error}", path.display());
    if fs::metadata(path).map_err(said)?.len() > MOST {
        return Err(format!("{} is larger than any plan", path.display()));
    }
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text)).map_err(said)?;
    Ok(text)
}

/// A saved plan that may be applied, and the hosts that it is about.
pub(super) struct Opened {
    pub(super) saved: Saved,
    pub(super) ready: Ready,
    /// Hosts that were asked for when it was made and are no part of it, and how they ended then.
    pub(super) outside: Vec<(String, Outcome)>,
}

/// Opens a plan to apply it; tells what is wrong and gives `None` where that may not be.
pub(super) fn open(path: &Path, common: &Common, verb: &Apply, style: Style) -> Option<Opened> {
    match opened(path, common, verb, style) {
        Ok(opened) => opened,
        Err(why) => {
            report::print_error(&format!("error: {why}\n"));
            None
        }
    }
}

fn opened(
    path: &Path,
    common: &Common,
    verb: &Apply,
    style: Style,
) -> Result<Option<Opened>, String> {
    unheeded(verb)?;
    let text = text(path)?;
    let named = |error: SavedError| explained(path, &error);
    let shown = Saved::read(&text).map_err(named)?;
    let key = ProjectKey::new(&shown.plan.project);
    let saved = Saved::open(&text, key.get()?).map_err(named)?;
    let limit = settings::limit(common).map_err(|mistake| mistake.message)?;
    let common = &Common { shard: shard(&saved, path, common)?, ..common.clone() };
    let Some(mut ready) = hosts_of(&saved, (path, key), common, style)? else { return Ok(None) };
    let planned: Vec<&str> = saved.hosts().collect();
    if let Some(limit) = &limit {
        let of_plan = ready.resolver.targets.iter().map(|target| &target.host);
        let of_plan = of_plan.filter(|host| planned.contains(&host.name.as_str()));
        if let Some((name, _)) = limit.unmatched(&of_plan).first() {
            return Err(format!(
                "--limit: nothing that changes in {} is named `{name}`: it changes {}",
                path.display(),
                planned.join(", ")
            ));
        }
    }
    let targets = &ready.resolver.targets;
    let gone = |name: &&&str| {
        limited(limit.as_ref(), common, name)
            && !targets.iter().any(|target| target.host.name == ***name)
    };
    if let Some(gone) = planned.iter().find(gone) {
        return Err(format!(
            "{} changes {gone}, which the inventory no longer has: plan again, or name the others with --limit",
            path.display()
        ));
    }
    ready.hosts.retain(|(target, _)| {
        let host = &targets[*target].host;
        planned.contains(&host.name.as_str())
            && common.holds(&host.name)
            && limit.as_ref().is_none_or(|limit| limit.matches(host))
    });
    let outside = outside(&saved, limit.as_ref(), common)
        .map_err(|why| format!("{} cannot be read: {why}", path.display()))?;
    if let Some(shard) = common.shard.filter(|_| ready.hosts.is_empty() && outside.is_empty()) {
        let path = path.display();
        report::print_error(&format!(
            "note: {path} changes nothing on a host in shard {shard}: there is nothing to do\n"
        ));
    }
    Ok(Some(Opened { saved, ready, outside }))
}

/// The shard that is applied of a plan.
fn shard(saved: &Saved, path: &Path, common: &Common) -> Result<Option<Shard>, String> {
    let path = path.display();
    common.shard_of(saved.selected.shard.as_deref()).map_err(|clash| match clash {
        ShardClash::None(text) => format!("{path} is for a shard that is none: `{text}`"),
        ShardClash::Other { made, given } => {
            format!("{path} is the plan for shard {made}, and --shard says {given}")
        }
    })
}

/// What was chosen when the plan was made cannot be chosen again.
fn unheeded(verb: &Apply) -> Result<(), String> {
    let Select { tags, skip_tags, targets, allow_empty } = &verb.hosts.select;
    let given = [
        ("--tags", !tags.is_empty()),
        ("--skip-tags", !skip_tags.is_empty()),
        ("--target", !targets.is_empty()),
        ("--allow-empty", *allow_empty),
        ("--prune", verb.pruning.prune),
        ("--prune-accounts", verb.pruning.prune_accounts),
        ("--why", verb.hosts.shown.why),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(format!(
            "a saved plan is applied as it is, and {flag} would make another one of it\n  \
             help: plan again with it: trueup plan {flag} -o FILE"
        )),
        None => Ok(()),
    }
}

/// The hosts that a plan is about, with what they should be: from the project where it is needed.
fn hosts_of(
    saved: &Saved,
    (path, key): (&Path, ProjectKey),
    common: &Common,
    style: Style,
) -> Result<Option<Ready>, String> {
    let path = path.display();
    let Some((kept, why)) = saved.kept_back().next() else {
        let restored = saved.restore();
        let (resolver, desired) =
            restored.map_err(|why| format!("{path} cannot be read: {why}"))?;
        let hosts = desired.into_iter().enumerate();
        let hosts = hosts.map(|(index, desired)| (index, Some(desired))).collect();
        let project = resolver.shared_project();
        return Ok(Some(Ready { project, resolver: Arc::new(resolver), hosts, key }));
    };
    if !common.directory.join("trueup.toml").exists() {
        return Err(format!(
            "{path} holds {kept} as a digest only, because {why} comes from the project again, and {} is no project folder\n  \
             apply it in the project's folder, or name that with -C DIR",
            common.directory.display()
        ));
    }
    let Selected { tags, skip_tags, targets, .. } = saved.selected.clone();
    let select = Select { tags, skip_tags, targets, allow_empty: false };
    let asked = Asked { select: &select, keep: true, only: None };
    // Hosts are told by the plan.
    let common = &Common { shard: None, ..common.clone() };
    let Some(ready) = project::ready(common, &asked, style) else { return Ok(None) };
    if ready.project.name == saved.plan.project {
        return Ok(Some(ready));
    }
    let (planned, here) = (&saved.plan.project, &ready.project.name);
    Err(format!("{path} is a plan of project `{planned}`; this is `{here}`"))
}

/// The hosts of a plan that could not be planned when it was made.
fn outside(
    saved: &Saved,
    limit: Option<&HostPattern>,
    common: &Common,
) -> Result<Vec<(String, Outcome)>, String> {
    let hosts = saved.plan.document()?.hosts.into_iter();
    let ended = hosts
        .filter(|host| host.outcome() > Outcome::Changed && limited(limit, common, &host.host));
    Ok(ended.map(|host| (host.host.clone(), host.outcome())).collect())
}

/// Whether the command line selects a host of which nothing but its name is known.
fn limited(limit: Option<&HostPattern>, common: &Common, name: &str) -> bool {
    if !common.holds(name) {
        return false;
    }
    let (name, address, groups) = (name.to_owned(), String::new(), Vec::new());
    let host = Host { name, address, groups, connection: Connection::default() };
    limit.is_none_or(|limit| limit.matches(&host))
}

/// What is wrong with a file, and what to do.
fn explained(path: &Path, error: &SavedError) -> String {
    let help = match error {
        SavedError::OtherKey(_) => {
            "\n  it is applied where the same project key is: TRUEUP_KEY, or the user's who made it"
        }
        SavedError::Tampered => "\n  trust nothing in it; plan again",
        SavedError::Version(_) => "\n  plan again",
        SavedError::Form(_) => "",
    };
    format!("{}: {error}{help}", path.display())
}

/// The plan of now, in which every host that is no longer as it was planned is refused, with what moved.
pub(super) fn compared(
    opened: &Opened,
    now: &Document,
    results: &[HostResult],
) -> Result<Document, String> {
    let planned = opened.saved.plan.document()?;
    // In the form of the file, as the plan in it is.
    let now = PlanJson::of(now).document()?;
    let key = opened.ready.key.get()?;
    let hosts = now.hosts.into_iter().zip(results).map(|(host, result)| {
        let before = planned.hosts.iter().find(|known| known.host == host.host);
        let (Some(before), Ok(run)) = (before, result) else { return host };
        match refusal(opened, &host, (before, run), key) {
            Some(state) => HostPlan { state, ..host },
            None => host,
        }
    });
    Ok(Document { hosts: hosts.collect(), ..now })
}

/// Why a host is refused, if it is.
fn refusal(
    opened: &Opened,
    host: &HostPlan,
    (before, run): (&HostPlan, &HostRun),
    key: &Key,
) -> Option<HostState> {
    let again = format!("Plan again: trueup plan --limit {}", host.host);
    let outcome = Outcome::Refused;
    let desired = &*run.desired;
    if let Some(by) = &run.memory.spent {
        let by =
            RunId::parse(by).map_or_else(String::new, |by| format!(", by run {by} ({})", by.day()));
        let message = format!("this plan was applied here already{by}");
        let help = format!(
            "A saved plan is used up where it was applied, also where that failed.\n{again}"
        );
        return Some(HostState::Ended { outcome, message, help: Some(help) });
    }
    if opened.saved.needs_project()
        && let Some((address, sensitive)) = opened.saved.changed_in_files(&host.host, desired, key)
    {
        // Of what a sensitive value goes into only a digest is known: not which of its parts moved.
        let what = if sensitive { "what goes into " } else { "" };
        let message = format!("{what}{address} changed in the project after this plan was made");
        return Some(HostState::Ended { outcome, message, help: Some(again) });
    }
    let HostState::Compared { changes, problems } = &host.state else { return None };
    let moved = moved(before.changes(), changes, problems);
    let first = moved.first()?;
    let more = match moved.len() {
        1 => String::new(),
        many => format!(" (and {} more)", many - 1),
    };
    let message = format!("{}{more} changed on the host after this plan was made", first.address);
    let told = moved.iter().take(5).map(|moved| {
        let name = if moved.address == first.address {
            String::new()
        } else {
            format!("{}\n", moved.address)
        };
        format!("{name}  planned against  {}\n  found now        {}\n", moved.planned, moved.found)
    });
    let help = format!("{}{again}", told.collect::<String>());
    Some(HostState::Ended { outcome, message, help: Some(help) })
}
