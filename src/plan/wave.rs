//! Waves: which changes can be sent to a host at once.
//!
//! A wave ends at an opaque change when something that comes after it may have been changed by it;
//! what comes after is probed and compared again in the exchange that brings the wave's results.

use super::Plan;
use crate::resolve::Desired;

/// The changes of the next wave, as indices in their order.
#[must_use]
pub fn next_wave(desired: &Desired, plan: &Plan) -> Vec<usize> {
    let changes: Vec<usize> = plan.changes().map(|(index, _)| index).collect();
    let mut wave: Vec<usize> = Vec::new();
    for &index in &changes {
        if wave.iter().any(|&before| may_change(desired, before, index)) {
            break;
        }
        wave.push(index);
    }
    wave
}

/// Whether the change of `before` may change what `after` was compared with. Opaque changes of one
/// type go together unless the files put them in order: packages into one transaction.
fn may_change(desired: &Desired, before: usize, after: usize) -> bool {
    let (first, second) = (&desired.resources[before], &desired.resources[after]);
    first.kind.opaque()
        && (first.kind.name() != second.kind.name() || desired.after(after).contains(&before))
}
