//! The program under measure: its time, its memory, and that of its ssh.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::machine;

/// The program, with folders of its own for sockets and records.
#[derive(Clone)]
pub struct Program {
    folder: PathBuf,
    config: Option<PathBuf>,
}

/// One run of it.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub wall: Duration,
    /// The most memory that it had, in KiB.
    pub memory: u64,
}

impl Program {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), config: None }
    }

    /// The program with this config of ssh.
    pub fn over(self, config: &Path) -> Self {
        Self { config: Some(config.to_owned()), ..self }
    }

    /// Its command for a project.
    pub fn command(&self, project: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(Self::path());
        self.settle(&mut command);
        command.arg("-C").arg(project).args(words);
        if let Some(config) = &self.config {
            command.arg("--ssh-config").arg(config);
        }
        command
    }

    /// Where it is.
    pub const fn path() -> &'static str {
        env!("CARGO_BIN_EXE_trueup")
    }

    /// Sets the folders of its own.
    pub fn settle(&self, command: &mut Command) {
        // ssh's sockets have a short limit for their names.
        let folders =
            [("XDG_RUNTIME_DIR", "run"), ("XDG_STATE_HOME", "state"), ("XDG_CACHE_HOME", "cache")];
        for (name, folder) in folders {
            let folder = self.folder.join(folder);
            let _ = std::fs::create_dir_all(&folder);
            command.env(name, folder);
        }
        command.stdin(Stdio::null());
    }

    /// The folder in which ssh's sockets are.
    pub fn sockets(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// Runs it and asks that it ends well; what it said otherwise is the error.
    pub fn run(&self, project: &Path, words: &[&str]) -> Result<Run, String> {
        self.watched(project, words, || ())
    }

    /// The same, with something to do over and over until it ends.
    pub fn watched(
        &self,
        project: &Path,
        words: &[&str],
        mut look: impl FnMut() + Send,
    ) -> Result<Run, String> {
        machine::rest();
        let path = self.folder.join("said");
        let said = std::fs::File::create(&path).map_err(|error| error.to_string())?;
        let errors = said.try_clone().map_err(|error| error.to_string())?;
        let mut command = self.command(project, words);
        command.stdout(said).stderr(errors);
        let begun = Instant::now();
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let id = child.id();
        let over = AtomicBool::new(false);
        let (status, wall, memory) = std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut memory = 0;
                while !over.load(Ordering::Relaxed) {
                    memory = memory.max(most(id));
                    look();
                    std::thread::sleep(Duration::from_millis(15));
                }
                memory
            });
            let status = child.wait();
            let wall = begun.elapsed();
            over.store(true, Ordering::Relaxed);
            (status, wall, watch.join().expect("it does not panic"))
        });
        if status.is_ok_and(|status| status.success()) {
            return Ok(Run { wall, memory });
        }
        let said = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let end = &lines[lines.len().saturating_sub(12)..];
        Err(format!("trueup {} failed:\n{}", words.join(" "), end.join("\n")))
    }

    /// Ends connections that are kept open between runs, where the program keeps any.
    pub fn disconnect(&self, project: &Path) -> Result<(), String> {
        let help = Command::new(Self::path()).arg("--help").output();
        let help = help.map_err(|error| error.to_string())?.stdout;
        let verb = "disconnect";
        if !String::from_utf8_lossy(&help).lines().any(|line| line.trim().starts_with(verb)) {
            return Ok(());
        }
        let mut command = Command::new(Self::path());
        self.settle(&mut command);
        let output = command.arg("-C").arg(project).arg(verb).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Time of a plan that must find nothing to change, with no connection open before.
    pub fn cold(&self, project: &Path) -> Result<Run, String> {
        self.disconnect(project)?;
        self.run(project, &PLAN)
    }
}

/// A plan that fails where something is to change.
pub const PLAN: [&str; 2] = ["plan", "--detailed-exitcode"];

/// The most memory that a process had so far, in KiB, as proc(5) tells while it runs.
fn most(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// Memory of all processes that have `word` in their arguments, in KiB; what they share is divided among
/// those who share it.
pub fn memory_of(word: &str) -> u64 {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let of = |path: PathBuf| {
        let arguments = std::fs::read(path.join("cmdline")).ok()?;
        let arguments = String::from_utf8_lossy(&arguments);
        // The program's own arguments do not name its sockets.
        arguments.contains(word).then_some(())?;
        let text = std::fs::read_to_string(path.join("smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    entries.flatten().filter_map(|entry| of(entry.path())).sum()
}
