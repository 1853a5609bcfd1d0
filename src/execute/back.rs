//! Hosts on the way back: what they keep of a run is asked for in a session that holds the lock, and in the
//! same session it is compared and undone.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::Settings;
use super::apply::Emit;
use super::cost::{Cost, Counts};
use super::failpoint::failpoint;
use super::fleet::{Fleet, HostResult, in_order};
use super::host::{Ended, HostRun, ended, failed, open};
use super::look::Look;
use super::program::{Program, Questions};
use super::purpose::Purpose;
use super::remember::{Recall, state, took_back};
use super::session::Session;
use super::session_error::SessionError;
use crate::ledger::{self, Kept, KeptRun, Memory, Trail, WayBack};
use crate::model::{Event, Host, Outcome, RunId};
use crate::plan::{Plan, Status};
use crate::resolve::{Desired, Resolver};
use crate::resources::Verdict;
use crate::shell::Script;

/// A host that was connected to and is locked.
#[derive(Debug)]
pub struct Keeper {
    pub target: usize,
    pub memory: Memory,
    /// The runs of which it keeps something, the newest last.
    pub runs: Vec<KeptRun>,
    session: Session,
}

/// Whether what moved since a run is put back all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    Refused,
    Overwritten,
}

impl Fleet {
    /// Connects to hosts, takes their locks and asks of which runs they keep something; in the order in which
    /// they were given.
    pub async fn keepers(&self, targets: &[usize]) -> Vec<Result<Keeper, Ended>> {
        let mut tasks = JoinSet::new();
        for (position, &target) in targets.iter().enumerate() {
            let (fleet, turn) = (self.clone(), self.turn());
            tasks.spawn(async move {
                let _place = turn.await;
                fleet.emit(Event::Started { host: target });
                let emit = |event| fleet.emit(event);
                let met = keeper(target, &fleet.resolver, (&fleet.settings, &emit)).await;
                fleet.told(target, met.as_ref().err());
                (position, met)
            });
        }
        in_order(tasks).await
    }

    /// Asks what is kept of a run.
    pub async fn kept(
        &self,
        keepers: Vec<Keeper>,
        run: &RunId,
    ) -> Vec<Result<(Keeper, Kept), Ended>> {
        let mut tasks = JoinSet::new();
        for (position, mut keeper) in keepers.into_iter().enumerate() {
            let (fleet, run, turn) = (self.clone(), run.clone(), self.turn());
            tasks.spawn(async move {
                let _place = turn.await;
                let asked = kept(&mut keeper, &fleet, &run).await;
                (position, asked.map(|kept| (keeper, kept)))
            });
        }
        in_order(tasks).await
    }

    /// Compares hosts with where they go back to.
    pub async fn look_back(&self, all: Vec<(Keeper, WayBack)>, moved: Moved) -> Vec<HostResult> {
        let mut tasks = JoinSet::new();
        for (position, (keeper, way)) in all.into_iter().enumerate() {
            let (fleet, turn) = (self.clone(), self.turn());
            tasks.spawn(async move {
                let _place = turn.await;
                (position, look_back(keeper, way, &fleet, moved).await)
            });
        }
        in_order(tasks).await
    }

    /// Ends sessions in which nothing is done.
    pub async fn release(&self, keepers: Vec<Keeper>) {
        let mut tasks = JoinSet::new();
        for keeper in keepers {
            tasks.spawn(keeper.session.leave());
        }
        tasks.join_all().await;
    }

    /// Ends sessions of hosts that were compared and have nothing to put back: the run is taken back there.
    pub async fn taken_back(&self, runs: Vec<HostRun>) -> Cost {
        let mut tasks = JoinSet::new();
        for (position, mut run) in runs.into_iter().enumerate() {
            let settings = Arc::clone(&self.settings);
            tasks.spawn(async move {
                if let (Some(session), Some(back), Some(mark)) =
                    (&mut run.session, &run.back, &settings.run)
                    && run.plan.is_empty()
                {
                    took_back(session, (mark.id.as_str(), back.trail.run()), &settings).await;
                }
                (position, (run.target, run.close(settings.run.is_some()).await))
            });
        }
        in_order(tasks).await.into_iter().collect()
    }

    fn told(&self, target: usize, ended: Option<&Ended>) {
        self.emit(match ended {
            None => Event::Planned { host: target },
            Some(ended) => {
                let why = Some(ended.message.clone()).filter(|why| !why.is_empty());
                Event::Finished { host: target, outcome: ended.outcome, why }
            }
        });
    }
}

/// A question is asked in a shell of its own, which knows its folder by a lock that is held; where none is, it is told.
fn remembering<'s>(inner: &'s mut Script, place: &[String; 2]) -> &'s mut Script {
    inner.text("remembers").args(place).text("\n")
}

