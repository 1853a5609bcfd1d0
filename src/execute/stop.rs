//! How a run that is asked to end ends: first after the steps that run, then at once.

use tokio::sync::watch;

use super::session::Beside;
use super::session_error::SessionError;

/// How much somebody wants the run to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not at all.
    No,
    /// No step is begun any more; those that run end, and what they did is told.
    Soon,
    /// Nothing is waited for.
    Now,
}

/// Asks a fleet to stop.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<Stop>);

impl Stopper {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Stop::No))
    }

    /// Asks for more than before; gives what is asked for now.
    #[must_use]
    pub fn harder(&self) -> Stop {
        let asked = *self.0.borrow();
        let next = match asked {
            Stop::No => Stop::Soon,
            Stop::Soon | Stop::Now => Stop::Now,
        };
        self.0.send_replace(next);
        next
    }

    /// Whether nothing new is to be begun.
    pub(super) fn asked(&self) -> bool {
        *self.0.borrow() != Stop::No
    }

    /// Waits until at least this is asked for.
    pub(super) async fn wait(&self, least: Stop) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`.
        let _ = receiver.wait_for(|stop| *stop >= least).await;
    }
}

/// Waits for an exchange. Who is asked to stop lets the steps that run end; who is asked twice waits for
/// nothing.
pub(super) async fn stopping<T>(
    exchange: impl Future<Output = Result<T, SessionError>>,
    beside: Beside,
    stop: &Stopper,
) -> Result<T, SessionError> {
    tokio::pin!(exchange);
    tokio::select! {
        result = &mut exchange => return result,
        () = stop.wait(Stop::Soon) => {}
    }
    // Where the host cannot be asked, the wave ends as it would have.
    let asking = tokio::spawn(beside.ask_to_stop());
    let result = tokio::select! {
        result = &mut exchange => result,
        () = stop.wait(Stop::Now) => Err(SessionError::Stopped),
    };
    asking.abort();
    result
}
