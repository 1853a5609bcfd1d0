//! Why an exchange with a host did not come to its end.

use crate::shell::FrameError;
use crate::transport::TransportError;

/// Why an exchange did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The shell ended before it said what was asked.
    #[error("{0}")]
    Closed(String),
    /// No answer came within so many seconds.
    #[error("no answer within {0} s")]
    Silent(u32),
    /// The host used up all its time, which this option sets.
    #[error("not through within {0} s ({1})")]
    Over(u32, &'static str),
    /// It could not be started on the host.
    #[error("{message}")]
    NoShell { message: String, help: Option<String> },
    /// Somebody wanted everything to end at once.
    #[error("stopped at once while it ran")]
    Stopped,
    /// sudo does not go on without a password.
    #[error("sudo wants a password")]
    PasswordWanted,
}

impl SessionError {
    /// Whether the connection is to blame, or no shell came of it.
    pub(super) const fn is_of_link(&self) -> bool {
        matches!(
            self,
            Self::Transport(_) | Self::Closed(_) | Self::Silent(_) | Self::NoShell { .. }
        )
    }
}
