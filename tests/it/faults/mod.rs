//! Faults of disks: what stands after a power cut, a call that failed, or where there is no room. On this
//! machine, in rooms of their own; `tests/it/hosts/broken.rs` has hosts of the lab.

mod calls;
mod managed;
mod power;
mod space;

use crate::support::Random;
use crate::wire::shells::{left_out, root};

/// Whether what only root may is left out.
fn unprivileged(part: &str) -> bool {
    let not_root = !root();
    if not_root {
        left_out(part, "file systems need root");
    }
    not_root
}

/// A number from the environment.
fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The seed of a campaign: all that is random follows from it.
fn seed() -> (usize, Random) {
    let seed = number("TRUEUP_SEED").unwrap_or(1);
    (seed, Random(seed as u64))
}

/// A line of figures, also where the output of tests is kept back.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
