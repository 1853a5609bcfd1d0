//! The shells that a host may have as its /bin/sh, and how a transport starts them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use trueup::shell::{PATH, START};

use super::session::Made;

/// One of them, with the tools that it finds.
pub struct Shell {
    pub name: &'static str,
    words: Vec<PathBuf>,
    path: String,
}

/// dash and bash with the tools of this machine, bash as it runs under the name sh, and busybox with
/// nothing but its own applets.
pub static SHELLS: LazyLock<Vec<Shell>> = LazyLock::new(|| {
    let gnu = |name, words: Vec<PathBuf>| Shell { name, words, path: PATH.to_owned() };
    vec![
        gnu("dash", vec![tool("dash")]),
        gnu("bash", vec![tool("bash")]),
        gnu("bash --posix", vec![tool("bash"), "--posix".into()]),
        Shell {
            name: "busybox sh",
            words: vec![tool("busybox"), "sh".into()],
            path: applets().display().to_string(),
        },
    ]
});

impl Shell {
    /// The command of the `local` transport, with this shell in the place of /bin/sh.
    pub fn start(&self) -> Command {
        let mut command = Command::new("/usr/bin/env");
        // A shell cannot trap what was ignored when it began, as it is under nohup(1).
        command
            .arg("--default-signal")
            .arg("-i")
            .arg(format!("PATH={}", self.path))
            .arg("LC_ALL=C");
        command.args(&self.words).args(["-c", START]);
        command
    }

    /// As [`Self::start`], with other tools.
    pub fn start_with(&self, tools: &Path) -> Command {
        let path = tools.display().to_string();
        Self { name: self.name, words: self.words.clone(), path }.start()
    }

    /// Where this shell finds a program.
    pub fn tool(&self, name: &str) -> Option<PathBuf> {
        self.path.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.exists())
    }

    /// In which parts a large content can come to this shell.
    pub fn parts(&self) -> Vec<Made> {
        let mut ways = vec![Made::Parts];
        if self.tool("gzip").is_some() {
            ways.extend([Made::Small, Made::Mixed]);
        } else {
            left_out(&format!("contents that are made small, in {}", self.name), "it has no gzip");
        }
        ways
    }

    /// As [`Self::start`], by way of a program that runs the words that follow its own.
    pub fn start_under(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(self.start().get_program()).args(self.start().get_args());
        command
    }
}

/// The text with which a session's shell starts: by it one is told from others.
pub const fn shell_start() -> &'static str {
    START
}

/// Runs a check in every shell; fails the test with all that went wrong.
#[track_caller]
pub fn everywhere(check: impl Fn(&Shell) -> Result<(), String>) {
    let mut wrong = String::new();
    for shell in SHELLS.iter() {
        if let Err(why) = check(shell) {
            let _ = writeln!(wrong, "in {}: {why}", shell.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Where a program is; the test fails where it is missing.
pub fn tool(name: &str) -> PathBuf {
    find(name)
        .unwrap_or_else(|| panic!("this test needs {name}: install the Debian package {name}"))
}

/// Where a program is.
pub fn find(name: &str) -> Option<PathBuf> {
    PATH.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.exists())
}

/// Says on the terminal, once, that a part of a test was left out.
pub fn left_out(part: &str, why: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let line = format!("LEFT OUT: {part}: {why}");
    if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
        say(&line);
    }
}

/// Whether this process may do what only root may. CI may, or it would leave tests out.
pub fn root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    let root = output.stdout == b"0\n";
    assert!(root || std::env::var("CI").as_deref() != Ok("true"), "CI runs these tests as root");
    root
}

/// Writes a line where the test runner does not hold it back.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A folder with busybox under the name of each of its applets.
fn applets() -> PathBuf {
    let busybox = tool("busybox");
    let list = Command::new(&busybox).arg("--list").output().expect("busybox");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // One test mounts over /tmp, where the checkout itself may lie.
    let base = if target.starts_with("/tmp") { Path::new("/dev/shm/trueup-tests") } else { target };
    let folder = base.join("busybox");
    std::fs::create_dir_all(&folder).expect("a folder for busybox");
    for name in String::from_utf8_lossy(&list.stdout).split_whitespace() {
        // There already, from an earlier run or one beside this.
        let _ = std::os::unix::fs::symlink(&busybox, folder.join(name));
    }
    folder
}
