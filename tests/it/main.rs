//! All integration tests in one binary: the program as users run it, on real hosts of the lab.

#![allow(
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "tests read and start what they test, and tell one story each"
)]

mod support;

mod book;
mod cli;
mod clock;
mod confirm;
mod duels;
mod effort;
mod examples;
mod failpoints;
mod faults;
mod hostile;
mod hosts;
mod language;
mod large;
mod laws;
mod ledger;
mod machines;
mod manual;
mod merging;
mod mistakes;
mod performance;
mod pipelines;
mod plans;
mod resources;
mod rollback;
mod runs;
mod sets;
mod several;
mod shards;
mod stages;
mod stale;
mod taken;
mod tidy;
mod verbs;
mod wire;
