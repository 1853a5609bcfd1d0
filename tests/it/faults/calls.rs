//! Calls that fail (T04 of the threats): each call by which a host's programs write, and its shell itself,
//! fails once, with what a disk, a quota or a mount may say. Whatever it was: a file is old or new, what was
//! told to be done is done, and the next apply finds its way and leaves nothing beside.
//!
//! The tools of the host are scripts here that count how often they are called and, when it is their turn,
//! run the real one under strace(1), which lets its call fail. A plain run tries a sample,
//! `cargo xtask campaign faults` all. `TRUEUP_FAULTS=N` is the size of a sample, `TRUEUP_SEED=N` its seed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use super::managed::{Managed, json};
use super::{number, say, seed, unprivileged};
use crate::support::rooms::Room;
use crate::wire::shells::{shell_start, tool};

/// Tools, the calls of theirs that fail, and what these may say. `sh` is the shell of the session itself.
const CALLS: [(&str, &str, &[&str]); 13] = [
    ("sync", "fsync,fdatasync,syncfs", &["EIO"]),
    ("dd", "fsync", &["EIO"]),
    ("dd", "write", &["ENOSPC", "EDQUOT", "EIO"]),
    ("mv", "rename,renameat,renameat2", &["ENOSPC", "EROFS", "EPERM", "EDQUOT", "EIO"]),
    ("cp", "write,copy_file_range,sendfile", &["ENOSPC", "EIO"]),
    ("cp", "fchown,fchmod,lchown,fchownat,chown,chmod,fchmodat", &["EPERM", "EROFS"]),
    ("mkdir", "mkdir,mkdirat", &["ENOSPC", "EROFS", "EDQUOT"]),
    ("ln", "symlink,symlinkat,link,linkat", &["ENOSPC", "EROFS"]),
    ("chmod", "chmod,fchmod,fchmodat,fchmodat2", &["EPERM", "EROFS"]),
    ("chown", "chown,lchown,fchown,fchownat", &["EPERM", "EROFS"]),
    ("rm", "unlink,unlinkat", &["EROFS", "EIO"]),
    ("sh", "openat", &["ENOSPC", "EROFS"]),
    ("sh", "write", &["ENOSPC", "EIO"]),
];

/// Makes the scripts in `$1/shim`; what it is to do stands in `armed` there: a tool, at which call of it, the
/// calls that fail, and the error.
const SHIMS: &str = r#"
cd "$1"
mkdir -p points root/private shim/real /var/lib/trueup
mount --bind root/private /var/lib/trueup
printf '#!/bin/sh\nmkdir -p "%s/points/$1"\n' "$1" >point
cd shim
for tool in sync dd mv cp mkdir ln chmod chown rm; do
cp "/usr/bin/$tool" real/
cat >"$tool" <<END
#!$1/shim/real/dash
d=$1/shim
if [ -e \$d/armed ]; then
  read -r tool nth calls error <\$d/armed
  [ "\$tool" != count ] || echo >>\$d/count-$tool
  if [ "\$tool" = $tool ]; then
    echo >>\$d/called
    [ "\$(wc -l <\$d/called)" -ne "\$nth" ] || PATH=\$d/real:\$PATH exec strace -f -qq -o \$d/trace -e trace=\$calls -e inject=\$calls:error=\$error:when=1 $tool "\$@"
  fi
fi
PATH=\$d/real:\$PATH exec $tool "\$@"
END
done
cp /usr/bin/dash real/
cat >dash <<END
#!$1/shim/real/dash
d=$1/shim
if [ -e \$d/armed ] && [ "\${2:-}" = '$2' ]; then
  read -r tool nth calls error <\$d/armed
  case \$tool in
    sh) exec strace -qq -o \$d/trace -e trace=\$calls -e inject=\$calls:error=\$error:when=\$nth \$d/real/dash "\$@" ;;
    count) exec strace -qq -o \$d/trace -e trace=openat,write \$d/real/dash "\$@" ;;
  esac
fi
exec \$d/real/dash "\$@"
END
chmod 755 ../point sync dd mv cp mkdir ln chmod chown rm dash
for tool in sync dd mv cp mkdir ln chmod chown rm dash; do
  mount --bind $tool "/usr/bin/$tool"
done
"#;

/// A call that fails: of which tool, when, which, and with what.
#[derive(Debug, Clone, Copy)]
struct Point {
    tool: &'static str,
    nth: usize,
    calls: &'static str,
    error: &'static str,
}

/// A project, apply after apply, with tools that fail when they are told to.
struct Calls {
    room: Room,
    managed: Managed,
    folder: TempDir,
    round: usize,
}

impl Calls {
    fn new() -> Self {
        for program in ["strace", "nsenter", "dash"] {
            tool(program);
        }
        let folder = tempfile::Builder::new().prefix("calls-").tempdir_in("/dev/shm");
        let folder = folder.expect("a folder in memory");
        let outer = folder.path().to_str().expect("UTF-8");
        let room = Room::new(None, SHIMS, &[outer, shell_start()]);
        let calls = Self { managed: Managed::new(folder.path(), 1), room, folder, round: 0 };
        calls.managed.declare(0);
        calls.managed.trueup(&calls.room, &["apply", "--yes"]).expect(0);
        calls
    }

