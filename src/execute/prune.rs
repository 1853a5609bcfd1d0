//! What nobody declares any more, made into resources that are absent, where that is asked for.

use std::collections::BTreeSet;

use super::Settings;
use super::probe::Probe;
use super::session::{Program, Session, SessionError};
use crate::ledger::{Ledger, Parted};
use crate::model::{Address, FileId, Span};
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

/// What is to go from a host, as resources. What its ledger says of it and this program does not read is
/// left alone.
fn orphans(ledger: &Ledger, desired: &Desired, resolver: &Resolver, prune: Prune) -> Vec<Instance> {
    if prune == Prune::Nothing {
        return Vec::new();
    }
    let nowhere = Span::new(FileId(0), 0..0);
    let gone = ledger.orphans(desired).into_iter().filter_map(|orphan| {
        let table = match orphan.parting {
            Parted::Goes(table) | Parted::Made(table) if prune >= Prune::Things => table,
            Parted::Asked(table) if prune >= Prune::Accounts => table,
            _ => return None,
        };
        let address = Address::read(&orphan.address)?;
        let chosen = resolver.selection().is_none_or(|selection| selection.names(&address));
        let made = Source::restore(address, (&table, Vec::new()), nowhere).ok()?;
        chosen.then_some(Instance { orphan: true, ..made })
    });
    let gone: Vec<Instance> = gone.collect();
    // What is in a file that goes, goes with it.
    let paths: BTreeSet<String> = gone
        .iter()
        .filter_map(|instance| instance.kind.removes(&instance.desired))
        .map(ToOwned::to_owned)
        .collect();
    let inside = |instance: &Instance| {
        instance.kind.removes(&instance.desired).is_none()
            && paths.contains(instance.kind.subject(&instance.desired))
    };
    gone.into_iter().filter(|instance| !inside(instance)).collect()
}

/// The resources of a host with those that are to go from it, whose states come into `observed`: one more
/// exchange where there are such.
pub(super) async fn beside(
    (ledger, desired): (&Ledger, &Desired),
    observed: &mut Vec<Result<Erased, String>>,
    resolver: &Resolver,
    (session, settings): (&mut Session, &Settings),
) -> Result<Option<Desired>, SessionError> {
    let gone = orphans(ledger, desired, resolver, settings.prune);
    if gone.is_empty() {
        return Ok(None);
    }
    let (all, places) = desired.with_orphans(gone);
    let alone = all.resources.iter().zip(&places).filter(|(_, place)| place.is_none());
    let alone = Desired::in_order(alone.map(|(one, _)| (one.clone(), Vec::new())).collect());
    let mut program = Program::default();
    let probe = Probe::ask(&alone, session, &mut program);
    program.seconds = settings.probe_timeout.saturating_add(probe.seconds);
    program.whole = Some(program.seconds);
    let answers = session.exchange(program, |_| {}).await?;
    let mut theirs = probe.read(&alone, &answers).into_iter();
    let mut ours = std::mem::take(observed).into_iter();
    let missing = || Err("the host was not asked".to_owned());
    let states = places.iter().map(|place| {
        let from = if place.is_some() { &mut ours } else { &mut theirs };
        from.next().unwrap_or_else(missing)
    });
    *observed = states.collect();
    Ok(Some(all))
}
