//! After a connection was lost in the middle of a wave: the host is reached once more and read, so that
//! what stands is known. Where it cannot be, the outcome stays unknown and that is said.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Settings;
use super::apply::Applying;
use super::probe::Probe;
use super::program::Program;
use super::purpose::Purpose;
use super::reading::last_line;
use super::remember::state;
use super::session::{Remote, Session};
use super::session_error::SessionError;
use super::stop::{Stop, Stopper};
use crate::model::Outcome;
use crate::plan::next_wave;
use crate::shell::Script;
use crate::transport::TransportError;

/// A wave whose exchange did not come to its end.
pub(super) struct Lost<'w> {
    pub(super) wave: &'w [usize],
    pub(super) error: SessionError,
    pub(super) session: Session,
    /// Whether it was confirmed over a new connection: then one that it cut off was to be expected.
    pub(super) kept: bool,
}

/// Seconds in which a host that was lost is tried again: it may start anew.
const AGAIN: u64 = 40;

/// Seconds that the shell of before gets to end its step.
const ENDS: u8 = 20;

/// Ends the shell of before after what it runs now, and says whether it did.
const ASK: &str = r#"
if process "$1" "$2"; then
kill -TERM "$1"
n=0
while process "$1" "$2" && [ "$n" -lt "$3" ]; do
sleep 1
n=$((n + 1))
done
fi
if process "$1" "$2"; then echo runs; else echo gone; fi
"#;

impl Applying {
    /// Says what is known of a wave that was lost, after a second look at the host.
    pub(super) async fn lost(&mut self, lost: Lost<'_>, settings: &Settings, stop: &Stopper) {
        let Lost { wave, error, session, kept } = lost;
        self.over = true;
        self.applied.counts = self.applied.counts.plus(session.counts);
        let over = |index: &usize| {
            let needless = self.applied.needless.iter().any(|needless| needless.resource == *index);
            needless || self.history.changed.contains(index)
        };
        let running = wave.iter().copied().find(|index| !over(index));
        let mut cause = Cause::of(&error);
        let look = match (&error, session.remote) {
            // What garbles its answers is not asked again.
            (SessionError::Stopped | SessionError::Frame(_), _) | (_, None) => None,
            (_, Some(remote)) => tokio::select! {
                looked = self.look_again((session, remote), &mut cause, settings) => Some(looked),
                () = stop.wait(Stop::Now) => None,
            },
        };
        let stands = match look {
            None => return self.unknown(running, &cause, ""),
            Some(Err(why)) => return self.unknown(running, &cause, &why),
            Some(Ok(())) => {
                let stands: Vec<usize> = wave
                    .iter()
                    .copied()
                    .filter(|index| !self.history.changed.contains(index) && self.holds(*index))
                    .collect();
                self.done(&stands);
                stands
            }
        };
        if kept && wave.iter().all(|index| self.history.changed.contains(index)) {
            return self.cut_by_itself(wave);
        }
        let Some(running) = running else {
            let why = format!("{}; the host was read again: all of it is done", cause.whole);
            return self.incident(None, (why, ""));
        };
        let instance = &self.run.desired.resources[running];
        if !instance.kind.verifiable(&instance.desired) {
            let why = "whether it ran to its end cannot be seen";
            return self.unknown(Some(running), &cause, why);
        }
        let word = if stands.contains(&running) { "it is done" } else { "it is not done" };
        self.incident(None, (format!("{}, and made again to see what stands", cause.whole), ""));
        let said = |cause: &str| format!("{cause} while this ran; read again: {word}");
        self.incident(Some(running), (said(&cause.short), &said(cause.plain)));
    }

    /// The connection was lost to a change that was confirmed since, and all of the wave is done.
    fn cut_by_itself(&mut self, wave: &[usize]) {
        let last = wave.last().copied().unwrap_or(0);
        let told = "it cut the connection, which was made again".to_owned();
        self.applied.notes.push((Some(last), told));
        self.next_plan(wave);
        if next_wave(&self.run.desired, &self.plan).is_empty() {
            self.over = !self.applied.incidents.is_empty();
        } else {
            let why = "a change cut the connection: apply again for what is left";
            self.incident(None, (why.to_owned(), ""));
        }
    }

