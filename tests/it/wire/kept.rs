//! Copies of what a run changes: kept before it is changed, put back as it was; and what is done where that
//! cannot be.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use trueup::shell::{Answer, AnswerKind, Script};

use super::bench::{Bench, said};
use super::session::Edit;
use super::shells::{Shell, everywhere, find, left_out, root};
use super::tree::Tree;

/// The run of these tests.
const RUN: &str = "01JD7C0000000000000000000A";

/// A bench whose steps keep what they change.
pub(super) fn keeping(bench: &mut Bench) -> Result<(), String> {
    let state = bench.state.display().to_string();
    let answer = anew(
        bench,
        "keep_here() { { [ -n \"$state\" ] || hold \"$1\" \"$2\" 0 me; } && keeping \"$3\"; }; keep_here",
        &["p/h", &state, RUN],
    )?;
    if answer.kind == AnswerKind::Done { Ok(()) } else { Err(said(&answer)) }
}

/// One step, whatever failed before it.
fn anew(bench: &mut Bench, text: &'static str, arguments: &[&str]) -> Result<Answer, String> {
    let mut script = Script::new();
    script.text("F=\n");
    bench.session.exchange(&script, &[])?;
    bench.step(text, arguments)
}

/// The folder of a run's copies.
fn shelf(bench: &Bench, run: &str) -> PathBuf {
    bench.state.join("p/h/kept").join(run)
}

/// The lines of what a run kept, without numbers of steps.
fn list(bench: &Bench) -> Vec<String> {
    let text = fs::read_to_string(shelf(bench, RUN).join("list")).unwrap_or_default();
    let root = bench.tree.display().to_string();
    let line = |line: &str| {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        format!("{} {} {}", words[0], words[2], words[4].replace(&root, ""))
    };
    text.lines().map(line).collect()
}

/// Puts all back that a run kept, the last first.
fn back(bench: &mut Bench) -> Result<(), String> {
    for n in (1..=list(bench).len()).rev() {
        let answer = bench.step("putback", &[RUN, &n.to_string()])?;
        if answer.kind != AnswerKind::Done {
            return Err(format!("{n}: {}", said(&answer)));
        }
    }
    Ok(())
}

const MODULE: &str = r#"
[file."ROOT/a b"]
content = "new\n"
mode = "0600"
[file."ROOT/mode"]
mode = "0600"
[file."ROOT/gone"]
state = "absent"
[file."ROOT/made"]
content = "made\n"
[directory."ROOT/new"]
[file."ROOT/new/in"]
content = "in\n"
[directory."ROOT/old"]
mode = "0700"
[symlink."ROOT/link"]
target = "new"
[symlink."ROOT/away"]
state = "absent"
[symlink."ROOT/fresh"]
target = "/nowhere"
[directory."ROOT/purged"]
purge = true
"#;

/// What stands there before [`MODULE`].
fn before(bench: &Bench) {
    let mode = |path: &PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let a = bench.file("a b", b"old\0\xff no end".repeat(1000));
    mode(&a, 0o4751).expect("a mode");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let times = fs::FileTimes::new().set_modified(time);
    bench.file("mode", "m\n");
    bench.file("gone", "");
    for folder in ["old", "purged/deep/er", "target"] {
        fs::create_dir_all(bench.tree.join(folder)).expect("a folder");
    }
    mode(&bench.tree.join("old"), 0o2755).expect("a mode");
    bench.file("purged/deep/er/file", "deep\n");
    bench.file("purged/x", "x\n");
    for (target, name) in [("target", "link"), ("a b", "away"), ("nothing", "purged/deep/dangling")]
    {
        symlink(target, bench.tree.join(name)).expect("a link");
    }
    if root() {
        chown(&a, Some(1234), Some(2345)).expect("an owner");
        mode(&a, 0o4751).expect("a mode");
        std::os::unix::fs::lchown(bench.tree.join("link"), Some(1234), Some(2345))
            .expect("an owner");
    }
    let file = fs::File::options().append(true).open(&a).expect("a file");
    file.set_times(times).expect("a time");
}

/// All that steps about paths do is undone, byte for byte, with owner, mode and time.
pub fn all_goes_back(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    fs::create_dir_all(&bench.tree).map_err(|error| error.to_string())?;
    before(&bench);
    let was = bench.tree();
    let time =
        |bench: &Bench| fs::metadata(bench.tree.join("a b")).and_then(|meta| meta.modified());
    let then = time(&bench).map_err(|error| error.to_string())?;
    let items = bench.items(MODULE);
    keeping(&mut bench)?;
    bench.apply(&items)?.done(&items)?;
    if bench.tree() == was {
        return Err("nothing was changed".into());
    }
    back(&mut bench)?;
    let is = bench.tree();
    if is != was {
        return Err(format!("{}; kept: {:?}", is.against(&was), list(&bench)));
    }
    if time(&bench).map_err(|error| error.to_string())? != then {
        return Err("the time of a file is another one".into());
    }
    bench.session.close()
}

