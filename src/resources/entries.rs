//! What is in a directory and nobody declares: as the host lists it, and as a plan says it.

use std::collections::HashMap;

use super::path::FileKind;
use crate::model::change::sha256_hex;

/// Files, links and folders that are purged at once, in one directory.
const MOST: usize = 10_000;

/// One entry, with all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: Vec<u8>,
    kind: FileKind,
    /// Of itself and of all files below.
    size: u64,
    below: usize,
}

/// The entries of a directory that nobody declares, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entries {
    all: Vec<Entry>,
    /// SHA-256 of the sorted listing.
    digest: String,
    /// Mount points in or at an entry.
    mounts: Vec<String>,
    /// Whether something is mounted on the directory itself.
    pub(super) mounted: bool,
    too_many: bool,
}

impl Entries {
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// SHA-256 of the sorted listing: the guard of a step makes it again.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.all.iter().map(|entry| entry.name.as_slice())
    }

    /// Each entry in words.
    pub(super) fn said(&self) -> impl Iterator<Item = String> {
        self.all.iter().map(|entry| {
            let name = String::from_utf8_lossy(&entry.name);
            let bytes = if entry.size == 1 { "byte" } else { "bytes" };
            let what = match (entry.kind, entry.below) {
                (FileKind::Regular, _) => format!("a file of {} {bytes}", entry.size),
                (FileKind::Directory, 0) => "an empty directory".to_owned(),
                (FileKind::Directory, 1) => {
                    format!("a directory with one entry, {} {bytes}", entry.size)
                }
                (FileKind::Directory, below) => {
                    format!("a directory with {below} entries, {} {bytes}", entry.size)
                }
                (kind, _) => kind.word().to_owned(),
            };
            format!("{name}, {what}")
        })
    }

    /// A few names, and how many more there are.
    pub(super) fn summary(&self) -> String {
        let names: Vec<String> =
            self.names().take(3).map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let more = self.all.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let is = if self.all.len() == 1 { "is" } else { "are" };
        format!("{}{more} {is} in it", names.join(", "))
    }

    /// Why they cannot be purged.
    pub(super) fn refused(&self) -> Option<String> {
        if self.too_many {
            return Some(format!(
                "more than {MOST} files and folders in it are declared by nobody, too many to purge: \
                 remove them by hand, or name them in `keep`"
            ));
        }
        let mount = self.mounts.first()?;
        Some(format!(
            "{mount} is a mount point, which is not purged: unmount it, or name it in `keep`"
        ))
    }
}

/// Listings by directory.
type Listings = HashMap<Vec<u8>, Result<Entries, String>>;

/// Takes an answer apart: what stat said, and the listing of each directory.
pub(super) fn read(answer: &[u8]) -> (Vec<u8>, Listings) {
    let mut stats = Vec::new();
    let mut found: Vec<(Vec<u8>, Vec<&[u8]>)> = Vec::new();
    for line in answer.split(|&byte| byte == b'\n') {
        if let Some(path) = line.strip_prefix(b"p ") {
            found.push((path.to_vec(), Vec::new()));
        } else if let Some((_, lines)) = found.last_mut() {
            lines.push(line);
        } else {
            stats.extend_from_slice(line);
            stats.push(b'\n');
        }
    }
    let each = found.into_iter().map(|(path, lines)| {
        let entries = listing(&path, lines);
        (path, entries)
    });
    (stats, each.collect())
}

/// One listing.
fn listing(folder: &[u8], mut lines: Vec<&[u8]>) -> Result<Entries, String> {
    lines.retain(|line| !line.is_empty());
    if lines.len() > MOST {
        return Ok(Entries { too_many: true, ..Entries::default() });
    }
    let mut all: Vec<Entry> = Vec::new();
    let mut deep: Vec<(&[u8], u64)> = Vec::new();
    let (mut mounts, mut whole, mut device) = (Vec::new(), false, None);
    for line in &lines {
        if let Some(path) = line.strip_prefix(b"m ") {
            mounts.push(path);
        } else if let Some(status) = line.strip_prefix(b"x ") {
            whole = status == b"0";
        } else {
            let (kind, on, size, path) = entry(line).ok_or_else(|| unclear(line))?;
            let below = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix(b"/"));
            let below = below.filter(|name| !name.is_empty()).ok_or_else(|| unclear(line))?;
            // Of an overlay only its folders have its own device.
            if kind == FileKind::Directory && *device.get_or_insert(on) != on {
                mounts.push(path);
            }
            match below.iter().position(|&byte| byte == b'/') {
                Some(at) => deep.push((&below[..at], size_of(kind, size))),
                None => all.push(Entry {
                    name: below.to_vec(),
                    kind,
                    size: size_of(kind, size),
                    below: 0,
                }),
            }
        }
    }
    if !whole {
        return Err("it changed while it was read, or could not be read whole".into());
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all.dedup_by(|one, other| one.name == other.name);
    for (name, size) in deep {
        let at = all.binary_search_by(|entry| entry.name.as_slice().cmp(name));
        let entry = &mut all[at.map_err(|_| "its listing has a file without its folder")?];
        entry.below += 1;
        entry.size = entry.size.saturating_add(size);
    }
    let goes = |mount: &&[u8]| {
        let below = mount.strip_prefix(folder).and_then(|rest| rest.strip_prefix(b"/"));
        let name = below.and_then(|below| below.split(|&byte| byte == b'/').next());
        all.iter().any(|entry| Some(entry.name.as_slice()) == name)
    };
    let mounted = mounts.contains(&folder);
    let mounts = mounts.into_iter().filter(goes);
    let mounts = mounts.map(|mount| String::from_utf8_lossy(mount).into_owned()).collect();
    lines.sort_unstable();
    let mut text = lines.join(&b'\n');
    text.push(b'\n');
    Ok(Entries { all, digest: sha256_hex(&text), mounts, mounted, too_many: false })
}

