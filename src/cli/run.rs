//! What plan and apply share: the fleet, the live line, signals and what a run cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{mpsc, oneshot};

use super::args::{Hosts, Select};
use super::exit::Exit;
use super::project::{self, Ready};
use super::record::Record;
use super::{settings, view};
use crate::config::Project;
use crate::execute::{
    self, Cost, Ended, Fleet, HostResult, Keep, Password, Prune, Question, Sent, Times,
};
use crate::model::{Event, RunMark};
use crate::plan::Document;
use crate::report::events::EventJson;
use crate::report::{self, HostTimes, Log, Progress, Style, counted, timings};

/// What hosts are met for; the default is to look only.
#[derive(Default)]
pub(super) struct Purpose {
    /// The id of the saved plan that is applied.
    pub(super) spend: Option<String>,
    /// The run, where it may change something.
    pub(super) run: Option<RunMark>,
    /// Seconds to wait for another apply on a host.
    pub(super) lock_timeout: u32,
    /// Seconds in which changes must be confirmed, where somebody says.
    pub(super) confirm: Option<u32>,
    /// What is to go of what nobody declares any more.
    pub(super) prune: Prune,
    /// Whether standard output is for a program.
    pub(super) json: bool,
}

/// A fleet at work, and the events that it sends.
pub(super) struct Run<'r> {
    pub(super) ready: &'r Ready,
    pub(super) fleet: Fleet,
    events: mpsc::UnboundedReceiver<Sent>,
    questions: mpsc::UnboundedReceiver<Question>,
    pub(super) select: &'r Select,
    why: bool,
    begun: Instant,
    /// What hosts cost that were given up before they had a plan.
    given_up: Cost,
    /// What the command line says of confirming; a saved plan says for itself.
    confirm: Option<u32>,
    /// Whether each thing that happens is a line of standard output.
    pub(super) json: bool,
    /// Whether what is waited for is one already while hosts are looked at.
    early: bool,
    log: Option<Log>,
    /// Which run it is, where it may change something.
    pub(super) mark: Option<RunMark>,
    pub(super) record: Option<Record>,
}

/// The runtime in which hosts are worked on.
pub(super) fn runtime() -> tokio::runtime::Runtime {
    raise_files();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().expect("this machine can start threads")
}

/// Connections that are kept at most: each is a process, and a larger fleet is not planned and applied by hand.
const KEPT_MOST: usize = 256;

/// Files that this program lets itself open at most, whatever it may.
const FILES: u64 = 1 << 18;

/// Lets this program open as many files as it may: every host of a run takes four, and the usual 1,024 would be the end
/// of a run of 250 hosts.
fn raise_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(FILES).min(FILES);
    if limit.current.is_some_and(|current| current < most) {
        // Where it cannot be raised it stays, and what is too much then is told of the host.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    }
}

impl<'r> Run<'r> {
    /// A run; `None` where the password that was given cannot be used, which is told.
    pub(super) fn new(ready: &'r Ready, hosts: &'r Hosts, purpose: Purpose) -> Option<Self> {
        let Purpose { spend, run, lock_timeout, confirm, prune, json: early } = purpose;
        let (sender, events) = mpsc::unbounded_channel();
        let (ask, questions) = mpsc::unbounded_channel();
        let given = match settings::password(&hosts.reach) {
            Ok(given) => given,
            Err(mistake) => {
                let style = Style { unicode: report::Switch::Off, ..Style::PLAIN };
                project::tell(style, &ready.project.sources, vec![mistake]);
                return None;
            }
        };
        let password = match given {
            Some(secret) => Password::given(secret),
            None if report::can_ask() => Password::asked(ask),
            None => Password::none(),
        };
        let mut settings = settings::execution(hosts, password);
        if ready.hosts.len() > KEPT_MOST {
            settings.transport.persist = 0;
        }
        let kept = ready.project.rollback;
        let keep = Keep { runs: kept.keep_runs, bytes: kept.keep_bytes };
        let shown = confirm.filter(|_| spend.is_none());
        let run_of = run.clone();
        let settings = execute::Settings { keep, confirm, ..settings };
        let execution = execute::Settings { spend, run: run_of, lock_timeout, prune, ..settings };
        let fleet = Fleet::new(Arc::clone(&ready.resolver), execution, sender);
        let log = hosts.log.as_ref().map(|path| {
            Log::open(path).map_err(|error| {
                let path = path.display();
                report::print_error(&format!("error: cannot write the log {path}: {error}\n"));
            })
        });
        let log = log.transpose().ok()?;
        let (select, why) = (&hosts.select, hosts.shown.why);
        let (mark, json, record) = (run, false, None);
        let confirm = shown;
        Some(Self {
            ready,
            fleet,
            events,
            questions,
            select,
            why,
            begun: Instant::now(),
            given_up: Cost::default(),
            confirm,
            json,
            early,
            log,
            mark,
            record,
        })
    }

    /// Compares all hosts of the run; `None` when it was stopped, which ends all connections.
    pub(super) async fn look(&mut self) -> Option<Vec<HostResult>> {
        let hosts = self.ready.hosts.clone();
        let fleet = self.fleet.clone();
        let results = self.until_stopped(hosts.len(), fleet.look(hosts)).await?;
        self.give_up(results.iter().filter_map(|result| result.as_ref().err()));
        Some(results)
    }

