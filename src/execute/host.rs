//! One host's life: connect, facts, probe, compare; then waves of steps, each probed in the exchange
//! that carries it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::session::{Counts, Program, Session, SessionError};
use super::{Settings, facts};
use crate::model::{Change, Diagnostic, Event, Facts, Host, Outcome};
use crate::plan::{History, Plan, Status, compare, next_wave};
use crate::resolve::{Desired, Resolver};
use crate::resources::{Erased, Part, REGISTRY, ResourceType, Verdict};
use crate::shell::{Answer, AnswerKind, Script, Step};
use crate::transport::TransportError;

/// A host that was compared and waits for its plan to be applied.
#[derive(Debug)]
pub struct HostRun {
    pub target: usize,
    pub desired: Arc<Desired>,
    pub plan: Plan,
    session: Option<Session>,
}

/// A host that could not be compared.
#[derive(Debug)]
pub struct Ended {
    pub target: usize,
    pub outcome: Outcome,
    pub message: String,
    pub help: Option<String>,
    /// Mistakes in the project that only this host's facts bring out.
    pub mistakes: Vec<Diagnostic>,
}

/// Something that did not go as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The resource that it is about, if one is.
    pub resource: Option<usize>,
    pub message: String,
}

/// What became of a host's plan.
#[derive(Debug)]
pub struct Applied {
    pub outcome: Outcome,
    /// What was done, in its order, as it was then.
    pub done: Vec<(usize, Change)>,
    pub incidents: Vec<Incident>,
    /// What the plan named and was not done.
    pub not_done: Vec<usize>,
    pub counts: Counts,
}

impl HostRun {
    /// Ends the session of a host whose plan is not applied.
    pub(super) async fn close(&mut self) -> Counts {
        match self.session.take() {
            Some(session) => session.close().await,
            None => Counts::default(),
        }
    }
}

/// The functions that probes and steps of all types call.
fn libraries() -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    let all = REGISTRY.iter().flat_map(|kind| kind.library().iter().copied());
    all.filter(|library| seen.insert(*library)).collect()
}

/// Connects to a host and compares it. `desired` is given where no fact is needed for it.
pub(super) async fn look(
    target: usize,
    resolver: &Resolver,
    desired: Option<Arc<Desired>>,
    settings: &Settings,
) -> Result<HostRun, Ended> {
    let host = &resolver.targets[target].host;
    let ended = |error: SessionError| ended(target, host, error);
    let mut session = Session::open(host, &libraries(), &settings.transport, settings.limits)
        .await
        .map_err(ended)?;
    let desired = match desired {
        Some(desired) => desired,
        None => {
            let facts = ask_facts(&mut session, settings).await.map_err(ended)?;
            let desired = facts.map_err(|why| (why, Vec::new())).and_then(|facts| {
                let desired = resolver.desired(target, &facts);
                desired.map_err(|mistakes| {
                    ("its facts bring out mistakes in the project".into(), mistakes)
                })
            });
            Arc::new(desired.map_err(|(message, mistakes)| Ended {
                target,
                outcome: Outcome::Failed,
                message,
                help: None,
                mistakes,
            })?)
        }
    };
    let mut script = Script::new();
    let probe = Probe::ask(&desired, &mut session, &mut script);
    let answers = probe.asked.len();
    let program =
        Program { script, contents: Vec::new(), answers, seconds: settings.probe_timeout };
    let answers = session.exchange(program, |_| {}).await.map_err(ended)?;
    let observed = probe.read(&desired, &answers);
    let plan = compare(&desired, &observed, &History::default());
    Ok(HostRun { target, desired, plan, session: Some(session) })
}

/// What a failed session means for a host on which nothing was changed.
fn ended(target: usize, host: &Host, error: SessionError) -> Ended {
    let (outcome, message, help) = match error {
        SessionError::Transport(TransportError::Unreachable(message)) => {
            let message = if host.address == host.name {
                message
            } else {
                format!("{message} ({})", host.address)
            };
            (Outcome::Unreachable, message, None)
        }
        SessionError::Transport(TransportError::Refused { message, help }) => {
            (Outcome::Refused, message, help)
        }
        SessionError::NoShell { message, help } => (Outcome::Refused, message, help),
        error => (Outcome::Failed, error.to_string(), None),
    };
    Ended { target, outcome, message, help, mistakes: Vec::new() }
}

