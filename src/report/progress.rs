//! What is shown while hosts are worked on: one line, redrawn in place on a terminal, nothing else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::escape::visible;
use crate::model::{Event, Outcome};

/// The live line of a run.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    names: Vec<String>,
    running: usize,
    failed: usize,
}

impl Progress {
    /// A line for these hosts, by their index in the run; drawn only on a terminal.
    #[must_use]
    pub fn new(names: Vec<String>, hosts: usize) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let bar = ProgressBar::with_draw_target(Some(hosts as u64), target);
        let style = ProgressStyle::with_template(
            "{bar:20} {pos}/{len} hosts   {prefix}   {elapsed_precise}  {wide_msg}",
        );
        bar.set_style(style.expect("the template is one of ours"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, names, running: 0, failed: 0 }
    }

    /// Takes an event in.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Started { host } => {
                self.running += 1;
                self.bar.set_message(self.name(*host));
            }
            Event::Planned { .. } => self.over(),
            Event::Applying { host, address } => {
                let address = visible(&address.to_string());
                self.bar.set_message(format!("{}  {address}", self.name(*host)));
            }
            Event::Finished { outcome, .. } => {
                self.failed += usize::from(*outcome > Outcome::Changed);
                self.over();
            }
        }
        self.bar.set_prefix(format!("{} running   {} failed", self.running, self.failed));
    }

    fn over(&mut self) {
        self.running = self.running.saturating_sub(1);
        self.bar.inc(1);
    }

    fn name(&self, host: usize) -> String {
        self.names.get(host).map(|name| visible(name)).unwrap_or_default()
    }

    /// Takes the line away while somebody is asked.
    pub fn pause(&self) {
        self.bar.disable_steady_tick();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Draws it again.
    pub fn resume(&self) {
        self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
