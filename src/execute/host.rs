//! A host until it has a plan: connect, facts where they are named, probe, compare.

use std::sync::Arc;
use std::time::Instant;

use super::apply::Emit;
use super::back::Back;
use super::cost::Counts;
use super::failpoint::failpoint;
use super::look::Look;
use super::program::{Program, Questions};
use super::purpose::Purpose;
use super::remember::{Recall, standing};
use super::session::Session;
use super::session_error::SessionError;
use super::standing::Keeps;
use super::{Settings, digest, facts, prune};
use crate::ledger::Memory;
use crate::model::{Diagnostic, Facts, Host, Outcome, WayIn};
use crate::plan::Plan;
use crate::resolve::{Desired, Resolver};
use crate::shell::Script;
use crate::transport::TransportError;

/// A host that was compared and waits for its plan to be applied.
#[derive(Debug)]
pub struct HostRun {
    pub target: usize,
    /// The host's name.
    pub name: String,
    /// What the host said of itself, where it was asked.
    pub facts: Option<Facts>,
    pub desired: Arc<Desired>,
    pub plan: Plan,
    /// What the host remembers of this project.
    pub memory: Memory,
    /// How we get in to it, and so what may cut us off.
    pub way_in: WayIn,
    /// What it knows besides, where it goes back.
    pub back: Option<Arc<Back>>,
    pub(super) session: Option<Session>,
    /// What it cost before its session ended.
    pub(super) spent: Counts,
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
    /// What was spent on it.
    pub spent: Counts,
}

impl HostRun {
    /// Ends the session of a host whose plan is not applied; where it held the lock, it is free then.
    pub(super) async fn close(&mut self, held: bool) -> Counts {
        let more = match self.session.take() {
            Some(session) if held => session.leave().await,
            Some(session) => session.close().await,
            None => Counts::default(),
        };
        self.spent = self.spent.plus(more);
        self.spent
    }
}

/// A host that was connected to and asked for its facts, or why it could not be.
pub(super) type Met = Result<(Session, Facts), Ended>;

/// Connects to a host and asks for its facts.
pub(super) async fn meet(target: usize, resolver: &Resolver, settings: &Settings) -> Met {
    let host = &resolver.targets[target].host;
    let mut session = open((target, host), Purpose::of(settings), settings).await?;
    let (spent, begun) = (session.counts, Instant::now());
    let facts = ask_facts(&mut session, settings).await.map_err(|error| {
        let spent = spent.and_since(begun, |times| &mut times.facts);
        Ended { spent, ..ended(target, host, error) }
    })?;
    match facts {
        Ok(facts) => Ok((session, facts)),
        Err(why) => {
            let spent = session.close().await;
            Err(Ended { spent, ..failed(target, why) })
        }
    }
}

