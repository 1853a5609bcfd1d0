//! A confirmation and the way back at the same moment (T47): one of them happens, whole, and both know which.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use trueup::ledger::{CONFIRM, KEPT, LIBRARY};
use trueup::resources::REGISTRY;
use trueup::shell::{Script, detached};

use crate::wire::shells::say;

/// Trials at a time.
const SIDE_BY_SIDE: usize = 8;

/// The host's functions as a program: its first argument names one of them.
fn functions() -> Vec<u8> {
    let mut libraries = vec![LIBRARY, KEPT, CONFIRM];
    for library in REGISTRY.iter().flat_map(|kind| kind.library()) {
        if !libraries.contains(library) {
            libraries.push(library);
        }
    }
    detached(("race", &libraries), &Script::new(), "")
}

/// A run that changed two files and waits to be confirmed.
fn armed(folder: &Path) {
    let state = folder.join("state/p/h");
    for path in ["confirm/x", "kept/R"] {
        fs::create_dir_all(state.join(path)).expect("a folder");
    }
    let out = folder.join("out");
    fs::create_dir(&out).expect("a folder");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
    let list = format!("1 1 file 81a4:0:0 {0}/a\n2 2 absent - {0}/b\n", out.display());
    for (path, text) in [
        (state.join("confirm/x/run"), format!("R 1 1 secret {} 999999999 1\n", boot.trim())),
        (state.join("confirm/x/token"), "secret\n".to_owned()),
        (state.join("confirm/x/beat"), "idle 0\n".to_owned()),
        (state.join("kept/R/list"), list),
        (state.join("kept/R/1"), "old\n".to_owned()),
        (out.join("a"), "new\n".to_owned()),
        (out.join("b"), "new\n".to_owned()),
    ] {
        fs::write(path, text).expect("a file");
    }
}

/// One trial; true where it was confirmed.
fn trial(program: &Path, offset: i64) -> Result<bool, String> {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
    armed(folder.path());
    let state = folder.path().join("state").display().to_string();
    let start = |words: &[&str]| {
        let mut command = Command::new("/bin/sh");
        command.arg(program).args(words).stdin(Stdio::null());
        // The functions' standard output is their own.
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a shell")
    };
    let place = format!("{state}/p/h");
    let back = || start(&["guarding", "now", &place, "x"]);
    let confirm = || start(&["told", "confirmation", "p/h", &state, "R", "x", "secret"]);
    let pause = Duration::from_micros(offset.unsigned_abs());
    let (mut back, confirm) = if offset < 0 {
        let first = back();
        std::thread::sleep(pause);
        (first, confirm())
    } else {
        let first = confirm();
        std::thread::sleep(pause);
        (back(), first)
    };
    let said = confirm.wait_with_output().expect("its end").stdout;
    back.wait().expect("its end");
    let said = String::from_utf8_lossy(&said).into_owned();
    let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap_or_default();
    let stands = (read("out/a"), read("out/b"));
    let stands = (stands.0.as_str(), stands.1.as_str());
    let left = folder.path().join("state/p/h/confirm").exists();
    let fate = read("state/p/h/kept/R/fate");
    match said.as_str() {
        "confirmed\n" if stands == ("new\n", "new\n") && fate == said && !left => Ok(true),
        "rolled back\n" if stands == ("old\n", "") && fate == said && !left => Ok(false),
        _ => Err(format!(
            "at {offset} µs: said {said:?}, record {fate:?}, stands {stands:?}, left {left}"
        )),
    }
}

/// A number out of the environment.
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn a_confirmation_at_the_deadline_is_whole_or_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program");
    // What is asked answers on standard output, which the functions keep as descriptor 4.
    let text = [functions().as_slice(), b""].concat();
    let text = String::from_utf8(text).expect("ASCII");
    let at = text.rfind("\n \"$@\"").expect("its end");
    let text = format!("{}\nrerun() {{ :; }}\ntold() {{ \"$@\" >&4; }}\n\"$@\"\n", &text[..at]);
    fs::write(&program, text).expect("the program");
    let full = std::env::var_os("TRUEUP_FULL").is_some();
    let trials = number("TRUEUP_TRIALS").unwrap_or(if full { 5000 } else { 60 });
    let seed = number("TRUEUP_SEED").unwrap_or(1);
    let mut random = seed;
    let offsets = std::iter::repeat_with(|| {
        // xorshift: the offset of one to the other, up to 12 ms either way.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        i64::try_from(random % 24_000).expect("a small number") - 12_000
    });
    let offsets: Vec<i64> = offsets.take(usize::try_from(trials).expect("a count")).collect();
    // Each trial has a folder of its own. Who comes second waits a second for the record: others go on meanwhile.
    let (next, confirmed, wrong) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(offset) = offsets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match trial(&program, *offset) {
                        Ok(true) => drop(confirmed.fetch_add(1, Ordering::Relaxed)),
                        Ok(false) => {}
                        Err(why) => wrong.lock().expect("a list").push(why),
                    }
                }
            });
        }
    });
    let (confirmed, wrong) = (confirmed.into_inner(), wrong.into_inner().expect("a list"));
    say(&format!(
        "confirm race: seed {seed}, {trials} trials, {confirmed} confirmed, {} rolled back, {} mixed",
        trials - confirmed - wrong.len() as u64,
        wrong.len()
    ));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(confirmed > 0 && confirmed < trials, "both happen");
}
