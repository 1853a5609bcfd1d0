//! The arguments of `trueup rollback`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{Form, Hosts};

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Rollback {
    /// The run: its id, the beginning of it, or `last`: the newest apply that changed something and was not taken back
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: String,
    #[command(flatten)]
    pub(in crate::cli) hosts: Hosts,
    #[command(flatten)]
    pub(in crate::cli) form: Form,
    /// Put back also what was changed after the run, by hand or by another run
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// Print the plan of it only; change nothing
    #[arg(long, conflicts_with_all = ["yes", "junit"])]
    pub(in crate::cli) plan: bool,
    /// Write what became of every resource as XML, in the form of `JUnit`
    #[arg(long, value_name = "FILE", value_parser = super::file_to_write(), help = "Write what became of every resource as JUnit XML")]
    pub(in crate::cli) junit: Option<PathBuf>,
    /// Seconds to wait for another apply that is at work on a host
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(in crate::cli) lock_timeout: u32,
    /// Do not ask
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
}
