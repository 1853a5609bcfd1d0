//! Duels (T34 of the threats): two controllers apply to one host at random moments. One is first, the other waits
//! or is refused; no step of one stands between steps of the other, and the ledger counts each run once.
//!
//! `TRUEUP_DUELS=1000` fights so many, `TRUEUP_SEED=N` begins at the seed that a failure printed.

use std::fs;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::Project;
use crate::wire::shells::say;

/// Hosts on which duels are fought at a time.
const SIDE_BY_SIDE: u64 = 4;

/// Steps of a run, each of which says that it was done.
const STEPS: [&str; 4] = ["1", "2", "3", "4"];

const MODULE: &str = r#"
[file."ROOT/f{{ each.value }}"]
for_each = ["1", "2"]
content = "release {{ vars.release }}\n"
[command."step {{ each.value }}"]
for_each = ["1", "2", "3", "4"]
command = "echo {{ vars.release }} {{ each.value }} >>ROOT/log"
unless = "grep -qx '{{ vars.release }} {{ each.value }}' ROOT/log 2>/dev/null"
"#;

/// A host, and how many runs have changed it.
struct Ground {
    project: Project,
    runs: u64,
    releases: u64,
}

/// What a duel came to.
struct Told {
    refused: bool,
}

impl Ground {
    fn new() -> Self {
        let project = Project::of("[connection]\ntransport = \"local\"\n[hosts.here]\n", "");
        let root = project.path().join("out");
        fs::create_dir(&root).expect("a folder");
        let module = MODULE.replace("ROOT", &root.display().to_string());
        project.file("modules/m/module.toml", module);
        Self { project, runs: 0, releases: 0 }
    }

    fn start(&self, release: u64, patience: &str) -> (Child, TempDir) {
        let release = format!("release={release}");
        let words = ["apply", "--yes", "--lock-timeout", patience, "--var", &release];
        let (mut command, home) = self.project.command_cleared(&words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        (command.spawn().expect("the program"), home)
    }

    /// Two at once, the second so much later; what was not as it must be.
    fn duel(&mut self, random: u64) -> Result<Told, String> {
        let offset = Duration::from_micros(random % 300_000);
        let patience = if random.is_multiple_of(3) { "0" } else { "120" };
        let releases = [self.releases + 1, self.releases + 2];
        self.releases += 2;
        let first = self.start(releases[0], "120");
        std::thread::sleep(offset);
        let second = self.start(releases[1], patience);
        let mut done = Vec::new();
        for ((child, _home), release) in [first, second].into_iter().zip(releases) {
            let output = child.wait_with_output().expect("the program");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            match output.status.code() {
                Some(0) => done.push(release),
                Some(3) if text.contains("another apply is at work there") => {}
                other => return Err(format!("ended with {other:?}:\n{text}")),
            }
        }
        if done.is_empty() || patience != "0" && done.len() < 2 {
            return Err(format!("only {done:?} of {releases:?} were done"));
        }
        self.runs += done.len() as u64;
        self.one_after_the_other(&mut done)?;
        Ok(Told { refused: done.len() == 1 })
    }

    /// Each run did all its steps, with none of the other's between; the files are those of the last one, and the
    /// ledger has counted each.
    fn one_after_the_other(&self, done: &mut [u64]) -> Result<(), String> {
        let out = self.project.path().join("out");
        let log = fs::read_to_string(out.join("log")).expect("what was done");
        fs::remove_file(out.join("log")).expect("what was done");
        let last = log.lines().last().and_then(|line| line.split(' ').next()).unwrap_or_default();
        let last = last.to_owned();
        done.sort_by_key(|release| release.to_string() == last);
        let steps = |release: &u64| STEPS.map(|step| format!("{release} {step}\n")).concat();
        let wanted: String = done.iter().map(steps).collect();
        if log != wanted {
            return Err(format!("interleaved:\n{log}"));
        }
        for file in ["f1", "f2"] {
            let text = fs::read_to_string(out.join(file)).expect("a file");
            if text != format!("release {last}\n") {
                return Err(format!("{file} is not of the last run {last}: {text}"));
            }
        }
        let ledger = self.project.run(&["ledger", "here", "--json"]).expect(0);
        let ledger: Value = serde_json::from_str(&ledger.stdout).expect("JSON");
        // The first run finds no ledger; each one after it takes in the journal of the one before.
        let serial = ledger["serial"].as_u64().expect("a number");
        if serial + 1 != self.runs {
            return Err(format!("serial {serial} after {} runs", self.runs));
        }
        if ledger["lock"].is_null() { Ok(()) } else { Err(format!("locked: {ledger}")) }
    }
}

/// A number out of the environment.
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn of_two_controllers_one_is_first_and_the_other_waits_or_is_refused() {
    let full = std::env::var_os("TRUEUP_FULL").is_some();
    let duels = number("TRUEUP_DUELS").unwrap_or(if full { 1000 } else { 12 });
    let seed = number("TRUEUP_SEED").unwrap_or(1);
    let (next, refused, wrong) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                let mut ground = Ground::new();
                loop {
                    let duel = next.fetch_add(1, Ordering::Relaxed);
                    if duel >= duels {
                        return;
                    }
                    // splitmix64: a duel's own number out of the seed, whoever fights it.
                    let mut random = (seed + duel).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    random ^= random >> 31;
                    match ground.duel(random) {
                        Ok(told) => drop(refused.fetch_add(told.refused.into(), Ordering::Relaxed)),
                        Err(why) => {
                            let why = format!("duel with seed {}: {why}", seed + duel);
                            wrong.lock().expect("a list").push(why);
                            ground = Ground::new();
                        }
                    }
                }
            });
        }
    });
    let (refused, wrong) = (refused.into_inner(), wrong.into_inner().expect("a list"));
    say(&format!(
        "duels: {duels} from seed {seed}: {refused} refused the second, {} mixed or miscounted",
        wrong.len()
    ));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
