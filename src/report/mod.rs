//! What people read: the only room that writes to the terminal.
//!
//! It is handed data ([`view`]) and knows neither hosts nor connections. Everything that came from a
//! host or a file passes through `escape`; our own colours are added after.

mod change;
mod check;
mod closing;
mod diagnostics;
mod diff;
mod escape;
pub mod events;
pub mod github;
mod inventory;
mod junit;
mod ledger;
mod log;
mod markdown;
mod memory;
pub mod merged;
mod outlier;
mod page;
mod palette;
mod plan;
mod progress;
pub mod record;
mod runs;
mod secret;
mod summary;
mod trust;
pub mod view;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

pub use check::{json as check_json, sarif as check_sarif};
pub use diagnostics::render as render_diagnostics;
pub use escape::visible;
pub use inventory::{explained, explained_json, graph, hosts, hosts_json, rendered};
pub use junit::render as junit;
pub use ledger::LedgerJson;
pub use log::Log;
pub use markdown::render as plan_markdown;
pub use memory::render_lost;
pub use page::{keys as render_keys, list as render_list, render as render_page};
pub use plan::{drift as render_drift, json as plan_json, render as render_plan};
pub use progress::Progress;
pub use runs::{list as render_runs, show as render_run};
pub use secret::{ask_secret, restore_terminal};
pub use summary::render as render_summary;
pub use trust::{TrustView, render as render_trust};

/// How text is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colours of the terminal.
    pub color: Switch,
    /// `→` and box lines, or their ASCII twins.
    pub unicode: Switch,
    pub zoom: Zoom,
}

/// How much of a plan is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zoom {
    /// One line for each address.
    Summary,
    /// Every fact of every change; long contents cut.
    Plain,
    /// Contents whole, however long, and all names.
    Full,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

impl Switch {
    /// On when `condition` holds.
    #[must_use]
    pub const fn when(condition: bool) -> Self {
        if condition { Self::On } else { Self::Off }
    }

    /// Whether it is on.
    #[must_use]
    pub const fn on(self) -> bool {
        matches!(self, Self::On)
    }
}

impl Style {
    /// Plain text, as tests and files want it.
    pub const PLAIN: Self = Self { color: Switch::Off, unicode: Switch::On, zoom: Zoom::Plain };

    /// An arrow between before and after.
    const fn arrow(self) -> &'static str {
        if self.unicode.on() { "→" } else { "->" }
    }
}

impl Style {
    /// Whether everything is told, however long.
    const fn full(self) -> bool {
        matches!(self.zoom, Zoom::Full)
    }
}

/// `1 host`, `2 hosts`.
#[must_use]
pub fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// Whether standard output is a terminal.
#[must_use]
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a question can be asked: both sides of a conversation are a terminal.
#[must_use]
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether a result could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes the result. A reader that went away is no error; a full disk is, and [`lost`] tells.
pub fn print(text: &str) {
    print_bytes(text.as_bytes());
}

/// Writes a result that may be no text.
pub fn print_bytes(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(bytes).and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        print_error(&format!("error: cannot write the result: {error}\n"));
    }
}

/// Whether part of the result could not be written.
#[must_use]
pub fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Writes a file that was asked for beside the result.
///
/// # Errors
/// When it cannot be written.
#[expect(clippy::disallowed_methods, reason = "the other end of what this room writes")]
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::write(path, bytes)
}

/// Whether a file can be written, as far as that is known before it is; leaves all as it is.
///
/// # Errors
/// When it cannot be.
#[expect(clippy::disallowed_methods, reason = "the other end of what this room writes")]
pub fn writable(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    match std::fs::metadata(path) {
        Ok(there) if there.is_file() => options.append(true).open(path).map(drop),
        Ok(there) if there.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            options.write(true).create_new(true).open(path)?;
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

/// Writes what is not the result: mistakes, notes, questions.
pub fn print_error(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Asks on the terminal; only `yes` and `y` are a yes.
#[must_use]
pub fn ask(question: &str) -> bool {
    print_error(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