/// Connects to a host and compares it. `desired` is given where no fact is needed for it.
pub(super) async fn look(
    target: usize,
    resolver: &Resolver,
    desired: Option<Arc<Desired>>,
    (settings, emit): (&Settings, Emit<'_>),
) -> Result<HostRun, Ended> {
    let Some(desired) = desired else {
        let (session, facts) = meet(target, resolver, settings).await?;
        return look_with(target, resolver, (session, &facts), (settings, emit)).await;
    };
    let host = &resolver.targets[target].host;
    let opened = open((target, host), Purpose::of(settings), settings);
    // Contents are read while the host is connected to.
    let (session, _) = tokio::join!(opened, digest::settled(&desired));
    probe((target, resolver), host, (session?, desired), (settings, emit)).await
}

/// Compares a host whose facts are known.
pub(super) async fn look_with(
    target: usize,
    resolver: &Resolver,
    (session, facts): (Session, &Facts),
    (settings, emit): (&Settings, Emit<'_>),
) -> Result<HostRun, Ended> {
    match resolver.desired(target, facts) {
        Ok(desired) => {
            let host = &resolver.targets[target].host;
            let desired = Arc::new(desired);
            let told = (settings, emit);
            let run = probe((target, resolver), host, (session, desired), told).await?;
            Ok(HostRun { facts: Some(facts.clone()), ..run })
        }
        Err(mistakes) => {
            let spent = session.close().await;
            let why = "its facts bring out mistakes in the project".to_owned();
            Err(Ended { mistakes, spent, ..failed(target, why) })
        }
    }
}

async fn probe(
    (target, resolver): (usize, &Resolver),
    host: &Host,
    (mut session, desired): (Session, Arc<Desired>),
    (settings, emit): (&Settings, Emit<'_>),
) -> Result<HostRun, Ended> {
    if let Err(why) = digest::settled(&desired).await {
        let spent = session.close().await;
        return Err(Ended { spent, ..failed(target, why) });
    }
    let whose = (resolver.project().name.as_str(), host.name.as_str());
    let (program, recall, look) = questions(&desired, host, (whose, settings), &mut session);
    failpoint!("lock-asked");
    let waiting = Recall::waiting(target, (settings, emit));
    let (spent, begun) = (session.counts, Instant::now());
    let answers = session.exchange(program, waiting).await.map_err(|error| {
        let spent = spent.and_since(begun, |times| &mut times.probe);
        Ended { spent, ..ended(target, host, error) }
    })?;
    failpoint!("lock-held");
    let heard = Instant::now();
    session.counts.times.probe += heard - begun;
    let memory = recall.read(whose, target, &answers);
    let memory = match memory {
        Ok(memory) => memory,
        Err(ended) => {
            let spent = session.close().await;
            return Err(Ended { spent, ..ended });
        }
    };
    let said = look.probe.said(&answers);
    recall.keep((&answers, said.as_ref()), &memory, &desired);
    let observed = look.probe.read(&desired, &answers);
    let moved = &resolver.project().moved;
    let mut memory = memory;
    memory.ledger.rename(moved, &desired);
    let more = (&mut session, settings);
    let going = prune::going((&memory.ledger, &desired), resolver, more).await;
    let mut going = going.map_err(|error| ended(target, host, error))?;
    let (desired, plan) = loop {
        let (all, observed) = prune::beside((&desired, &observed), &going);
        let mut plan = look.plan(&all, (&observed, &answers), &memory.ledger);
        memory.ledger.judge(&mut plan, &all);
        look.refuse(&mut plan, &all, (session.remote, &answers));
        let stays = prune::refused(&all, &plan, &mut going);
        if stays.is_empty() {
            break (all, plan);
        }
        memory.stays.extend(stays);
    };
    let mut plan = plan;
    if settings.run.is_none() {
        memory.ledger.release(&desired);
        plan.release();
    }
    session.counts.times.compare += heard.elapsed();
    let name = host.name.clone();
    let (session, back, facts, way_in) = (Some(session), None, None, look.way_in(&answers));
    let spent = Counts::default();
    Ok(HostRun { target, name, facts, desired, plan, memory, way_in, back, session, spent })
}

/// All that a host is asked at first: what it remembers, and what it has.
fn questions(
    desired: &Desired,
    host: &Host,
    (whose, settings): ((&str, &str), &Settings),
    session: &mut Session,
) -> (Program, Recall, Look) {
    let (mut program, mut questions) = (Program::default(), Questions::default());
    let keeps = settings.answers.as_deref().map(|folder| Keeps { folder, host });
    let standing = keeps.and_then(|keeps| standing(keeps, whose, settings, desired));
    let recall = Recall::ask((whose, standing), settings, session, (&mut program, &mut questions));
    let keeping = (settings.probe_timeout, (keeps, recall.standing.as_ref()));
    let look = Look::ask(desired, session, (&mut program, questions), keeping);
    (program, recall, look)
}

/// A host that ended although it could be talked to.
pub(super) fn failed(target: usize, message: String) -> Ended {
    let (outcome, spent) = (Outcome::Failed, Counts::default());
    Ended { target, outcome, message, help: None, mistakes: Vec::new(), spent }
}

/// Connects to a host, or says why it cannot be; how long that was tried is spent on it.
pub(super) async fn open(
    (target, host): (usize, &Host),
    purpose: Purpose,
    settings: &Settings,
) -> Result<Session, Ended> {
    let begun = Instant::now();
    Session::open(host, purpose, settings).await.map_err(|error| {
        let spent = Counts::default().and_since(begun, |times| &mut times.connect);
        Ended { spent, ..ended(target, host, error) }
    })
}

/// What a failed session means for a host on which nothing was changed.
pub(super) fn ended(target: usize, host: &Host, error: SessionError) -> Ended {
    let (outcome, message, help) = match error {
        SessionError::Transport(TransportError::Unreachable(message)) => {
            let said = message.contains(&host.address) || message.contains(" port ");
            let message = if said || host.address == host.name {
                message
            } else {
                format!("{message} ({})", host.address)
            };
            (Outcome::Unreachable, message, None)
        }
        SessionError::Closed(message) => (Outcome::Unreachable, message, None),
        SessionError::Transport(TransportError::Refused { message, help })
        | SessionError::NoShell { message, help } => (Outcome::Refused, message, help),
        error @ (SessionError::PasswordWanted | SessionError::Stopped) => {
            (Outcome::Refused, error.to_string(), None)
        }
        error @ SessionError::Transport(TransportError::Ours(_)) => {
            (Outcome::Failed, error.to_string(), None)
        }
        error @ (SessionError::Silent(_) | SessionError::Over(..)) => {
            let help =
                "look at the host by hand: a file system that does not answer, or no memory left?";
            (Outcome::Failed, error.to_string(), Some(help.to_owned()))
        }
        error @ SessionError::Frame(_) => {
            let help = "something there writes into the connection, or it is not the host that it should be:\n\
                        look at it by hand";
            (Outcome::Failed, error.to_string(), Some(help.to_owned()))
        }
    };
    Ended { outcome, help, ..failed(target, message) }
}

/// A host's facts, or what is wrong with its answer.
async fn ask_facts(
    session: &mut Session,
    settings: &Settings,
) -> Result<Result<Facts, String>, SessionError> {
    let mut inner = Script::new();
    facts::ask(&mut inner);
    let seconds = settings.probe_timeout;
    let mut program = Program { seconds, whole: Some(seconds), ..Program::default() };
    program.ask(session.seq(), &inner);
    let begun = Instant::now();
    let answers = session.exchange(program, |_| {}).await?;
    session.counts.times.facts += begun.elapsed();
    Ok(facts::read(&answers[0].payload))
}
