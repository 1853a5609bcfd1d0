//! The arguments of what is about hosts' memory.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::ArgValueCandidates;

use super::super::completers;
use super::super::forms::Form;
use super::Hosts;

/// Seconds that a connection is kept where nobody says otherwise.
const PERSIST: u32 = 300;

/// The seconds of `--persist`; a variable that is empty says nothing.
fn persist(text: &str) -> Result<u32, String> {
    let seconds = if text.is_empty() { Some(PERSIST) } else { text.parse().ok() };
    let wrong = || "a number of seconds from 0 to 3600 (TRUEUP_PERSIST sets it too)".to_owned();
    seconds.filter(|seconds| *seconds <= 3600).ok_or_else(wrong)
}

/// How hosts are reached, and how long that may take.
#[derive(Debug, Clone, ClapArgs)]
pub(in crate::cli) struct Reach {
    /// An ssh config to use instead of your own
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ssh_config: Option<PathBuf>,
    /// Seconds until a host counts as unreachable
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) connect_timeout: u16,
    /// Seconds that a connection is kept for the next run once nobody uses it; 0 keeps none (trueup disconnect)
    #[arg(long, value_name = "SECONDS", env = "TRUEUP_PERSIST", hide_env_values = true, default_value_t = PERSIST, value_parser = persist)]
    pub(in crate::cli) persist: u32,
    /// Seconds that the probe of a host may take; the probes of commands have their own time
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) probe_timeout: u32,
    /// Seconds that all work on one host may take; what runs when they are over gets 20 more to end, and is looked at
    #[arg(long, value_name = "SECONDS", default_value_t = 14_400, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) host_timeout: u32,
    /// A file with the password for sudo; without one it is asked for on the terminal when a host wants it
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) become_password_file: Option<PathBuf>,
}

/// What becomes of what the files declared once and declare no more.
#[derive(Debug, Clone, ClapArgs)]
pub(in crate::cli) struct Pruning {
    /// Remove what an apply of this project brought about and the files declare no more; users and groups stay
    #[arg(long)]
    pub(in crate::cli) prune: bool,
    /// As --prune, users and groups too
    #[arg(long)]
    pub(in crate::cli) prune_accounts: bool,
    /// Refuse a plan that removes more than so many things on all hosts together
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(in crate::cli) max_removals: Option<usize>,
}

#[derive(Debug, Clone, ClapArgs)]
pub(in crate::cli) struct Drift {
    #[command(flatten)]
    pub(in crate::cli) hosts: Hosts,
    #[command(flatten)]
    pub(in crate::cli) form: Form,
}

#[derive(Debug, Clone, ClapArgs)]
pub(in crate::cli) struct Ledger {
    /// The host
    #[arg(value_name = "HOST", add = ArgValueCandidates::new(completers::hosts))]
    pub(in crate::cli) host: String,
    /// Print one JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Let the host forget this project: what it remembers is removed, and what it keeps for the way back (trueup
    /// rollback); nothing else is
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) forget: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) reach: Reach,
}

#[derive(Debug, Clone, ClapArgs)]
pub(in crate::cli) struct Unlock {
    /// The host
    #[arg(value_name = "HOST", add = ArgValueCandidates::new(completers::hosts))]
    pub(in crate::cli) host: String,
    /// The run that holds it, or the beginning of its id; without it the one that does is named
    #[arg(long, value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) reach: Reach,
}
