//! A host until it has a plan: connect, facts where they are named, probe, compare.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::probe::{Probe, question};
use super::session::{Counts, Program, Session, SessionError};
use super::{Settings, facts};
use crate::model::{Diagnostic, Host, Outcome};
use crate::plan::{History, Plan, compare};
use crate::resolve::{Desired, Resolver};
use crate::resources::REGISTRY;
use crate::shell::Script;
use crate::transport::TransportError;

/// A host that was compared and waits for its plan to be applied.
#[derive(Debug)]
pub struct HostRun {
    pub target: usize,
    pub desired: Arc<Desired>,
    pub plan: Plan,
    pub(super) session: Option<Session>,
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
        Some(desired) => Ok(desired),
        None => with_facts(target, resolver, &mut session, settings).await.map_err(ended)?,
    };
    let desired = desired.map_err(|(message, mistakes)| Ended {
        target,
        outcome: Outcome::Failed,
        message,
        help: None,
        mistakes,
    })?;
    let mut script = Script::new();
    let probe = Probe::ask(&desired, &mut session, &mut script);
    // A command's own probe may take a minute, and a host may have several.
    let seconds = settings.probe_timeout.saturating_mul(10);
    let program = Program { script, contents: Vec::new(), answers: probe.asked.len(), seconds };
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

/// What a host should be, resolved with its own facts; or what is wrong with them, and the mistakes
/// in the project that they bring out.
type WithFacts = Result<Arc<Desired>, (String, Vec<Diagnostic>)>;

async fn with_facts(
    target: usize,
    resolver: &Resolver,
    session: &mut Session,
    settings: &Settings,
) -> Result<WithFacts, SessionError> {
    let mut inner = Script::new();
    facts::ask(&mut inner);
    let mut script = Script::new();
    question(&mut script, session.seq(), &inner);
    let program =
        Program { script, contents: Vec::new(), answers: 1, seconds: settings.probe_timeout };
    let answers = session.exchange(program, |_| {}).await?;
    Ok(facts::read(&answers[0].payload).map_err(|why| (why, Vec::new())).and_then(|facts| {
        let desired = resolver.desired(target, &facts).map(Arc::new);
        desired.map_err(|mistakes| ("its facts bring out mistakes in the project".into(), mistakes))
    }))
}
