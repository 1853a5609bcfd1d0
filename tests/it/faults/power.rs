//! Power cuts (T03 of the threats). What is managed, and what the host remembers of it, stand on a file
//! system in an image. While an apply goes on the image is cloned, between two of its writes: that is what
//! a disk has after a power cut, and nothing of what was not yet on it.
//!
//! Each clone is mounted, so that its log is replayed, and looked at in a room where it stands in the place
//! of the first one, after another boot. Every file must be old or new, whole, with its owner and mode; the
//! copies that were kept must be whole; the ledger must be readable, the plan name exactly what is old, and
//! the next apply converge, do what was owed and leave nothing beside.
//!
//! XFS, and ext4 without its repair of programs that do not sync: both give an empty file to who renames
//! before the content is on disk. That this is seen is a test too: without the work of dd or sync a clone
//! must be found broken. `TRUEUP_POWER=200` looks at so many clones, `TRUEUP_SEED=N` begins at that seed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::managed::Managed;
use super::{number, say, seed, unprivileged};
use crate::support::Random;
use crate::support::rooms::Room;
use crate::wire::shells::tool;

const FILES: usize = 20;

/// A file system for what is managed.
struct Disk {
    name: &'static str,
    make: &'static str,
    options: &'static str,
}

const XFS: Disk = Disk { name: "xfs", make: "mkfs.xfs -q", options: "nouuid" };
const EXT4: Disk =
    Disk { name: "ext4", make: "mkfs.ext4 -q -E lazy_itable_init=0", options: "noauto_da_alloc" };

/// Makes the file systems: $1 the folder, $2 how the inner one is made, $3 how it is mounted.
const MAKE: &str = r#"
truncate -s 4G "$1/outer"
mkfs.xfs -q -m reflink=1 "$1/outer"
mount -o loop "$1/outer" "$1"
cd "$1"
mkdir root points clones
truncate -s 512M inner
$2 inner
mount -o "loop,$3" inner root
mkdir -p root/private /var/lib/trueup
mount --bind root/private /var/lib/trueup
"#;

/// Makes the clones between steps: steps call it.
const POINT: &str = r#"#!/bin/sh
cd "${0%/*}" || exit
mkdir points/"$1" 2>/dev/null || exit 0
cp --reflink=always inner clones/"$1"
"#;

/// Puts a clone, $3, in the place of what was mounted with the options $2, after another boot, with tools that do
/// all their work.
const AFTER: &str = r#"
cd "$1"
umount /var/lib/trueup root
mount -o "loop,$2" "clones/$3" root
mount --bind root/private /var/lib/trueup
echo 00000000-1111-2222-3333-444444444444 >boot
mount --bind boot /proc/sys/kernel/random/boot_id
for tool in /usr/bin/dd /usr/bin/sync; do umount $tool 2>/dev/null || :; done
"#;

/// Puts a dd in the place of the host's that does not sync.
const DULL_DD: &str = r#"
cp /usr/bin/dd "$1/dd"
cat >"$1/dull-dd" <<END
#!/bin/sh
for w do
  shift
  case \$w in conv=fsync) ;; *) set -- "\$@" "\$w" ;; esac
done
exec $1/dd "\$@"
END
chmod 755 "$1/dull-dd"
mount --bind "$1/dull-dd" /usr/bin/dd
"#;

/// Puts a sync in the place of the host's that does nothing.
const DULL_SYNC: &str = r#"
printf '#!/bin/sh\nexit 0\n' >"$1/dull-sync"
chmod 755 "$1/dull-sync"
mount --bind "$1/dull-sync" /usr/bin/sync
"#;

/// A disk with a project, apply after apply.
struct Power {
    disk: &'static Disk,
    room: Room,
    managed: Managed,
    /// Where the outer file system is mounted: the image, its clones, and in `root` what is managed.
    folder: TempDir,
    /// How long an apply takes.
    whole: Duration,
    random: Random,
    figures: BTreeMap<&'static str, usize>,
}

impl Power {
    /// With tools that work whole, but for those which this text puts in their place.
    fn new(disk: &'static Disk, dull: &str, random: Random) -> Self {
        for program in ["mkfs.xfs", "mkfs.ext4", "nsenter"] {
            tool(program);
        }
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("power-").tempdir_in(base).expect("a folder");
        let outer = folder.path().to_str().expect("UTF-8");
        let room = Room::new(None, MAKE, &[outer, disk.make, disk.options]);
        room.run(dull, &[outer]);
        fs::write(room.path(folder.path().join("point")), POINT).expect("a script");
        // Nothing is cloned in the first round.
        room.run("cd \"$1\"\nchmod 755 point\nmkdir points/0-validate points/0-set", &[outer]);
        let managed = Managed::new(folder.path(), FILES);
        managed.declare(0);
        let since = Instant::now();
        managed.trueup(&room, &["apply", "--yes"]).expect(0);
        let whole = since.elapsed();
        room.run("rm \"$1\"/clones/*", &[outer]);
        // What is old is on disk, also where the tools do less: by those of this machine, from outside.
        let inner = room.path(folder.path().join("root"));
        assert!(Command::new("sync").arg("-f").arg(inner).status().expect("sync").success());
        Self { disk, room, managed, folder, whole, random, figures: BTreeMap::new() }
    }

    fn clone(&self, name: &str) {
        let text = "cp --reflink=always \"$1/inner\" \"$1/clones/$2\"";
        self.room.run(text, &[self.managed.outer(), name]);
    }

