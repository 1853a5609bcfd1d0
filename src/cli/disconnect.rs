//! `trueup disconnect`: ends the connections that runs kept for the next one.

use super::exit::Exit;
use crate::report;
use crate::transport;

/// Runs the verb.
pub(super) fn run() -> Exit {
    let text = match transport::disconnect() {
        0 => "No connection was kept.\n".to_owned(),
        ended => format!("{} ended.\n", report::counted(ended, "kept connection")),
    };
    report::print(&text);
    Exit::Good
}
