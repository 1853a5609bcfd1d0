//! T40: a controller whose clock is years off, or jumps from run to run: nothing is decided by it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::confirm::{MODULE, fate, project};
use crate::ledger::Bench;
use crate::support::Output;
use crate::wire::shells::left_out;

/// What lies to a program about the time of day.
fn liar() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let found = folders
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    let ci = std::env::var("CI").as_deref() == Ok("true");
    assert!(found.is_some() || !ci, "CI leaves no test out: install the Debian package faketime");
    if found.is_none() {
        left_out("clocks that are wrong", "the Debian package faketime is not installed");
    }
    found
}

/// The variables of a program whose clock is so far off; what counts seconds is right.
fn off<'v>(liar: &'v str, by: &'v str) -> Vec<(&'v str, &'v str)> {
    vec![("LD_PRELOAD", liar), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
}

#[test]
fn a_clock_that_is_years_off_decides_nothing() {
    let Some(liar) = liar() else { return };
    let liar = liar.to_str().expect("UTF-8");
    let bench = Bench::new(
        "[file.\"ROOT/a\"]\ncontent = \"{{ vars.release }}\\n\"\n\
         [command.told]\ncommand = \"cat ROOT/a >>ROOT/told\"\nrun_on = [\"file[ROOT/a]\"]\n",
    );
    let at = |by: &str, words: &[&str]| -> Output {
        let variables = if by.is_empty() { Vec::new() } else { off(liar, by) };
        bench.project.run_with(words, &variables)
    };
    let mut last = String::new();
    for (release, by) in ["", "-10y", "+10y", "", "-10y"].into_iter().enumerate() {
        let var = format!("release={release}");
        let before = at(by, &["plan", "--var", &var]).expect(0).stdout;
        let same = at("", &["plan", "--var", &var]).expect(0).stdout;
        assert_eq!(before, same, "{by}");
        let applied = at(by, &["apply", "--yes", "--var", &var]).expect(0);
        assert!(applied.last_line().starts_with("Applied to 1 host in"), "{}", applied.stdout);
        assert_eq!(bench.text("told").lines().count(), release + 1, "{by}");
        let plan = at("", &["plan", "--var", &var]).expect(0);
        assert_eq!(plan.last_line(), "Plan: 1 host: 1 unchanged.", "{by}");
        last = var;
    }
    // What was last is what was done last, whatever the ids of the runs say of their time.
    bench.write("a", "by hand\n");
    let drift = at("+10y", &["drift", "--var", &last]).expect(2).stdout;
    assert!(drift.contains("drift: changed on the host after run"), "{drift}");
    let ledger = at("", &["ledger", "here", "--json"]).expect(0).stdout;
    let ledger: Value = serde_json::from_str(&ledger).expect("JSON");
    assert!(ledger["damage"].is_null() && ledger["serial"] == 4, "{ledger}");
    let runs = at("", &["runs", "--json"]).expect(0).stdout;
    let runs: Value = serde_json::from_str(&runs).expect("JSON");
    let runs = runs["runs"].as_array().or_else(|| runs.as_array()).expect("runs").clone();
    // Age is counted by the controller's own clock: for the year to come two were too old.
    assert_eq!(runs.len(), 3);
    for run in runs {
        let id = run["id"].as_str().expect("an id").to_owned();
        at("-10y", &["runs", "show", &id]).expect(0);
    }
}

/// Who watches counts seconds: a controller of another year confirms in time.
#[test]
fn a_change_is_confirmed_with_a_clock_that_is_years_off() {
    let Some(liar) = liar() else { return };
    let liar = liar.to_str().expect("UTF-8");
    for by in ["-10y", "+10y"] {
        let project = project(&MODULE.replace("sleep 3", "touch ROOT/none"));
        fs::write(project.path().join("out/old"), "old\n").expect("a file");
        project.run_with(&["apply", "--yes"], &off(liar, by)).expect(0);
        assert_eq!(fate(&project).as_deref(), Some("confirmed\n"), "{by}");
        std::thread::sleep(std::time::Duration::from_secs(6));
        assert_eq!(fs::read_to_string(project.path().join("out/old")).expect("it"), "new\n");
    }
}
