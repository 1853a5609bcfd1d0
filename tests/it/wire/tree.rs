//! A folder as data, to compare.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// What stands at each path below a folder.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tree(pub BTreeMap<String, Entry>);

#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub what: What,
    /// Permission bits; 0 for a link.
    pub mode: u32,
    pub owner: (u32, u32),
}

#[derive(Clone, PartialEq, Eq)]
pub enum What {
    File(Vec<u8>),
    Folder,
    Link(String),
    Other,
}

impl Tree {
    /// All below `folder`.
    pub fn of(folder: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(folder, "");
        tree
    }

    fn add(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let path = entry.path();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let meta = fs::symlink_metadata(&path).expect("an entry that stays");
            let kind = meta.file_type();
            let what = if kind.is_symlink() {
                What::Link(fs::read_link(&path).expect("a link").to_string_lossy().into_owned())
            } else if kind.is_dir() {
                self.add(&path, &format!("{name}/"));
                What::Folder
            } else if kind.is_file() {
                What::File(fs::read(&path).unwrap_or_else(|_| b"(unreadable)".to_vec()))
            } else {
                What::Other
            };
            let mode = if kind.is_symlink() { 0 } else { meta.permissions().mode() & 0o7777 };
            self.0.insert(name, Entry { what, mode, owner: (meta.uid(), meta.gid()) });
        }
    }

    /// Each path that differs, with what stands here and there.
    pub fn against(&self, other: &Self) -> String {
        let paths: std::collections::BTreeSet<&String> =
            self.0.keys().chain(other.0.keys()).collect();
        let differ = paths.into_iter().filter(|path| self.0.get(*path) != other.0.get(*path));
        let lines = differ.map(|path| {
            format!("{path}: {:?} instead of {:?}", self.0.get(path), other.0.get(path))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The names that our temporary files have.
    pub fn temporary(&self) -> Vec<&String> {
        self.0.keys().filter(|path| path.contains(".trueup-")).collect()
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (user, group) = self.owner;
        match &self.what {
            What::File(bytes) => {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
                write!(f, "file {:04o} {user}:{group} {shown:?} ({} bytes)", self.mode, bytes.len())
            }
            What::Folder => write!(f, "folder {:04o} {user}:{group}", self.mode),
            What::Link(target) => write!(f, "link to {target:?}"),
            What::Other => write!(f, "something else {:04o}", self.mode),
        }
    }
}