    /// What ran then is not known, and why it cannot be.
    fn unknown(&mut self, running: Option<usize>, cause: &Cause, why: &str) {
        let lines = |first: &str| format!("{first}\n{why}").trim_end().to_owned();
        if running.is_some() {
            let plain = "what became of it is not known";
            self.incident(None, (cause.open.clone(), ""));
            self.incident(running, (lines(&cause.more), plain));
        } else {
            self.incident(None, (lines(&cause.whole), ""));
        }
        self.applied.outcome = Outcome::Unknown;
    }

    /// Reaches the host once more, waits for the shell of before to end, and reads all resources.
    async fn look_again(
        &mut self,
        (before, remote): (Session, Remote),
        cause: &mut Cause,
        settings: &Settings,
    ) -> Result<(), String> {
        let mut session = reach(&before, settings)
            .await
            .map_err(|error| format!("it could not be reached again: {error}"))?;
        drop(before);
        let mut inner = Script::new();
        inner.text("set --").arg(remote.process.to_string()).arg(remote.started.to_string());
        inner.arg(ENDS.to_string()).text(ASK);
        let mut program = Program::default();
        program.ask(session.seq(), &inner);
        let mut who = Script::new();
        let whose = (self.resolver.project().name.as_str(), self.run.name.as_str());
        let run = settings.run.as_ref().map(|mark| mark.id.as_str());
        who.text("ended_by").args(state(whose, settings)).args([run.unwrap_or_default()]);
        program.ask(session.seq(), &who);
        let probe = Probe::alone(&self.run.desired, &mut session, &mut program);
        let seconds = settings.probe_timeout.saturating_add(probe.seconds) + u32::from(ENDS);
        (program.seconds, program.whole) = (seconds, Some(seconds));
        let answers = session
            .exchange(program, |_| {})
            .await
            .map_err(|error| format!("it could not be read again: {error}"))?;
        self.applied.counts = self.applied.counts.plus(session.close().await);
        let said = answers.get(1).map(|answer| String::from_utf8_lossy(&answer.payload));
        if let Some(who) = said.as_deref().and_then(last_line) {
            *cause = Cause::unlocked(&who);
        }
        if answers.first().is_none_or(|answer| answer.payload != b"gone") {
            return Err(format!("what ran then still runs there (process {})", remote.process));
        }
        self.observed = probe.read(&self.run.desired, &answers);
        Ok(())
    }
}

/// Why a wave did not come to its end, in words.
struct Cause {
    /// Of the host, where it is read again.
    whole: String,
    /// Of the host, where what ran then stays unknown.
    open: String,
    /// Of what ran then.
    short: String,
    /// The same without words of the host.
    plain: &'static str,
    /// More of it, where that stays unknown.
    more: String,
}

impl Cause {
    /// What we ended ourselves was not lost.
    fn of(error: &SessionError) -> Self {
        let (said, more) = (error.to_string(), "what became of it is not known".to_owned());
        let ended = |plain: &'static str| Self {
            whole: format!("{said}: the connection was ended"),
            open: format!("{said}: the connection was ended while something ran"),
            short: plain.to_owned(),
            plain,
            more: more.clone(),
        };
        let other = |plain: &'static str| Self {
            whole: said.clone(),
            open: format!("{plain} while something ran"),
            short: said.clone(),
            plain,
            more: said.clone(),
        };
        match error {
            SessionError::Over(..) => ended("the time for this host was over"),
            SessionError::Silent(_) => ended("no answer came in time"),
            SessionError::Stopped => {
                let open = "stopped at once; what ran then is not known".to_owned();
                Self { open: open.clone(), whole: open, ..other("it was stopped at once") }
            }
            SessionError::Frame(_) => other("its answers could not be read"),
            _ => other("the connection was lost"),
        }
    }

    /// Somebody ended the apply.
    fn unlocked(who: &str) -> Self {
        let whole = format!("{who} ended this apply with trueup unlock");
        Self {
            open: format!("{whole} while something ran"),
            whole: format!("{whole}: the connection is gone"),
            short: "the apply was ended".to_owned(),
            plain: "the apply was ended",
            more: "what became of it is not known".to_owned(),
        }
    }
}

/// Connects anew; as long as nobody answers, again and again for a while.
async fn reach(before: &Session, settings: &Settings) -> Result<Session, SessionError> {
    let end = Instant::now() + Duration::from_secs(AGAIN);
    loop {
        match before.again(Purpose::Work, settings).await {
            Err(SessionError::Transport(TransportError::Unreachable(_)))
                if Instant::now() < end =>
            {
                sleep(Duration::from_secs(2)).await;
            }
            result => return result,
        }
    }
}
