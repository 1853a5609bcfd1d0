//! From what was typed to arguments, and what a verb takes not although all others do.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Command, CommandFactory as _, FromArgMatches as _};

use super::Args;

/// A file that is written. What goes to standard output has options of its own.
pub(super) fn file_to_write() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_str() {
        Some("-") => Err("a file is written here: `-` does not stand for standard output"),
        _ => Ok(path),
    })
}

/// Verbs that look neither at hosts nor at their vars.
const WITHOUT_HOSTS: [&str; 7] =
    ["runs", "show", "schema", "init", "completions", "man", "disconnect"];
/// Those that are about one host, or about none at a time.
const ONE_HOST: [&str; 5] = ["ledger", "unlock", "trust", "render", "doc"];

/// Of the arguments that every verb takes, those that this one has no use for, and why it has none.
fn unheeded(verb: &str) -> (&'static [&'static str], &'static str) {
    if WITHOUT_HOSTS.contains(&verb) {
        let all = &["limit", "shard", "inventory", "vars", "render_timeout"];
        (all, "it looks neither at hosts nor at their vars")
    } else if ONE_HOST.contains(&verb) {
        (&["shard"], "it is not about many hosts")
    } else {
        (&[], "")
    }
}

/// Takes arguments out of the help of a verb and of all below it.
fn hide(these: &[&str], command: &mut Command) {
    *command = std::mem::take(command).mut_args(|argument| {
        let hidden = these.contains(&argument.get_id().as_str());
        if hidden { argument.hide(true) } else { argument }
    });
    for below in command.get_subcommands_mut() {
        hide(these, below);
    }
}

/// All verbs and their arguments. The help of a verb does not speak of what it has no use for.
pub(in crate::cli) fn command() -> Command {
    let mut command = Args::command();
    command.build();
    for verb in command.get_subcommands_mut() {
        hide(unheeded(verb.get_name()).0, verb);
    }
    command
}

/// What was typed, and why the verb takes an argument not that was given, where it does not.
pub(in crate::cli) fn parsed(
    arguments: &[OsString],
) -> Result<(Args, Option<String>), clap::Error> {
    let mut all = Args::command();
    let matches = match all.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        // All verbs are made for help alone.
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return Err(command().try_get_matches_from(arguments).err().unwrap_or(error));
        }
        Err(error) => return Err(error),
    };
    let (verb, below) = matches.subcommand().expect("clap asks for a verb");
    let (these, why) = unheeded(verb);
    let given = |id: &&&str| below.value_source(id) == Some(ValueSource::CommandLine);
    let refused = these.iter().find(given).map(|id| {
        let long = all.get_arguments().find(|argument| argument.get_id() == id);
        let long = long.and_then(clap::Arg::get_long).unwrap_or(id);
        format!("this verb takes no --{long}: {why}")
    });
    let args = Args::from_arg_matches(&matches).map_err(|error| error.format(&mut all))?;
    Ok((args, refused))
}
