//! The arguments, as they are typed. No logic.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::completers;

mod everywhere;
mod memory;
mod parsing;
mod rollback;
mod runs;
mod trust;

use super::forms::{CheckOutput, Form, ShowAs};
use crate::model::window_argument;
pub(super) use everywhere::{Common, ShardClash};
pub(super) use memory::{Drift, Ledger, Pruning, Reach, Unlock};
use parsing::file_to_write;
pub(super) use parsing::{command, parsed};
pub(super) use rollback::Rollback;
pub(super) use runs::{Runs, RunsMerge, RunsShow, RunsWhat};
pub(super) use trust::Trust;

/// Brings hosts true to what TOML files say: plans the exact difference over SSH and applies it.
#[derive(Debug, Parser)]
#[command(name = "trueup", version, max_term_width = 100, after_help = EXIT_STATUSES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

const EXIT_STATUSES: &str = "Exit status: 0 good; 1 a mistake in the arguments or the project; \
    2 there are changes (with --detailed-exitcode); 3 a host failed, was unreachable, refused or unknown; \
    4 a host put back what a run changed.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Print the exact difference between hosts and files; change nothing
    Plan(Plan),
    /// Plan, ask, and make it so
    Apply(Apply),
    /// Plan the way back of a run, ask, and make it so
    Rollback(Rollback),
    /// Print a saved plan again; no host is contacted
    Show(Show),
    /// Print what moved on hosts since the last apply; change nothing
    Drift(Drift),
    /// Print what a host remembers of this project, or let it forget
    Ledger(Ledger),
    /// End an apply that holds a host's lock and does not come to its end
    Unlock(Unlock),
    /// List the runs that are recorded here, or show one; no host is contacted
    Runs(Runs),
    /// Show the key of a host, and file it where ssh looks once you say that it is the right one
    Trust(Trust),
    /// End the connections that runs kept for the next one; what a run does on them goes on
    Disconnect,
    /// Find mistakes in the project; no host is contacted
    Check(Check),
    /// Print what would be put on a host; it is not contacted
    Render(Render),
    /// Show hosts and groups, and where values come from; no host is contacted
    Inventory(Inventory),
    /// Print what a resource type or a module takes; without a name: all that there are
    Doc(Doc),
    /// Print the JSON Schema of a kind of file, for editors
    Schema(Schema),
    /// Write a small project that can be planned on this machine at once
    Init(Init),
    /// Print what a shell has to read to complete names of verbs, hosts and groups
    Completions(Completions),
    /// Print a manual page in roff, for man(1)
    Man(Man),
}

/// How hosts are reached.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Hosts {
    /// Hosts worked on at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) parallel: u16,
    #[command(flatten)]
    pub(super) reach: Reach,
    #[command(flatten)]
    pub(super) shown: Shown,
    #[command(flatten)]
    pub(super) select: Select,
    /// Write what happens to a file, line by line, behind what it holds
    #[arg(long, value_name = "FILE", value_parser = file_to_write())]
    pub(super) log: Option<PathBuf>,
    /// Tell what programs print while they run, and what the run cost
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Show at the end where the time of each host went
    #[arg(long)]
    pub(super) timings: bool,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

/// How much of a plan is shown.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Shown {
    /// Show one line for each address only
    #[arg(long, conflicts_with = "full")]
    pub(super) summary: bool,
    /// Show contents and lists whole, however long
    #[arg(long)]
    pub(super) full: bool,
    /// Show for each change where the values that went into it come from
    #[arg(long)]
    pub(super) why: bool,
}

