//! The program: arguments to verbs, and the only room that knows all others.

mod apply;
mod args;
mod check;
mod completers;
mod completions;
mod disconnect;
mod doc;
mod drift;
mod exit;
mod forms;
mod init;
mod inventory;
mod key;
mod ledger;
mod man;
mod merge;
mod plan;
mod project;
mod record;
mod records;
mod render;
mod resume;
mod rollback;
mod run;
mod runs;
mod saved;
mod schema;
mod settings;
mod show;
mod taken;
mod telling;
mod trust;
mod view;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::model::suggest::nearest;
use crate::report;
use args::Verb;
use exit::Exit;

/// Runs the program on `arguments`, its own name first, and gives its exit status.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    if let Some(shell) = settings::completing() {
        return completions::answer(&shell, &arguments).into();
    }
    let args = match args::parsed(&arguments) {
        Ok((args, None)) => args,
        Ok((_, Some(refused))) => {
            report::print_error(&format!("error: {refused}\n"));
            return Exit::Mistake.into();
        }
        Err(error) => return mistaken(error).into(),
    };
    let exit = match args.verb {
        Verb::Plan(ref verb) => plan::run(&args.common, verb),
        Verb::Apply(ref verb) => apply::run(&args.common, verb),
        Verb::Rollback(ref verb) => rollback::run(&args.common, verb),
        Verb::Drift(ref verb) => drift::run(&args.common, verb),
        Verb::Ledger(ref verb) => ledger::run(&args.common, verb),
        Verb::Unlock(ref verb) => ledger::unlock(&args.common, verb),
        Verb::Show(ref verb) => show::run(&args.common, verb),
        Verb::Runs(ref verb) => runs::run(&args.common, verb),
        Verb::Trust(ref verb) => trust::run(&args.common, verb),
        Verb::Disconnect => disconnect::run(),
        Verb::Check(ref verb) => check::run(&args.common, verb),
        Verb::Render(ref verb) => render::run(&args.common, verb),
        Verb::Inventory(ref verb) => inventory::run(&args.common, verb),
        Verb::Doc(ref verb) => doc::run(&args.common, verb),
        Verb::Schema(ref verb) => schema::run(verb),
        Verb::Init(ref verb) => init::run(verb),
        Verb::Completions(ref verb) => completions::run(verb),
        Verb::Man(ref verb) => man::run(verb),
    };
    if report::lost() && exit == Exit::Good { Exit::Mistake.into() } else { exit.into() }
}

/// Tells what is wrong with the arguments, or prints help where that was asked for.
fn mistaken(mut error: clap::Error) -> Exit {
    // clap would exit with 2, which means "there are changes" here.
    if !error.use_stderr() {
        report::print(&error.render().to_string());
        return Exit::Good;
    }
    if error.kind() == ErrorKind::UnknownArgument {
        // No verb takes names that begin with a dash: `-- --flag` leads nowhere.
        error.remove(ContextKind::Suggested);
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        let (typed, near) = (text(ContextKind::InvalidArg), text(ContextKind::SuggestedArg));
        let near =
            typed.zip(near).filter(|(typed, near)| nearest(typed, [near.as_str()]).is_none());
        if near.is_some() {
            error.remove(ContextKind::SuggestedArg);
            error.remove(ContextKind::Usage);
        }
    }
    let text = error.render().to_string();
    report::print_error(&text.replace("invalid digit found in string", "not a whole number"));
    Exit::Mistake
}
