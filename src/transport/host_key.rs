//! A host's key: which one it shows, which one is known, and the words about it.
//!
//! ssh itself fetches the key, through the user's config with its ports, aliases and jump hosts; it
//! offers no key and no password meanwhile, and no program goes to the host.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::{Settings, TransportError, process, refusal, ssh};
use crate::model::{Host, TransportKind};

/// A host's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As it stands in files: `ssh-ed25519`.
    kind: String,
    bytes: Vec<u8>,
}

impl Key {
    /// A key from the two words of a line of `known_hosts`.
    fn parse(kind: &str, text: &str) -> Option<Self> {
        let plain = kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-@.".contains(&byte));
        let bytes = STANDARD.decode(text).ok()?;
        (plain && !kind.is_empty() && !bytes.is_empty())
            .then(|| Self { kind: kind.to_owned(), bytes })
    }

    /// `ED25519 SHA256:…`, as ssh writes it.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{} {}", self.word(), self.fingerprint())
    }

    /// `SHA256:…`
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.bytes)))
    }

    /// ssh's short word for its kind.
    fn word(&self) -> &str {
        match self.kind.as_str() {
            "ssh-ed25519" => "ED25519",
            "ssh-rsa" => "RSA",
            "sk-ssh-ed25519@openssh.com" => "ED25519-SK",
            "sk-ecdsa-sha2-nistp256@openssh.com" => "ECDSA-SK",
            kind if kind.starts_with("ecdsa-sha2-") => "ECDSA",
            kind => kind,
        }
    }
}

/// A key that ssh knows for a host, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub key: Key,
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
}

/// What a look at a host's key brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The name under which ssh files it.
    pub name: String,
    /// Where it came from.
    pub from: String,
    /// The key that the host shows.
    pub key: Key,
    /// The line that ssh would file.
    pub(super) line: String,
    /// What is filed under the name now.
    pub known: Vec<Known>,
    /// Where ssh looks, the first being where it writes.
    pub(super) files: Vec<PathBuf>,
    /// ssh takes the key as it is.
    pub trusted: bool,
}

/// Looks which key a host shows, and whether ssh would take it.
///
/// # Errors
/// When the host is not reached by ssh, or cannot be reached.
pub async fn look(host: &Host, settings: &Settings) -> Result<Seen, TransportError> {
    let kind = host.connection.transport.unwrap_or(TransportKind::Ssh);
    if kind != TransportKind::Ssh {
        return Err(TransportError::Ours("it is not reached by ssh: it has no host key".into()));
    }
    let patience = Duration::from_secs(u64::from(settings.connect_timeout) + 20);
    let late = || TransportError::Unreachable(format!("no answer within {} s", patience.as_secs()));
    let trusted = timeout(patience, shown(host, settings, None)).await.map_err(|_| late())??;
    let trusted = trusted.is_some();
    timeout(patience, fetch(host, settings, trusted)).await.map_err(|_| late())?
}

/// Why a host whose key ssh does not take is refused, with the keys.
pub(super) async fn refuse(host: &Host, settings: &Settings) -> TransportError {
    let patience = Duration::from_secs(u64::from(settings.connect_timeout));
    let seen = timeout(patience, fetch(host, settings, false)).await;
    let (message, help) = match seen {
        Ok(Ok(seen)) if seen.known.is_empty() => (
            "its host key is not known",
            format!(
                "  {}  from {}\nIf this is the key you expect: trueup trust {}\n(or add it with ssh as you always do)",
                seen.key.shown(),
                seen.from,
                host.name
            ),
        ),
        Ok(Ok(seen)) => ("its host key is not the one that is known", changed(&seen)),
        _ => ("its host key is not known, or another one", "look at it with trueup trust".into()),
    };
    TransportError::Refused { message: message.into(), help: Some(help) }
}

/// Both keys of a host, and what that may mean.
#[must_use]
pub fn changed(seen: &Seen) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for known in &seen.known {
        let _ = writeln!(
            text,
            "  known  {}  {}:{}",
            known.key.shown(),
            known.file.display(),
            known.line
        );
    }
    let _ = writeln!(text, "  now    {}  from {}", seen.key.shown(), seen.from);
    text.push_str(
        "Either the host was set up anew, or somebody else answers in its place.\n\
         Compare with the host's own console: ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub",
    );
    text
}

