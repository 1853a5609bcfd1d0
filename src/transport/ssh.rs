//! The system's OpenSSH through its own multiplexing: one connection a host, with the user's config,
//! agent, jump hosts and known hosts.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use openssh::Session;
use openssh_mux_client::shutdown_mux_master;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Settings, TransportError, Wire, host_key, process, refusal};
use crate::model::Host;

/// Seconds that a connection outlives its last use: only what a run that was killed leaves behind.
const PERSIST: NonZeroU32 = NonZeroU32::new(60).expect("60 is not 0");

/// The most of ssh's own words that is read.
const SAID_MAX: u64 = 64 << 10;

/// A connection, shared by what was started on it; it ends with the last of them.
#[derive(Clone)]
pub(super) struct Master(Arc<Inner>);

struct Inner {
    session: Arc<Session>,
    /// Where its socket is.
    folder: TempDir,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // It has ended already where the link was lost.
        let _ = shutdown_mux_master(socket(&self.folder).as_path());
    }
}

fn socket(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("s")
}

/// `ssh` with the run's config and what the inventory says of this host, the destination not yet
/// given: it stands behind `--`, after options that the caller adds.
pub(super) fn command(host: &Host, settings: &Settings) -> Result<Command, TransportError> {
    let (_, config) = settings.control.config(settings.ssh_config.as_deref())?;
    let mut command = process::command("ssh");
    command.arg("-F").arg(config).args(["-T", "-a", "-x"]);
    command.arg("-o").arg(format!("ConnectTimeout={}", settings.connect_timeout));
    let connection = &host.connection;
    if let Some(user) = &connection.user {
        command.args(["-l", user]);
    }
    if let Some(port) = connection.port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(identity) = &connection.identity {
        command.args(["-o", "IdentitiesOnly=yes", "-i", identity]);
    }
    if let Some(jump) = &connection.jump {
        command.args(["-J", jump]);
    }
    Ok(command)
}

impl Master {
    /// Connects and logs in.
    pub(super) async fn open(host: &Host, settings: &Settings) -> Result<Self, TransportError> {
        let (base, _) = settings.control.config(settings.ssh_config.as_deref())?;
        let folder = tempfile::Builder::new().prefix("c").tempdir_in(base);
        let folder = folder.map_err(|error| {
            TransportError::Ours(format!("no folder for ssh's socket: {error}"))
        })?;
        let mut command = command(host, settings)?;
        command.arg("-S").arg(socket(&folder)).args(["-M", "-f", "-N"]);
        command.arg("-o").arg(format!("ControlPersist={PERSIST}s")).args(["--", &host.address]);
        let said = run(command, folder.path()).await?;
        if let Err(said) = said {
            return Err(explain(&said, host, settings).await);
        }
        let session = Session::resume_mux(socket(&folder).into_boxed_path(), None);
        Ok(Self(Arc::new(Inner { session: Arc::new(session), folder })))
    }

    /// Starts `start` as the login command.
    pub(super) async fn start(&self, start: &str) -> Result<Wire, TransportError> {
        let mut child = Arc::clone(&self.0.session)
            .arc_raw_command(start)
            .stdin(openssh::Stdio::piped())
            .stdout(openssh::Stdio::piped())
            .stderr(openssh::Stdio::piped())
            .spawn()
            .await
            .map_err(|error| TransportError::Unreachable(chain(&error)))?;
        let streams = (child.stdin().take(), child.stdout().take(), child.stderr().take());
        let (Some(input), Some(output), Some(errors)) = streams else {
            unreachable!("all three streams were asked for as pipes");
        };
        Ok(Wire {
            input: Box::new(input),
            output: Box::new(output),
            errors: Box::new(errors),
            // What runs ends with its child.
            keep: Box::new((child, self.clone())),
        })
    }
}

/// Runs ssh until it has ended or gone to the background; what it said when it failed. It says that to a
/// file in `folder`: a pipe would stay open as long as what brings it through a jump host.
pub(super) async fn run(
    mut command: Command,
    folder: &Path,
) -> Result<Result<(), String>, TransportError> {
    let ours = |what: &str, error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            TransportError::Ours("cannot start ssh: install the OpenSSH client".into())
        }
        _ => TransportError::Ours(format!("{what}: {error}")),
    };
    let path = folder.join("said");
    let file = File::create(&path).map_err(|error| ours("cannot keep what ssh says", error))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let status = command.status().await.map_err(|error| ours("cannot start ssh", error))?;
    if status.success() {
        return Ok(Ok(()));
    }
    let mut said = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(SAID_MAX).read_to_end(&mut said))
        .map_err(|error| ours("cannot read what ssh said", error))?;
    Ok(Err(String::from_utf8_lossy(&said).into_owned()))
}

/// What ssh's words on a failed connection mean; for a host key that is not known, or another one, the
/// host is asked for the one that it has.
async fn explain(said: &str, host: &Host, settings: &Settings) -> TransportError {
    let way = ssh_line(host, settings.ssh_config.as_deref());
    match refusal::read(said, host, settings.connect_timeout, &way) {
        refusal::Read::Said(error) => error,
        refusal::Read::HostKey => host_key::refuse(host, settings).await,
    }
}

/// What somebody types to try the same by hand.
fn ssh_line(host: &Host, config: Option<&Path>) -> String {
    let connection = &host.connection;
    let mut line = String::from("ssh");
    if let Some(config) = config {
        let _ = write!(line, " -F {}", config.display());
    }
    if let Some(identity) = &connection.identity {
        let _ = write!(line, " -i {identity}");
    }
    if let Some(port) = connection.port {
        let _ = write!(line, " -p {port}");
    }
    if let Some(jump) = &connection.jump {
        let _ = write!(line, " -J {jump}");
    }
    let user = connection.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let _ = write!(line, " {user}{} true", host.address);
    line
}

/// An error with all that is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let _ = write!(text, ": {inner}");
        source = inner.source();
    }
    text
}
