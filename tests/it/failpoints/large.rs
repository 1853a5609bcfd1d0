//! A large content that is written to between plan and apply, at the very moment before it is sent.

use std::fs;

use super::stalled::{resumed, stopped};
use crate::ledger::Bench;

const MIB: usize = 1 << 20;

/// The most memory that a process had, in bytes.
fn peak(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    let number = line.split_whitespace().nth(1).expect("a number");
    number.parse::<usize>().expect("a number") * 1024
}

fn content(length: usize) -> Vec<u8> {
    (0..=250).cycle().flat_map(|byte| [byte; 4096]).take(length).collect()
}

fn bench() -> Bench {
    let bench = Bench::new(
        "[file.\"ROOT/big\"]\nsource = \"files/big\"\n[file.\"ROOT/after\"]\ncontent = \"x\\n\"\n",
    );
    bench.project.file("modules/m/files/big", content(6 * MIB));
    bench
}

#[test]
fn what_was_written_to_after_the_plan_never_lands() {
    let mut other = content(6 * MIB);
    other[5 * MIB] ^= 1;
    let changes = [("shrunk", content(4 * MIB)), ("changed", other), ("gone", Vec::new())];
    // Before it is opened to be sent, and while it is sent: what was opened stays, whatever its name says.
    let all =
        ["wave", "piece"].iter().flat_map(|point| changes.iter().map(move |one| (*point, one)));
    for (point, (how, now)) in all.filter(|(point, (how, _))| (*point, *how) != ("piece", "gone")) {
        let bench = bench();
        let child = stopped(&bench, point, &["apply", "--yes"]);
        let path = bench.project.path().join("modules/m/files/big");
        if now.is_empty() { fs::remove_file(&path) } else { fs::write(&path, now) }
            .expect("a file");
        let (status, told) = resumed(&bench, child);
        assert_eq!(status, Some(3), "{how} at {point}: {told}");
        assert!(told.contains("was changed after this was planned: plan again"), "{how}: {told}");
        assert!(!bench.path("big").exists() && !bench.path("after").exists(), "{how}");
        let left = fs::read_dir(bench.path("")).expect("a folder").flatten();
        assert!(left.map(|entry| entry.file_name()).all(|name| name == ".host-state"), "{how}");
    }
}

#[test]
fn what_was_added_to_its_end_is_not_sent_and_the_next_plan_has_it() {
    let bench = bench();
    let child = stopped(&bench, "wave", &["apply", "--yes"]);
    bench.project.file("modules/m/files/big", content(7 * MIB));
    let (status, told) = resumed(&bench, child);
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(fs::read(bench.path("big")).expect("a file"), content(6 * MIB));
    bench.run(&["plan", "--detailed-exitcode"]).expect(2);
    bench.apply();
    assert_eq!(fs::read(bench.path("big")).expect("a file"), content(7 * MIB));
    bench.run(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_large_content_is_not_held_in_memory() {
    const LARGE: usize = 96 * MIB;
    let bench = Bench::new("[file.\"ROOT/big\"]\nsource = \"files/big\"\n");
    bench.project.file("modules/m/files/big", content(LARGE));
    // Everything was sent, and answered, when this is reached.
    let child = stopped(&bench, "wave-done", &["apply", "--yes"]);
    let most = peak(child.process());
    let (status, told) = resumed(&bench, child);
    assert_eq!(status, Some(0), "{told}");
    assert!(most < LARGE * 2 / 3, "{most} bytes of memory for a content of {LARGE}");
    assert_eq!(fs::read(bench.path("big")).expect("a file"), content(LARGE));
}
