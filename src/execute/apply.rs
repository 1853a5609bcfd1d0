//! A host's plan carried out: waves of steps, each probed in the exchange that carries it, and at the
//! end a look whether everything is as wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::Settings;
use super::confirm::{Armed, Fate};
use super::cost::Counts;
use super::failpoint::failpoint;
use super::host::HostRun;
use super::probe::Probe;
use super::program::Program;
use super::reason::{Incident, of_step};
use super::remember::Writing;
use super::resolve::Lost;
use super::session::Session;
use super::session_error::SessionError;
use super::stepped::{Needless, emit_said, not_run, stepped};
use super::stop::{Stopper, stopping};
use super::wave::{STEP_LONGEST, Steps, Wave};
use crate::model::{Change, Event, Outcome};
use crate::plan::{History, Plan, Status, compare, next_wave};
use crate::resolve::Resolver;
use crate::resources::{Erased, Verdict};
use crate::shell::{Answer, AnswerKind};

/// What became of a host's plan.
#[derive(Debug)]
pub struct Applied {
    pub outcome: Outcome,
    /// What was done, in its order, as it was then.
    pub done: Vec<(usize, Change)>,
    pub incidents: Vec<Incident>,
    /// What steps that did their work had to say of it, by resource; where they are about none, of the host.
    pub notes: Vec<(Option<usize>, String)>,
    /// What the plan named and was not done.
    pub not_done: Vec<usize>,
    /// What the plan named and no longer differed at its turn.
    pub needless: Vec<Needless>,
    pub counts: Counts,
}

/// Seconds beyond a step's own limit until the controller gives a host up: what a step compares
/// before, and a command's probes, take some of them.
const MARGIN: u32 = 180;

/// What events are sent through.
pub(super) type Emit<'e> = &'e (dyn Fn(Event) + Send + Sync);

/// A host while its plan is applied, stage by stage.
pub(super) struct Applying {
    pub(super) run: HostRun,
    /// The plan for what is left; the run's own is what was announced.
    pub(super) plan: Plan,
    pub(super) history: History,
    pub(super) observed: Vec<Result<Erased, String>>,
    pub(super) applied: Applied,
    /// `None` once the connection was lost.
    pub(super) session: Option<Session>,
    /// Why resources that the plan named do not differ any more, by index.
    pub(super) same: BTreeMap<usize, String>,
    /// Nothing more is done on this host.
    pub(super) over: bool,
    /// The first wave was sent: a saved plan is used up, and the run is written down on the host.
    pub(super) begun: bool,
    pub(super) resolver: Arc<Resolver>,
    /// It was used up before, or could not be.
    pub(super) barred: bool,
    /// What was done and is put back.
    pub(super) put_back: BTreeSet<usize>,
}

impl Applying {
    pub(super) fn new(mut run: HostRun, resolver: &Arc<Resolver>) -> Self {
        let plan = Plan { items: run.plan.items.clone() };
        let session = run.session.take();
        let applied = Applied {
            outcome: Outcome::Ok,
            done: Vec::new(),
            incidents: Vec::new(),
            notes: Vec::new(),
            not_done: Vec::new(),
            needless: Vec::new(),
            counts: Counts::default(),
        };
        let owed = run.memory.ledger.due(&run.desired);
        let (history, observed) = (History { owed, ..History::default() }, Vec::new());
        let (over, barred, begun) = (false, false, false);
        let (resolver, same) = (Arc::clone(resolver), BTreeMap::new());
        Self {
            run,
            plan,
            history,
            observed,
            applied,
            session,
            same,
            over,
            begun,
            resolver,
            barred,
            put_back: BTreeSet::new(),
        }
    }

    /// The host's index in the run.
    pub(super) const fn target(&self) -> usize {
        self.run.target
    }

    /// Whether something went wrong on this host.
    pub(super) const fn failed(&self) -> bool {
        self.over
    }

    /// The changes that can be sent at once, of this stage only.
    fn wave(&self, stage: usize) -> Vec<usize> {
        let next = || next_wave(&self.run.desired, &self.plan);
        let mut wave = if self.over { Vec::new() } else { next() };
        wave.retain(|&index| self.run.desired.stage(index) == stage);
        wave
    }

    /// Whether the stage has something to do here.
    pub(super) fn has_work(&self, stage: usize) -> bool {
        !self.wave(stage).is_empty()
    }

