//! The arguments of `trueup runs`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Runs {
    #[command(subcommand)]
    pub(in crate::cli) what: Option<RunsWhat>,
    /// Print one JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What to do with runs, instead of listing them.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RunsWhat {
    /// Show what a run did on each host and how it ended, as its apply said it
    Show(RunsShow),
    /// Put runs of parts of a fleet together as one, and end as one run of all would have ended
    Merge(RunsMerge),
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct RunsShow {
    /// The run: its id, as much of the beginning as no other has, or `last`
    #[arg(value_name = "RUN")]
    pub(in crate::cli) id: String,
    /// Show the plan as it was then, whole
    #[arg(long)]
    pub(in crate::cli) plan: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct RunsMerge {
    /// Runs: a file with what `trueup runs show RUN --json` or `runs merge --json` printed, the folder of a record
    /// (.trueup/runs/ID), a folder of such files and folders, or the id of a run that is recorded here
    #[arg(value_name = "RUN", required = true)]
    pub(in crate::cli) runs: Vec<String>,
    /// Of a host that is in several runs take what the run says that began last
    #[arg(long)]
    pub(in crate::cli) latest: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Write the JSON document to a file besides
    #[arg(short, long, value_name = "FILE", value_parser = super::file_to_write())]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Write what became of every resource as XML, in the form of `JUnit`
    #[arg(long, value_name = "FILE", value_parser = super::file_to_write(), help = "Write what became of every resource as JUnit XML")]
    pub(in crate::cli) junit: Option<PathBuf>,
    /// Exit with 2 when there were changes
    #[arg(long)]
    pub(in crate::cli) detailed_exitcode: bool,
}
