//! One host's memory, looked at by itself: read, unlocked, forgotten.

use super::Settings;
use super::host::{Ended, ended, open};
use super::program::{Program, Questions};
use super::purpose::Purpose;
use super::remember::{Recall, state};
use crate::ledger::Memory;
use crate::model::Host;
use crate::shell::Script;

/// What a host remembers of a project.
///
/// # Errors
/// When the host cannot be asked.
pub async fn remembered(host: &Host, project: &str, settings: &Settings) -> Result<Memory, Ended> {
    let wrong = |error| ended(0, host, error);
    let mut session = open((0, host), Purpose::Work, settings).await?;
    let (whose, mut program) = ((project, host.name.as_str()), Program::default());
    let mut questions = Questions::default();
    let recall = Recall::ask((whose, None), settings, &mut session, (&mut program, &mut questions));
    program.ask_all(&questions);
    program.seconds = settings.probe_timeout;
    let answers = session.exchange(program, |_| {}).await.map_err(wrong)?;
    session.close().await;
    recall.read(whose, 0, &answers)
}

/// Ends the apply of this run that holds the lock, as whoever ends it is called, or takes away what the host
/// remembers where `run` is none. What the host says of it: an empty text where it was done.
///
/// # Errors
/// When the host cannot be asked.
pub async fn end(
    host: &Host,
    project: &str,
    run: Option<[&str; 2]>,
    settings: &Settings,
) -> Result<String, Ended> {
    let wrong = |error| ended(0, host, error);
    let mut session = open((0, host), Purpose::Work, settings).await?;
    let mut inner = Script::new();
    inner.text(if run.is_some() { "unlock" } else { "forget" });
    inner.args(state((project, &host.name), settings)).args(run.into_iter().flatten());
    let mut program = Program { seconds: settings.probe_timeout, ..Program::default() };
    program.ask(session.seq(), &inner);
    let answers = session.exchange(program, |_| {}).await.map_err(wrong)?;
    session.close().await;
    let said = answers.first().map(|answer| answer.payload.clone()).unwrap_or_default();
    Ok(String::from_utf8_lossy(&said).into_owned())
}