/// Which resources a run is about.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Select {
    /// Only resources with this tag; may be given more than once
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub(super) tags: Vec<String>,
    /// Not resources with this tag
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub(super) skip_tags: Vec<String>,
    /// Only resources with this address, such as "nginx/file[/etc/nginx/**]"
    #[arg(long = "target", value_name = "ADDRESS", add = ArgValueCandidates::new(completers::addresses))]
    pub(super) targets: Vec<String>,
    /// A selector that selects nothing is no mistake: there is nothing to do then
    #[arg(long)]
    pub(super) allow_empty: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) hosts: Hosts,
    #[command(flatten)]
    pub(super) form: Form,
    #[command(flatten)]
    pub(super) pruning: Pruning,
    /// Save the plan, to do exactly it with `trueup apply FILE`
    #[arg(short, long, value_name = "FILE", value_parser = file_to_write())]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Apply {
    /// A saved plan: exactly it is done, without a question; a host that has moved since is refused
    #[arg(value_name = "PLAN")]
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) hosts: Hosts,
    #[command(flatten)]
    pub(super) form: Form,
    /// Write what became of every resource as XML, in the form of `JUnit`
    #[arg(long, value_name = "FILE", value_parser = file_to_write(), help = "Write what became of every resource as JUnit XML")]
    pub(super) junit: Option<PathBuf>,
    /// Seconds to wait for another apply that is at work on a host
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) lock_timeout: u32,
    /// Have each host put back what is not confirmed in this time over a new connection; false: nothing need be
    #[arg(long, value_name = "TIME", value_parser = window_argument)]
    pub(super) confirm: Option<u32>,
    #[command(flatten)]
    pub(super) pruning: Pruning,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Go on with the hosts that this run left (its id, the beginning of it, or `last`), with its inventory, tags,
    /// targets and vars; they are planned again
    #[arg(long, value_name = "RUN")]
    pub(super) resume: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Show {
    /// The saved plan
    #[arg(value_name = "PLAN")]
    pub(super) file: PathBuf,
    /// The form
    #[arg(long = "as", value_name = "FORM", default_value = "text")]
    pub(super) r#as: ShowAs,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Check {
    /// Take warnings for errors
    #[arg(long)]
    pub(super) strict: bool,
    /// What is printed
    #[arg(long, value_name = "FORM", default_value = "text", conflicts_with_all = ["json", "sarif"])]
    output: CheckOutput,
    /// The same as --output json
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// The same as --output sarif
    #[arg(long)]
    sarif: bool,
}

impl Check {
    /// What was asked for.
    pub(super) const fn output(&self) -> CheckOutput {
        match (self.json, self.sarif) {
            (true, _) => CheckOutput::Json,
            (_, true) => CheckOutput::Sarif,
            _ => self.output,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct Render {
    /// The host
    #[arg(value_name = "HOST", add = ArgValueCandidates::new(completers::hosts))]
    pub(super) host: String,
    /// One resource, such as "nginx/file[/etc/nginx/nginx.conf]": of a file the content alone
    #[arg(value_name = "ADDRESS", add = ArgValueCandidates::new(completers::addresses))]
    pub(super) address: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Inventory {
    #[command(subcommand)]
    pub(super) what: InventoryWhat,
}

/// What to show of an inventory.
#[derive(Debug, Subcommand)]
pub(super) enum InventoryWhat {
    /// List hosts with their groups and how they are reached
    List(InventoryList),
    /// Draw groups, the groups in them, and their hosts
    Graph,
    /// Print each value of a host with the place that it comes from, and what it overrode
    Explain(Explain),
}

#[derive(Debug, ClapArgs)]
pub(super) struct InventoryList {
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Explain {
    /// The host
    #[arg(value_name = "HOST", add = ArgValueCandidates::new(completers::hosts))]
    pub(super) host: String,
    /// One value: workers, vars.workers, nginx/params.workers, connection.user
    #[arg(value_name = "VAR")]
    pub(super) name: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Doc {
    /// A resource type or a module
    #[arg(value_name = "TYPE|MODULE", add = ArgValueCandidates::new(completers::pages))]
    pub(super) name: Option<String>,
    /// All resource types as one Markdown page
    #[arg(long, conflicts_with = "name")]
    pub(super) markdown: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Schema {
    /// The kind of file
    #[arg(value_name = "FILE")]
    pub(super) of: SchemaOf,
}

/// Kinds of file that have a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SchemaOf {
    /// trueup.toml
    Project,
    /// inventories/NAME.toml
    Inventory,
    /// modules/NAME/module.toml
    Module,
    /// What `trueup plan --json` prints
    Plan,
    /// A line of what `trueup apply --json` prints
    Events,
    /// What `trueup runs show --json` prints
    Run,
    /// What `trueup runs merge --json` prints
    Merged,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Init {
    /// A folder that is empty or not there yet
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: Shell,
}

/// Shells that can complete.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Shell {
    /// In ~/.bashrc: source <(trueup completions bash)
    Bash,
    /// In ~/.zshrc: source <(trueup completions zsh)
    Zsh,
    /// In ~/.config/fish/config.fish: trueup completions fish | source
    Fish,
    /// In ~/.config/elvish/rc.elv: eval (trueup completions elvish | slurp)
    Elvish,
    /// In $PROFILE: trueup completions powershell | Out-String | Invoke-Expression
    Powershell,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Man {
    /// A verb; without one: the page of the program
    #[arg(value_name = "VERB")]
    pub(super) verb: Option<String>,
}
