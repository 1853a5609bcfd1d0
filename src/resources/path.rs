//! What stands at paths: the question that all types about paths share.

use toml::Spanned;

use super::input::{Mode, Presence, parent};
use super::inverse::differs;
use super::{Input, Record, Subject, Verdict};
use crate::model::{Attribute, Change, Diagnostic, Value};
use crate::shell::Script;

/// Paths in one process of the host: 500 of the longest stay under the limit for arguments.
pub(super) const CHUNK: usize = 500;

/// The largest content that is fetched to be shown or edited, in bytes.
pub(super) const CONTENT_MAX: u64 = 1 << 20;

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Regular,
    Directory,
    Symlink,
    Other,
}

impl FileKind {
    /// The kind that the bits of `st_mode` say.
    pub(super) const fn of(bits: u32) -> Self {
        match bits & 0o170_000 {
            0o100_000 => Self::Regular,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Symlink,
            _ => Self::Other,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Regular => "a file",
            Self::Directory => "a directory",
            Self::Symlink => "a symlink",
            Self::Other => "a device, pipe or socket",
        }
    }
}

/// What stat(1) says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) kind: FileKind,
    pub(super) mode: Mode,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) owner: String,
    pub(super) group: String,
    pub(super) size: u64,
    pub(super) links: u64,
    /// `%f %u %g` as the host printed it; the guard of a step asks for it again.
    pub(super) seen: String,
}

impl Meta {
    /// Its mode, owner and group as keys of a table: those that `change` is about, or all.
    pub(super) fn keys(&self, change: Option<&Change>) -> Vec<(&'static str, Value)> {
        let all = [
            ("mode", self.mode.to_string()),
            ("owner", self.owner.clone()),
            ("group", self.group.clone()),
        ];
        let wanted = |name| change.is_none_or(|change| differs(change, name));
        let all = all.into_iter().filter(|(name, _)| wanted(name));
        all.map(|(name, value)| (name, Value::String(value))).collect()
    }
}

/// The owner and permissions that a resource wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) mode: Option<Mode>,
    pub(super) owner: Option<String>,
    pub(super) group: Option<String>,
}

impl Access {
    /// The owner and permissions that a table gives.
    pub(super) fn read(
        input: &Input<'_>,
        mode: Option<Mode>,
        accounts: (Option<Spanned<String>>, Option<Spanned<String>>),
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let (owner, group) = accounts;
        input.account("user", owner.as_ref(), found);
        input.account("group", group.as_ref(), found);
        Self { mode, owner: owner.map(Spanned::into_inner), group: group.map(Spanned::into_inner) }
    }

    /// What differs from `meta`.
    pub(super) fn differences(&self, meta: &Meta) -> Vec<Attribute> {
        let mut found = Vec::new();
        if let Some(mode) = self.mode.filter(|mode| *mode != meta.mode) {
            found.push(Attribute::value("mode", Some(meta.mode), Some(mode)));
        }
        let names = [
            ("owner", &self.owner, &meta.owner, meta.uid),
            ("group", &self.group, &meta.group, meta.gid),
        ];
        for (key, wanted, name, id) in names {
            if let Some(wanted) = wanted
                && wanted != name
                && *wanted != id.to_string()
            {
                found.push(Attribute::value(key, Some(name), Some(wanted)));
            }
        }
        found
    }

    /// All that is said of a new path.
    pub(super) fn all(&self, default_mode: Mode) -> Vec<Attribute> {
        let mode = self.mode.unwrap_or(default_mode);
        let mut found = vec![Attribute::value("mode", None::<Mode>, Some(mode))];
        for (key, name) in [("owner", &self.owner), ("group", &self.group)] {
            if let Some(name) = name {
                found.push(Attribute::value(key, None::<&str>, Some(name)));
            }
        }
        found
    }

    /// What a host remembers of it.
    pub(super) fn record(&self) -> Record {
        let mode = self.mode.map(|mode| ("mode", mode.to_string()));
        let owner = self.owner.clone().map(|owner| ("owner", owner));
        let group = self.group.clone().map(|group| ("group", group));
        [mode, owner, group].into_iter().flatten().collect()
    }

    /// `meta` after this was set.
    pub(super) fn applied(&self, mut meta: Meta) -> Meta {
        meta.mode = self.mode.unwrap_or(meta.mode);
        if let Some(owner) = &self.owner {
            meta.owner.clone_from(owner);
        }
        if let Some(group) = &self.group {
            meta.group.clone_from(group);
        }
        meta.seen = String::new();
        meta
    }

