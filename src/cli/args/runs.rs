//! The arguments of `trueup runs`.

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
