//! Between a file's old state and its new one: nothing is readable too early, nothing of it is lost,
//! and it is on disk before it has its name.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use trueup::shell::Script;

use super::bench::{Bench, folder};
use super::session::{Edit, Made, WORD};
use super::shells::{Shell, everywhere, find, left_out, root};

/// Makes every program that touches files note what stands at the new file's name after it.
const HOOKS: &str = r#"
note() {
r=$?
stat -c '%a %U %s' -- "$TREE/d" "$TREE"/.trueup-*[0-9] >>"$TREE/../log" 2>/dev/null
return "$r"
}
for c in cp chown chmod dd mkdir; do eval "$c() { command $c \"\$@\"; note; }"; done
"#;

/// What is there before, the resource, the bits that it may ever have, and its owner.
const SECRETS: [(Option<u32>, &str, u32, &str); 6] = [
    (None, "[file.\"ROOT/a\"]\ncontent = \"new\\n\"\nmode = \"0600\"\n", 0o600, "root"),
    (Some(0o644), "[file.\"ROOT/a\"]\ncontent = \"new\\n\"\nmode = \"0600\"\n", 0o600, "root"),
    (Some(0o666), "[file.\"ROOT/a\"]\ncontent = \"new\\n\"\nmode = \"0440\"\n", 0o640, "root"),
    (Some(0o600), "[file.\"ROOT/a\"]\ncontent = \"new\\n\"\n", 0o600, "root"),
    (
        Some(0o644),
        "[file.\"ROOT/a\"]\ncontent = \"new\\n\"\nmode = \"0400\"\nowner = \"daemon\"\n",
        0o600,
        "daemon",
    ),
    (None, "[directory.\"ROOT/d\"]\nmode = \"0700\"\nowner = \"daemon\"\n", 0o700, "daemon"),
];

/// At no instant may somebody open a new file who may not when it is done: what was opened once can be
/// read later.
pub fn never_looser(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for (before, module, most, owner) in SECRETS {
        if owner != "root" && !root() {
            left_out("another owner", "not root");
            continue;
        }
        let mut bench = Bench::new(shell, edits);
        if let Some(mode) = before {
            let path = bench.file("a", "old\n");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            if root() {
                // Whoever had the old one is not to have the new one.
                std::os::unix::fs::chown(path, Some(2), None).expect("an owner");
            }
        }
        let module = if before.is_some() && root() && owner == "root" && module.contains("mode") {
            format!("{module}owner = \"root\"\n")
        } else {
            module.to_owned()
        };
        let items = bench.items(&module);
        let mut hooks = Script::new();
        let tree = bench.tree.display().to_string();
        hooks.text("hold() { TREE=$1; }\nhold").arg(&tree).text(HOOKS);
        bench.session.exchange(&hooks, &[])?;
        bench.apply(&items)?.done(&items)?;
        let log = fs::read_to_string(bench.outside().join("log")).map_err(|e| e.to_string())?;
        for line in log.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let mode = u32::from_str_radix(words[0], 8).expect("a mode");
            let kept = !module.contains("owner") && words[1] == "bin";
            if mode & !most != 0 || !(words[1] == "root" || words[1] == owner || kept || !root()) {
                return Err(format!("{before:?}, {module:?}: open too far: {line}\n{log}"));
            }
        }
        if log.is_empty() {
            return Err("nothing was noted".into());
        }
    }
    Ok(())
}

