//! The digests of large files of projects, found in runs before: a file that is as it was then, as far as its times say,
//! is not read again to be compared. What is sent is compared all the same, with a quick sum that stands beside the digest,
//! and where it proves a line wrong the line is taken back. One line a file, only ever added to; what is not whole is not believed.
#![expect(clippy::disallowed_methods, reason = "the one keeper of digests")]

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use super::own;
use crate::model::Sums;
use crate::model::change::sha256_hex;

/// Nanoseconds for which a file must not have been touched for its digest to be kept: what is written to it later gets
/// other times then. The coarsest of the file systems below tell whole seconds (ext3).
const STILL: i128 = 2_000_000_000;
/// More lines than this are thinned out to the newest half.
const LINES_MAX: usize = 10_000;
/// A longer file is begun anew: none that we wrote is.
const BYTES_MAX: usize = 16 << 20;

/// File systems of which statfs(2) says this keep a ctime of their own, that nobody but who sets the clock can set: ext2
/// to ext4, XFS, Btrfs, ZFS, F2FS, bcachefs, overlayfs. FAT, sshfs and others only say mtime again, a network's may come
/// late, and a tmpfs does not notice all that is written through a memory map.
const HONEST: [rustix::fs::FsWord; 7] =
    [0xEF53, 0x5846_5342, 0x9123_683E, 0x2FC1_2FC1, 0xF2F5_2010, 0xCA45_1A4E, 0x794C_7630];
/// In the place of a digest: the line before was wrong.
const WRONG: &str = "-";

/// What tells a file in one state from all others: device, inode, size, and the times of the last change of its
/// content and of its inode, in nanoseconds (stat(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: i128,
    changed: i128,
}

impl Stamp {
    /// Of the file at a path, where its times can be believed.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Self::among(&metadata, rustix::fs::statfs(path).ok()?.f_type)
    }

    /// Of a file that is open.
    fn of_open(file: &File) -> Option<Self> {
        Self::among(&file.metadata().ok()?, rustix::fs::fstatfs(file).ok()?.f_type)
    }

    /// Of a file of such a file system.
    fn among(metadata: &Metadata, system: rustix::fs::FsWord) -> Option<Self> {
        if !metadata.is_file() || !HONEST.contains(&system) {
            return None;
        }
        let time = |seconds: i64, nanoseconds: i64| {
            i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
        };
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether what is written to it from `now` on gives it another stamp.
    fn is_still(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let then = self.modified.max(self.changed) + STILL;
        i128::try_from(now).is_ok_and(|now| then < now)
    }

    /// Its line, with a sum of its own: lines that two runs wrote into each other, or half, are seen.
    fn line(&self, Sums { sha256, check }: &Sums) -> String {
        let Self { device, inode, size, modified, changed } = self;
        let text = format!("{device} {inode} {size} {modified} {changed} {sha256} {check:x}");
        let mut sum = sha256_hex(text.as_bytes());
        sum.truncate(16);
        format!("{text} {sum}")
    }

    /// What a line says.
    fn read(line: &str) -> Option<(Self, Sums)> {
        let mut words = line.split(' ');
        let mut word = || words.next();
        let stamp = Self {
            device: word()?.parse().ok()?,
            inode: word()?.parse().ok()?,
            size: word()?.parse().ok()?,
            modified: word()?.parse().ok()?,
            changed: word()?.parse().ok()?,
        };
        let sha256 = word()?.to_owned();
        let sums = Sums { sha256, check: u64::from_str_radix(word()?, 16).ok()? };
        (stamp.line(&sums) == line).then_some((stamp, sums))
    }
}

/// Digests by the state of the file that they are of. Where they cannot be kept, none are.
#[derive(Debug)]
pub struct Digests {
    folder: PathBuf,
    known: OnceLock<Mutex<HashMap<Stamp, Sums>>>,
}

