//! The log of a run: a file with one line for each thing that happened, for who looks later.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::counted;
use super::escape::visible;
use super::events::now;
use crate::model::Event;
use crate::model::event::Stepped;

/// An open log.
#[derive(Debug)]
pub struct Log {
    file: File,
}

impl Log {
    /// Opens a log to be gone on with; a new one is for its owner alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = std::fs::OpenOptions::new();
        Ok(Self { file: options.append(true).create(true).mode(0o600).open(path)? })
    }

    /// Writes a line. A disk that is full must not stop a run.
    pub fn line(&mut self, text: &str) {
        let _ = writeln!(self.file, "{}  {}", now(), visible(text));
    }

    /// Writes a text of several lines.
    pub fn text(&mut self, text: &str) {
        text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| self.line(line));
    }

    /// Writes a line and why, with further lines of that below it.
    fn because(&mut self, line: &str, why: &str) {
        let mut lines = why.lines();
        match lines.next() {
            None => self.line(line),
            Some(first) => self.line(&format!("{line}: {first}")),
        }
        lines.for_each(|more| self.line(&format!("    {more}")));
    }

    /// Writes what happened on the host, or in the stage, of this name.
    pub fn event(&mut self, event: &Event, host: &str) {
        match event {
            Event::Stage { hosts, .. } => {
                self.line(&format!("stage {host}  {}", counted(*hosts, "host")));
            }
            Event::Through { .. } => {}
            Event::Started { .. } => self.line(&format!("{host}  started")),
            Event::Planned { .. } => self.line(&format!("{host}  compared")),
            Event::Waiting { seconds, why, .. } => {
                self.line(&format!("{host}  waits up to {seconds} s: {why}"));
            }
            Event::Applying { addresses, .. } => {
                for address in addresses {
                    self.line(&format!("{host}  begins {address}"));
                }
            }
            Event::Said { text, .. } => {
                for line in text.lines() {
                    self.line(&format!("{host} | {line}"));
                }
            }
            Event::Stepped { addresses, how, .. } => {
                let word = match how {
                    Stepped::Done => "done",
                    Stepped::Failed(_) => "failed",
                    Stepped::Skipped => "skipped",
                };
                for address in addresses {
                    match how {
                        Stepped::Failed(why) => {
                            self.because(&format!("{host}  {word} {address}"), why);
                        }
                        _ => self.line(&format!("{host}  {word} {address}")),
                    }
                }
            }
            Event::Needless { address, why, .. } => {
                let line = format!("{host}  nothing to do at its turn: {address}");
                self.because(&line, why.as_deref().unwrap_or_default());
            }
            Event::Finished { outcome, why, .. } => {
                let line = format!("{host}  ended: {}", outcome.word());
                self.because(&line, why.as_deref().unwrap_or_default());
            }
        }
    }
}