    /// The text of a file of the scripts.
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("shim").join(name)).unwrap_or_default()
    }

    fn arm(&self, text: &str) {
        let shim = self.folder.path().join("shim");
        for name in ["called", "trace", "armed"] {
            let _ = fs::remove_file(shim.join(name));
        }
        if !text.is_empty() {
            fs::write(shim.join("armed"), format!("{text}\n")).expect("a file");
        }
    }

    /// All that can fail in an apply.
    fn points(&mut self) -> Vec<Point> {
        self.round += 1;
        self.managed.declare(self.round);
        self.arm("count - - -");
        self.managed.trueup(&self.room, &["apply", "--yes"]).expect(0);
        let trace = self.text("trace");
        self.arm("");
        let mut points = Vec::new();
        for (tool, calls, errors) in CALLS {
            let count = match tool {
                "sh" => trace.lines().filter(|line| line.starts_with(calls)).count(),
                _ => self.text(&format!("count-{tool}")).lines().count(),
            };
            let nth = (1..=count)
                .flat_map(|nth| errors.iter().map(move |error| Point { tool, nth, calls, error }));
            points.extend(nth);
        }
        points
    }

    /// Applies while one call fails, and looks at what is there; then applies again. Whether there was such a
    /// call, and what the apply said.
    fn fail(&mut self, point: Point) -> Result<(bool, i32), String> {
        self.round += 1;
        let (round, managed) = (self.round, &self.managed);
        managed.declare(round);
        let Point { tool, nth, calls, error } = point;
        self.arm(&format!("{tool} {nth} {calls} {error}"));
        let applied = managed.trueup(&self.room, &["apply", "--yes", "--json"]);
        let trace = self.text("trace");
        let hit = trace.contains("INJECTED");
        self.arm("");
        let end = json(&applied)?;
        let told = |why: String| format!("{why}\n{trace}\n{end:#}\n{}", applied.stderr);
        let olds = managed.olds(&self.room, round).map_err(told)?;
        managed.kept(&self.room, &olds, round).map_err(told)?;
        managed.remembered(&self.room).map_err(told)?;
        let done = end["hosts"][0]["done"].as_array().into_iter().flatten();
        for address in done.filter_map(|address| address.as_str()) {
            if olds.contains(&managed.name(address)) {
                return Err(told(format!("{address} was told to be done, and is old")));
            }
        }
        if applied.status == 0 && !(olds.is_empty() && managed.reacted(&self.room, round)) {
            return Err(told(format!("all was told to be done, and old are {olds:?}")));
        }
        if applied.status == 0 && hit && calls.contains("fsync") {
            return Err(told("what may not be on disk was told to be done".into()));
        }
        if olds.contains("pair1") != olds.contains("pair2") {
            return Err(told(format!("of a set only one is old: {olds:?}")));
        }
        let again = managed.trueup(&self.room, &["apply", "--yes"]);
        if again.status != 0 {
            return Err(told(format!("the next apply: {}{}", again.stdout, again.stderr)));
        }
        managed.converged(&self.room, round).map_err(told)?;
        Ok((hit, applied.status))
    }
}

#[test]
fn a_call_that_fails_leaves_old_or_new_and_is_told() {
    if unprivileged("calls that fail") {
        return;
    }
    let mut calls = Calls::new();
    let mut points = calls.points();
    let all = points.len();
    let (seed, mut random) = seed();
    let full = std::env::var_os("TRUEUP_FULL").is_some();
    if !full {
        let most = number("TRUEUP_FAULTS").unwrap_or(8).min(all);
        // Some of them are about what is not on disk: of all, that is told the least by itself.
        let syncs: Vec<Point> =
            points.iter().copied().filter(|point| point.calls.contains("fsync")).collect();
        let one = |nth| match nth % 3 {
            0 => syncs[random.below(syncs.len())],
            _ => points[random.below(all)],
        };
        points = (0..most).map(one).collect();
    }
    let mut wrong = String::new();
    let mut figures: BTreeMap<String, usize> = BTreeMap::new();
    for point in &points {
        match calls.fail(*point) {
            Ok((hit, status)) => {
                let word = match (hit, status) {
                    (false, _) => "no such call",
                    (true, 0) => "done all the same",
                    (true, _) => "failed and told",
                };
                *figures.entry(format!("{}: {word}", point.tool)).or_default() += 1;
            }
            Err(why) => {
                let _ = writeln!(wrong, "{point:?}: {why}");
                // What is wrong now is not to count for the next.
                calls = Calls::new();
            }
        }
    }
    say(&format!("faults: {} of {all} calls from seed {seed}: {figures:?}", points.len()));
    assert!(wrong.is_empty(), "seed {seed}:\n{wrong}");
}
