//! Every input that the fuzzer kept is run by the tests too.

use std::path::Path;

use crate::support::repository;

#[path = "../../../fuzz/src/targets.rs"]
mod targets;

/// Runs every kept input of a target, and says which one fails.
fn replay(target: &str) {
    let folder = repository().join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a kept input").path())
        .collect();
    files.sort();
    assert!(files.len() > 20, "{} inputs in {}", files.len(), folder.display());
    for file in files {
        let input = std::fs::read(&file).expect("a kept input");
        let result = std::panic::catch_unwind(|| targets::run(target, &input));
        assert!(result.is_ok(), "{} breaks `{target}`", shown(&file));
    }
}

fn shown(file: &Path) -> String {
    file.strip_prefix(repository()).unwrap_or(file).display().to_string()
}

#[test]
fn kept_inputs_of_project() {
    replay("project");
}

#[test]
fn kept_inputs_of_pattern() {
    replay("pattern");
}

#[test]
fn kept_inputs_of_template() {
    replay("template");
}

#[test]
fn kept_inputs_of_frame() {
    replay("frame");
}

#[test]
fn kept_inputs_of_facts() {
    replay("facts");
}

#[test]
fn kept_inputs_of_observe() {
    replay("observe");
}
