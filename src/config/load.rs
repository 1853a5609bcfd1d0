//! Reads the files of a project, from a folder or from memory. The only place that reads them.
#![expect(clippy::disallowed_methods, reason = "the one reader of project files")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::digests::Digests;
use crate::model::{Body, Filed, Sums};

/// The largest TOML file or template that is read, in bytes.
const TEXT_MAX: u64 = 16 << 20;
/// The permission bit of a file that everybody may write: inode(7).
const OTHERS_WRITE: u32 = 0o002;

/// Where the files of a project are.
#[derive(Debug, Clone)]
pub enum Tree {
    /// A folder on disk, and the digests that are known of its files.
    Folder(PathBuf, Option<Arc<Digests>>),
    /// Files by their path below the project.
    Memory(BTreeMap<PathBuf, Vec<u8>>),
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    File,
    Folder,
    /// A socket, a pipe, a device.
    Other,
    /// A link that leads out of the project, or nowhere.
    Outside,
}

impl Tree {
    /// The bytes of a regular file, or why they cannot be read.
    pub(super) fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        match self {
            Self::Memory(files) => {
                files.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
            }
            Self::Folder(root, _) => read(&root.join(path)).map_err(|error| why(&error)),
        }
    }

    /// The content of a regular file, or why it cannot be read. A large one is opened only.
    pub(super) fn body(&self, path: &Path) -> Result<Body, String> {
        let Self::Folder(root, digests) = self else { return self.bytes(path).map(Body::of) };
        let full = root.join(path);
        let body = || {
            let mut file = regular(&full)?;
            let size = file.metadata()?.len();
            if size > Body::HELD_MAX {
                let (shown, digests) = (path.display().to_string(), digests.clone());
                let file = ProjectFile { full: full.clone(), shown, digests };
                return Ok(Body::filed(size, Arc::new(file)));
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(Body::of(bytes))
        };
        body().map_err(|error| why(&error))
    }

    /// The text of a regular file of a bounded size, or why it cannot be read.
    pub(super) fn text(&self, path: &Path) -> Result<String, String> {
        if let Self::Folder(root, _) = self
            && let Ok(metadata) = fs::metadata(root.join(path))
            && metadata.len() > TEXT_MAX
        {
            let size = metadata.len();
            return Err(format!("it has {size} bytes, more than the {TEXT_MAX} that are read"));
        }
        String::from_utf8(self.bytes(path)?).map_err(|error| {
            format!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to())
        })
    }

    /// What is at a path; `None` where nothing is.
    pub(super) fn entry(&self, path: &Path) -> Option<Entry> {
        match self {
            Self::Memory(files) if files.contains_key(path) => Some(Entry::File),
            Self::Memory(files) => {
                files.keys().any(|file| file.starts_with(path)).then_some(Entry::Folder)
            }
            Self::Folder(root, _) => {
                let full = root.join(path);
                fs::symlink_metadata(&full).ok()?;
                let inside = root.canonicalize().ok()?;
                let target = full.canonicalize().ok().filter(|full| full.starts_with(inside));
                Some(match target.and_then(|target| fs::metadata(target).ok()) {
                    None => Entry::Outside,
                    Some(metadata) if metadata.is_dir() => Entry::Folder,
                    Some(metadata) if metadata.is_file() => Entry::File,
                    Some(_) => Entry::Other,
                })
            }
        }
    }

    /// The names in a folder, sorted; none where it is not there.
    pub(super) fn names(&self, folder: &Path) -> BTreeSet<String> {
        match self {
            Self::Memory(files) => {
                let below = files.keys().filter_map(|file| file.strip_prefix(folder).ok());
                let first = below.filter_map(|rest| rest.components().next());
                first.map(|name| name.as_os_str().to_string_lossy().into_owned()).collect()
            }
            Self::Folder(root, _) => fs::read_dir(root.join(folder))
                .map(|entries| {
                    let names = entries.flatten().map(|entry| entry.file_name());
                    names.map(|name| name.to_string_lossy().into_owned()).collect()
                })
                .unwrap_or_default(),
        }
    }

    /// Whether everybody may change what is at a path: what they write there would run on the hosts.
    pub(super) fn open_to_others(&self, path: &Path) -> bool {
        let Self::Folder(root, _) = self else { return false };
        let open = |metadata: &Metadata| metadata.mode() & OTHERS_WRITE != 0;
        fs::metadata(root.join(path)).is_ok_and(|metadata| open(&metadata))
    }

    /// As the reader knows it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Folder(root, _) => root.display().to_string(),
            Self::Memory(_) => "this".to_owned(),
        }
    }
}

/// A file of the project that is too large to be held.
struct ProjectFile {
    full: PathBuf,
    /// Its path below the project.
    shown: String,
    digests: Option<Arc<Digests>>,
}

impl Filed for ProjectFile {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(regular(&self.full)?))
    }

    fn shown(&self) -> &str {
        &self.shown
    }

    fn digested(
        &self,
        size: u64,
        find: &dyn Fn() -> Result<Sums, String>,
    ) -> Result<String, String> {
        match &self.digests {
            Some(known) => known.digest(&self.full, size, find),
            None => find().map(|sums| sums.sha256),
        }
    }

    fn forget(&self) {
        if let Some(known) = &self.digests {
            known.forget(&self.full);
        }
    }

    fn known(&self, digest: &str) -> Option<(File, u64)> {
        let digests = self.digests.as_ref()?;
        digests.check_at(&self.full, digest)?;
        let file = regular(&self.full).ok()?;
        let check = digests.check(&file, digest)?;
        Some((file, check))
    }
}

/// Opens a regular file; a pipe or a device would never end.
fn regular(path: &Path) -> io::Result<File> {
    /// open(2): do not wait for the other end of a pipe.
    const O_NONBLOCK: i32 = 0o4000;
    let file = fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// Reads a regular file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    regular(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An I/O error in few words.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotADirectory => "part of its path is no folder".to_owned(),
        _ => error.to_string(),
    }
}
