//! `trueup completions`: hooks a shell up, and answers the shell when it asks. The shell asks by calling
//! the program with a variable set and the unfinished line after `--`.

use std::ffi::OsString;
use std::path::Path;

use clap::ValueEnum as _;
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};

use super::args::{self, Completions};
use super::completers;
use super::exit::Exit;
use super::settings::COMPLETE_VARIABLE;
use crate::report;

/// Runs the verb: prints what the shell has to read at its start.
pub(super) fn run(verb: &Completions) -> Exit {
    let mut script = Vec::new();
    let name = verb.shell.to_possible_value().expect("every shell has a name");
    let shell = shell(name.get_name()).expect("the engine knows every shell of the arguments");
    shell
        .write_registration(COMPLETE_VARIABLE, "trueup", "trueup", "trueup", &mut script)
        .expect("memory can be written");
    report::print(&String::from_utf8_lossy(&script));
    Exit::Good
}

/// Answers a shell: `words` are the program's arguments. Whatever is wrong, a shell that completes is
/// told nothing about it.
pub(super) fn answer(name: &str, words: &[OsString]) -> Exit {
    let line: Vec<OsString> =
        words.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    completers::stand(&line);
    let mut command = args::command();
    let mut text = Vec::new();
    if let Some(shell) = shell(name)
        && shell.write_complete(&mut command, line, Some(Path::new(".")), &mut text).is_ok()
    {
        report::print(&String::from_utf8_lossy(&text));
    }
    Exit::Good
}

/// The engine's shell of this name.
fn shell(name: &str) -> Option<&'static dyn EnvCompleter> {
    let all: [&'static dyn EnvCompleter; 5] = [&Bash, &Elvish, &Fish, &Powershell, &Zsh];
    all.into_iter().find(|shell| shell.name() == name)
}
