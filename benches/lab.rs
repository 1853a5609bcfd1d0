//! Hosts of the lab, as rows need them, and bare ssh to them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::figures::root;
use crate::machine;

/// How many hosts a row needs, and of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// `web1` …: Debian with systemd.
    Web(usize),
    /// `crowd1` …: Debian with sshd alone.
    Crowd(usize),
}

impl Hosts {
    fn names(self) -> Vec<String> {
        let (kind, count) = match self {
            Self::Web(count) => ("web", count),
            Self::Crowd(count) => ("crowd", count),
        };
        (1..=count).map(|number| format!("{kind}{number}")).collect()
    }
}

/// A running lab; dropping it ends it.
pub struct Lab {
    folder: PathBuf,
    pub names: Vec<String>,
}

impl Lab {
    /// Starts hosts.
    pub fn start(folder: &Path, hosts: Hosts) -> Result<Self, String> {
        let lab = Self { folder: folder.to_owned(), names: hosts.names() };
        let mut command = lab.command("up");
        let status = command.args(&lab.names).stdin(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(lab),
            Ok(status) => Err(format!("the lab's hosts do not start: {status}")),
            Err(error) => Err(format!("tests/lab/lab.sh: {error}")),
        }
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(root().join("tests/lab/lab.sh"));
        command.arg(verb).arg(&self.folder);
        command
    }

    /// The ssh config that knows the hosts.
    pub fn config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    /// A folder beside, for what rows write about the hosts.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs shell text on a host as root, not through ssh; gives what it prints.
    pub fn on(&self, host: &str, text: &str) -> Result<String, String> {
        let mut command = self.command("exec");
        let output = command.args([host, "sh", "-c", text]).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("tests/lab/lab.sh: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(format!("on {host}: {text}\n{said}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// The same on several hosts at once.
    pub fn on_all(&self, hosts: &[String], text: &str) -> Result<(), String> {
        side_by_side(hosts, |host| self.on(host, text).map(drop))
    }

    /// `ssh HOST true` to hosts side by side, as many at once as the program has by default.
    pub fn bare(&self, hosts: &[String]) -> Result<Duration, String> {
        bare(&self.config(), hosts)
    }
}

/// As many hosts as the program works on at once by itself.
const PARALLEL: usize = 64;

/// `ssh HOST true` with a config.
pub fn bare(config: &Path, hosts: &[String]) -> Result<Duration, String> {
    each(config, hosts, "true")
}

/// `ssh HOST TEXT` with a config.
pub fn each(config: &Path, hosts: &[String], text: &str) -> Result<Duration, String> {
    machine::rest();
    let begun = Instant::now();
    side_by_side(hosts, |host| {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(config).args([host, text]);
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = ssh.status();
        let good = status.is_ok_and(|status| status.success());
        if good { Ok(()) } else { Err(format!("ssh to {host} fails")) }
    })?;
    Ok(begun.elapsed())
}

/// Does something for each host, for so many at once.
fn side_by_side(
    hosts: &[String],
    work: impl Fn(&str) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let all = || {
        while let Some(host) = hosts.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(host)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..hosts.len().min(PARALLEL) {
            threads.push(scope.spawn(all));
        }
        threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.command("down").status().is_ok_and(|status| status.success()) {
            eprintln!("tests/lab/lab.sh down {} failed", self.folder.display());
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