async fn ask_facts(
    session: &mut Session,
    settings: &Settings,
) -> Result<Result<Facts, String>, SessionError> {
    let mut inner = Script::new();
    facts::ask(&mut inner);
    let mut script = Script::new();
    question(&mut script, session.seq(), &inner);
    let program =
        Program { script, contents: Vec::new(), answers: 1, seconds: settings.probe_timeout };
    let answers = session.exchange(program, |_| {}).await?;
    Ok(facts::read(&answers[0].payload))
}

/// Adds a question whose answer is what `inner` prints.
fn question(script: &mut Script, seq: u64, inner: &Script) {
    script.text("A=$(\n").script(inner).text("\n)\nask ").number(seq).text(" $? \"$A\"\n");
}

/// The questions about all resources of a host: one for each type.
struct Probe {
    /// For each question: its number, its type and the resources that it is about.
    asked: Vec<(u64, &'static dyn ResourceType, Vec<usize>)>,
}

impl Probe {
    /// Adds the questions to a script.
    fn ask(desired: &Desired, session: &mut Session, script: &mut Script) -> Self {
        let mut asked = Vec::new();
        for &kind in REGISTRY {
            let items = desired.resources.iter().enumerate();
            let these: Vec<usize> = items
                .filter(|(_, instance)| instance.kind.name() == kind.name())
                .map(|(index, _)| index)
                .collect();
            if these.is_empty() {
                continue;
            }
            let wanted: Vec<&Erased> =
                these.iter().map(|&index| &desired.resources[index].desired).collect();
            let mut inner = Script::new();
            kind.probe(&wanted, &mut inner);
            let seq = session.seq();
            question(script, seq, &inner);
            asked.push((seq, kind, these));
        }
        Self { asked }
    }

    /// What the answers say of each resource.
    fn read(&self, desired: &Desired, answers: &[Answer]) -> Vec<Result<Erased, String>> {
        let by_seq: HashMap<u64, &Answer> =
            answers.iter().map(|answer| (answer.seq, answer)).collect();
        let mut observed: Vec<Result<Erased, String>> =
            desired.resources.iter().map(|_| Err("the host was not asked".to_owned())).collect();
        for (seq, kind, these) in &self.asked {
            let wanted: Vec<&Erased> =
                these.iter().map(|&index| &desired.resources[index].desired).collect();
            let states = match by_seq.get(seq) {
                Some(answer) => kind.observe(&wanted, &answer.payload),
                None => these.iter().map(|_| Err("the host did not answer".to_owned())).collect(),
            };
            for (&index, state) in these.iter().zip(states) {
                observed[index] = state;
            }
        }
        observed
    }
}

/// The steps of one wave.
struct Wave {
    program: Program,
    /// For each step: its number and the resources that it does.
    steps: Vec<(u64, Vec<usize>)>,
}

impl Wave {
    /// Turns changes into a program: neighbours of one type together, so that a type can do many at
    /// once.
    fn new(run: &HostRun, plan: &Plan, wave: &[usize], session: &mut Session) -> Self {
        let kind = |index: usize| run.desired.resources[index].kind;
        let mut all = Self { program: Program::default(), steps: Vec::new() };
        let mut folders = BTreeSet::new();
        for group in wave.chunk_by(|one, other| kind(*one).name() == kind(*other).name()) {
            let parts: Vec<Part<'_>> = group.iter().map(|&index| part(run, plan, index)).collect();
            let seconds = parts.iter().filter_map(|part| part.timeout).max();
            all.program.seconds = all.program.seconds.max(seconds.unwrap_or(0));
            for (covers, step) in kind(group[0]).steps(&parts) {
                let seq = session.seq();
                all.add(seq, &step);
                folders.extend(step.folder);
                all.program.contents.extend(step.content);
                all.steps.push((seq, covers.into_iter().map(|at| group[at]).collect()));
            }
        }
        if !folders.is_empty() {
            let script = &mut all.program.script;
            script.text("sync --").args(&folders).text(" 2>/dev/null || sync\n");
        }
        all.program.answers = all.steps.len();
        all
    }