    /// `OWNER:GROUP` as chown(1) takes it, empty for "as it is".
    pub(super) fn chown(&self) -> String {
        match (&self.owner, &self.group) {
            (None, None) => String::new(),
            (owner, group) => {
                let text = |name: &Option<String>| name.clone().unwrap_or_default();
                if group.is_none() {
                    text(owner)
                } else {
                    format!("{}:{}", text(owner), text(group))
                }
            }
        }
    }

    /// The users and groups that must exist before it.
    pub(super) fn wants(&self) -> impl Iterator<Item = Subject> {
        let owner = self.owner.clone().map(Subject::User);
        owner.into_iter().chain(self.group.clone().map(Subject::Group))
    }
}

/// What is there when `path` is: itself, and the systemd unit that it holds (systemd.unit(5)).
pub(super) fn made(path: &str, state: Presence) -> Vec<Subject> {
    if state == Presence::Absent {
        return Vec::new();
    }
    let folders = ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"];
    let unit = path.rsplit_once('/').filter(|(folder, _)| folders.contains(folder));
    let unit = unit.map(|(_, name)| Subject::Unit(name.to_owned()));
    std::iter::once(Subject::Path(path.to_owned())).chain(unit).collect()
}

/// A change that makes `path`: blocked where its folder is not there.
pub(super) fn making(path: &str, has_folder: bool, then: Change) -> Verdict {
    if has_folder {
        return Verdict::Change(then);
    }
    let folder = parent(path).to_owned();
    let message =
        format!("its folder {folder} does not exist: declare it too, as [directory.{folder:?}]");
    Verdict::Blocked { need: Some(Subject::Path(folder)), message, then }
}

/// Why a file with several names is left alone.
pub(super) fn hard_links(path: &str, links: u64) -> String {
    format!("{path} has {links} hard links: a new content would part it from the others")
}

/// A new path of this kind, as it will be seen.
pub(super) fn fresh(kind: FileKind, mode: Mode) -> Meta {
    Meta {
        kind,
        mode,
        uid: 0,
        gid: 0,
        owner: "root".to_owned(),
        group: "root".to_owned(),
        size: 0,
        links: 1,
        seen: String::new(),
    }
}

/// Asks what stands at `paths` and in which folders they are, and at `grounds` before them; in the lines of stat(1) about
/// these stands first which file it is, and when it was changed last (DEVICE:INODE:CTIME, in seconds). Where that is all
/// that a shell is for, `last` lets stat(1) take its place.
pub(super) fn ask_stat<'p>(
    paths: impl Iterator<Item = &'p str>,
    grounds: &[&str],
    last: bool,
    script: &mut Script,
) {
    let mut all: Vec<&str> = paths.flat_map(|path| [path, parent(path)]).collect();
    all.sort_unstable();
    all.dedup();
    let (mut grounds, mut rest) = (grounds, all.as_slice());
    while !(grounds.is_empty() && rest.is_empty()) {
        let (chunk, more) = rest.split_at(rest.len().min(CHUNK));
        script.text(if last && all.len() <= CHUNK { "exec " } else { "" });
        script.text("stat -c '").text(if grounds.is_empty() { "" } else { "%d:%i:%.9Z " });
        script.text("s %f %u %g %s %h %U %G %n' --").args(grounds).args(chunk).text(" 2>&1\n");
        (grounds, rest) = (&[], more);
    }
}

/// Asks for the contents at paths whose SHA-256 is another than the one given.
pub(super) fn ask_contents<'p>(
    wanted: impl Iterator<Item = (&'p str, &'p str)>,
    script: &mut Script,
) {
    let wanted: Vec<[&str; 2]> = wanted.map(|(path, digest)| [digest, path]).collect();
    for chunk in wanted.chunks(CHUNK) {
        let sums: Vec<String> = chunk.iter().map(|pair| pair.join("  ")).collect();
        script
            .text("contents")
            .arg(sums.join("\n"))
            .args(chunk.iter().map(|pair| pair[1]))
            .text("\n");
    }
}

/// Asks for the contents at paths, whatever they are.
pub(super) fn ask_texts(paths: &[&str], script: &mut Script) {
    for chunk in paths.chunks(CHUNK) {
        script.text("texts").args(chunk).text("\n");
    }
}

/// Shell functions of probes and steps that are about paths.
pub(super) const LIBRARY: &str = include_str!("path.sh");
