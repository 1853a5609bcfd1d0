//! Asks for a value that nobody looking on may read.

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::print_error;
use crate::model::Secret;

/// How the terminal was before it stopped showing what is typed.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Asks on the terminal and shows nothing of the answer; `None` for none.
#[must_use]
pub fn ask_secret(question: &str) -> Option<Secret> {
    let before = tcgetattr(io::stdin()).ok()?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
    tcsetattr(io::stdin(), OptionalActions::Flush, &silent).ok()?;
    // Over the live line, should one be left.
    print_error(&format!("\r\x1b[K{question}: "));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    restore_terminal();
    let answer = answer.trim_end_matches(['\n', '\r']);
    (read.is_ok() && !answer.is_empty()).then(|| Secret::new(answer.as_bytes()))
}

/// Lets the terminal show what is typed again, should it not: for a run that ends while it asks.
pub fn restore_terminal() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}