impl Digests {
    /// Those in a folder, for this user alone, which is made where it is missing.
    #[must_use]
    pub const fn within(folder: PathBuf) -> Self {
        Self { folder, known: OnceLock::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("digests")
    }

    fn known(&self) -> &Mutex<HashMap<Stamp, Sums>> {
        self.known.get_or_init(|| Mutex::new(read(&self.path()).unwrap_or_default()))
    }

    /// The SHA-256 of the file at `path`, in lowercase hex, if it still has `size` bytes: as it is known, or as `find`
    /// finds it.
    pub(super) fn digest(
        &self,
        path: &Path,
        size: u64,
        find: &dyn Fn() -> Result<Sums, String>,
    ) -> Result<String, String> {
        let now = SystemTime::now();
        let stamp = Stamp::of(path).filter(|stamp| stamp.size == size);
        let known = || self.known().lock().expect("nobody panics with it");
        if let Some(sums) = stamp.and_then(|stamp| known().get(&stamp).cloned()) {
            return Ok(sums.sha256);
        }
        let sums = find()?;
        if let Some(stamp) = stamp.filter(|stamp| stamp.is_still(now))
            && Stamp::of(path) == Some(stamp)
        {
            // What is not kept is found again.
            let _ = self.keep(&stamp.line(&sums));
            known().insert(stamp, sums.clone());
        }
        Ok(sums.sha256)
    }

    /// The check of the file at `path`, if this is known to be its digest.
    pub(super) fn check_at(&self, path: &Path, digest: &str) -> Option<u64> {
        self.checked(Stamp::of(path)?, digest)
    }

    /// The same of a file that is open.
    pub(super) fn check(&self, file: &File, digest: &str) -> Option<u64> {
        self.checked(Stamp::of_open(file)?, digest)
    }

    fn checked(&self, stamp: Stamp, digest: &str) -> Option<u64> {
        let known = self.known().lock().expect("nobody panics with it");
        known.get(&stamp).filter(|sums| sums.sha256 == digest).map(|sums| sums.check)
    }

    /// The digest that is known of the file at `path`, if one is, is not what is in it.
    pub(super) fn forget(&self, path: &Path) {
        let Some(stamp) = Stamp::of(path) else { return };
        let known = self.known().lock().expect("nobody panics with it").remove(&stamp);
        if known.is_some() {
            let _ = self.keep(&stamp.line(&Sums { sha256: WRONG.to_owned(), check: 0 }));
        }
    }

    fn keep(&self, line: &str) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut options = OpenOptions::new();
        let options = options.append(true).create(true).mode(0o600);
        let Some(mut file) = own::open(options, &self.path())? else { return Ok(()) };
        // In one call, so that what runs beside this writes before or behind it.
        file.write_all(format!("{line}\n").as_bytes())
    }
}