/// A new content keeps what nobody speaks of: mode with its special bits, owner, group.
pub fn access_is_kept(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let owners: &[&str] =
        if root() { &["", "owner = \"daemon\"\n", "group = \"bin\"\n"] } else { &[""] };
    for owner in owners {
        for mode in [0o600, 0o755, 0o4755, 0o2750, 0o6711] {
            let mut bench = Bench::new(shell, edits);
            let path = bench.file("a", "old\n");
            if root() {
                std::os::unix::fs::chown(&path, Some(1), Some(2)).expect("an owner");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            let before = fs::metadata(&path).expect("a file");
            let items = bench.items(&format!("[file.\"ROOT/a\"]\ncontent = \"new\\n\"\n{owner}"));
            bench.apply(&items)?.done(&items)?;
            let after = fs::metadata(&path).expect("a file");
            let all = |meta: &fs::Metadata| {
                format!("{:04o} {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid())
            };
            if all(&before) != all(&after) {
                return Err(format!("{owner:?}: {} became {}", all(&before), all(&after)));
            }
        }
    }
    Ok(())
}

/// Extended attributes, capabilities and ACLs are kept, where the host's tools can.
fn attributes_are_kept(shell: &Shell) -> Result<(), String> {
    let tools: [(&str, &[&str], &[&str]); 3] = [
        (
            "setfattr",
            &["-n", "user.note", "-v", "kept"],
            &["getfattr", "--only-values", "-n", "user.note"],
        ),
        ("setfacl", &["-m", "u:daemon:rw"], &["getfacl", "-c"]),
        ("setcap", &["cap_net_bind_service=ep"], &["getcap"]),
    ];
    for (tool, arguments, ask) in tools {
        if find(tool).is_none() || find(ask[0]).is_none() {
            left_out(&format!("attributes set by {tool}"), "it is not installed");
            continue;
        }
        let mut bench = Bench::new(shell, &[]);
        let path = bench.file("a", "old\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).expect("a mode");
        let set = Command::new(tool).args(arguments).arg(&path).output().expect("a tool");
        if !set.status.success() {
            left_out(tool, &String::from_utf8_lossy(&set.stderr));
            continue;
        }
        let asked =
            || Command::new(ask[0]).args(&ask[1..]).arg(&path).output().expect("a tool").stdout;
        let before = asked();
        for extra in ["", "mode = \"0664\"\n", "owner = \"root\"\n"] {
            let module =
                format!("[file.\"ROOT/a\"]\ncontent = \"new {}\\n\"\n{extra}", extra.len());
            let items = bench.items(&module);
            bench.apply(&items)?.done(&items)?;
            let after = asked();
            if before != after {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                return Err(format!(
                    "{tool}, {extra:?}: {} became {}",
                    text(&before),
                    text(&after)
                ));
            }
        }
    }
    Ok(())
}

/// The validator sees the new file as it will be, and can run it.
pub fn candidate_is_whole(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let items = bench.items(
        r##"
[file."ROOT/a"]
content = "#!/bin/sh\necho ran\n"
mode = "0750"
validate = '''test "$(stat -c %a "$candidate")" = 750 && test "$("$candidate")" = ran && test ! -e ROOT/a'''
"##,
    );
    bench.apply(&items)?.done(&items)
}

/// What a process tracer saw of replaced files, whose contents end within a block, with one, and made small.
pub fn on_disk_before_its_name(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    const MIB: usize = 1 << 20;
    let small = shell.parts().into_iter().filter(|made| *made == Made::Small);
    let whole = [(MIB + 5000, Made::Nothing), (2 * MIB, Made::Nothing)].into_iter();
    whole.chain(small.map(|made| (2 * MIB + 9, made))).try_for_each(|(length, made)| {
        let told = |why| format!("{made:?}, {length}: {why}");
        traced(shell, edits, (length, made)).map_err(told)
    })
}

fn traced(shell: &Shell, edits: &[Edit], (length, made): (usize, Made)) -> Result<(), String> {
    let folder = folder();
    let log = folder.path().join("trace");
    let words = [
        "strace",
        "-f",
        "-qq",
        "-o",
        log.to_str().expect("UTF-8"),
        "-e",
        "trace=open,openat,creat,rename,renameat,renameat2,fsync,fdatasync",
    ];
    let mut bench = Bench::start(folder, |_| shell.start_under(&words), edits);
    bench.session.made = made;
    bench.file("a", "old\n");
    let large = "x".repeat(length);
    let module = format!(
        "[file.\"ROOT/a\"]\ncontent = \"new\\n\"\n[file.\"ROOT/b\"]\ncontent = \"{large}\"\n"
    );
    let items = bench.items(&module);
    bench.apply(&items)?.done(&items)?;
    let trace = fs::read_to_string(&log).map_err(|error| error.to_string())?;
    let mut seen = Seen { own: bench.outside().display().to_string(), ..Seen::default() };
    for line in trace.lines() {
        seen.line(line).map_err(|why| format!("{why}: {line}"))?;
    }
    let Seen { opened, renamed, .. } = seen;
    if opened == 2 && renamed == 2 {
        return Ok(());
    }
    Err(format!("{opened} opened, {renamed} renamed"))
}

/// What the tracer saw so far.
#[derive(Default)]
struct Seen {
    /// The folder that may be written to.
    own: String,
    opened: usize,
    renamed: usize,
    synced: bool,
}

impl Seen {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let temporary = line.contains(&format!(".trueup-{WORD}-"));
        if line.contains("sync(") || line.contains("sync resumed") {
            self.synced = true;
        }
        if line.contains(" = -1 ") {
            return Ok(());
        }
        if temporary && line.contains("O_CREAT") {
            self.opened += 1;
            self.synced = false;
            if !line.contains("O_EXCL") || line.contains("O_TRUNC") {
                return Err("not opened as a new file");
            }
        }
        if temporary && line.contains("rename") {
            self.renamed += 1;
            if !self.synced {
                return Err("not on disk yet");
            }
        }
        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| line.contains(flag));
        let ours = [self.own.as_str(), "/dev/", "/proc/self/fd/5", "./.trueup-"]
            .iter()
            .any(|path| line.contains(&format!("\"{path}")));
        if writes && !ours { Err("written elsewhere") } else { Ok(()) }
    }
}

/// Whether processes can be traced here.
pub fn traces() -> bool {
    find("strace").is_some()
        && Command::new("strace")
            .args(["-qq", "-o", "/dev/null", "true"])
            .status()
            .is_ok_and(|status| status.success())
}

#[test]
fn a_new_file_is_never_open_too_far() {
    everywhere(|shell| never_looser(shell, &[]));
}

#[test]
fn a_new_content_keeps_owner_and_mode() {
    everywhere(|shell| access_is_kept(shell, &[]));
}

#[test]
fn a_new_content_keeps_attributes() {
    // busybox has no tool for them: the reference says so.
    everywhere(
        |shell| if shell.name.contains("busybox") { Ok(()) } else { attributes_are_kept(shell) },
    );
}

#[test]
fn a_validator_sees_the_whole_candidate() {
    everywhere(|shell| candidate_is_whole(shell, &[]));
}

#[test]
fn a_content_is_on_disk_before_it_has_its_name() {
    if !traces() {
        return left_out("fsync before rename", "strace cannot be used here");
    }
    everywhere(|shell| on_disk_before_its_name(shell, &[]));
}

/// No here-document, which a full TMPDIR turns into an empty file, and no name in /tmp but the one that
/// mktemp(1) makes for a login without a home.
#[test]
fn nothing_goes_through_tmp() {
    let text = super::session::prelude_with("/state", &[]);
    let text = String::from_utf8(text).expect("ASCII");
    for line in text.lines() {
        assert!(!line.contains("<<"), "{line}");
        assert!(!line.contains("/tmp") || line.trim() == "n=/tmp", "{line}");
    }
}