    /// Does one stage, wave by wave.
    pub(super) async fn stage(
        mut self,
        stage: usize,
        settings: &Settings,
        stop: &Stopper,
        emit: Emit<'_>,
    ) -> Self {
        let Some(mut session) = self.session.take() else { return self };
        let id = settings.run.as_ref().map(|mark| mark.id.to_string()).unwrap_or_default();
        loop {
            let wave = self.wave(stage);
            if wave.is_empty() || stop.asked() {
                break;
            }
            let mut steps = Wave::new(settings.live);
            steps.run.clone_from(&id);
            if let Some(plan) = settings.spend.as_ref().filter(|_| !self.begun) {
                steps.spend(plan, &mut session);
            }
            let armed = self.fill(&mut steps, (&wave, &mut session), settings);
            let probe = Probe::alone(&self.run.desired, &mut session, &mut steps.program);
            let looked = settings.probe_timeout.saturating_add(probe.seconds);
            steps.program.seconds = steps.program.seconds.max(STEP_LONGEST).max(looked) + MARGIN;
            let beside = session.beside(settings);
            let Wave { program, steps, .. } = steps;
            let received = Mutex::new(Vec::new());
            let taking = (&steps, &probe, &received);
            failpoint!("wave");
            let begun = Instant::now();
            let exchange = self.exchange(&mut session, program, taking, emit);
            let exchanged = Box::pin(stopping(exchange, beside, stop)).await;
            session.counts.times.steps += begun.elapsed();
            let before = (&session, exchanged.is_err());
            let fate = Box::pin(self.decided(before, armed, (settings, stop))).await;
            if fate == Fate::RolledBack {
                return self;
            }
            match exchanged {
                Ok(true) => self.next_plan(&wave),
                // Nothing failed: the rest was left out, as somebody wanted.
                Ok(false) if stop.asked() && self.applied.incidents.is_empty() => {}
                Ok(false) => self.over = true,
                Err(error) => {
                    // Who is told to stop at once has heard all the same what was done before.
                    self.take_in(&steps, &received);
                    let kept = fate == Fate::Confirmed;
                    let lost = Lost { wave: &wave, error, session, kept };
                    Box::pin(self.lost(lost, settings, stop)).await;
                    return self;
                }
            }
        }
        self.session = Some(session);
        self
    }

    /// The steps of a wave, behind what is written down of them; and who watches over it, where it may cut us off.
    fn fill(
        &mut self,
        steps: &mut Wave,
        (wave, session): (&[usize], &mut Session),
        settings: &Settings,
    ) -> Option<Armed> {
        let [seqs @ .., undo, arming] =
            [session.seq(), session.seq(), session.seq(), session.seq()];
        let mut body = Wave { run: steps.run.clone(), ..Wave::default() };
        body.changes(&self.run, &self.plan, (wave, session));
        let armed = if let Some(mark) = &settings.run {
            let (begun, prune) = (self.begun, settings.prune.is_asked());
            let writing = Writing { run: &self.run, plan: &self.plan, mark, begun, prune };
            let base = writing.base(&self.resolver.project().name);
            let notes = writing.notes(base.is_some(), &body.steps);
            steps.keep(mark, settings.keep);
            steps.remember(base, notes.text(), seqs);
            let place = |span| self.resolver.place(span);
            let login = session.remote.map(|remote| remote.user);
            let of = self.run.back.as_ref().map(|back| back.trail.run());
            let of = of.filter(|of| *of != mark.id.as_str());
            steps.undoable(&writing.undo(&body.steps, (&place, login)), (mark, of), undo);
            steps.watched((&self.run, &self.plan, wave), (settings, mark), arming)
        } else {
            None
        };
        self.begun = true;
        steps.append(body);
        armed
    }

    /// Looks whether everything holds and ends the session. `ended` says why the run ended before all
    /// was done, where it did.
    pub(super) async fn finish(mut self, ended: &str, settings: &Settings) -> (usize, Applied) {
        let left = self.is_left();
        if left {
            self.incident(None, (ended.to_owned(), ended));
        }
        if let Some(mut session) = self.session.take() {
            self.amend(&mut session, settings).await;
            self.took_back(&mut session, settings).await;
            self.applied.counts = self.applied.counts.plus(session.leave().await);
        }
        let untouched = self.history.changed.is_empty() && !self.over;
        let target = self.run.target;
        let mut applied = self.summed();
        if left && untouched {
            applied.outcome = Outcome::NotAttempted;
        }
        (target, applied)
    }

    /// Sends a wave and takes its results in; false when a step failed. What was received is there also where
    /// this is not waited for to its end.
    async fn exchange(
        &mut self,
        session: &mut Session,
        program: Program,
        (steps, probe, received): (&Steps, &Probe, &Mutex<Vec<Answer>>),
        emit: Emit<'_>,
    ) -> Result<bool, SessionError> {
        let covers: HashMap<u64, &Vec<usize>> =
            steps.iter().map(|(seq, covers)| (*seq, covers)).collect();
        let run = &self.run;
        let running = |position: usize| {
            if let Some((_, items)) = steps.get(position).filter(|(_, items)| !items.is_empty()) {
                let address = |&item: &usize| run.desired.resources[item].address.clone();
                let addresses = items.iter().map(address).collect();
                emit(Event::Applying { host: run.target, addresses });
            }
        };
        running(0);
        let mut position = 0;
        let exchanged = session
            .exchange(program, |answer| {
                if answer.kind == AnswerKind::Live {
                    emit_said(run, covers.get(&answer.seq).copied(), (answer, emit));
                } else if answer.kind != AnswerKind::Data {
                    emit(stepped(run, covers.get(&answer.seq).copied(), answer));
                    position += 1;
                    running(position);
                    received.lock().unwrap_or_else(PoisonError::into_inner).push(answer.clone());
                }
            })
            .await;
        let exchanged = exchanged.map(|answers| probe.read(&self.run.desired, &answers));
        let result = exchanged.map(|observed| self.observed = observed);
        let good = self.take_in(steps, received);
        result.map(|()| good)
    }