/// What is on the list was there before the change, each thing once, in order.
fn listed(shell: &Shell) -> Result<(), String> {
    let mut bench = Bench::new(shell, &[]);
    before(&bench);
    keeping(&mut bench)?;
    let items = bench.items(MODULE);
    bench.apply(&items)?.done(&items)?;
    let again = bench.items("[file.\"ROOT/a b\"]\ncontent = \"newer\\n\"\n");
    bench.apply(&again)?.done(&again)?;
    let list = list(&bench);
    let expected = [
        "1 file /a b",
        "2 file /mode",
        "3 file /gone",
        "4 absent /made",
        "5 absent /new",
        "6 absent /new/in",
        "7 folder /old",
        "8 link /link",
        "9 link /away",
        "10 absent /fresh",
    ];
    if list[..10] != expected {
        return Err(format!("{list:?}"));
    }
    let mode = |path: PathBuf| fs::metadata(path).map(|meta| meta.permissions().mode() & 0o777);
    let folder = shelf(&bench, RUN);
    if !matches!(mode(folder.clone()), Ok(0o700))
        || fs::read(folder.join("1")).unwrap_or_default().len() != 12_000
    {
        return Err("the copy is not what was there first, for its owner alone".into());
    }
    Ok(())
}

/// Where the copy cannot be made the step fails, and what stands there stays.
pub fn unkept_is_unchanged(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let start = |tree: &std::path::Path| {
        let script = "mkdir \"$0/../state\" && mount -t tmpfs -o size=64k none \"$0/../state\" && exec \"$@\"";
        shell.start_under(&[
            "unshare",
            "--mount",
            "sh",
            "-c",
            script,
            tree.to_str().expect("UTF-8"),
        ])
    };
    let mut bench = Bench::start(super::bench::folder(), start, edits);
    for name in ["file", "gone"] {
        bench.file(name, "x".repeat(100_000));
    }
    symlink("x", bench.tree.join("link")).map_err(|error| error.to_string())?;
    for module in [
        "[file.\"ROOT/file\"]\ncontent = \"new\\n\"\n",
        "[file.\"ROOT/gone\"]\nstate = \"absent\"\n",
        "[file.\"ROOT/file\"]\nmode = \"0600\"\n",
    ] {
        let was = bench.tree();
        let items = bench.items(module);
        keeping(&mut bench)?;
        let wave = bench.apply(&items)?;
        wave.failed(0, "cannot be kept for the way back")?;
        wave.failed(0, "No space left on device")?;
        if bench.tree() != was {
            return Err(format!("{module}: {}", bench.tree().against(&was)));
        }
    }
    Ok(())
}

/// Who planted something on the shelf, or on the way back, has nothing of another's changed.
fn planted(shell: &Shell) -> Result<(), String> {
    let victim = |bench: &Bench| {
        let folder = bench.outside().join("victim");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("1"), "secret\n").expect("a file");
        folder
    };
    // A link in the place of the shelf.
    let mut bench = Bench::new(shell, &[]);
    let outside = victim(&bench);
    fs::create_dir_all(bench.state.join("p/h/kept")).map_err(|error| error.to_string())?;
    symlink(&outside, shelf(&bench, RUN)).map_err(|error| error.to_string())?;
    bench.file("a", "old\n");
    let (was, victims) = (bench.tree(), Tree::of(&outside));
    keeping(&mut bench)?;
    let items = bench.items("[file.\"ROOT/a\"]\ncontent = \"new\\n\"\n");
    bench.apply(&items)?.failed(0, "is not a folder of this login's alone")?;
    if bench.tree() != was || Tree::of(&outside) != victims {
        return Err("it was led elsewhere".into());
    }
    // What stood there was swapped for a link since: the link is replaced, and not what it leads to.
    let mut bench = Bench::new(shell, &[]);
    let outside = victim(&bench);
    bench.file("a", "old\n");
    let (was, victims) = (bench.tree(), Tree::of(&outside));
    keeping(&mut bench)?;
    let items = bench.items("[file.\"ROOT/a\"]\ncontent = \"new\\n\"\n");
    bench.apply(&items)?.done(&items)?;
    fs::remove_file(bench.tree.join("a")).map_err(|error| error.to_string())?;
    symlink(outside.join("1"), bench.tree.join("a")).map_err(|error| error.to_string())?;
    back(&mut bench)?;
    if bench.tree() != was || Tree::of(&outside) != victims {
        return Err(format!("by a link: {}", bench.tree().against(&was)));
    }
    Ok(())
}