/// Reads what was kept, and thins it out where it is too much.
fn read(path: &Path) -> io::Result<HashMap<Stamp, Sums>> {
    let Some(file) = own::open(OpenOptions::new().read(true), path)? else {
        return Ok(HashMap::new());
    };
    let mut bytes = Vec::new();
    let length = file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let too_long = length > BYTES_MAX;
    if too_long {
        bytes.clear();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > LINES_MAX || too_long {
        let newest = lines.iter().rev().take(LINES_MAX / 2).rev();
        let newest: String = newest.flat_map(|line| [*line, "\n"]).collect();
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
        file.write_all(newest.as_bytes())?;
        file.persist(path)?;
    }
    let mut known: HashMap<Stamp, Sums> = lines.into_iter().filter_map(Stamp::read).collect();
    known.retain(|_, sums| sums.sha256 != WRONG);
    Ok(known)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn sums(bytes: &[u8]) -> Sums {
        Sums { sha256: sha256_hex(bytes), check: 7 }
    }

    struct Bench {
        folder: tempfile::TempDir,
        found: Cell<usize>,
    }

    impl Bench {
        fn new() -> Self {
            // Where /tmp is a tmpfs, this is none.
            let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
            let bench = Self { folder, found: Cell::new(0) };
            fs::write(bench.file(), "content").expect("written");
            bench
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("file")
        }

        fn kept(&self) -> PathBuf {
            self.folder.path().join("cache/trueup/digests")
        }

        /// How often the file was read when a new run asks for its digest, which it gives.
        fn ask(&self) -> (String, usize) {
            let digests = Digests::within(self.folder.path().join("cache/trueup"));
            let find = || {
                self.found.set(self.found.get() + 1);
                Ok(sums(&fs::read(self.file()).expect("read")))
            };
            let before = self.found.get();
            let digest = digests.digest(&self.file(), 7, &find).expect("a digest");
            (digest, self.found.get() - before)
        }

        /// Waits until the file counts as still.
        fn rest(&self) {
            let stamp = Stamp::of(&self.file()).expect("a file");
            while !stamp.is_still(SystemTime::now()) {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    }

    #[test]
    fn what_did_not_change_is_read_once_and_what_did_is_read_again() {
        let bench = Bench::new();
        // Just written: it may be written to in the same tick.
        assert_eq!(bench.ask().1, 1);
        assert!(!bench.kept().exists());
        bench.rest();
        assert_eq!((bench.ask().1, bench.ask().1), (1, 0));
        assert_eq!(bench.ask().0, sha256_hex(b"content"));
        let other = Digests::within(bench.folder.path().join("cache/trueup"));
        let asked = other.digest(&bench.file(), 8, &|| Err("it has 7 bytes".to_owned()));
        assert_eq!(asked, Err("it has 7 bytes".to_owned()), "the project was read when it had 8");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&bench.kept()), mode(bench.kept().parent().unwrap())), (0o600, 0o700));
        // As long as it was, and the time of its content set back.
        let then = fs::metadata(bench.file()).and_then(|metadata| metadata.modified()).unwrap();
        fs::write(bench.file(), "CONTENT").expect("written");
        let file = OpenOptions::new().write(true).open(bench.file()).expect("opened");
        file.set_modified(then).expect("set");
        assert_eq!(bench.ask(), (sha256_hex(b"CONTENT"), 1));
        // Another file in its place, of the same content.
        fs::copy(bench.file(), bench.folder.path().join("other")).expect("copied");
        fs::rename(bench.folder.path().join("other"), bench.file()).expect("renamed");
        assert_eq!(bench.ask().1, 1);
    }

    #[test]
    fn what_is_not_whole_or_not_ours_is_not_believed() {
        let bench = Bench::new();
        bench.rest();
        assert_eq!((bench.ask().1, bench.ask().1), (1, 0));
        let whole = fs::read_to_string(bench.kept()).expect("a line");
        let digest = sha256_hex(b"content");
        for other in [
            whole.replace(&digest, &sha256_hex(b"other")),
            whole[..whole.len() - 2].to_owned(),
            whole[1..].to_owned(),
            format!("{whole}{whole}").replacen('\n', " ", 1),
            format!("\u{0}{whole}"),
        ] {
            fs::write(bench.kept(), other).expect("written");
            assert_eq!(bench.ask(), (digest.clone(), 1));
        }
        fs::write(bench.kept(), [b"\xff\n", whole.as_bytes()].concat()).expect("written");
        assert_eq!(bench.ask().1, 0, "what stands beside bytes that say nothing is whole");
        fs::write(bench.kept(), vec![b'x'; BYTES_MAX + 1]).expect("written");
        assert_eq!((bench.ask().1, bench.ask().1), (1, 0), "begun anew");
        fs::write(bench.kept(), &whole).expect("written");
        assert_eq!(bench.ask().1, 0);
        fs::set_permissions(bench.kept(), fs::Permissions::from_mode(0o620)).expect("set");
        assert_eq!(bench.ask().1, 1, "others may write to it");
        fs::remove_file(bench.kept()).expect("removed");
        fs::write(bench.folder.path().join("theirs"), &whole).expect("written");
        std::os::unix::fs::symlink(bench.folder.path().join("theirs"), bench.kept()).expect("made");
        assert_eq!(bench.ask().1, 1, "a link");
    }

    #[test]
    fn what_was_wrong_is_forgotten() {
        let bench = Bench::new();
        bench.rest();
        let wrong = Stamp::of(&bench.file()).expect("a file").line(&sums(b"other"));
        fs::create_dir_all(bench.kept().parent().unwrap()).expect("made");
        fs::write(bench.kept(), format!("{wrong}\n")).expect("written");
        fs::set_permissions(bench.kept(), fs::Permissions::from_mode(0o600)).expect("set");
        assert_eq!(bench.ask(), (sha256_hex(b"other"), 0));
        Digests::within(bench.folder.path().join("cache/trueup")).forget(&bench.file());
        assert_eq!((bench.ask(), bench.ask().1), ((sha256_hex(b"content"), 1), 0));
    }

    #[test]
    fn where_times_cannot_be_believed_nothing_is_kept() {
        let path = Path::new("/proc/version");
        assert!(fs::metadata(path).expect("a file").is_file());
        assert_eq!(Stamp::of(path), None);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let bench = Bench::new();
        bench.rest();
        bench.ask();
        let mut text = "old\n".repeat(LINES_MAX + 1);
        text += &fs::read_to_string(bench.kept()).expect("a line");
        fs::write(bench.kept(), text).expect("written");
        assert_eq!((bench.ask().1, bench.ask().1), (0, 0), "the newest stay");
        let lines = fs::read_to_string(bench.kept()).expect("lines").lines().count();
        assert_eq!(lines, LINES_MAX / 2);
    }

    #[test]
    fn where_it_cannot_be_kept_it_is_found_each_time() {
        let bench = Bench::new();
        bench.rest();
        let digests = Digests::within("/dev/null/trueup".into());
        let digest = digests.digest(&bench.file(), 7, &|| Ok(sums(b"d")));
        assert_eq!(digest, Ok(sha256_hex(b"d")));
        let failing = digests.digest(Path::new("/nowhere"), 7, &|| Err("gone".to_owned()));
        assert_eq!(failing, Err("gone".to_owned()));
    }
}
