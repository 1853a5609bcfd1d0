//! `trueup disconnect`: ends the connections that runs kept for the next one.

use super::exit::Exit;
use crate::report;
use crate::transport;

/// Runs the verb.
pub(super) fn run() -> Exit {
    let text = match transport::disconnect() {
        Ok(0) => "No connection was kept.\n".to_owned(),
        Ok(ended) => format!("{} ended.\n", report::counted(ended, "kept connection")),
        Err(place) => {
            report::print_error(&format!(
                "error: {} is not a folder of this user's alone, with mode 0700: no run keeps a connection there, and what \
                 is in it is not believed\n  help: look at what it is, and remove it\n",
                place.display()
            ));
            return Exit::Mistake;
        }
    };
    report::print(&text);
    Exit::Good
}
