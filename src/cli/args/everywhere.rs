//! The arguments that every verb takes.

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs};
use clap_complete::ArgValueCompleter;

use super::super::completers;
use crate::model::{Shard, shard_argument};

/// What every verb takes.
#[derive(Debug, Clone, ClapArgs)]
pub(in crate::cli) struct Common {
    /// The project's folder
    #[arg(short = 'C', long = "directory", value_name = "DIR", default_value = ".", global = true)]
    pub(in crate::cli) directory: PathBuf,
    /// The inventory, instead of the one that trueup.toml names
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(in crate::cli) inventory: Option<PathBuf>,
    /// Only these hosts: a pattern of hosts and groups, such as "web and not web9"
    #[arg(short, long, value_name = "PATTERN", global = true, add = ArgValueCompleter::new(completers::pattern))]
    pub(in crate::cli) limit: Option<String>,
    /// Only the hosts of part K of N equal parts, such as 2/3: their names alone say in which part they are, so that
    /// several controllers share a fleet
    #[arg(long, value_name = "K/N", value_parser = shard_argument, global = true)]
    pub(in crate::cli) shard: Option<Shard>,
    /// Sets a var over all others; VALUE is TOML, or a string
    #[arg(long = "var", value_name = "NAME=VALUE", action = ArgAction::Append, global = true)]
    pub(in crate::cli) vars: Vec<String>,
    /// Seconds that making one host's resources may take: a loop in a template may have no end [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), global = true)]
    pub(in crate::cli) render_timeout: Option<u64>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_parser = ["auto", "always", "never"], default_value = "auto", global = true)]
    pub(in crate::cli) color: String,
}

impl Common {
    /// Seconds that making one host's resources may take.
    pub(in crate::cli) fn render_timeout(&self) -> u64 {
        self.render_timeout.unwrap_or(60)
    }

    /// The shard that something was made for which is gone on with: that of `made`, where there is one, else the one that
    /// the command line names, so that what is about a whole fleet can be dealt out.
    ///
    /// # Errors
    /// When what was made names none, or the command line names another one.
    pub(in crate::cli) fn shard_of(&self, made: Option<&str>) -> Result<Option<Shard>, ShardClash> {
        let Some(text) = made else { return Ok(self.shard) };
        let made =
            Shard::parse(text).ok_or_else(|| ShardClash::None(text.escape_debug().to_string()))?;
        match self.shard.filter(|given| *given != made) {
            Some(given) => Err(ShardClash::Other { made, given }),
            None => Ok(Some(made)),
        }
    }

    /// Whether a host is in the shard that the run is about, if it is about one.
    pub(in crate::cli) fn holds(&self, host: &str) -> bool {
        self.shard.is_none_or(|shard| shard.holds(host))
    }
}

/// Why a shard cannot be gone on with.
pub(in crate::cli) enum ShardClash {
    /// What was made names this, which is no shard.
    None(String),
    Other {
        made: Shard,
        given: Shard,
    },
}
