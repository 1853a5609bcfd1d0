//! Transports that are a program of this machine: `local` and `command`.
#![expect(clippy::disallowed_methods, reason = "the room that starts processes")]

use std::process::Stdio;

use tokio::process::Command;

use super::{TransportError, Wire};

/// Starts a program with pipes for its three streams; it is killed when the wire is dropped.
pub(super) fn open(words: &[String]) -> Result<Wire, TransportError> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| TransportError::Ours("an empty command".into()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
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