    /// One guarded step, closed in itself.
    fn add(&mut self, seq: u64, step: &Step) {
        let script = &mut self.program.script;
        let bytes = step.content.as_ref().map_or(-1, |content| content.len() as i128);
        script.text("go ").number(seq).text(" ").number(bytes).text(" && {\n");
        script.script(&step.script).text("\nend $?\n}\n");
    }
}

/// A change with the states that its steps are made from.
fn part<'r>(run: &'r HostRun, plan: &'r Plan, index: usize) -> Part<'r> {
    let Status::Change(change) = &plan.items[index].status else {
        unreachable!("a wave holds changes only");
    };
    Part {
        desired: &run.desired.resources[index].desired,
        observed: plan.items[index].against.as_ref().expect("a change was compared with something"),
        change,
        timeout: run.desired.resources[index].timeout,
    }
}

/// Seconds beyond a step's own limit until the controller gives a host up.
const MARGIN: u32 = 60;

/// The longest that any type lets a step take unless the files say more.
const STEP_LONGEST: u32 = 1800;

/// Applies a host's plan.
pub(super) async fn apply(
    run: HostRun,
    settings: &Settings,
    stop: impl Fn() -> bool,
    emit: impl Fn(Event),
) -> Applied {
    Applying::new(run, emit).waves(settings, stop).await
}

/// A host while its plan is applied.
struct Applying<E> {
    run: HostRun,
    /// The plan for what is left; the run's own is what was announced.
    plan: Plan,
    history: History,
    observed: Vec<Result<Erased, String>>,
    applied: Applied,
    emit: E,
}

impl<E: Fn(Event)> Applying<E> {
    fn new(run: HostRun, emit: E) -> Self {
        let plan = Plan { items: run.plan.items.clone() };
        let applied = Applied {
            outcome: Outcome::Ok,
            done: Vec::new(),
            incidents: Vec::new(),
            not_done: Vec::new(),
            counts: Counts::default(),
        };
        Self { run, plan, history: History::default(), observed: Vec::new(), applied, emit }
    }

    async fn waves(mut self, settings: &Settings, stop: impl Fn() -> bool) -> Applied {
        let mut session = self.run.session.take().expect("a host's plan is applied once");
        let mut failed = false;
        loop {
            let wave = next_wave(&self.run.desired, &self.plan);
            if wave.is_empty() || failed {
                break;
            }
            if stop() {
                self.incident(None, "stopped on request".into());
                break;
            }
            let mut steps = Wave::new(&self.run, &self.plan, &wave, &mut session);
            let probe = Probe::ask(&self.run.desired, &mut session, &mut steps.program.script);
            steps.program.answers += probe.asked.len();
            steps.program.seconds =
                steps.program.seconds.max(STEP_LONGEST).max(settings.probe_timeout) + MARGIN;
            match self.exchange(&mut session, steps, &probe).await {
                Ok(all_done) => failed = !all_done,
                Err(error) => {
                    self.lost(&wave, &error);
                    self.applied.counts = session.counts;
                    return self.finish();
                }
            }
            self.next_plan(&wave);
        }
        self.verify();
        self.applied.counts = session.close().await;
        self.finish()
    }

    /// Sends a wave and takes its results in; false when a step failed.
    async fn exchange(
        &mut self,
        session: &mut Session,
        wave: Wave,
        probe: &Probe,
    ) -> Result<bool, SessionError> {
        let Wave { program, steps } = wave;
        let covers: HashMap<u64, &Vec<usize>> =
            steps.iter().map(|(seq, covers)| (*seq, covers)).collect();
        let (run, emit) = (&self.run, &self.emit);
        let running = |position: usize| {
            if let Some((_, items)) = steps.get(position)
                && let Some(&item) = items.first()
            {
                let address = run.desired.resources[item].address.clone();
                emit(Event::Applying { host: run.target, address });
            }
        };
        running(0);
        let mut position = 0;
        let mut results: Vec<Answer> = Vec::new();
        let exchanged = session
            .exchange(program, |answer| {
                if answer.kind != AnswerKind::Data {
                    position += 1;
                    running(position);
                    results.push(answer.clone());
                }
            })
            .await;
        let mut good = true;
        for answer in &results {
            let items = covers.get(&answer.seq).copied().cloned().unwrap_or_default();
            match answer.kind {
                AnswerKind::Done => self.done(&items),
                AnswerKind::Failed => {
                    good = false;
                    let said = String::from_utf8_lossy(&answer.payload).trim_end().to_owned();
                    let said = if said.is_empty() {
                        format!("exit status {}", answer.status)
                    } else {
                        said
                    };
                    self.incident(items.first().copied(), said);
                }
                _ => good = false,
            }
        }
        self.observed = probe.read(&self.run.desired, &exchanged?);
        Ok(good)
    }

    /// Takes changes that were done in.
    fn done(&mut self, items: &[usize]) {
        for &index in items {
            if let Status::Change(change) = &self.plan.items[index].status {
                self.applied.done.push((index, change.clone()));
                self.history.changed.insert(index);
            }
        }
    }

