//! The lab of real hosts that the test command started.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::repository;

/// The running lab.
pub struct Lab {
    folder: PathBuf,
}

/// The lab, or a failed test that says how to get one.
pub fn lab() -> Lab {
    let folder = std::env::var_os("TRUEUP_LAB").map(PathBuf::from).filter(|path| path.is_dir());
    let folder = folder.expect(
        "this test needs the lab's hosts: run `cargo xtask test` as root, which starts them",
    );
    Lab { folder }
}

/// Whether the test command said that there is no lab here and that it told so. Never in CI.
pub fn left_out() -> bool {
    let skip = std::env::var("TRUEUP_LAB").as_deref() == Ok("skip");
    assert!(!skip || std::env::var("CI").as_deref() != Ok("true"), "CI leaves no test out");
    skip
}

/// Tests that use the same hosts take turns: a host belongs to the test that holds its lock.
pub fn own(host: &'static str) -> MutexGuard<'static, ()> {
    static LOCKS: [(&str, Mutex<()>); 6] = [
        ("web", Mutex::new(())),
        ("spare1", Mutex::new(())),
        ("spare2", Mutex::new(())),
        ("odd1", Mutex::new(())),
        ("busybox1", Mutex::new(())),
        ("crowd1", Mutex::new(())),
    ];
    let lock = LOCKS.iter().find(|(name, _)| *name == host).expect("a host of the lab");
    lock.1.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lab {
    /// The ssh config that knows the hosts.
    pub fn ssh_config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    fn script(&self, words: &[&str]) -> Command {
        let mut command = Command::new(repository().join("tests/lab/lab.sh"));
        command.arg(words[0]).arg(&self.folder).args(&words[1..]);
        command
    }

    /// Runs shell text on a host as root, not through ssh; fails the test when it fails.
    #[track_caller]
    pub fn on(&self, host: &str, text: &str) -> String {
        let (status, said) = self.try_on(host, text, b"");
        assert_eq!(status, 0, "on {host}: {text}\n{said}");
        said
    }

    /// As [`Self::on`], with standard input; gives the exit status and what was printed.
    pub fn try_on(&self, host: &str, text: &str, input: &[u8]) -> (i32, String) {
        let mut child = self
            .script(&["exec", host, "sh", "-c", text])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the lab's script");
        child.stdin.take().expect("a pipe").write_all(input).expect("a host that reads");
        let output = child.wait_with_output().expect("the lab's script");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }

    /// A root's shell on a host that stays, for a test that looks often.
    pub fn shell(&self, host: &str) -> Shell {
        let mut child = self
            .script(&["exec", host, "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the lab's script");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Shell { child, input: Some(input), output }
    }

    /// Makes a login on a host that takes the lab's key; an old one of the name goes first.
    pub fn login(&self, host: &str, user: &str) {
        let text = format!(
            "! id {user} >/dev/null 2>&1 || {{ pkill -9 -u {user} || true; userdel -rf {user}; }}; \
             useradd -m -s /bin/bash {user} && cp -r /root/.ssh /home/{user}/ && \
             chown -R {user}: /home/{user}/.ssh"
        );
        let (status, said) = self.try_on(host, &text, b"");
        assert_eq!(status, 0, "{said}");
    }

    /// As [`Self::on`], where the host may have no sh.
    #[track_caller]
    pub fn bash_on(&self, host: &str, text: &str) {
        let status = self.script(&["exec", host, "bash", "-c", text]).status();
        assert!(status.expect("the lab's script").success(), "on {host}: {text}");
    }

    /// The address of a host.
    pub fn address(&self, host: &str) -> String {
        let hosts = std::fs::read_to_string(self.folder.join("hosts")).expect("the lab's hosts");
        let line = hosts.lines().find_map(|line| line.strip_prefix(host)?.strip_prefix(' '));
        line.expect("a host of the lab").to_owned()
    }

    /// Cuts a host off, or mends the cut.
    pub fn link(&self, verb: &str, host: &str) {
        assert!(self.script(&[verb, host]).status().expect("the lab's script").success());
    }

    /// As [`Self::link`], for what comes `from` the host or goes `to` it alone.
    pub fn link_one_way(&self, verb: &str, host: &str, way: &str) {
        assert!(self.script(&[verb, host, way]).status().expect("the lab's script").success());
    }
}

/// A shell on a host, not through ssh.
pub struct Shell {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Shell {
    /// Runs shell text, whatever becomes of it, and gives what it printed.
    pub fn run(&mut self, text: &str) -> String {
        const END: &str = "@end of what was asked";
        let input = self.input.as_mut().expect("a shell that was not ended");
        let asked = format!("(\n{text}\n) </dev/null 2>&1; printf '\\n{END}\\n'\n");
        input.write_all(asked.as_bytes()).expect("a shell that reads");
        let mut said = Vec::new();
        while !said.ends_with(format!("\n{END}\n").as_bytes()) {
            let read = self.output.read_until(b'\n', &mut said).expect("a shell that writes");
            assert_ne!(read, 0, "the shell ended: {}", String::from_utf8_lossy(&said));
        }
        said.truncate(said.len() - END.len() - 2);
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
