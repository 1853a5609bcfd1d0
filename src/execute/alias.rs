//! One machine under two names (T43 of the threats): where both declare the same thing, each would undo or repeat what
//! the other does, at the same moment. Such hosts are refused before anything is done.
//!
//! A number in /etc/machine-id tells no machine from its clones, and containers of one machine share its boot: what is
//! compared is the boot, when process 1 of it began, the host's name and that number together.

use std::collections::{BTreeMap, BTreeSet};

use super::fleet::{Fleet, HostResult};
use super::host::{Ended, HostRun, failed};
use crate::model::{Event, Outcome, TransportKind};
use crate::resolve::{Desired, Instance, Resolver};

/// Refuses hosts that are one machine and declare the same thing. Who wrote `transport` into the inventory means it.
pub(super) async fn told_apart(results: Vec<HostResult>, fleet: &Fleet) -> Vec<HostResult> {
    let refused = aliases(&results, &fleet.resolver);
    let mut all = Vec::with_capacity(results.len());
    for (index, result) in results.into_iter().enumerate() {
        all.push(match (result, refused.get(&index)) {
            (Ok(mut run), Some((other, address))) => {
                // Nothing was done, and a lock that it holds is free then.
                let spent = run.close(fleet.settings.run.is_some()).await;
                let ended = Ended { spent, ..ended(&run, other, address) };
                let (host, why) = (ended.target, Some(ended.message.clone()));
                fleet.emit(Event::Finished { host, outcome: ended.outcome, why });
                Err(ended)
            }
            (result, _) => result,
        });
    }
    all
}

fn ended(run: &HostRun, other: &str, address: &str) -> Ended {
    let message = format!("it is the same machine as {other}, and both declare {address}");
    Ended {
        outcome: Outcome::Refused,
        help: Some(
            "keep one of the two names, or let them declare different things; --limit chooses one for a run"
                .to_owned(),
        ),
        ..failed(run.target, message)
    }
}

/// For each host that is refused: the other name, and what both declare.
fn aliases(results: &[HostResult], resolver: &Resolver) -> BTreeMap<usize, (String, String)> {
    let mut machines: BTreeMap<&str, Vec<(usize, &HostRun)>> = BTreeMap::new();
    for (index, run) in results.iter().enumerate() {
        let Ok(run) = run else { continue };
        let transport = resolver.targets[run.target].host.connection.transport;
        let ssh = matches!(transport, None | Some(TransportKind::Ssh));
        if let Some(machine) = run.way_in.machine.as_deref().filter(|_| ssh) {
            machines.entry(machine).or_default().push((index, run));
        }
    }
    let mut refused = BTreeMap::new();
    for names in machines.into_values().filter(|names| names.len() > 1) {
        for (index, run) in &names {
            let others = names.iter().filter(|(other, _)| other != index);
            let shared = others.filter_map(|(_, other)| {
                let address = shared(&run.desired, &other.desired)?;
                Some((other.name.clone(), address))
            });
            refused.extend(shared.take(1).map(|shared| (*index, shared)));
        }
    }
    refused
}

/// The first resource of `one` that is about something that `other` declares too. A command is about nothing that is
/// known.
fn shared(one: &Desired, other: &Desired) -> Option<String> {
    let about = |it: &Instance| it.kind.identity(&it.desired);
    let theirs: BTreeSet<String> = other.resources.iter().flat_map(|it| about(it)).collect();
    let both = one.resources.iter().find(|it| about(it).iter().any(|thing| theirs.contains(thing)));
    both.map(|it| it.address.short())
}
