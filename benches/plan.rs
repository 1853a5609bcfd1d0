//! `trueup plan` of 4 hosts × 113 resources with nothing to change, beside bare `ssh HOST true` to the
//! same hosts side by side, in one run: `cargo xtask bench` (or with a lab of your own in `TRUEUP_LAB`).
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a program that prints figures"
)]

#[path = "../tests/it/support/work.rs"]
mod work;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HOSTS: [&str; 4] = ["web1", "web2", "web3", "web4"];
const RUNS: usize = 9;

fn main() {
    let lab = std::env::var_os("TRUEUP_LAB")
        .map(PathBuf::from)
        .expect("TRUEUP_LAB: run `cargo xtask bench`");
    let config = lab.join("ssh_config");
    let project = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in work::files(&HOSTS) {
        let path = project.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    trueup(project.path(), &config, &["apply", "--yes"]);
    let mut plans = Vec::new();
    let mut bare = Vec::new();
    // One uncounted pair first; then in turn, so that a machine whose speed drifts is fair to both.
    for run in 0..=RUNS {
        let one = timed(|| ssh(&config));
        let other = timed(|| trueup(project.path(), &config, &["plan", "--detailed-exitcode"]));
        if run > 0 {
            bare.push(one);
            plans.push(other);
        }
    }
    let ratios: Vec<f64> = plans
        .iter()
        .zip(&bare)
        .map(|(plan, bare)| plan.as_secs_f64() / bare.as_secs_f64())
        .collect();
    println!(
        "\n{} hosts × {} resources, nothing to change, {RUNS} runs",
        HOSTS.len(),
        work::RESOURCES
    );
    println!("{:28} {:>8} {:>8} {:>8}", "", "median", "minimum", "maximum");
    row("bare ssh HOST true, s", bare.iter().map(Duration::as_secs_f64).collect());
    row("trueup plan, s", plans.iter().map(Duration::as_secs_f64).collect());
    row("ratio, pair by pair", ratios);
}

fn row(name: &str, mut figures: Vec<f64>) {
    figures.sort_by(f64::total_cmp);
    let (first, last) = (figures[0], figures[figures.len() - 1]);
    println!("{name:28} {:8.3} {first:8.3} {last:8.3}", figures[figures.len() / 2]);
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// `ssh HOST true` to all hosts at once.
fn ssh(config: &Path) {
    let start = |host: &&str| {
        Command::new("ssh").arg("-F").arg(config).args([host, "true"]).stderr(Stdio::null()).spawn()
    };
    let children: Vec<_> = HOSTS.iter().map(|host| start(host).expect("ssh")).collect();
    for mut child in children {
        assert!(child.wait().expect("ssh").success(), "bare ssh works");
    }
}

fn trueup(project: &Path, config: &Path, words: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_trueup"))
        .arg("-C")
        .arg(project)
        .args(words)
        .arg("--ssh-config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .expect("the program");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
