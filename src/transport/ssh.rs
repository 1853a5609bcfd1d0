//! The system's OpenSSH through its own multiplexing: one connection a host, with the user's config,
//! agent, jump hosts and known hosts.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openssh::Session;
use openssh_mux_client::shutdown_mux_master;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Settings, TransportError, Way, Wire, host_key, kept, process, refusal};
use crate::model::Host;

/// Seconds that a connection which is not kept outlives its last use: only what a run that was killed leaves behind.
const PERSIST: u32 = 60;

/// What an ssh says that does not know a cipher, or how it is asked for one (OpenSSH before 8.1; readconf.c).
const NO_CIPHER: &str = "Bad SSH2 cipher spec";

/// The most of ssh's own words that is read.
const SAID_MAX: u64 = 64 << 10;

/// A connection, shared by what was started on it.
#[derive(Clone)]
pub(super) struct Master(Arc<Inner>);

struct Inner {
    session: Arc<Session>,
    socket: PathBuf,
    life: Life,
    spoilt: AtomicBool,
}

/// How long a connection lives.
enum Life {
    /// As long as what was started on it; its socket is in this folder.
    Run { _folder: TempDir },
    /// Until nobody used it for a while.
    Kept { reused: bool },
}

impl Drop for Inner {
    fn drop(&mut self) {
        match self.life {
            // It has ended already where the link was lost.
            Life::Run { .. } => drop(shutdown_mux_master(self.socket.as_path())),
            Life::Kept { .. } if self.spoilt.load(Ordering::Relaxed) => {
                let _ = kept::end(&self.socket);
            }
            Life::Kept { .. } => {}
        }
    }
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
    /// Connects and logs in, or takes a connection that was kept.
    pub(super) async fn open(
        host: &Host,
        way: Way,
        settings: &Settings,
    ) -> Result<Self, TransportError> {
        let mut command = command(host, settings)?;
        let place = place(&command, host, settings).filter(|_| way == Way::Any);
        if let Some(socket) = &place
            && let Some(usable) = kept::usable(socket)
        {
            let session = Session::resume_mux(socket.clone().into_boxed_path(), None);
            if usable && matches!(timeout(kept::ANSWER, session.check()).await, Ok(Ok(()))) {
                return Ok(Self::of(session, socket.clone(), Life::Kept { reused: true }));
            }
            // It waits for an ssh that may hang.
            let socket = socket.clone();
            let _ = spawn_blocking(move || kept::end(&socket)).await;
        }
        let (base, _) = settings.control.config(settings.ssh_config.as_deref())?;
        let ours = |error| TransportError::Ours(format!("no folder for ssh's socket: {error}"));
        let folder = tempfile::Builder::new().prefix("c").tempdir_in(base).map_err(ours)?;
        let made = match &place {
            Some(place) => place.with_file_name(new_name(&folder)),
            None => folder.path().join("s"),
        };
        let persist = place.as_ref().map_or(PERSIST, |_| settings.persist);
        command.arg("-S").arg(&made).args(["-M", "-f", "-N"]);
        command.arg("-o").arg(format!("ControlPersist={persist}s")).args(["--", &host.address]);
        let said = run(&mut command, folder.path(), settings).await?;
        if let Err(said) = said {
            return Err(explain(&said, host, settings).await);
        }
        // Only a socket behind which somebody is logged in gets the name under which others look for it.
        let (socket, life) = match place.filter(|place| kept::named(&made, place)) {
            Some(place) => (place, Life::Kept { reused: false }),
            None => (made, Life::Run { _folder: folder }),
        };
        let session = Session::resume_mux(socket.clone().into_boxed_path(), None);
        Ok(Self::of(session, socket, life))
    }

    fn of(session: Session, socket: PathBuf, life: Life) -> Self {
        let (session, spoilt) = (Arc::new(session), AtomicBool::new(false));
        Self(Arc::new(Inner { session, socket, life, spoilt }))
    }

    pub(super) fn is_reused(&self) -> bool {
        matches!(self.0.life, Life::Kept { reused: true })
    }

    pub(super) fn spoil(&self) {
        self.0.spoilt.store(true, Ordering::Relaxed);
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

/// Where the connection to this host is kept, if it may be.
fn place(command: &Command, host: &Host, settings: &Settings) -> Option<PathBuf> {
    if settings.persist == 0 {
        return None;
    }
    let folder = kept::folder()?;
    // The config that is named there is made for each run; what it includes counts.
    let words = command.as_std().get_args().skip(2).chain([host.address.as_ref()]);
    let surroundings = settings.control.surroundings(settings.ssh_config.as_deref())?;
    Some(folder.join(kept::name(words, surroundings)))
}

/// The name of a new socket, as long as nobody is logged in behind it: like that of the folder that is this connection's.
fn new_name(folder: &TempDir) -> OsString {
    let mut name = OsString::from("n");
    name.push(folder.path().file_name().unwrap_or_default());
    name.push(std::process::id().to_string());
    name
}

/// Runs ssh until it has ended or gone to the background; what it said when it failed. Where it does not know how it is
/// asked for ciphers, it is asked for none and runs again.
pub(super) async fn run(
    command: &mut Command,
    folder: &Path,
    settings: &Settings,
) -> Result<Result<(), String>, TransportError> {
    let said = once(command, folder).await?;
    let user_config = settings.ssh_config.as_deref();
    let (_, config) = settings.control.config(user_config)?;
    let ours = |line: &str| {
        let what = line.strip_prefix(&*config.to_string_lossy());
        what.is_some_and(|what| what.contains(NO_CIPHER))
    };
    if said.as_ref().is_err_and(|said| said.lines().any(ours))
        && settings.control.as_ssh_chooses(user_config)
    {
        return once(command, folder).await;
    }
    Ok(said)
}

/// Runs ssh. It says what it says to a file in `folder`: a pipe would stay open as long as what brings it through a jump
/// host.
async fn once(command: &mut Command, folder: &Path) -> Result<Result<(), String>, TransportError> {
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
