//! Starts a program whose standard input and output are a shell on a host. The only room that starts
//! processes and opens sockets.
//!
//! Three transports stand behind [`open`]: `ssh` (the system's OpenSSH, one connection a host), `local`
//! (this machine) and `command` (any program that ends in a shell: docker, podman, kubectl, nsenter).

mod process;
mod ssh;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::model::{Become, Host, TransportKind};
use crate::shell::{PATH, START, start_words};

pub use ssh::Control;

/// A shell on a host: what is written to `input` is its standard input.
pub struct Wire {
    pub input: Box<dyn AsyncWrite + Send + Sync + Unpin>,
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

/// Opens a shell on `host`.
///
/// # Errors
/// When nobody answers, the host refuses us or we it, or a program of this machine is missing.
pub async fn open(host: &Host, settings: &Settings) -> Result<Wire, TransportError> {
    let sudo = host.connection.r#become == Some(Become::Sudo);
    match host.connection.transport.unwrap_or(TransportKind::Ssh) {
        TransportKind::Ssh => ssh::open(host, settings, &start_words(sudo)).await,
        TransportKind::Local => {
            let path = format!("PATH={PATH}");
            let shell = ["/usr/bin/env", "-i", &path, "LC_ALL=C", "/bin/sh", "-c", START];
            let words = if sudo { &["sudo", "-n", "--"][..] } else { &[] };
            process::open(&words.iter().chain(&shell).map(ToString::to_string).collect::<Vec<_>>())
        }
        TransportKind::Command => {
            let filled =
                host.connection.command.iter().flatten().map(|word| {
                    word.replace("{name}", &host.name).replace("{address}", &host.address)
                });
            let shell = ["-c".to_owned(), start_words(sudo)];
            process::open(&filled.chain(shell).collect::<Vec<_>>())
        }
    }
}
