//! The run's private folder for ssh: the config that says what must hold, and the sockets.
//!
//! The config is given with `-F`: it sets what must hold first (ssh takes the first value) and then
//! includes the user's. Host keys are checked strictly, on jump hosts too; nothing turns that off.
#![expect(
    clippy::disallowed_methods,
    reason = "ssh needs a config file and a socket folder, in a place that the environment names"
)]

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use super::TransportError;
use super::deciding;
use super::kept::Surroundings;

/// The run's private folder: ssh's sockets and the config made for it.
#[derive(Debug, Default)]
pub struct Control {
    folder: OnceLock<Result<TempDir, String>>,
    decided: OnceLock<Option<Decided>>,
}

/// What the user's files say of all connections.
#[derive(Debug)]
struct Decided {
    surroundings: Surroundings,
    /// Whether they name ciphers.
    ciphers: bool,
}

impl Control {
    /// What the user's files say; `None` where that cannot be known.
    fn decided(&self, user_config: Option<&Path>) -> Option<&Decided> {
        let of = || {
            let files = deciding::files(&included(user_config), &home())?;
            let ciphers = deciding::any_says(&files, "Ciphers");
            let contents = files.into_iter().map(|(_, content)| content);
            Some(Decided { surroundings: Surroundings::of(contents), ciphers })
        };
        self.decided.get_or_init(of).as_ref()
    }

    /// What tells kept connections apart besides their hosts; `None` where that cannot be known.
    pub(super) fn surroundings(&self, user_config: Option<&Path>) -> Option<&Surroundings> {
        self.decided(user_config).map(|decided| &decided.surroundings)
    }

    /// Whether ssh is asked for AES-GCM first: the processor has instructions for it, and the user's files name no ciphers.
    fn asks_for_aes(&self, user_config: Option<&Path>) -> bool {
        has_aes() && self.decided(user_config).is_some_and(|decided| !decided.ciphers)
    }

    /// Takes back what was asked for of ciphers, where anything was: this ssh does not know it.
    pub(super) fn as_ssh_chooses(&self, user_config: Option<&Path>) -> bool {
        let Some(Ok(folder)) = self.folder.get() else { return false };
        // Others start ssh with it meanwhile: it is the one or the other at any time.
        self.asks_for_aes(user_config)
            && tempfile::NamedTempFile::new_in(folder.path()).is_ok_and(|mut file| {
                io::Write::write_all(&mut file, config(user_config, false).as_bytes()).is_ok()
                    && file.persist(folder.path().join("config")).is_ok()
            })
    }

    /// The folder, made when first asked for, and the config in it.
    pub(super) fn config(
        &self,
        user_config: Option<&Path>,
    ) -> Result<(&Path, PathBuf), TransportError> {
        let folder = self.folder.get_or_init(|| {
            make(user_config, self.asks_for_aes(user_config)).map_err(|error| error.to_string())
        });
        match folder {
            Ok(folder) => Ok((folder.path(), folder.path().join("config"))),
            Err(why) => Err(TransportError::Ours(format!("no folder for ssh's sockets: {why}"))),
        }
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn home() -> PathBuf {
    variable("HOME").unwrap_or_else(|| "/".into())
}

/// Where ssh's sockets are: below the runtime folder, else the state folder.
pub(super) fn base() -> PathBuf {
    let base = variable("XDG_RUNTIME_DIR").filter(|path| path.is_dir());
    let base =
        base.or_else(|| variable("XDG_STATE_HOME")).unwrap_or_else(|| home().join(".local/state"));
    base.join("trueup")
}

/// The longest path of a folder with sockets in folders of it: `sun_path` has 108 bytes (unix(7)), and ssh adds 17 to a
/// name while it makes a socket.
pub(super) const FOLDER_MAX: usize = 60;

/// Makes the folder where the user alone can read.
fn make(user_config: Option<&Path>, aes: bool) -> io::Result<TempDir> {
    let base = base();
    let folder = if base.as_os_str().len() > FOLDER_MAX {
        tempfile::Builder::new().prefix("trueup-").tempdir()?
    } else {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&base)?;
        sweep(&base);
        tempfile::Builder::new().prefix("ssh-").tempdir_in(&base)?
    };
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.path().join("config"))?;
    io::Write::write_all(&mut file, config(user_config, aes).as_bytes())?;
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

/// Whether this processor has instructions for AES.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// What ssh is asked to take first where nothing else says: with instructions for AES a gigabyte costs both ends a
/// quarter less than with its own first choice, chacha20-poly1305. All that it would take it takes still.
const AES: &str = "  Ciphers ^aes256-gcm@openssh.com,aes128-gcm@openssh.com\n";

/// The config: what must hold, then the user's own (`ssh_config(5)`: the first value counts), then what is better than
/// ssh's own choice.
fn config(user_config: Option<&Path>, aes: bool) -> String {
    let mut text = String::from(
        "Host *\n  StrictHostKeyChecking yes\n  UpdateHostKeys no\n  VerifyHostKeyDNS no\n  BatchMode yes\n  \
         ServerAliveInterval 5\n  ServerAliveCountMax 3\n  ForwardAgent no\n  ForwardX11 no\n  \
         ClearAllForwardings yes\n  Tunnel no\n  GSSAPIDelegateCredentials no\n  PermitLocalCommand no\n  \
         RequestTTY no\n  EscapeChar none\n  RemoteCommand none\n  LogLevel INFO\n",
    );
    for file in included(user_config).into_iter().filter(|file| file.exists()) {
        let _ = writeln!(text, "  Include \"{}\"", file.display());
    }
    if aes {
        text += AES;
    }
    text
}

/// The config files of the user's that hold.
fn included(user_config: Option<&Path>) -> Vec<PathBuf> {
    match user_config {
        Some(path) => vec![std::path::absolute(path).unwrap_or_else(|_| path.to_owned())],
        None => vec![home().join(".ssh/config"), "/etc/ssh/ssh_config".into()],
    }
}
