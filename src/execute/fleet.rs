//! Many hosts side by side: how many at once, and what one host's failure means for the others
//! (nothing).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Settings;
use super::apply::{Applied, apply};
use super::host::{self, Ended, HostRun};
use super::session::Counts;
use crate::model::{Event, Outcome};
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

    /// Applies plans; in the order in which they were given.
    pub async fn apply(&self, runs: Vec<HostRun>) -> Run {
        let mut tasks = JoinSet::new();
        for (position, run) in runs.into_iter().enumerate() {
            let fleet = self.clone();
            tasks.spawn(async move { (position, fleet.apply_one(run).await) });
        }
        in_order(tasks).await
    }

    async fn apply_one(&self, mut run: HostRun) -> (usize, Applied) {
        let target = run.target;
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        if self.stop.load(Ordering::Relaxed) {
            let not_done = run.plan.changes().map(|(index, _)| index).collect();
            let counts = run.close().await;
            let outcome = Outcome::NotAttempted;
            return (
                target,
                Applied { outcome, done: Vec::new(), incidents: Vec::new(), not_done, counts },
            );
        }
        self.emit(Event::Started { host: target });
        let stop = || self.stop.load(Ordering::Relaxed);
        let applied = apply(run, &self.settings, stop, |event| self.emit(event)).await;
        self.emit(Event::Finished { host: target, outcome: applied.outcome });
        (target, applied)
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