/// Asks ssh for the host's key. With `keep` it takes any and files it there; without it is as strict as
/// in a run. `Some` when it took the key.
async fn shown(
    host: &Host,
    settings: &Settings,
    keep: Option<&Path>,
) -> Result<Option<()>, TransportError> {
    let mut command = ssh::command(host, settings)?;
    command.args(["-n", "-S", "none", "-o", "PreferredAuthentications=none"]);
    command.args(["-o", "PubkeyAuthentication=no", "-o", "PasswordAuthentication=no"]);
    command.args(["-o", "CheckHostIP=no"]);
    if let Some(file) = keep {
        command.args(["-o", "GlobalKnownHostsFile=/dev/null"]);
        command.arg("-o").arg(format!("UserKnownHostsFile=\"{}\"", file.display()));
        // Before the config, whose value would count otherwise.
        command.args(["-o", "StrictHostKeyChecking=accept-new"]);
    }
    command.args(["--", &host.address, "exit"]);
    let (base, _) = settings.control.config(settings.ssh_config.as_deref())?;
    let folder = tempfile::Builder::new().prefix("k").tempdir_in(base);
    let folder = folder
        .map_err(|error| TransportError::Ours(format!("no folder for what ssh says: {error}")))?;
    let Err(said) = ssh::run(&mut command, folder.path(), settings).await? else {
        return Ok(Some(()));
    };
    match refusal::read(&said, host, settings.connect_timeout, "") {
        refusal::Read::HostKey => Ok(None),
        // It went past the key, and had nothing to log in with.
        refusal::Read::Said(TransportError::Refused { .. })
            if said.contains("Permission denied") =>
        {
            Ok(Some(()))
        }
        refusal::Read::Said(error) => Err(error),
    }
}

/// The key that the host shows, beside what is known.
async fn fetch(host: &Host, settings: &Settings, trusted: bool) -> Result<Seen, TransportError> {
    let (base, _) = settings.control.config(settings.ssh_config.as_deref())?;
    let folder = tempfile::Builder::new().prefix("k").tempdir_in(base);
    let folder = folder
        .map_err(|error| TransportError::Ours(format!("no folder for a host key: {error}")))?;
    let file = folder.path().join("known");
    shown(host, settings, Some(&file)).await?;
    let ours = |why: &str| TransportError::Ours(format!("cannot see its host key: {why}"));
    let text = super::known_hosts::read(&file).map_err(|error| ours(&error))?;
    let line = text.lines().next().ok_or_else(|| ours("ssh filed none"))?.to_owned();
    let mut words = line.split(' ').skip(1);
    let key = words.next().zip(words.next()).and_then(|(kind, text)| Key::parse(kind, text));
    let key = key.ok_or_else(|| ours("ssh filed no key"))?;
    let Filed { name, from, files } = filed(host, settings).await?;
    let mut known = Vec::new();
    for file in &files {
        known.extend(lookup(&name, file).await?);
    }
    Ok(Seen { name, from, key, line, known, files, trusted })
}

/// How ssh files a host's key.
struct Filed {
    name: String,
    from: String,
    files: Vec<PathBuf>,
}

/// Asks ssh what its config makes of the host.
async fn filed(host: &Host, settings: &Settings) -> Result<Filed, TransportError> {
    let mut command = ssh::command(host, settings)?;
    let text = output(command.args(["-G", "--", &host.address])).await?;
    let get = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        value.map(str::trim).filter(|value| !value.is_empty() && *value != "none")
    };
    let from = get("hostname").unwrap_or(&host.address).to_owned();
    let name = get("hostkeyalias").map_or_else(
        || match get("port") {
            Some(port) if port != "22" => format!("[{from}]:{port}"),
            _ => from.clone(),
        },
        ToOwned::to_owned,
    );
    let files = ["userknownhostsfile", "globalknownhostsfile"].into_iter().filter_map(get);
    let files = files.flat_map(|files| files.split(' ')).filter(|file| file.starts_with('/'));
    Ok(Filed { name, from, files: files.map(PathBuf::from).collect() })
}

/// What a file knows under a name; ssh-keygen reads hashed names too.
async fn lookup(name: &str, file: &Path) -> Result<Vec<Known>, TransportError> {
    if !file.is_file() {
        return Ok(Vec::new());
    }
    let mut command = process::command("ssh-keygen");
    let text = output(command.arg("-F").arg(name).arg("-f").arg(file)).await?;
    let mut line = 0;
    let mut known = Vec::new();
    for text in text.lines() {
        if let Some(comment) = text.strip_prefix("# Host ") {
            let number = comment.rsplit_once(" line ").map_or("", |(_, number)| number);
            line = number.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
            continue;
        }
        let mut words = text.split_whitespace().skip(usize::from(!text.starts_with('@')));
        // A marked line is about others: an authority, or a key that nobody is to take.
        if text.starts_with('@') {
            continue;
        }
        if let Some((kind, text)) = words.next().zip(words.next())
            && let Some(key) = Key::parse(kind, text)
        {
            known.push(Known { key, file: file.to_owned(), line });
        }
    }
    Ok(known)
}

/// What a program of OpenSSH prints.
async fn output(command: &mut tokio::process::Command) -> Result<String, TransportError> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().await;
    let output = output.map_err(|error| {
        TransportError::Ours(format!("cannot start OpenSSH's programs: {error}"))
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_ssh() {
        let text = "AAAAC3NzaC1lZDI1NTE5AAAAIHTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTXTX";
        let key = Key::parse("ssh-ed25519", text).unwrap();
        // ssh-keygen -l -F NAME -f FILE
        assert_eq!(key.shown(), "ED25519 SHA256:bg+KvkIDu+xscC2ssUkjok+ZkUCEWrKIgswtxLL55mY");
        assert_eq!(Key::parse("ssh-\u{1b}[2J", text), None);
        assert_eq!(Key::parse("ssh-ed25519", "no base64!"), None);
    }
}
