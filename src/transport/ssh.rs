//! The system's OpenSSH through its own multiplexing: one connection a host, with the user's config,
//! agent, jump hosts and known hosts.
//!
//! A config file of ours is given with `-F`: it sets what must hold first (ssh takes the first value)
//! and then includes the user's. Host keys are checked strictly; nothing turns that off.
#![expect(
    clippy::disallowed_methods,
    reason = "the room that starts processes; ssh needs a config file and a socket folder"
)]

use std::fmt::Write as _;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openssh::{ControlPersist, KnownHosts, SessionBuilder, Stdio};
use tempfile::TempDir;

use super::{Settings, TransportError, Wire};
use crate::model::Host;

/// Seconds that a connection outlives its last use: only what a run that was killed leaves behind.
const PERSIST: NonZeroUsize = NonZeroUsize::new(60).expect("60 is not 0");

/// The run's private folder: ssh's sockets and the config made for it.
#[derive(Debug, Default)]
pub struct Control {
    folder: OnceLock<Result<TempDir, String>>,
}

impl Control {
    /// The folder, made when first asked for, and the config in it.
    fn config(&self, user_config: Option<&Path>) -> Result<(&Path, PathBuf), TransportError> {
        let folder =
            self.folder.get_or_init(|| make(user_config).map_err(|error| error.to_string()));
        match folder {
            Ok(folder) => Ok((folder.path(), folder.path().join("config"))),
            Err(why) => Err(TransportError::Ours(format!("no folder for ssh's sockets: {why}"))),
        }
    }
}

/// Makes the folder where the user alone can read: the runtime folder, else the state folder.
fn make(user_config: Option<&Path>) -> io::Result<TempDir> {
    let variable =
        |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("HOME").unwrap_or_else(|| "/".into());
    let base = variable("XDG_RUNTIME_DIR").filter(|path| path.is_dir());
    let base =
        base.or_else(|| variable("XDG_STATE_HOME")).unwrap_or_else(|| home.join(".local/state"));
    let base = base.join("trueup");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&base)?;
    sweep(&base);
    let folder = tempfile::Builder::new().prefix("ssh-").tempdir_in(&base)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.path().join("config"))?;
    io::Write::write_all(&mut file, config(user_config, &home).as_bytes())?;
    Ok(folder)
}

/// Removes folders that runs which were killed left behind: those older than a day.
fn sweep(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let old = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > Duration::from_secs(86_400)));
        if old && entry.file_name().to_string_lossy().starts_with("ssh-") {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The config: what must hold, then the user's own (`ssh_config(5)`: the first value counts).
fn config(user_config: Option<&Path>, home: &Path) -> String {
    let mut text = String::from(
        "Host *\n  ServerAliveInterval 5\n  ServerAliveCountMax 3\n  UpdateHostKeys no\n  \
         VerifyHostKeyDNS no\n  ForwardAgent no\n  ForwardX11 no\n  ClearAllForwardings yes\n  \
         PermitLocalCommand no\n  RequestTTY no\n  EscapeChar none\n  RemoteCommand none\n  LogLevel INFO\n",
    );
    let user = home.join(".ssh/config");
    let files = match user_config {
        Some(path) => vec![path],
        None => vec![user.as_path(), Path::new("/etc/ssh/ssh_config")],
    };
    for file in files.into_iter().filter(|file| file.exists()) {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let _ = writeln!(text, "  Include \"{}\"", file.display());
    }
    text
}

/// Connects and starts `start` as the login command.
pub(super) async fn open(
    host: &Host,
    settings: &Settings,
    start: &str,
) -> Result<Wire, TransportError> {
    let (folder, config) = settings.control.config(settings.ssh_config.as_deref())?;
    let connection = &host.connection;
    let mut builder = SessionBuilder::default();
    builder
        .known_hosts_check(KnownHosts::Strict)
        .control_directory(folder)
        .control_persist(ControlPersist::IdleFor(PERSIST))
        .connect_timeout(Duration::from_secs(settings.connect_timeout.into()))
        .config_file(config);
    if let Some(user) = &connection.user {
        builder.user(user.clone());
    }
    if let Some(port) = connection.port {
        builder.port(port);
    }
    if let Some(identity) = &connection.identity {
        builder.keyfile(identity);
    }
    if let Some(jump) = &connection.jump {
        builder.jump_hosts(jump.split(','));
    }
    let session = builder.connect_mux(&host.address).await;
    let session = Arc::new(session.map_err(|error| explain(&error, host, settings))?);
    let mut child = Arc::clone(&session)
        .arc_raw_command(start)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
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
        keep: Box::new((child, session)),
    })
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

/// What ssh's words on a failed connection mean.
fn explain(error: &openssh::Error, host: &Host, settings: &Settings) -> TransportError {
    let openssh::Error::Connect(inner) = error else {
        return TransportError::Ours(chain(error));
    };
    let said = inner.to_string();
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    if said.contains("Host key verification failed") || said.contains("host key is known for") {
        let changed = said.contains("IDENTIFICATION HAS CHANGED");
        return TransportError::Refused {
            message: if changed {
                "its host key is not the one that is known".into()
            } else {
                "its host key is not known".into()
            },
            help: Some(format!(
                "{}: ssh {}",
                if changed {
                    "find out why before anything else; then mend known_hosts as you do for ssh"
                } else {
                    "if you trust the network to it, connect once by hand and compare the fingerprint"
                },
                host.address
            )),
        };
    }
    if said.contains("Permission denied") || said.contains("Too many authentication failures") {
        return TransportError::Refused {
            message: format!("ssh could not log in: {last}"),
            help: Some(format!("check user and key: ssh {} true", host.address)),
        };
    }
    if inner.kind() == io::ErrorKind::NotFound {
        return TransportError::Ours("cannot start ssh: install the OpenSSH client".into());
    }
    if said.contains("timed out") {
        let seconds = settings.connect_timeout;
        return TransportError::Unreachable(format!("connection timed out after {seconds} s"));
    }
    TransportError::Unreachable(last.to_owned())
}
