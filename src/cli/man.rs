//! `trueup man`: a manual page in roff, of the program or of a verb.

use super::args::{self, Man};
use super::exit::Exit;
use crate::model::suggest::nearest;
use crate::report;

/// Runs the verb.
pub(super) fn run(verb: &Man) -> Exit {
    let command = args::command();
    let page = match &verb.verb {
        None => command,
        Some(name) => match command.find_subcommand(name) {
            Some(found) => found.clone().display_name(format!("trueup-{name}")),
            None => return unknown(name, &command),
        },
    };
    let mut roff = Vec::new();
    let source = concat!("trueup ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(page).source(source).render(&mut roff).expect("memory can be written");
    report::print(&String::from_utf8_lossy(&roff));
    Exit::Good
}

/// There is no verb of this name.
fn unknown(name: &str, command: &clap::Command) -> Exit {
    let names = || command.get_subcommands().map(clap::Command::get_name);
    let help = nearest(name, names()).map_or_else(
        || format!("the verbs are {}", names().collect::<Vec<_>>().join(", ")),
        |meant| format!("did you mean `{meant}`?"),
    );
    let name = name.escape_debug();
    report::print_error(&format!("error: trueup has no verb `{name}`\n  {help}\n"));
    Exit::Mistake
}
