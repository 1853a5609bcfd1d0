//! Many hosts side by side: how many at once, and what one host's failure means for the others
//! (nothing).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Settings;
use super::apply::{Applied, Applying};
use super::host::{self, Ended, HostRun};
use super::session::Counts;
use crate::model::Event;
use crate::resolve::{Desired, Resolver};

/// What comparing a host gave.
pub type HostResult = Result<HostRun, Ended>;

/// What applying gave, for each host that had a plan.
pub type Run = Vec<(usize, Applied)>;

/// All hosts of a run.
#[derive(Debug, Clone)]
pub struct Fleet {
    resolver: Arc<Resolver>,
    settings: Arc<Settings>,
    events: mpsc::UnboundedSender<Event>,
    places: Arc<Semaphore>,
    stop: Arc<AtomicBool>,
}

impl Fleet {
    /// A fleet whose events go to `events`.
    #[must_use]
    pub fn new(
        resolver: Arc<Resolver>,
        settings: Settings,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.parallel.max(1)));
        Self {
            resolver,
            settings: Arc::new(settings),
            events,
            places,
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    /// What sets the fleet to stop: nothing new is begun, and what runs ends at its next wave.
    #[must_use]
    pub fn stopper(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Connects to hosts and compares them; in the order in which they were given. Where no fact is
    /// named their desired state is there already.
    pub async fn look(&self, hosts: Vec<(usize, Option<Arc<Desired>>)>) -> Vec<HostResult> {
        let mut tasks = JoinSet::new();
        for (position, (target, desired)) in hosts.into_iter().enumerate() {
            let fleet = self.clone();
            tasks.spawn(async move { (position, fleet.look_one(target, desired).await) });
        }
        in_order(tasks).await
    }

    async fn look_one(&self, target: usize, desired: Option<Arc<Desired>>) -> HostResult {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        self.emit(Event::Started { host: target });
        let result = host::look(target, &self.resolver, desired, &self.settings).await;
        match &result {
            Ok(_) => self.emit(Event::Planned { host: target }),
            Err(ended) => self.emit(Event::Finished { host: target, outcome: ended.outcome }),
        }
        result
    }

    /// Applies plans; in the order in which they were given. A stage begins when the one before it is
    /// through on every host; where a stage failed on all its hosts, no later one is begun.
    pub async fn apply(&self, runs: Vec<HostRun>) -> Run {
        for run in &runs {
            self.emit(Event::Started { host: run.target });
        }
        let mut all: Vec<Applying> = runs.into_iter().map(Applying::new).collect();
        let mut ended = "stopped on request".to_owned();
        for (stage, name) in self.resolver.stage_names().into_iter().enumerate() {
            let (busy, idle): (Vec<_>, Vec<_>) =
                all.into_iter().enumerate().partition(|(_, host)| host.has_work(stage));
            let mut tasks = JoinSet::new();
            let count = busy.len();
            for (position, host) in busy {
                let fleet = self.clone();
                tasks.spawn(async move { (position, (position, fleet.stage(host, stage).await)) });
            }
            let done: Vec<(usize, Applying)> = in_order(tasks).await;
            let failed = done.iter().filter(|(_, host)| host.failed()).count();
            let mut joined: Vec<(usize, Applying)> = done.into_iter().chain(idle).collect();
            joined.sort_by_key(|(position, _)| *position);
            all = joined.into_iter().map(|(_, host)| host).collect();
            if count > 0 && failed == count {
                ended = format!("not begun, because stage {name} failed on all its hosts");
                break;
            }
        }
        self.finish(all, &ended).await
    }

    async fn stage(&self, host: Applying, stage: usize) -> Applying {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        let stop = || self.stop.load(Ordering::Relaxed);
        host.stage(stage, &self.settings, stop, &|event| self.emit(event)).await
    }

    async fn finish(&self, all: Vec<Applying>, ended: &str) -> Run {
        let mut tasks = JoinSet::new();
        for (position, host) in all.into_iter().enumerate() {
            let (fleet, ended) = (self.clone(), ended.to_owned());
            tasks.spawn(async move {
                let (target, applied) = host.finish(&ended).await;
                fleet.emit(Event::Finished { host: target, outcome: applied.outcome });
                (position, (target, applied))
            });
        }
        in_order(tasks).await
    }

    /// Ends the sessions of hosts whose plans are not applied.
    pub async fn close(&self, runs: Vec<HostRun>) -> Counts {
        let mut tasks = JoinSet::new();
        for (position, mut run) in runs.into_iter().enumerate() {
            tasks.spawn(async move { (position, run.close().await) });
        }
        in_order(tasks).await.into_iter().fold(Counts::default(), Counts::plus)
    }

    /// A view that is gone is no reason to stop work on hosts.
    fn emit(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

/// The results of all tasks, in the order of their positions.
async fn in_order<T: 'static>(mut tasks: JoinSet<(usize, T)>) -> Vec<T> {
    let mut results = Vec::with_capacity(tasks.len());
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok(result) => results.push(result),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}
