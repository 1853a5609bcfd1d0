//! Every resource type against data files: what it asks a host, what the answer means, what is done.

pub mod case;
mod check;
mod laws;
mod names;
mod order;
mod pool;
mod probes;
mod session;
mod together;

use std::fmt::Write as _;

use trueup::resources::{REGISTRY, ResourceType, find};

use case::{Case, cases};

/// Runs all cases of a type; fails with all that is wrong in any of them.
#[track_caller]
fn every_case(name: &str) {
    let kind = find(name).unwrap_or_else(|| panic!("there is no type {name}"));
    let mut report = String::new();
    for case in cases(name) {
        for wrong in check::check(kind, &case) {
            let _ = writeln!(report, "tests/cases/{name}/{}.toml: {wrong}\n", case.file);
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn group() {
    every_case("group");
}

#[test]
fn user() {
    every_case("user");
}

#[test]
fn package() {
    every_case("package");
}

#[test]
fn directory() {
    every_case("directory");
}

#[test]
fn file() {
    every_case("file");
}

#[test]
fn symlink() {
    every_case("symlink");
}

#[test]
fn line() {
    every_case("line");
}

#[test]
fn block() {
    every_case("block");
}

#[test]
fn authorized_key() {
    every_case("authorized_key");
}

#[test]
fn command() {
    every_case("command");
}

#[test]
fn service() {
    every_case("service");
}

/// The word of the action with which a resource of this type comes into being.
fn first_action(kind: &dyn ResourceType) -> &'static str {
    match kind.name() {
        "command" => "run",
        "line" | "block" | "service" => "update",
        _ => "create",
    }
}

fn is_noop(case: &Case) -> bool {
    case.expected.verdict.as_deref() == Some("same") && case.expected.says.is_some()
}

fn is_wrong(case: &Case) -> bool {
    let verdict = case.expected.verdict.as_deref();
    case.expected.mistakes.is_some() || matches!(verdict, Some("refused" | "error"))
}

/// Whether a case expects anything at all.
fn expects(case: &Case) -> bool {
    let expected = &case.expected;
    let texts = [&expected.verdict, &expected.probe, &expected.program];
    expected.mistakes.is_some() || texts.into_iter().any(Option::is_some)
}

#[test]
fn every_type_has_a_noop_a_first_change_and_a_wrong_case() {
    let mut report = String::new();
    for &kind in REGISTRY {
        let all = cases(kind.name());
        let first = |case: &Case| {
            case.expected.verdict.as_deref() == Some("change")
                && case.expected.action.as_deref() == Some(first_action(kind))
        };
        let wanted: [(&str, bool); 6] = [
            ("a case with verdict same that says why", all.iter().any(is_noop)),
            ("a case with its first change", all.iter().any(first)),
            ("a case that is wrong", all.iter().any(is_wrong)),
            ("a case with its probe", all.iter().any(|case| case.expected.probe.is_some())),
            ("a case with its program", all.iter().any(|case| case.expected.program.is_some())),
            ("an expectation in every case", all.iter().all(expects)),
        ];
        for (what, _) in wanted.iter().filter(|(_, there)| !there) {
            let _ = writeln!(report, "{} lacks {what}", kind.name());
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn every_folder_of_cases_is_a_type() {
    for entry in std::fs::read_dir(case::folder()).expect("tests/cases").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // The mistakes of whole projects stand beside them.
        assert!(find(&name).is_some() || name == "mistakes", "tests/cases/{name} is no type");
    }
}
