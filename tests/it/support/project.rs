//! A project folder for a test, and the program run on it with a cleared environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The repository's folder.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A project in a temporary folder.
pub struct Project {
    folder: TempDir,
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Fails the test unless the run ended with `status`.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The last line of the result.
    pub fn last_line(&self) -> &str {
        self.stdout.trim_end().lines().last().unwrap_or_default()
    }
}

impl Project {
    /// An empty project.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A project called `o` whose one stage has the module `m` on all hosts of the inventory.
    pub fn of(inventory: &str, module: &str) -> Self {
        let project = Self::new();
        project
            .file(
                "trueup.toml",
                "[project]\nname = \"o\"\ninventory = \"inventory.toml\"\n\
                 [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
            )
            .file("inventory.toml", inventory)
            .file("modules/m/module.toml", module);
        project
    }

    /// A copy of a project of the repository, such as `examples/fleet`.
    pub fn copy_of(path: &str) -> Self {
        let project = Self::new();
        copy(&repository().join(path), project.path());
        project
    }

    /// Where hosts of the lab keep what they remember of it.
    pub fn lab_state(&self) -> PathBuf {
        lab_state(self.path().file_name().expect("a name"))
    }

    /// The project's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("its folder");
        fs::write(path, content).expect("a file of the project");
        self
    }

    /// Runs `trueup -C PROJECT words…`.
    pub fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command.arg("-C").arg(self.path()).args(words);
        finish(command)
    }

    /// As [`Self::run`], with variables in the environment.
    pub fn run_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command.arg("-C").arg(self.path()).args(words);
        finish_with(command, variables)
    }

    /// As [`Self::run_with`], by way of a program that runs the words that follow its own.
    pub fn run_under(&self, under: &[&str], words: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(under[0]);
        command.args(&under[1..]).arg(env!("CARGO_BIN_EXE_trueup"));
        command.arg("-C").arg(self.path()).args(words);
        finish_with(command, variables)
    }

    /// Runs `trueup -C PROJECT words…` with the lab's ssh config.
    pub fn on_lab(&self, words: &[&str]) -> Output {
        finish(self.lab_command(words))
    }

    /// As [`Self::on_lab`], with variables.
    pub fn on_lab_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Output {
        finish_with(self.lab_command(words), variables)
    }

    /// The command of [`Self::run`], for a test that starts it itself; the folder is its home.
    pub fn command_cleared(&self, words: &[&str]) -> (Command, TempDir) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command.arg("-C").arg(self.path()).args(words);
        let home = clear(&mut command);
        (command, home)
    }

    /// The command of [`Self::on_lab`], for a test that starts it itself; the folder is its home.
    pub fn lab_command_cleared(&self, words: &[&str]) -> (Command, TempDir) {
        let mut command = self.lab_command(words);
        let home = clear(&mut command);
        (command, home)
    }

    fn lab_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command.arg("-C").arg(self.path()).args(words);
        command.arg("--ssh-config").arg(super::lab().ssh_config());
        command
    }
}

/// Where hosts of the lab keep what they remember of the project in a folder of this name: any login can make it.
fn lab_state(name: &std::ffi::OsStr) -> PathBuf {
    PathBuf::from(format!("/var/tmp/trueup-{}", name.to_string_lossy()))
}

/// A project key, so that keyed digests are the same in every run.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Runs with nothing of the caller's environment but what ssh needs.
fn finish(command: Command) -> Output {
    finish_with(command, &[])
}

fn finish_with(mut command: Command, more: &[(&str, &str)]) -> Output {
    let home = clear(&mut command);
    command.envs(more.iter().copied());
    let output = command.output().expect("the program under test");
    drop(home);
    Output {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
    }
}

/// Takes the caller's environment away; the folder is the home instead.
fn clear(command: &mut Command) -> TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    // Behind -C stands the project: hosts remember each test's own for itself.
    let project = command.get_args().skip_while(|word| *word != "-C").nth(1);
    let project = project.map(Path::new).expect("a project");
    let on_lab = command.get_args().any(|word| word == "--ssh-config");
    let state = match project.file_name().filter(|_| on_lab) {
        Some(name) => lab_state(name),
        None => project.join(".host-state"),
    };
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", home.path())
        .env("XDG_STATE_HOME", home.path())
        .env("LC_ALL", "C.UTF-8")
        .env("TRUEUP_KEY", KEY)
        .env("TRUEUP_PERSIST", "0")
        .env("TRUEUP_HOST_STATE", state)
        .stdin(std::process::Stdio::null());
    home
}

/// Copies what is in a folder into another, over what is there.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