    /// Keeps what was spent on hosts that have no plan.
    pub(super) fn give_up<'e>(&mut self, ended: impl Iterator<Item = &'e Ended>) {
        ended.for_each(|ended| self.given_up.add(ended.target, ended.spent));
    }

    /// Shows events while `work` on so many hosts goes on, which changes nothing; `None` when it was stopped,
    /// which ends all connections.
    pub(super) async fn until_stopped<T>(
        &mut self,
        hosts: usize,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            results = self.watch(hosts, work) => Some(results),
            () = asked_to_end() => {
                report::restore_terminal();
                report::print_error("stopped; nothing was changed\n");
                None
            }
        }
    }

    /// Shows events while `work` on so many hosts goes on.
    pub(super) async fn watch<T>(&mut self, hosts: usize, work: impl Future<Output = T>) -> T {
        let targets = &self.ready.resolver.targets;
        let names = targets.iter().map(|target| target.host.name.clone()).collect();
        let stages = self.ready.resolver.stage_names();
        let stages = stages.into_iter().map(ToOwned::to_owned).collect();
        let mut progress = Progress::new(names, stages, hosts);
        let mut second = tokio::time::interval(Duration::from_secs(1));
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => {
                    // What happened last may not have been told yet.
                    while let Ok(sent) = self.events.try_recv() {
                        self.tell(sent);
                    }
                    progress.finish();
                    return result;
                }
                _ = second.tick() => progress.tick(),
                Some(sent) = self.events.recv() => {
                    progress.event(&sent.event);
                    self.tell(sent);
                }
                Some(question) = self.questions.recv() => {
                    progress.pause();
                    answer(question).await;
                    progress.resume();
                }
            }
        }
    }

    /// Tells what happened where it is to be told besides the live line.
    fn tell(&mut self, Sent { event, heard }: Sent) {
        let resolver = &self.ready.resolver;
        let name = match event {
            Event::Stage { stage, .. } => resolver.stage_names()[stage],
            _ => event.host().map_or("", |host| &resolver.targets[host].host.name),
        };
        let json = self.json || self.early && matches!(event, Event::Waiting { .. });
        if json || self.record.is_some() {
            let lines = EventJson::of(&event, name);
            if json {
                report::print(&lines.iter().map(EventJson::line).collect::<String>());
            }
            if let Some(record) = &mut self.record {
                record.events(&lines);
            }
        }
        if let Some(log) = &mut self.log {
            log.event(&event, name);
        }
        if let Some(heard) = heard {
            let _ = heard.send(());
        }
    }

    /// What it cost, where somebody wants to know.
    pub(super) fn tell_cost(&self, hosts: &Hosts, cost: &Cost) {
        if hosts.verbose {
            let counts = cost.total();
            report::print_error(&format!(
                "{}, {}, {} bytes sent, {} bytes received\n",
                counted(counts.connections as usize, "connection"),
                counted(counts.exchanges as usize, "exchange"),
                counts.bytes_out,
                counts.bytes_in
            ));
        }
        if hosts.timings {
            let name = |target: usize| self.ready.resolver.targets[target].host.name.clone();
            let all = cost.clone().and(self.given_up.clone());
            let times = all.hosts().map(|(target, counts)| {
                let Times { connect, facts, probe, compare, steps } = counts.times;
                HostTimes { host: name(target), times: [connect, facts, probe, compare, steps] }
            });
            let style = Style { zoom: settings::zoom(&hosts.shown), ..Style::PLAIN };
            report::print_error(&timings(style, times.collect(), self.begun.elapsed()));
        }
    }

    /// What is shown of the results; `None` when facts of hosts brought out mistakes in the project,
    /// which are told then.
    pub(super) fn plan_view(&self, style: Style, results: &[HostResult]) -> Option<Document> {
        let resolver = &self.ready.resolver;
        let mut mistakes = Vec::new();
        for ended in results.iter().filter_map(|result| result.as_ref().err()) {
            let help =
                format!("on host {}, with its facts", resolver.targets[ended.target].host.name);
            mistakes.extend(ended.mistakes.iter().map(|mistake| mistake.clone().note(&help)));
        }
        if !mistakes.is_empty() {
            project::tell(style, &self.ready.project.sources, mistakes);
            return None;
        }
        let hosts = results.iter().map(|result| match result {
            Ok(run) => view::planned(self.ready, run, (self.why, self.confirm)),
            Err(ended) => view::ended(resolver, ended),
        });
        let stages = resolver.stage_names().into_iter().map(ToOwned::to_owned).collect();
        let Project { name, inventory, sources, .. } = &*self.ready.project;
        let inventory = inventory.file.map(|file| sources.get(file).path.display().to_string());
        let (project, inventory) = (name.clone(), inventory.unwrap_or_default());
        Some(Document { project, inventory, stages, hosts: hosts.collect(), undoes: None })
    }
}

/// Asks for sudo's password. Nobody waits for the thread: a run that is stopped meanwhile ends.
async fn answer(question: Question) {
    let Question { host, user, answer } = question;
    let of = user.map(|user| format!(" of {user}")).unwrap_or_default();
    let text = format!("sudo password{of} (asked by {host}; others that ask get it too)");
    let (done, waiting) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = answer.send(report::ask_secret(&text));
        let _ = done.send(());
    });
    let _ = waiting.await;
}

/// How a run ends that was stopped while it planned.
pub(super) const STOPPED: Exit = Exit::Hosts;

/// Waits until somebody asks the program to end.
pub(super) async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    let mut hang_up = signal(SignalKind::hangup()).expect("SIGHUP can be handled");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}
