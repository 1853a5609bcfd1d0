//! What nobody declares any more, made into resources that are absent, where that is asked for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Settings;
use super::probe::Probe;
use super::program::Program;
use super::session::Session;
use super::session_error::SessionError;
use crate::ledger::{Ledger, Orphan, Parted};
use crate::model::{Address, FileId, Span};
use crate::plan::Plan;
use crate::resolve::{Desired, Instance, Resolver, Source};
use crate::resources::Erased;

/// What is to go of what nobody declares any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prune {
    #[default]
    Nothing,
    /// Everything but users and groups.
    Things,
    /// Users and groups too.
    Accounts,
}

impl Prune {
    /// Whether anything is to go.
    pub(super) fn is_asked(self) -> bool {
        self > Self::Nothing
    }
}

/// Something that is to go, and its state on the host.
pub(super) struct Going {
    instance: Instance,
    state: Result<Erased, String>,
}

/// Where units lie that are made by hand (systemd.unit(5)).
const UNITS: &str = "/etc/systemd/system/";

/// What is to go from a host, as resources. What its ledger says of it and this program does not read is
/// left alone.
fn orphans(ledger: &Ledger, desired: &Desired, resolver: &Resolver, prune: Prune) -> Vec<Instance> {
    if prune == Prune::Nothing {
        return Vec::new();
    }
    let nowhere = Span::new(FileId(0), 0..0);
    let all = ledger.orphans(desired);
    let made = |orphan: &Orphan, table: &str| {
        let address = Address::read(&orphan.address)?;
        let chosen = resolver.selection().is_none_or(|selection| selection.names(&address));
        let mut made = Source::restore(address, (table, Vec::new()), nowhere).ok()?;
        made.orphan = true;
        chosen.then_some(made)
    };
    let goes = |orphan: &Orphan| match &orphan.parting {
        Parted::Goes(table) | Parted::Made(table) if prune >= Prune::Things => made(orphan, table),
        Parted::Asked(table) if prune >= Prune::Accounts => made(orphan, table),
        _ => None,
    };
    let gone: Vec<Instance> =
        all.iter().filter(|orphan| orphan.held.is_none()).filter_map(goes).collect();
    let paths: BTreeSet<String> = gone
        .iter()
        .filter_map(|instance| instance.kind.removes(&instance.desired))
        .map(ToOwned::to_owned)
        .collect();
    // A service whose unit goes is not left running without it.
    let services = all.iter().filter_map(|orphan| {
        let unit = Address::read(&orphan.address).filter(|address| address.kind == "service")?;
        let name = unit.name.trim_end_matches(".service");
        let goes = paths.contains(&format!("{UNITS}{name}.service"));
        goes.then(|| made(orphan, "{ state = \"stopped\", enabled = false }")).flatten()
    });
    let services: Vec<Instance> = services.collect();
    // What is in a file that goes, goes with it.
    let inside = |instance: &Instance| {
        instance.kind.removes(&instance.desired).is_none()
            && paths.contains(instance.kind.subject(&instance.desired))
    };
    gone.into_iter().filter(|instance| !inside(instance)).chain(services).collect()
}

/// What is to go from a host, and how it stands there: one more exchange where there is such.
pub(super) async fn going(
    (ledger, desired): (&Ledger, &Desired),
    resolver: &Resolver,
    (session, settings): (&mut Session, &Settings),
) -> Result<Vec<Going>, SessionError> {
    let gone = orphans(ledger, desired, resolver, settings.prune);
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let (all, places) = desired.with_orphans(gone);
    let alone = all.resources.iter().zip(&places).filter(|(_, place)| place.is_none());
    let alone = Desired::in_order(alone.map(|(one, _)| (one.clone(), Vec::new())).collect());
    let mut program = Program::default();
    let probe = Probe::alone(&alone, session, &mut program);
    program.seconds = settings.probe_timeout.saturating_add(probe.seconds);
    program.whole = Some(program.seconds);
    let answers = session.exchange(program, |_| {}).await?;
    let states = probe.read(&alone, &answers).into_iter();
    let going =
        |(instance, state): (&Arc<Instance>, _)| Going { instance: (**instance).clone(), state };
    Ok(alone.resources.iter().zip(states).map(going).collect())
}

/// The resources of a host with those that are to go from it, and the states of all.
pub(super) fn beside<'o>(
    (desired, observed): (&Arc<Desired>, &'o [Result<Erased, String>]),
    going: &[Going],
) -> (Arc<Desired>, Cow<'o, [Result<Erased, String>]>) {
    if going.is_empty() {
        return (Arc::clone(desired), Cow::Borrowed(observed));
    }
    let (all, places) =
        desired.with_orphans(going.iter().map(|one| one.instance.clone()).collect());
    let state = |(instance, place): (&Arc<Instance>, &Option<usize>)| match place {
        Some(place) => observed[*place].clone(),
        None => going
            .iter()
            .find(|one| one.instance.address == instance.address)
            .map_or_else(|| Err("the host was not asked".to_owned()), |one| one.state.clone()),
    };
    let states = all.resources.iter().zip(&places).map(state).collect();
    (Arc::new(all), states)
}

/// Leaves out what cannot go as things are, which stops nothing else: the addresses, and why.
pub(super) fn refused(
    desired: &Desired,
    plan: &Plan,
    going: &mut Vec<Going>,
) -> Vec<(String, String)> {
    let problems = plan.problems().filter(|(index, _)| desired.resources[*index].orphan);
    let stays = problems.map(|(index, why)| {
        let instance = &desired.resources[index];
        // What a declaration could say besides is no help: there is none.
        let why = if instance.address.kind == "directory" {
            why.split(". `purge").next().unwrap_or(why)
        } else {
            why
        };
        (instance.address.clone(), why.to_owned())
    });
    let stays: Vec<(Address, String)> = stays.collect();
    going.retain(|one| stays.iter().all(|(address, _)| *address != one.instance.address));
    stays.into_iter().map(|(address, why)| (address.to_string(), why)).collect()
}
