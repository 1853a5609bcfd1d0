//! The project's key for digests of sensitive values and for saved plans: from the environment, else
//! kept in the user's state folder and made on first use.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::settings;
use crate::model::Key;
use crate::model::change::hex;

/// The key of a project, looked for when it is first needed.
#[derive(Debug)]
pub(super) struct ProjectKey {
    project: String,
    found: OnceLock<Result<Key, String>>,
    /// Stands in where there is none: digests of this run are alike for equal values, and no others.
    passing: OnceLock<Key>,
}

impl ProjectKey {
    pub(super) fn new(project: &str) -> Self {
        Self { project: project.to_owned(), found: OnceLock::new(), passing: OnceLock::new() }
    }

    /// The key.
    ///
    /// # Errors
    /// When the variable holds no key, or the file cannot be read, made, or kept from others.
    pub(super) fn get(&self) -> Result<&Key, &str> {
        let found = self.found.get_or_init(|| {
            if let Some(text) = settings::key_variable() {
                let mistake = || format!("{} is not a key: 64 hex digits", settings::KEY_VARIABLE);
                return parse(&text).ok_or_else(mistake);
            }
            let path = settings::state_folder().join("keys").join(&self.project);
            keep(&path).map_err(|error| format!("the project's key {}: {error}", path.display()))
        });
        found.as_ref().map_err(String::as_str)
    }

    /// The key, if there is one already: none is made.
    pub(super) fn known(&self) -> Option<&Key> {
        let kept = settings::state_folder().join("keys").join(&self.project);
        (settings::key_variable().is_some() || kept.exists()).then(|| self.get().ok()).flatten()
    }

    /// The key for what is shown alone: where there is none, one for this run.
    pub(super) fn for_screens(&self) -> &Key {
        self.get().unwrap_or_else(|_| self.passing.get_or_init(|| Key::new(random())))
    }
}

/// 64 hex digits as a key.
fn parse(text: &str) -> Option<Key> {
    let text = text.trim();
    if text.len() != 2 * Key::LENGTH || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0_u8; Key::LENGTH];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(Key::new(bytes))
}

fn random() -> [u8; Key::LENGTH] {
    let mut bytes = [0_u8; Key::LENGTH];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// The key in a file, which is made where it is not there.
fn keep(path: &Path) -> io::Result<Key> {
    match File::open(path) {
        Ok(file) => read(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(error),
    }
}

fn read(mut file: File) -> io::Result<Key> {
    if file.metadata()?.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may read it: chmod 600, or remove it for a new one"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::other("it holds no key: remove it for a new one"))
}

/// Makes the file under another name and links it into its place: of two runs at once one is first, and
/// nobody reads half a key.
fn make(path: &Path) -> io::Result<Key> {
    let folder: PathBuf = path.parent().unwrap_or(path).to_owned();
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let bytes = random();
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file
        .write_all(format!("{}\n", hex(&bytes)).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&new, path));
    std::fs::remove_file(&new)?;
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(File::open(path)?),
        Err(error) => Err(error),
        Ok(()) => Ok(Key::new(bytes)),
    }
}
