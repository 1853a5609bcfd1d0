//! Transports that are a program of this machine: `local` and `command`.
#![expect(clippy::disallowed_methods, reason = "the room that starts processes")]

use std::process::Stdio;

use tokio::process::Command;

use super::{TransportError, Wire};

/// A program of this machine, without the variables that are for trueup alone (some are secret), and
/// with messages in a language that is known.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"TRUEUP_") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").kill_on_drop(true);
    command
}

/// Starts a program with pipes for its three streams; it is killed when the wire is dropped.
pub(super) fn open(words: &[String]) -> Result<Wire, TransportError> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| TransportError::Ours("an empty command".into()))?;
    let mut child = command(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| TransportError::Ours(format!("cannot start {program}: {error}")))?;
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(input), Some(output), Some(errors)) = streams else {
        unreachable!("all three streams were asked for as pipes");
    };
    Ok(Wire {
        input: Box::new(input),
        output: Box::new(output),
        errors: Box::new(errors),
        keep: Box::new(child),
    })
}
