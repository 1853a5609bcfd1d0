//! Many hosts side by side: how many at once, and what one host's failure means for the others
//! (nothing).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::Settings;
use super::alias;
use super::apply::{Applied, Applying, Emit};
use super::cost::{Cost, Counts};
use super::host::{self, Ended, HostRun, Met};
use super::remember;
use super::stop::Stopper;
use crate::model::{Diagnostic, Event};
use crate::resolve::{Desired, Resolver};

/// What comparing a host gave.
pub type HostResult = Result<HostRun, Ended>;

/// What applying gave, for each host that had a plan.
pub type Run = Vec<(usize, Applied)>;

/// An event on its way, and who waits until it was taken in, if anybody does.
#[derive(Debug)]
pub struct Sent {
    pub event: Event,
    pub heard: Option<oneshot::Sender<()>>,
}

/// All hosts of a run.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub(super) resolver: Arc<Resolver>,
    pub(super) settings: Arc<Settings>,
    events: mpsc::UnboundedSender<Sent>,
    places: Arc<Semaphore>,
    stop: Stopper,
}

impl Fleet {
    /// A fleet whose events go to `events`.
    #[must_use]
    pub fn new(
        resolver: Arc<Resolver>,
        settings: Settings,
        events: mpsc::UnboundedSender<Sent>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.parallel.max(1)));
        Self { resolver, settings: Arc::new(settings), events, places, stop: Stopper::new() }
    }

    /// As `self`, for the hosts of another resolver.
    #[must_use]
    pub fn with(&self, resolver: Arc<Resolver>) -> Self {
        Self { resolver, ..self.clone() }
    }

    /// What asks the fleet to stop.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stop.clone()
    }

    /// Connects to hosts and compares them; in the order in which they were given. Where no fact is
    /// named their desired state is there already. Hosts whose facts others name are met first, also
    /// those that are not among `hosts`.
    pub async fn look(&self, hosts: Vec<(usize, Option<Arc<Desired>>)>) -> Vec<HostResult> {
        let mut met = self.meet().await;
        let strangers: BTreeMap<usize, String> = met
            .iter()
            .filter_map(|(target, met)| Some((*target, met.as_ref().err()?)))
            .map(|(target, ended)| {
                let name = &self.resolver.targets[target].host.name;
                let message = if ended.message.is_empty() { "" } else { ": " };
                let message =
                    format!("{name} ({}{message}{})", ended.outcome.word(), ended.message);
                (target, message)
            })
            .collect();
        let strangers = Arc::new(strangers);
        let mut tasks = JoinSet::new();
        for (position, (target, desired)) in hosts.into_iter().enumerate() {
            let (fleet, strangers) = (self.clone(), Arc::clone(&strangers));
            let (met, turn) = (met.remove(&target), self.turn());
            tasks.spawn(async move {
                let _place = turn.await;
                let result = fleet.look_one(target, desired, met).await;
                (position, result.map_err(|ended| lonely(ended, &strangers)))
            });
        }
        let results = in_order(tasks).await;
        // Those that were met only for their facts.
        let mut leaving = JoinSet::new();
        for (session, _) in met.into_values().flatten() {
            leaving.spawn(session.close());
        }
        leaving.join_all().await;
        Box::pin(alias::told_apart(results, self)).await
    }

    /// Meets the hosts whose facts others name, and tells the resolver their facts.
    async fn meet(&self) -> BTreeMap<usize, Met> {
        let mut tasks = JoinSet::new();
        for (position, target) in self.resolver.peers().into_iter().enumerate() {
            let (fleet, turn) = (self.clone(), self.turn());
            tasks.spawn(async move {
                let _place = turn.await;
                (position, (target, host::meet(target, &fleet.resolver, &fleet.settings).await))
            });
        }
        let met: BTreeMap<usize, Met> = in_order(tasks).await.into_iter().collect();
        if !met.is_empty() {
            let name = |target: usize| self.resolver.targets[target].host.name.clone();
            let known = met
                .iter()
                .filter_map(|(target, met)| Some((name(*target), met.as_ref().ok()?.1.clone())));
            self.resolver.meet(known.collect());
        }
        met
    }

    async fn look_one(
        &self,
        target: usize,
        desired: Option<Arc<Desired>>,
        met: Option<Met>,
    ) -> HostResult {
        self.emit(Event::Started { host: target });
        let emit = |event| self.emit(event);
        let telling: (&Settings, Emit<'_>) = (&self.settings, &emit);
        let mut result = match met {
            Some(Ok((session, facts))) => {
                host::look_with(target, &self.resolver, (session, &facts), telling).await
            }
            Some(Err(ended)) => Err(ended),
            None => host::look(target, &self.resolver, desired, telling).await,
        };
        // Where nothing is to be applied nobody needs the connection any more: of a thousand only some are open.
        if let Ok(run) = &mut result
            && self.settings.run.is_none()
        {
            run.close(false).await;
        }
        match &result {
            Ok(_) => self.emit(Event::Planned { host: target }),
            Err(ended) => {
                let why = Some(ended.message.clone()).filter(|why| !why.is_empty());
                self.emit(Event::Finished { host: target, outcome: ended.outcome, why });
            }
        }
        result
    }

    /// Applies plans; in the order in which they were given. A stage begins when the one before it is
    /// through on every host; where a stage failed on all its hosts, no later one is begun.
    pub async fn apply(&self, runs: Vec<HostRun>) -> Run {
        let mut all: Vec<Applying> =
            runs.into_iter().map(|run| Applying::new(run, &self.resolver)).collect();
        let mut ended = "stopped on request".to_owned();
        for (stage, name) in self.resolver.stage_names().into_iter().enumerate() {
            let (busy, idle): (Vec<_>, Vec<_>) =
                all.into_iter().enumerate().partition(|(_, host)| host.has_work(stage));
            let mut tasks = JoinSet::new();
            let count = busy.len();
            if count > 0 {
                self.emit(Event::Stage { stage, hosts: count });
            }
            for (position, host) in busy {
                let (fleet, turn) = (self.clone(), self.turn());
                tasks.spawn(async move {
                    let _place = turn.await;
                    (position, (position, Box::pin(fleet.stage(host, stage)).await))
                });
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
        let target = host.target();
        // Nothing is changed on a host of which the run's record does not say that it was begun.
        self.heard(Event::Started { host: target }).await;
        let emit = |event| self.emit(event);
        let mut host = host.stage(stage, &self.settings, &self.stop, &emit).await;
        if host.failed() && self.resolver.project().stages[stage].rollback_on_failure {
            host = host.retreat(&self.settings, &self.stop, &emit).await;
        }
        self.emit(Event::Through { host: target });
        host
    }

    /// What does not hold although it was done is a failure too: where its stage says so the host goes back.
    async fn last_look(&self, mut host: Applying) -> Applying {
        let stages = &self.resolver.project().stages;
        host.verify();
        let unsettled = host.unsettled(|stage| stages[stage].rollback_on_failure);
        if !unsettled || host.is_left() {
            return host;
        }
        let _place = self.turn().await;
        host.retreat(&self.settings, &self.stop, &|event| self.emit(event)).await
    }

    async fn finish(&self, all: Vec<Applying>, ended: &str) -> Run {
        let mut tasks = JoinSet::new();
        for (position, host) in all.into_iter().enumerate() {
            let (fleet, ended) = (self.clone(), ended.to_owned());
            tasks.spawn(async move {
                let desired = Arc::clone(&host.run.desired);
                let host = fleet.last_look(host).await;
                let (target, applied) = host.finish(&ended, &fleet.settings).await;
                for needless in applied.needless.iter().filter(|needless| !needless.stepped) {
                    let instance = &desired.resources[needless.resource];
                    let why = Some(needless.why.clone()).filter(|_| !instance.sensitive);
                    let address = instance.address.clone();
                    fleet.emit(Event::Needless { host: target, address, why });
                }
                let why = applied.incidents.first().map(|incident| {
                    let told = incident.told(incident.sensitive(&desired));
                    match (incident.resource, incident.set_of(&desired)) {
                        (_, Some(set)) => format!("{}: {told}", set.label()),
                        (Some(index), _) => format!("{}: {told}", desired.resources[index].address),
                        _ => told,
                    }
                });
                fleet.emit(Event::Finished { host: target, outcome: applied.outcome, why });
                (position, (target, applied))
            });
        }
        in_order(tasks).await
    }

    /// Writes down what hosts on which nothing changes should remember, and ends their sessions. Where that
    /// cannot be, why it cannot, by host.
    pub async fn settle(&self, runs: Vec<HostRun>) -> (Cost, Vec<(usize, String)>) {
        let mut tasks = JoinSet::new();
        for (position, mut run) in runs.into_iter().enumerate() {
            let fleet = self.clone();
            tasks.spawn(async move {
                let project = &fleet.resolver.project().name;
                let settled = remember::settle(&mut run, project, &fleet.settings).await;
                let failed = settled.err().map(|error| (run.target, error.to_string()));
                (position, ((run.target, run.close(true).await), failed))
            });
        }
        let (costs, failed): (Vec<(usize, Counts)>, Vec<_>) =
            in_order(tasks).await.into_iter().unzip();
        (costs.into_iter().collect(), failed.into_iter().flatten().collect())
    }

    /// Ends the sessions of hosts whose plans are not applied.
    pub async fn close(&self, runs: Vec<HostRun>) -> Cost {
        let mut tasks = JoinSet::new();
        for (position, mut run) in runs.into_iter().enumerate() {
            let held = self.settings.run.is_some();
            tasks.spawn(async move { (position, (run.target, run.close(held).await)) });
        }
        in_order(tasks).await.into_iter().collect()
    }

    /// Waits until one more host may be worked on: whoever asked first is the next, whichever task runs first.
    pub(super) fn turn(&self) -> impl Future<Output = OwnedSemaphorePermit> + Send + use<> {
        let places = Arc::clone(&self.places);
        let mut waiting = Box::pin(tokio::task::unconstrained(places.acquire_owned()));
        // What was polled stands in the queue.
        let first = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        async move {
            let place = match first {
                Poll::Ready(place) => place,
                Poll::Pending => waiting.await,
            };
            place.expect("the semaphore is never closed")
        }
    }

    /// A view that is gone is no reason to stop work on hosts.
    pub(super) fn emit(&self, event: Event) {
        let _ = self.events.send(Sent { event, heard: None });
    }

    /// As [`Self::emit`], and waits until it was taken in.
    async fn heard(&self, event: Event) {
        let (heard, taken) = oneshot::channel();
        let _ = self.events.send(Sent { event, heard: Some(heard) });
        let _ = taken.await;
    }
}

/// A host whose mistakes come from facts that other hosts did not give: those are named, and nothing is
/// wrong with the project.
fn lonely(ended: Ended, strangers: &BTreeMap<usize, String>) -> Ended {
    let of_facts =
        |mistake: &Diagnostic| mistake.code == "undefined" && mistake.message.contains("facts");
    if strangers.is_empty() || !ended.mistakes.iter().any(of_facts) {
        return ended;
    }
    let names: Vec<&str> = strangers.values().map(String::as_str).collect();
    let message =
        format!("it needs facts of other hosts that did not give them: {}", names.join(", "));
    Ended { spent: ended.spent, ..host::failed(ended.target, message) }
}

/// The results of all tasks, in the order of their positions.
pub(super) async fn in_order<T: 'static>(mut tasks: JoinSet<(usize, T)>) -> Vec<T> {
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