    /// Takes results in; false when a step failed or was not begun.
    fn take_in(&mut self, steps: &Steps, received: &Mutex<Vec<Answer>>) -> bool {
        let results = std::mem::take(&mut *received.lock().unwrap_or_else(PoisonError::into_inner));
        let covers: HashMap<u64, &Vec<usize>> =
            steps.iter().map(|(seq, covers)| (*seq, covers)).collect();
        let mut good = true;
        let mut failed: Vec<(Vec<usize>, &Answer)> = Vec::new();
        for answer in &results {
            let items = covers.get(&answer.seq).copied().cloned().unwrap_or_default();
            match answer.kind {
                AnswerKind::Done => {
                    if let (Some(why), &[resource]) = (not_run(answer), items.as_slice()) {
                        self.applied.needless.push(Needless { resource, why, stepped: true });
                    } else {
                        self.done(&items);
                        self.note(items.first().copied(), answer);
                    }
                }
                AnswerKind::Failed => {
                    good = false;
                    failed.push((items, answer));
                }
                _ => good = false,
            }
        }
        for (items, answer) in failed {
            self.failed_step(&items, answer);
        }
        good
    }

    /// A step that failed: of several resources in it some may be done all the same, which the last
    /// probe shows; the first that is not is to blame.
    fn failed_step(&mut self, items: &[usize], answer: &Answer) {
        let several = items.len() > 1;
        let (done, open): (Vec<usize>, Vec<usize>) =
            items.iter().partition(|index| several && self.holds(**index));
        self.done(&done);
        // Before everything else stands what bars it, and behind it that it is on disk.
        self.barred |= items.is_empty() && self.applied.done.is_empty();
        let said = String::from_utf8_lossy(&answer.payload);
        let first = open.first().or_else(|| items.first()).copied();
        let incident = of_step(first, &said, answer.status);
        self.applied.incidents.push(incident.of_set(&self.run.desired, items));
    }

    /// Whether the last probe found a resource as wanted.
    pub(super) fn holds(&self, index: usize) -> bool {
        let instance = &self.run.desired.resources[index];
        let state = self.observed.get(index).and_then(|state| state.as_ref().ok());
        instance.kind.verifiable(&instance.desired)
            && state.is_some_and(|state| {
                matches!(instance.kind.diff(&instance.desired, state), Verdict::Same(_))
            })
    }

    /// Takes changes that were done in.
    pub(super) fn done(&mut self, items: &[usize]) {
        for &index in items {
            if let Status::Change(change) = &self.plan.items[index].status {
                self.applied.done.push((index, change.clone()));
                self.history.changed.insert(index);
                self.history.owed.remove(&index);
            }
        }
    }

    /// Takes in what a step said though it did its work: the first lines, as many as its status says. The same of each
    /// wave is said once.
    fn note(&mut self, first: Option<usize>, answer: &Answer) {
        let said = String::from_utf8_lossy(&answer.payload);
        for line in said.lines().take(answer.status as usize) {
            let note = (first, line.to_owned());
            if !self.applied.notes.contains(&note) {
                self.applied.notes.push(note);
            }
        }
    }

    /// Something that went wrong; `plain` is what of it holds no value of its resource.
    pub(super) fn incident(&mut self, resource: Option<usize>, (message, plain): (String, &str)) {
        let plain = Some(plain.to_owned());
        self.applied.incidents.push(Incident { resource, message, plain, set: false });
    }

    /// Compares what is left after a wave. Only what the plan announced is done: a resource that was
    /// as wanted before and is not now is left alone and told at the end.
    pub(super) fn next_plan(&mut self, wave: &[usize]) {
        failpoint!("wave-done");
        let last = wave.last().copied().unwrap_or(0);
        let next = self.plan.changes().map(|(index, _)| index).find(|index| *index > last);
        let end = next.unwrap_or(self.plan.items.len());
        self.history.past.extend(0..end);
        let mut plan = compare(&self.run.desired, &self.observed, &self.history);
        let mut broken = Vec::new();
        for (index, item) in plan.items.iter_mut().enumerate().skip(end) {
            let announced = matches!(self.run.plan.items[index].status, Status::Change(_));
            match &item.status {
                Status::Problem(why) if announced => {
                    broken.push((index, why.clone()));
                }
                Status::Same(why) if announced => drop(self.same.insert(index, why.clone())),
                Status::Change(_) if !announced => {
                    item.status = Status::Same("not announced".into());
                }
                _ => {}
            }
        }
        for (index, why) in broken {
            self.incident(Some(index), (why, "it cannot be done when its turn comes"));
        }
        if plan.problems().next().is_some() {
            self.over = true;
            // Nothing more is done on a host where something cannot be done.
            for item in &mut plan.items {
                item.status = Status::Same("given up".into());
            }
        }
        self.plan = plan;
    }
}
