//! Starts a program whose standard input and output are a shell on a host. The only room that starts
//! processes and opens sockets.
//!
//! Three transports stand behind [`Link::open`]: `ssh` (the system's OpenSSH, one connection a host), `local`
//! (this machine) and `command` (any program that ends in a shell: docker, podman, kubectl, nsenter).

mod control;
mod deciding;
pub mod host_key;
mod kept;
mod known_hosts;
mod process;
mod refusal;
mod ssh;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::model::{Host, TransportKind};
use crate::shell::{Login, login_line, login_words};

pub use control::Control;
pub use kept::disconnect;

/// Bytes that a pipe to a program holds while much is written to it.
const WIDE: usize = 512 << 10;

/// Where what is written goes to a shell.
pub trait Input: AsyncWrite + Send + Sync + Unpin {
    /// Makes room for more at once, where much is to be written.
    fn widen(&self);
    /// The pipe that it is written to, to be written to from beside.
    ///
    /// # Errors
    /// When this process may not open more.
    fn pipe(&self) -> io::Result<OwnedFd>;
}

impl<P: AsyncWrite + AsFd + Send + Sync + Unpin> Input for P {
    fn widen(&self) {
        // Where a user's pipes hold much already the system says no, and it goes on as it is.
        let _ = rustix::pipe::fcntl_setpipe_size(self, WIDE);
    }

    fn pipe(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }
}

/// A shell on a host: what is written to `input` is its standard input.
pub struct Wire {
    pub input: Box<dyn Input>,
    pub output: Box<dyn AsyncRead + Send + Sync + Unpin>,
    pub errors: Box<dyn AsyncRead + Send + Sync + Unpin>,
    /// What must live as long as the shell; dropping it ends the connection.
    pub keep: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

/// How connections are made, for all hosts of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seconds until a host counts as unreachable.
    pub connect_timeout: u16,
    /// Seconds that a connection is kept for the next run once nobody uses it; 0: it ends with its run.
    pub persist: u32,
    /// Read instead of the user's own ssh config.
    pub ssh_config: Option<PathBuf>,
    /// The run's private folder for ssh; made on first use.
    pub control: Arc<Control>,
}

/// Why there is no shell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nobody answered there.
    #[error("{0}")]
    Unreachable(String),
    /// It answered, but not to us: keys, logins.
    #[error("{message}")]
    Refused { message: String, help: Option<String> },
    /// Something is wrong on this side.
    #[error("{0}")]
    Ours(String),
}

/// How a host is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a connection that a run before kept, where there is one.
    Any,
    /// Anew, which shows that the host can be reached now.
    New,
}

/// A way to a host, on which shells are started.
#[derive(Clone)]
pub struct Link(Inner);

#[derive(Clone)]
enum Inner {
    Ssh(ssh::Master),
    /// This machine.
    Local,
    /// The words of a program that ends in a shell.
    Command(Vec<String>),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

impl Link {
    /// Connects to `host`.
    ///
    /// # Errors
    /// When nobody answers, the host refuses us or we it, or a program of this machine is missing.
    pub async fn open(host: &Host, way: Way, settings: &Settings) -> Result<Self, TransportError> {
        Ok(Self(match host.connection.transport.unwrap_or(TransportKind::Ssh) {
            TransportKind::Ssh => Inner::Ssh(ssh::Master::open(host, way, settings).await?),
            TransportKind::Local => Inner::Local,
            TransportKind::Command => {
                let words = host.connection.command.iter().flatten();
                Inner::Command(
                    words
                        .map(|word| {
                            word.replace("{name}", &host.name).replace("{address}", &host.address)
                        })
                        .collect(),
                )
            }
        }))
    }

    /// Whether a run before this one made it: that the host can still be reached in this way is not known.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        matches!(&self.0, Inner::Ssh(master) if master.is_reused())
    }

    /// It ends with its run: nobody knows whether it leads anywhere, or a new one would.
    pub fn spoil(&self) {
        if let Inner::Ssh(master) = &self.0 {
            master.spoil();
        }
    }

    /// Starts a shell; several may run on one link.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(&self, login: Login<'_>) -> Result<Wire, TransportError> {
        match &self.0 {
            Inner::Ssh(master) => master.start(&login_line(login)).await,
            Inner::Local => process::open(&login_words(login)),
            Inner::Command(words) => {
                let shell = ["-c".to_owned(), login_line(login)];
                process::open(&words.iter().cloned().chain(shell).collect::<Vec<_>>())
            }
        }
    }
}
