//! Connections that outlive their run, so that the next one need not log in again: sockets of ssh masters in a folder that
//! nobody else can enter. One that may stand for another way to the host than the one that is asked for now is not used.
#![expect(clippy::disallowed_methods, reason = "sockets are files")]

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use openssh_mux_client::shutdown_mux_master;
use sha2::{Digest as _, Sha256};

use super::control;
use crate::model::change::hex;

/// How old a kept connection may be, however often it is used: keys and accounts are taken away meanwhile.
const AGE_MAX: Duration = Duration::from_secs(3600);

/// Bytes of a name.
const NAME: usize = 20;

/// Where kept connections are, below a folder.
const KEPT: &str = "kept";

/// The folder of kept connections, made if it is not there. None where it is not this user's alone.
pub(super) fn folder() -> Option<PathBuf> {
    let base = control::base();
    let folder = base.join(KEPT);
    if folder.as_os_str().len() > control::FOLDER_MAX {
        return None;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    (own(&base) && own(&folder)).then_some(folder)
}

/// Whether it is a folder of this user's that nobody else may change, and no link.
fn own(folder: &Path) -> bool {
    let uid = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(folder).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == uid && metadata.mode().trailing_zeros() >= 6
    })
}

/// The name of a connection: a digest of all that decides where it leads and who logs in there, as far as this program
/// knows it: ssh's words, its config files, the keys of hosts that are known, and the agent.
pub(super) fn name<'w>(
    words: impl Iterator<Item = &'w OsStr>,
    surroundings: &Surroundings,
) -> String {
    let mut hash = surroundings.0.clone();
    words.for_each(|word| add(&mut hash, word.as_bytes()));
    let mut name = hex(&hash.finalize());
    name.truncate(NAME);
    name
}

/// What is the same for all hosts of a run, read once.
#[derive(Debug)]
pub(super) struct Surroundings(Sha256);

impl Surroundings {
    /// The contents of files, and the agent.
    pub(super) fn of(contents: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut hash = Sha256::new();
        contents.for_each(|content| add(&mut hash, &content));
        add(&mut hash, std::env::var_os("SSH_AUTH_SOCK").unwrap_or_default().as_bytes());
        Self(hash)
    }
}

/// Adds bytes so that their end is told from what comes next.
fn add(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// Whether a connection at `socket` may be used: it is this user's, and not too old. None where nothing is there.
pub(super) fn usable(socket: &Path) -> Option<bool> {
    let uid = rustix::process::geteuid().as_raw();
    let metadata = fs::symlink_metadata(socket).ok()?;
    let young = metadata.modified().is_ok_and(|made| made.elapsed().is_ok_and(|age| age < AGE_MAX));
    Some(metadata.file_type().is_socket() && metadata.uid() == uid && young)
}

/// Gives the socket at `made` the name under which it is looked for; one that has it gives way.
pub(super) fn named(made: &Path, place: &Path) -> bool {
    fs::rename(made, place).is_ok()
}

/// How long an ssh that holds a connection may take for an answer.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// Ends a connection: what runs on it goes on, and nothing new begins. False where there was none, or its ssh did not
/// answer: it is not asked again.
pub(super) fn end(socket: &Path) -> bool {
    let (said, heard) = mpsc::channel();
    let place = socket.to_owned();
    std::thread::spawn(move || said.send(shutdown_mux_master(place.as_path()).is_ok()));
    let live = heard.recv_timeout(ANSWER).unwrap_or(false);
    let _ = fs::remove_file(socket);
    live
}

/// Ends all connections that runs of this user kept: how many there were.
///
/// # Errors
/// The folder in which they would be, where something is there that is not this user's alone: nothing in it is believed.
pub fn disconnect() -> Result<usize, PathBuf> {
    let Some(folder) = folder() else {
        let place = control::base().join(KEPT);
        return if fs::symlink_metadata(&place).is_ok() { Err(place) } else { Ok(0) };
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    Ok(entries.filter(|entry| end(&entry.path())).count())
}