/// What a folder's own size is says nothing to a reader.
const fn size_of(kind: FileKind, size: u64) -> u64 {
    if matches!(kind, FileKind::Regular) { size } else { 0 }
}

/// One line: its kind, device, size and path.
fn entry(line: &[u8]) -> Option<(FileKind, u64, u64, &[u8])> {
    let mut parts = line.strip_prefix(b"e ")?.splitn(6, |&byte| byte == b' ');
    let mut word = || std::str::from_utf8(parts.next()?).ok();
    let (mode, _, device, size, _) = (word()?, word()?, word()?, word()?, word()?);
    let kind = FileKind::of(u32::from_str_radix(mode, 16).ok()?);
    Some((kind, device.parse().ok()?, size.parse().ok()?, parts.next()?))
}

/// Why a line cannot be read: most of all a name with a line break in it.
fn unclear(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
    format!("what is in it cannot be told, maybe because a name holds a line break: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answer: &str) -> Result<Vec<String>, String> {
        let (_, listings) = read(answer.as_bytes());
        listings[b"/d".as_slice()].clone().map(|entries| entries.said().collect())
    }

    #[test]
    fn entries_are_said_with_what_is_in_them() {
        let answer = "s 41ed 0 0 4096 2 root root /d\np /d\n\
            e 41ed 10 5 4096 1 /d/sub\ne 81a4 11 5 20 1 /d/sub/a b\ne 81a4 12 5 22 1 /d/sub/c\n\
            e 81a4 13 5 1 1 /d/a\ne a1ff 14 5 9 1 /d/l\ne 41ed 15 5 4096 1 /d/e\nx 0";
        assert_eq!(
            said(answer).unwrap(),
            [
                "a, a file of 1 byte",
                "e, an empty directory",
                "l, a symlink",
                "sub, a directory with 2 entries, 42 bytes"
            ]
        );
        let cut = answer.strip_suffix("x 0").unwrap();
        assert!(said(cut).unwrap_err().contains("could not be read whole"));
    }

    #[test]
    fn what_cannot_be_told_is_an_error() {
        for line in
            ["e 81a4 11 5 20 1 /d/a\nb", "e 81a4 11 5 20 1 /other/a", "find: no", "e 81a4 1"]
        {
            let why = said(&format!("p /d\n{line}\nx 0")).unwrap_err();
            assert!(why.contains("cannot be told"), "{line}: {why}");
        }
    }

    #[test]
    fn mounts_and_crowds_are_refused() {
        let refused = |answer: &str| {
            let (_, listings) = read(answer.as_bytes());
            listings[b"/d".as_slice()].clone().unwrap().refused()
        };
        let other = "p /d\ne 41ed 10 5 4096 1 /d/a\ne 41ed 2 7 4096 1 /d/a/mnt\nx 0";
        assert!(refused(other).unwrap().starts_with("/d/a/mnt is a mount point"));
        let bound = "p /d\nm /d/a/mnt\nm /d/kept\ne 41ed 10 5 4096 1 /d/a\nx 0";
        assert!(refused(bound).unwrap().starts_with("/d/a/mnt is a mount point"));
        assert_eq!(refused("p /d\nm /d/kept\ne 41ed 10 5 4096 1 /d/a\nx 0"), None);
        let many = "e 81a4 11 5 20 1 /d/a\n".repeat(MOST + 1);
        assert!(refused(&format!("p /d\n{many}")).unwrap().starts_with("more than 10000"));
    }
}