    fn incident(&mut self, resource: Option<usize>, message: String) {
        self.applied.incidents.push(Incident { resource, message });
    }

    /// Compares what is left after a wave. Only what the plan announced is done: a resource that was
    /// as wanted before and is not now is left alone and told at the end.
    fn next_plan(&mut self, wave: &[usize]) {
        let last = wave.last().copied().unwrap_or(0);
        let next = self.plan.changes().map(|(index, _)| index).find(|index| *index > last);
        let end = next.unwrap_or(self.plan.items.len());
        self.history.past.extend(0..end);
        let mut plan = compare(&self.run.desired, &self.observed, &self.history);
        for (index, item) in plan.items.iter_mut().enumerate().skip(end) {
            let announced = matches!(self.run.plan.items[index].status, Status::Change(_));
            match &item.status {
                Status::Problem(why) if announced => {
                    self.applied
                        .incidents
                        .push(Incident { resource: Some(index), message: why.clone() });
                }
                Status::Change(_) if !announced => {
                    item.status = Status::Same("not announced".into());
                }
                _ => {}
            }
        }
        if plan.problems().next().is_some() {
            // Nothing more is done on a host where something cannot be done.
            for item in &mut plan.items {
                item.status = Status::Same("given up".into());
            }
        }
        self.plan = plan;
    }

    /// Looks whether everything is as wanted now.
    fn verify(&mut self) {
        let blamed: BTreeSet<usize> =
            self.applied.incidents.iter().filter_map(|incident| incident.resource).collect();
        let changed = &self.history.changed;
        let mut found = Vec::new();
        for (index, observed) in self.observed.iter().enumerate() {
            let instance = &self.run.desired.resources[index];
            let announced = matches!(self.run.plan.items[index].status, Status::Change(_));
            if blamed.contains(&index)
                || !instance.kind.verifiable(&instance.desired)
                || announced && !changed.contains(&index)
            {
                continue;
            }
            let why = match observed {
                Err(why) => why.clone(),
                Ok(state) => match instance.kind.diff(&instance.desired, state) {
                    Verdict::Same(_) => continue,
                    Verdict::Refused(why) => why,
                    Verdict::Blocked { message, .. } => message,
                    Verdict::Change(change) => differs(&change),
                },
            };
            found.push((
                index,
                if changed.contains(&index) {
                    format!("not converged: it was done, and still differs: {why}")
                } else {
                    format!("not converged: something in this run changed it: {why}")
                },
            ));
        }
        for (index, message) in found {
            self.incident(Some(index), message);
        }
    }

    /// The connection ended in the middle of a wave: what is not known is said.
    fn lost(&mut self, wave: &[usize], error: &SessionError) {
        let running = wave.iter().copied().find(|index| !self.history.changed.contains(index));
        self.applied.incidents.push(Incident { resource: running, message: error.to_string() });
        self.applied.outcome = Outcome::Unknown;
    }

    fn finish(mut self) -> Applied {
        let blamed: BTreeSet<usize> =
            self.applied.incidents.iter().filter_map(|incident| incident.resource).collect();
        let settled = |index: &usize| {
            // What a change before it brought about already is done too.
            self.observed.get(*index).is_some_and(|state| {
                let instance = &self.run.desired.resources[*index];
                state.as_ref().is_ok_and(|state| {
                    instance.kind.verifiable(&instance.desired)
                        && matches!(instance.kind.diff(&instance.desired, state), Verdict::Same(_))
                })
            })
        };
        let open: Vec<usize> = self
            .run
            .plan
            .changes()
            .map(|(index, _)| index)
            .filter(|index| !self.history.changed.contains(index) && !blamed.contains(index))
            .collect();
        let trouble = !self.applied.incidents.is_empty();
        self.applied.not_done =
            open.into_iter().filter(|index| trouble && !settled(index)).collect();
        self.applied.outcome = match self.applied.outcome {
            Outcome::Unknown => Outcome::Unknown,
            _ if trouble => Outcome::Failed,
            _ if self.applied.done.is_empty() => Outcome::Ok,
            _ => Outcome::Changed,
        };
        self.applied
    }
}

/// What a change that should not be there any more would do, in a few words.
fn differs(change: &Change) -> String {
    if change.attributes.is_empty() {
        return format!("{} would be next", change.action.word());
    }
    let names: Vec<&str> = change.attributes.iter().map(|attribute| attribute.name).collect();
    names.join(", ")
}
