//! Rooms: mount namespaces of this machine, in which a test mounts what it needs. Nothing of it is seen
//! outside, and all of it is gone with the room, also where the test is killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A mount namespace; it lasts as long as this.
pub struct Room {
    keeper: Child,
}

impl Room {
    /// A room in which this shell text has run, with its words; made in another room where one is given.
    ///
    /// # Panics
    /// Where the text fails: with what it printed.
    pub fn new(within: Option<&Self>, text: &str, words: &[&str]) -> Self {
        let mut command = Command::new(if within.is_some() { "nsenter" } else { "unshare" });
        if let Some(room) = within {
            command.args(["-m", "-t", &room.process(), "unshare"]);
        }
        command.arg("-m");
        // It ends when we do: its standard input is closed then.
        let script = format!("set -e\n{{\n{text}\n}} >&2\necho made\nread -r end || exit 0");
        let mut keeper = command
            .args(["sh", "-c", &script, "sh"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("unshare, of util-linux");
        let mut line = String::new();
        let output = keeper.stdout.as_mut().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a shell that writes");
        assert_eq!(
            line, "made\n",
            "no room could be made; what is needed is root and loop devices"
        );
        Self { keeper }
    }

    fn process(&self) -> String {
        self.keeper.id().to_string()
    }

    /// The words before a command that is to run in it.
    pub fn words(&self) -> [String; 4] {
        ["nsenter".into(), "-m".into(), "-t".into(), self.process()]
    }

    /// A path as it is seen in there.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref().strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.process())).join(path)
    }

    /// Runs shell text in it, with its words.
    pub fn command(&self, text: &str, words: &[&str]) -> Command {
        let [program, before @ ..] = self.words();
        let mut command = Command::new(program);
        command.args(before).args(["sh", "-c", text, "sh"]).args(words).stdin(Stdio::null());
        command
    }

    /// As [`Self::command`]; gives what it printed, and fails the test where it fails.
    #[track_caller]
    pub fn run(&self, text: &str, words: &[&str]) -> String {
        let output = self.command(text, words).output().expect("nsenter, of util-linux");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}: {said}{why}");
        said
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
