//! Instructions of the controller, counted by callgrind: a figure that no busy machine changes.

use std::process::Command;

use crate::support::{Project, work};

/// Hosts that are checked.
const HOSTS: usize = 20;

#[test]
fn a_check_takes_no_more_instructions_than_it_may() {
    let project = Project::new();
    let names: Vec<String> = (1..=HOSTS).map(|number| format!("web{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (path, text) in work::files(&names, &work::Size::small()) {
        project.file(path, text);
    }
    let out = tempfile::NamedTempFile::new().expect("a temporary file");
    let result = Command::new("valgrind")
        .args(["--tool=callgrind", "--error-exitcode=9"])
        .arg(format!("--callgrind-out-file={}", out.path().display()))
        .arg(env!("CARGO_BIN_EXE_trueup"))
        .arg("-C")
        .arg(project.path())
        .args(["check"])
        .output()
        .expect("valgrind: `tests/lab/lab.sh needs` names its package");
    let told = String::from_utf8_lossy(&result.stderr).into_owned();
    assert!(result.status.success(), "{told}");
    let counted = told.lines().find_map(|line| line.split_once("Collected : "));
    let counted: u64 = counted.and_then(|(_, count)| count.trim().parse().ok()).expect("a count");
    let limits: toml::Table = include_str!("../limits.toml").parse().expect("TOML");
    let most = limits["check"]["instructions"].as_integer().expect("a number");
    let most = u64::try_from(most).expect("a positive number") * 1_000_000;
    assert!(
        counted <= most && counted * 10 >= most * 7,
        "check: {counted} instructions, and tests/limits.toml says {most}"
    );
}
