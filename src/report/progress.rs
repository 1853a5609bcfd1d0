//! What is shown while hosts are worked on: one block of lines, redrawn in place on a terminal, nothing
//! else. However many hosts there are it is a bar and at most three of those that work the longest.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::escape::visible;
use crate::model::event::Stepped;
use crate::model::{Event, Outcome};

/// Hosts at work that are named.
const NAMED: usize = 3;
/// Times in a second that the block is drawn at most.
const HERTZ: u8 = 5;

/// How the block is drawn, in indicatif's own words.
const TEMPLATE: &str = "{prefix}  {bar:20}  {pos}/{len} hosts   {elapsed_precise}{msg}";

/// The live block of a run.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    names: Vec<String>,
    stages: Vec<String>,
    /// What the run does now: `plan`, or the stage that is applied.
    doing: String,
    /// What each host does that is at work, and since when.
    running: BTreeMap<usize, (String, Instant)>,
    failed: usize,
}

impl Progress {
    /// A block for these hosts and stages, by their index in the run; drawn only on a terminal.
    #[must_use]
    pub fn new(names: Vec<String>, stages: Vec<String>, hosts: usize) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(HERTZ);
        let bar = ProgressBar::with_draw_target(Some(hosts as u64), target);
        let style = ProgressStyle::with_template(TEMPLATE);
        bar.set_style(style.expect("the template is one of ours"));
        bar.enable_steady_tick(Duration::from_millis(200));
        let (doing, running) = ("plan".to_owned(), BTreeMap::new());
        let new = Self { bar, names, stages, doing, running, failed: 0 };
        new.tick();
        new
    }

    /// Takes an event in.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Stage { stage, hosts } => {
                self.doing = self.stages.get(*stage).map_or_else(String::new, |name| visible(name));
                self.running.clear();
                self.bar.set_length(*hosts as u64);
                self.bar.set_position(0);
            }
            Event::Started { host } => self.runs(*host, String::new()),
            Event::Planned { host } | Event::Through { host } => self.over(*host),
            Event::Applying { host, addresses } => {
                let more = match addresses.len() {
                    0 | 1 => String::new(),
                    many => format!(" and {} more", many - 1),
                };
                let first = addresses.first().map(|address| visible(&address.to_string()));
                self.runs(*host, first.unwrap_or_default() + &more);
            }
            Event::Waiting { host, seconds, why } => {
                let name = self.names.get(*host).map(|name| visible(name)).unwrap_or_default();
                self.above(&format!("{name}  waits up to {seconds} s: {}\n", visible(why)));
                self.runs(*host, format!("waits: {}", visible(why)));
            }
            Event::Said { host, text, .. } => {
                let name = self.names.get(*host).map(|name| visible(name)).unwrap_or_default();
                let line = |line: &str| format!("{name} | {}\n", visible(line));
                self.above(&text.lines().map(line).collect::<String>());
            }
            Event::Stepped { how, .. } => {
                self.failed += usize::from(matches!(how, Stepped::Failed(_)));
            }
            Event::Needless { .. } => {}
            Event::Finished { host, outcome, .. } => {
                // A step that failed was counted when it did.
                let new =
                    matches!(outcome, Outcome::Unreachable | Outcome::Refused | Outcome::Unknown);
                self.failed += usize::from(new);
                self.over(*host);
            }
        }
        self.tick();
    }

    /// Draws how long things take by now.
    pub fn tick(&self) {
        let running = self.running.len();
        let mut oldest: Vec<(&usize, &(String, Instant))> = self.running.iter().collect();
        oldest.sort_by_key(|(host, (_, since))| (*since, **host));
        let lines = oldest.iter().take(NAMED).map(|(host, (what, since))| {
            let name = self.names.get(**host).map(|name| visible(name)).unwrap_or_default();
            match since.elapsed().as_secs() {
                0..=1 => format!("\n    {name}  {what}"),
                seconds => format!("\n    {name}  {what}  {seconds} s"),
            }
        });
        let more = if running > NAMED {
            format!("\n    and {} more", running - NAMED)
        } else {
            String::new()
        };
        let lines: String = lines.collect();
        self.bar.set_prefix(self.doing.clone());
        self.bar.set_message(format!("   {running} running   {} failed{lines}{more}", self.failed));
    }

    fn runs(&mut self, host: usize, what: String) {
        self.running.insert(host, (what, Instant::now()));
    }

    fn over(&mut self, host: usize) {
        if self.running.remove(&host).is_some() {
            self.bar.inc(1);
        }
    }

    /// Writes lines above the block, as they are.
    fn above(&self, text: &str) {
        self.bar.suspend(|| super::print_error(text));
    }

    /// Takes the block away while somebody is asked.
    pub fn pause(&self) {
        self.bar.disable_steady_tick();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Draws it again.
    pub fn resume(&self) {
        self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(HERTZ));
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// Takes the block away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    #[test]
    fn two_hundred_hosts_are_a_bar_and_three_names() {
        let names = (0..200).map(|host| format!("web{host}")).collect();
        let mut progress = Progress::new(names, vec!["web".to_owned()], 200);
        progress.bar.set_draw_target(ProgressDrawTarget::hidden());
        progress.event(&Event::Stage { stage: 0, hosts: 200 });
        for host in 0..200 {
            let address = Address { module: "m".into(), kind: "package", name: "n\x1b[2J".into() };
            progress.event(&Event::Started { host });
            progress.event(&Event::Applying { host, addresses: vec![address] });
        }
        progress.event(&Event::Through { host: 0 });
        assert_eq!(
            progress.bar.message(),
            "   199 running   0 failed\n    web1  m/package[n\\x1b[2J]\n    web2  m/package[n\\x1b[2J]\
             \n    web3  m/package[n\\x1b[2J]\n    and 196 more"
        );
        assert_eq!((progress.bar.prefix().as_str(), progress.bar.position()), ("web", 1));
    }
}