async fn keeper(
    target: usize,
    resolver: &Resolver,
    (settings, emit): (&Settings, Emit<'_>),
) -> Result<Keeper, Ended> {
    let host = &resolver.targets[target].host;
    let mut session = open((target, host), Purpose::Work, settings).await?;
    let whose = (resolver.project().name.as_str(), host.name.as_str());
    let mut program = Program::default();
    let mut questions = Questions::default();
    let recall = Recall::ask((whose, None), settings, &mut session, (&mut program, &mut questions));
    let mut inner = Script::new();
    remembering(&mut inner, &state(whose, settings)).text("undoable");
    let seq = session.seq();
    questions.ask(seq, inner);
    program.ask_all(&questions);
    let waiting = program.seconds;
    program.seconds = settings.probe_timeout.saturating_add(waiting);
    program.whole = Some(program.seconds);
    failpoint!("lock-asked");
    let waiting = Recall::waiting(target, (settings, emit));
    let (spent, begun) = (session.counts, Instant::now());
    let answers = session.exchange(program, waiting).await.map_err(|error| {
        let spent = spent.and_since(begun, |times| &mut times.probe);
        Ended { spent, ..ended(target, host, error) }
    })?;
    failpoint!("lock-held");
    let both = recall.read(whose, target, &answers).and_then(|memory| {
        let none = || failed(target, "the host did not say what it keeps".to_owned());
        let kept = answers.iter().find(|answer| answer.seq == seq).ok_or_else(none)?;
        Ok((memory, ledger::runs(&kept.payload)))
    });
    match both {
        Ok((memory, runs)) => Ok(Keeper { target, memory, runs, session }),
        Err(ended) => {
            let spent = session.close().await;
            Err(Ended { spent, ..ended })
        }
    }
}

/// What a host keeps of a run.
async fn kept(keeper: &mut Keeper, fleet: &Fleet, run: &RunId) -> Result<Kept, Ended> {
    let target = keeper.target;
    let host = &fleet.resolver.targets[target].host;
    if !keeper.runs.iter().any(|kept| kept.id == *run) {
        return Ok(Kept::default());
    }
    let place = state((fleet.resolver.project().name.as_str(), &host.name), &fleet.settings);
    let asked = kept_of(&mut keeper.session, (run, &place), fleet.settings.probe_timeout).await;
    asked
        .map_err(|error| ended(target, host, error))?
        .map_err(|why| Ended { outcome: Outcome::Refused, ..failed(target, why) })
}

/// What the host of a session keeps of a run, or why that is not to be used. After a failure no step is begun; those
/// of the way back are.
pub(super) async fn kept_of(
    session: &mut Session,
    (run, place): (&RunId, &[String; 2]),
    seconds: u32,
) -> Result<Result<Kept, String>, SessionError> {
    let mut inner = Script::new();
    remembering(&mut inner, place).text("undo").arg(run.as_str());
    let mut program = Program { seconds, whole: Some(seconds), ..Program::default() };
    program.script.text("[ \"$F\" = stop ] || F=\n");
    program.ask(session.seq(), &inner);
    let answers = session.exchange(program, |_| {}).await?;
    let kept = Kept::read(&answers[0].payload);
    Ok(match kept.foreign {
        None => Ok(kept),
        Some(path) => Err(format!("{path} is not a folder of this login's alone")),
    })
}

async fn look_back(keeper: Keeper, way: WayBack, fleet: &Fleet, moved: Moved) -> HostResult {
    let Keeper { target, memory, mut session, .. } = keeper;
    let host: &Host = &fleet.resolver.targets[target].host;
    let WayBack { desired, trail, lost } = way;
    let mut program = Program::default();
    let seconds = fleet.settings.probe_timeout;
    let look = Look::ask(
        &desired,
        &mut session,
        (&mut program, Questions::default()),
        (seconds, (None, None)),
    );
    let answers =
        session.exchange(program, |_| {}).await.map_err(|error| ended(target, host, error))?;
    let observed = look.probe.read(&desired, &answers);
    let mut plan = look.plan(&desired, (&observed, &answers), &memory.ledger);
    let mut notes: Vec<String> =
        lost.into_iter().map(|(address, why)| told(&address, &why)).collect();
    unoffered(&mut plan, &desired, &mut notes);
    if moved == Moved::Refused {
        refuse(&mut plan, &desired, &trail, &memory);
    }
    look.refuse(&mut plan, &desired, (session.remote, &answers));
    let back = Some(Arc::new(Back { trail, lost: notes }));
    let (name, desired, session) = (host.name.clone(), Arc::new(desired), Some(session));
    let (facts, way_in) = (None, look.way_in(&answers));
    let spent = Counts::default();
    Ok(HostRun { target, name, facts, desired, plan, memory, way_in, back, session, spent })
}

/// What a host that goes back knows besides.
#[derive(Debug)]
pub struct Back {
    pub(super) trail: Trail,
    /// What cannot be undone.
    pub lost: Vec<String>,
}

pub(super) fn told(address: &str, why: &str) -> String {
    if address.is_empty() { why.to_owned() } else { format!("{address}: {why}") }
}

/// Packages that apt cannot bring back are left as they are.
pub(super) fn unoffered(plan: &mut Plan, desired: &Desired, notes: &mut Vec<String>) {
    for (item, instance) in plan.items.iter_mut().zip(&desired.resources) {
        let Status::Problem(why) = &item.status else { continue };
        let Some(against) = item.against.as_ref().filter(|_| instance.kind.name() == "package")
        else {
            continue;
        };
        let verdict = instance.kind.diff(&instance.desired, against);
        if matches!(verdict, Verdict::Blocked { .. } | Verdict::Refused(_)) {
            notes.push(told(&instance.address.to_string(), why));
            item.status = Status::Same("left as it is".to_owned());
        }
    }
}

/// What is not as the run left it is not touched.
pub(super) fn refuse(plan: &mut Plan, desired: &Desired, trail: &Trail, memory: &Memory) {
    for (index, item) in plan.items.iter_mut().enumerate() {
        if let Status::Change(change) = &item.status
            && let Some(why) = trail.moved(
                index,
                (&desired.resources[index], item.against.as_ref()),
                change,
                &memory.ledger,
            )
        {
            item.status = Status::Problem(why);
        }
    }
}
