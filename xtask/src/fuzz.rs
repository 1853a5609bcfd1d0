//! Builds and runs the fuzz targets: libFuzzer, on the stable toolchain, without a sanitizer.

use std::path::{Path, PathBuf};

use super::{cargo, command, root, run};

/// Every target; `fuzz/src/targets.rs` says what each does.
const TARGETS: [&str; 6] = ["project", "pattern", "template", "frame", "facts", "observe"];
/// Where it is built for: flags for a named target are not for build scripts.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Coverage as libFuzzer wants it, and assertions in fast code.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions";
/// What a target is run with. Texts that are loaded live as long as the process: `-fork` ends each
/// process after a while.
const OPTIONS: [&str; 6] = [
    "-fork=1",
    "-max_len=4096",
    "-timeout=5",
    "-rss_limit_mb=1500",
    "-ignore_crashes=1",
    "-ignore_ooms=1",
];
/// The largest input that is kept, in bytes, and how many of a target are.
const KEPT_BYTES: u64 = 2048;
const KEPT_FILES: usize = 300;

/// `fuzz`, `fuzz TARGET [SECONDS]`, `fuzz minimise TARGET`.
pub(super) fn fuzz(words: &[&str]) -> Result<(), String> {
    match *words {
        [] => TARGETS.iter().try_for_each(|target| search(target, "60")),
        ["minimise", target] => minimise(target),
        [target] => search(target, "60"),
        [target, seconds] => search(target, seconds),
        _ => Err(format!("fuzz [minimise] {} [SECONDS]", TARGETS.join("|"))),
    }
}

/// Looks for inputs that break a target; those that were found before count too.
fn search(target: &str, seconds: &str) -> Result<(), String> {
    let program = build(target)?;
    let (folder, artifacts) = (root().join("fuzz"), root().join("fuzz/artifacts").join(target));
    // What is found is put beside what is kept, and minimised into it by hand.
    let found = root().join("fuzz/found").join(target);
    for folder in [&artifacts, &found] {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    let dictionary = folder.join("dictionaries").join(format!("{target}.dict"));
    run(command(program.to_str().ok_or("the target's path is no text")?)
        .args(OPTIONS)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-dict={}", dictionary.display()))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&found)
        .arg(folder.join("corpus").join(target)))?;
    match std::fs::read_dir(&artifacts).map_or(0, Iterator::count) {
        0 => Ok(()),
        count => Err(format!("{count} inputs break `{target}`: {}", artifacts.display())),
    }
}

/// Puts into the corpus of a target the fewest small inputs that reach all that its finds reach.
fn minimise(target: &str) -> Result<(), String> {
    let program = build(target)?;
    let kept = root().join("fuzz/corpus").join(target);
    let merged = root().join("fuzz/found").join(format!("{target}.merged"));
    let _ = std::fs::remove_dir_all(&merged);
    std::fs::create_dir_all(&merged).map_err(|error| error.to_string())?;
    run(command(program.to_str().ok_or("the target's path is no text")?)
        .args(["-set_cover_merge=1", "-use_counters=0", "-timeout=20", "-rss_limit_mb=4000"])
        .arg(format!("-max_len={KEPT_BYTES}"))
        .arg(&merged)
        .arg(&kept)
        .arg(root().join("fuzz/found").join(target)))?;
    keep(&merged, &kept).map_err(|error| error.to_string())
}

/// Replaces a corpus by the smallest files of `merged`.
fn keep(merged: &Path, kept: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(merged)? {
        let entry = entry?;
        let size = entry.metadata()?.len();
        if size <= KEPT_BYTES {
            files.push((size, entry.path()));
        }
    }
    files.sort();
    files.truncate(KEPT_FILES);
    std::fs::remove_dir_all(kept)?;
    std::fs::create_dir_all(kept)?;
    for (_, file) in files {
        std::fs::copy(&file, kept.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// Builds a target and says where it is.
fn build(target: &str) -> Result<PathBuf, String> {
    if !TARGETS.contains(&target) {
        return Err(format!("there is no target `{target}`: {}", TARGETS.join(", ")));
    }
    let place = root().join("target/fuzz");
    run(cargo()
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--bin", target])
        .args(["--target", TRIPLE, "--target-dir"])
        .arg(&place)
        .env("RUSTFLAGS", FLAGS))?;
    Ok(place.join(TRIPLE).join("release").join(target))
}
