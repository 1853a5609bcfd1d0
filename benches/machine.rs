//! What the figures were measured on, of which commit, and when a run of one may begin.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::figures::root;

/// The machine, which is both ends, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Machine {
    pub date: String,
    /// Of this project; with `+` where files were changed since.
    pub commit: String,
    pub cores: usize,
    pub processor: String,
    pub memory_gib: u64,
    pub kernel: String,
    pub openssh: String,
}

impl Machine {
    /// This one, now.
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let kib = after(&read("/proc/meminfo"), "MemTotal:");
        let kib: u64 = kib.trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            date: now.chars().take(10).collect(),
            commit: commit(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: after(&read("/proc/cpuinfo"), "model name\t:"),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            openssh: openssh(),
        }
    }
}

/// Waits until nothing else is done on the machine: what a run leaves behind (ssh and sshd that end) is not to fall into
/// the next one. After ten seconds it is as quiet as it gets.
pub fn rest() {
    const WINDOW: Duration = Duration::from_millis(100);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        let before = busy();
        std::thread::sleep(WINDOW);
        if busy().saturating_sub(before) <= 1 {
            return;
        }
    }
    let _ = writeln!(std::io::stderr(), "the machine does not come to rest");
}

/// Hundredths of a second in which a processor did something, of all processors (proc(5), `/proc/stat`).
fn busy() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = after(&text, "cpu ");
    let times: Vec<u64> = first.split(' ').filter_map(|time| time.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq
    [0, 1, 2, 5, 6].iter().filter_map(|&at| times.get(at)).sum()
}

/// What stands behind a word at the begin of a line.
fn after(text: &str, word: &str) -> String {
    let found = text.lines().find_map(|line| line.strip_prefix(word));
    found.unwrap_or_default().trim().to_owned()
}

/// `OpenSSH_9.2p1`, as ssh says it.
fn openssh() -> String {
    let said = Command::new("ssh").arg("-V").output().map(|output| output.stderr);
    let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
    said.split([' ', ',']).next().unwrap_or_default().trim().to_owned()
}

fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root()).args(words).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    let changed = git(&["status", "--porcelain", "--", ".", ":!benches/results.json", ":!docs"]);
    if changed.is_ok_and(|files| files.is_empty()) { commit } else { commit + "+" }
}