    /// Applies, and clones meanwhile so often; and once more as soon as it said that all is done. Gives the
    /// names of the clones.
    fn apply(&mut self, round: usize, count: usize) -> Vec<String> {
        let whole = usize::try_from(self.whole.as_micros()).expect("a short time");
        let mut moments: Vec<u64> = (0..count).map(|_| self.random.below(whole) as u64).collect();
        moments.sort_unstable();
        self.managed.declare(round);
        std::thread::scope(|scope| {
            let since = Instant::now();
            let run = scope.spawn(|| self.managed.trueup(&self.room, &["apply", "--yes"]));
            for moment in moments {
                std::thread::sleep(Duration::from_micros(moment).saturating_sub(since.elapsed()));
                if !run.is_finished() {
                    self.clone(&format!("{round}-{moment}"));
                }
            }
            run.join().expect("the run").expect(0);
        });
        self.clone(&format!("{round}-over"));
        let all = fs::read_dir(self.room.path(self.folder.path().join("clones")));
        let all = all.expect("a folder").flatten();
        all.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// A room in which a clone stands in the place of the file system.
    fn after(&self, clone: &str) -> Room {
        let words = [self.managed.outer(), self.disk.options, clone];
        Room::new(Some(&self.room), AFTER, &words)
    }

    fn forget(&self, clone: &str) {
        self.room.run("rm \"$1/clones/$2\"", &[self.managed.outer(), clone]);
    }

    fn count(&mut self, what: &'static str, number: usize) {
        *self.figures.entry(what).or_default() += number;
    }

    /// All that is asked of a clone.
    fn look(&mut self, clone: &str, round: usize) -> Result<(), String> {
        let room = self.after(clone);
        let olds = self.managed.olds(&room, round)?;
        if clone.ends_with("-over") && !olds.is_empty() {
            return Err(format!("it was told to be done, and is old: {olds:?}"));
        }
        self.managed.kept(&room, &olds, round)?;
        let conf = if olds.contains("conf") { round - 1 } else { round };
        let came = self.managed.reacted(&room, conf);
        self.managed.remembered(&room)?;
        let mut named = self.managed.planned(&room)?;
        // What was not on disk of a command that came is done again.
        let owed = named.remove("command[react]");
        if named != olds {
            return Err(format!("old are {olds:?}, and the plan names {named:?}"));
        }
        if !came && !owed {
            return Err("what conf calls for did not come and is not owed".into());
        }
        let applied = self.managed.trueup(&room, &["apply", "--yes"]);
        if applied.status != 0 {
            return Err(format!("the next apply: {}{}", applied.stdout, applied.stderr));
        }
        self.managed.converged(&room, round)?;
        self.count("files old", olds.len());
        self.count("files new", self.managed.wanted(round).len() - olds.len());
        self.count(if came { "owed and came before" } else { "owed and came after" }, 1);
        Ok(())
    }
}

/// As many clones of a disk as are asked for.
fn cut(disk: &'static Disk) {
    if unprivileged("power cuts") {
        return;
    }
    let count = number("TRUEUP_POWER").unwrap_or(4);
    let (seed, random) = seed();
    let mut power = Power::new(disk, "", random);
    let (mut looked, mut round) = (0, 0);
    while looked < count {
        round += 1;
        // In a sample, those at random moments; and what is there when it was told to be done.
        for clone in power.apply(round, 8.min(count - looked)) {
            if looked < count || clone.ends_with("-over") {
                let result = power.look(&clone, round);
                result.unwrap_or_else(|why| {
                    panic!("{}, seed {seed}, clone {clone}: {why}", disk.name)
                });
                looked += 1;
            }
            power.forget(&clone);
        }
    }
    say(&format!(
        "power: {looked} clones of {} from seed {seed}, {round} applies of {:?}: {:?}",
        disk.name, power.whole, power.figures
    ));
}

/// With tools that do less, a clone among the first twenty is broken.
fn seen(disk: &'static Disk, name: &str, dull: &str) {
    if unprivileged("power cuts") {
        return;
    }
    let mut power = Power::new(disk, dull, seed().1);
    let (mut looked, mut round) = (0, 0);
    while looked < 20 {
        round += 1;
        for clone in power.apply(round, 8) {
            looked += 1;
            let room = power.after(&clone);
            let olds = power.managed.olds(&room, round);
            let broken = olds.and_then(|olds| {
                power.managed.kept(&room, &olds, round)?;
                let late = clone.ends_with("-over") && !olds.is_empty();
                if late { Err(format!("told to be done, and old: {olds:?}")) } else { Ok(()) }
            });
            if let Err(why) = broken {
                say(&format!("power: {} {name}: clone {looked} is broken: {why}", disk.name));
                return;
            }
            drop(room);
            power.forget(&clone);
        }
    }
    panic!("{} {name}: nobody notices, in {looked} clones", disk.name);
}

#[test]
fn a_power_cut_leaves_old_or_new_on_xfs() {
    cut(&XFS);
}

#[test]
fn a_power_cut_leaves_old_or_new_on_ext4() {
    cut(&EXT4);
}

#[test]
fn a_power_cut_shows_what_was_not_synced() {
    let both = format!("{DULL_DD}{DULL_SYNC}");
    seen(&XFS, "without fsync", &both);
    if std::env::var_os("TRUEUP_FULL").is_some() {
        seen(&EXT4, "without fsync", &both);
        seen(&XFS, "with a dd that does not sync", DULL_DD);
        seen(&EXT4, "with a dd that does not sync", DULL_DD);
        seen(&XFS, "with a sync that does nothing", DULL_SYNC);
        seen(&EXT4, "with a sync that does nothing", DULL_SYNC);
    }
}