/// A list that was damaged, and a thing that was too large, change nothing.
fn damaged(shell: &Shell) -> Result<(), String> {
    let mut bench = Bench::new(shell, &[]);
    bench.file("a", "old\n");
    bench.file("b", "old and long\n");
    keeping(&mut bench)?;
    bench.step("keeping", &[RUN, "5"])?;
    let items = bench
        .items("[file.\"ROOT/a\"]\ncontent = \"new\\n\"\n[file.\"ROOT/b\"]\nstate = \"absent\"\n");
    bench.apply(&items)?.done(&items)?;
    let was = bench.tree();
    let mut told = |n: &str| anew(&mut bench, "putback", &[RUN, n]).map(|answer| said(&answer));
    if !told("2")?.contains("too large")
        || !told("9")?.contains("damaged")
        || !told("x")?.contains("number")
    {
        return Err("a thing that cannot be put back is not told".into());
    }
    let path = shelf(&bench, RUN).join("list");
    let whole = fs::read(&path).map_err(|error| error.to_string())?;
    for cut in 0..whole.iter().position(|byte| *byte == b'/').unwrap_or(0) {
        fs::write(&path, &whole[..cut]).map_err(|error| error.to_string())?;
        let answer = anew(&mut bench, "putback", &[RUN, "1"])?;
        if answer.kind != AnswerKind::Failed || bench.tree() != was {
            return Err(format!("cut at {cut}: {}", said(&answer)));
        }
    }
    Ok(())
}

/// Old runs go, the newest before this one stays whatever its size.
fn bounded(shell: &Shell) -> Result<(), String> {
    let mut bench = Bench::new(shell, &[]);
    bench.file("a", "old\n");
    let runs = |bench: &Bench| {
        let all = fs::read_dir(bench.state.join("p/h/kept")).expect("a folder");
        let mut all: Vec<String> = all
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        all.sort();
        all
    };
    for run in ["1", "2", "3", "4"] {
        let folder = bench.state.join("p/h/kept").join(run);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        fs::write(folder.join("1"), vec![b'x'; 100 << 10]).map_err(|error| error.to_string())?;
    }
    keeping(&mut bench)?;
    let change = |bench: &mut Bench, (run, count, size): (&str, &str, &str)| {
        bench.step("keeping", &[run, "1000", count, size])?;
        let items = bench.items(&format!("[file.\"ROOT/a\"]\ncontent = \"{run}\\n\"\n"));
        bench.apply(&items)?.done(&items)
    };
    for (limits, expected) in [
        (("5", "4", "9999"), vec!["2", "3", "4", "5"]),
        (("5", "4", "9999"), vec!["2", "3", "4", "5"]),
        (("6", "9", "250"), vec!["3", "4", "5", "6"]),
        (("7", "9", "1"), vec!["6", "7"]),
    ] {
        change(&mut bench, limits)?;
        if runs(&bench) != expected {
            return Err(format!("{limits:?}: {:?}", runs(&bench)));
        }
    }
    Ok(())
}

/// Extended attributes and access lists, where the tools of the host can copy them.
fn attributes(shell: &Shell) -> Result<(), String> {
    let mut bench = Bench::new(shell, &[]);
    let path = bench.file("a", "old\n");
    let set =
        Command::new("setfattr").args(["-n", "user.origin", "-v", "here"]).arg(&path).status();
    if shell.name == "busybox sh" {
        left_out("extended attributes of kept copies with busybox", "its cp copies none");
        return Ok(());
    }
    if find("setfattr").is_none() || !set.is_ok_and(|status| status.success()) {
        left_out("extended attributes of kept copies", "no setfattr(1), or no room for them");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI leaves none of them out");
        return Ok(());
    }
    keeping(&mut bench)?;
    let gone = bench.items("[file.\"ROOT/a\"]\nstate = \"absent\"\n");
    bench.apply(&gone)?.done(&gone)?;
    back(&mut bench)?;
    let got =
        Command::new("getfattr").args(["-n", "user.origin", "--only-values"]).arg(&path).output();
    match got {
        Ok(output) if output.stdout == b"here" => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn what_a_run_changed_goes_back_as_it_was() {
    everywhere(|shell| all_goes_back(shell, &[]));
}

#[test]
fn what_a_run_changes_is_kept_once_and_before() {
    everywhere(listed);
}

#[test]
fn what_cannot_be_kept_is_not_changed() {
    if !root() {
        return left_out("a full shelf", "mounts need root");
    }
    everywhere(|shell| unkept_is_unchanged(shell, &[]));
}

#[test]
fn links_lead_neither_copies_nor_the_way_back_elsewhere() {
    everywhere(planted);
}

#[test]
fn a_damaged_list_changes_nothing() {
    everywhere(damaged);
}

#[test]
fn old_copies_go() {
    everywhere(bounded);
}

#[test]
fn kept_copies_have_their_attributes() {
    everywhere(attributes);
}
