//! The reading half of an exchange: frames in their order, within their time, and of everything else
//! only so much.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::program::Expected;
use super::session::Remote;
use super::session_error::SessionError;
use crate::shell::{Answer, AnswerKind, FrameError, Limits, Reader};
use crate::transport::TransportError;

/// Bytes of the remote standard error that are kept, to explain a session that died.
const ERRORS_MAX: usize = 64 << 10;

/// An exchange that brings more bytes takes one of the places for large ones: what all hosts send
/// together is bounded too.
const LARGE: u64 = 4 << 20;

/// The most of a line of a host's that a message takes over, in characters.
const LINE_MAX: usize = 200;

/// What a host wrote on its standard error: its end, and how much it was. What a session died of stands
/// at the end, behind whatever a login prints.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    count: usize,
    most: usize,
}

impl Kept {
    pub(super) const fn new(limits: Limits) -> Self {
        Self { bytes: Vec::new(), count: 0, most: limits.errors }
    }

    /// What is kept, as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Begins anew, for another shell.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * ERRORS_MAX {
            self.bytes.drain(..self.bytes.len() - ERRORS_MAX);
        }
        self.count = self.count.saturating_add(bytes.len());
        if self.count > self.most { Err(FrameError::TooManyErrors(self.most)) } else { Ok(()) }
    }
}

/// The reading half of an exchange.
pub(super) struct Reading<'s> {
    pub(super) reader: &'s mut Reader,
    pub(super) kept: &'s mut Kept,
    pub(super) bytes: u64,
    /// Seconds for the greeting, where it is still to come.
    pub(super) greeting: Option<u32>,
    /// Seconds for the next answer.
    pub(super) patience: u32,
    /// When all of it must be over, how many seconds that was, and the option that says so.
    pub(super) over: (Instant, u32, &'static str),
    /// Seconds that all of it may take once the shell is there, if that is another limit.
    pub(super) whole: Option<u32>,
    /// Places for large exchanges.
    pub(super) places: &'s Semaphore,
    /// Who greeted.
    pub(super) remote: &'s mut Option<Remote>,
    /// The answers that are to come, in their order.
    pub(super) expected: &'s [(u64, Expected)],
    pub(super) answers: Vec<Answer>,
    pub(super) end: u64,
}

impl Reading<'_> {
    /// Reads until the end of the program.
    #[expect(clippy::significant_drop_tightening, reason = "a place is held until all has come")]
    pub(super) async fn run(
        &mut self,
        output: &mut (dyn AsyncRead + Send + Unpin),
        errors: &mut (dyn AsyncRead + Send + Unpin),
        each: &mut impl FnMut(&Answer),
    ) -> Result<(), SessionError> {
        let mut buffer = vec![0_u8; 64 << 10];
        let mut scrap = vec![0_u8; 4 << 10];
        let mut errors_open = true;
        if self.greeting.is_none() {
            self.begin();
        }
        let mut deadline = self.deadline();
        let mut place = None;
        loop {
            let before = (self.answers.len(), self.greeting.is_some());
            if self.drain(each)? {
                return Ok(());
            }
            if before != (self.answers.len(), self.greeting.is_some()) {
                deadline = self.deadline();
            }
            tokio::select! {
                // A host that never stops sending must not keep the clock from being looked at.
                biased;
                () = tokio::time::sleep_until(deadline) => return Err(self.late()),
                read = errors.read(&mut scrap), if errors_open => match read {
                    Ok(0) | Err(_) => errors_open = false,
                    Ok(count) => self.kept.take(&scrap[..count])?,
                },
                read = output.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return Err(self.closed(errors).await),
                    Ok(count) => {
                        self.bytes += count as u64;
                        if self.bytes > LARGE && place.is_none() {
                            let taken = timeout_at(deadline, self.places.acquire()).await;
                            place = Some(taken.map_err(|_| self.late())?);
                        }
                        self.reader.push(&buffer[..count]);
                    }
                },
            }
        }
    }

    /// The shell is there: from now on the exchange has its own time.
    fn begin(&mut self) {
        if let Some(seconds) = self.whole {
            let end = Instant::now() + Duration::from_secs(seconds.into());
            self.over = self.over.min((end, seconds, "--probe-timeout"));
        }
    }

    /// When the next thing must have come.
    fn deadline(&self) -> Instant {
        let seconds = self.greeting.unwrap_or(self.patience);
        (Instant::now() + Duration::from_secs(seconds.into())).min(self.over.0)
    }

    fn late(&self) -> SessionError {
        match self.greeting {
            _ if Instant::now() >= self.over.0 => SessionError::Over(self.over.1, self.over.2),
            Some(seconds) => TransportError::Unreachable(format!(
                "it takes the login and gives no shell within {seconds} s"
            ))
            .into(),
            None => SessionError::Silent(self.patience),
        }
    }

    /// Takes what is whole; true when the program's end was seen.
    fn drain(&mut self, each: &mut impl FnMut(&Answer)) -> Result<bool, SessionError> {
        while let Some(answer) = self.reader.next()? {
            if self.greeting.is_some() {
                let remote = Remote::read(&answer.payload);
                if answer.kind != AnswerKind::Hello || remote.is_none() {
                    return Err(FrameError::Malformed("the greeting is missing").into());
                }
                *self.remote = remote;
                self.greeting = None;
                self.begin();
                continue;
            }
            if answer.kind == AnswerKind::End {
                let count =
                    std::str::from_utf8(&answer.payload).ok().and_then(|text| text.parse().ok());
                let all = self.answers.len() == self.expected.len();
                if answer.seq != self.end || count != Some(self.answers.len()) || !all {
                    return Err(FrameError::Malformed("answers are missing at its end").into());
                }
                return Ok(true);
            }
            let live = answer.kind == AnswerKind::Live;
            let turn = self.expected.get(self.answers.len());
            let due = turn.is_some_and(|(seq, due)| answer.seq == *seq && due.takes(answer.kind));
            if !due && live {
                return Err(FrameError::Malformed("a program prints out of its turn").into());
            }
            if !due {
                return Err(FrameError::Malformed("an answer came out of its turn").into());
            }
            each(&answer);
            if live {
                continue;
            }
            self.answers.push(answer);
        }
        Ok(false)
    }

    /// The end of the stream; what stands on standard error may say why.
    async fn closed(&mut self, errors: &mut (dyn AsyncRead + Send + Unpin)) -> SessionError {
        let mut rest = vec![0_u8; ERRORS_MAX];
        let until = Instant::now() + Duration::from_secs(2);
        while let Ok(Ok(count)) = timeout(Duration::from_millis(500), errors.read(&mut rest)).await
        {
            if let Err(error) = self.kept.take(&rest[..count]) {
                return error.into();
            }
            if count == 0 || Instant::now() > until {
                break;
            }
        }
        let said = self.kept.text();
        SessionError::Closed(last_line(&said).map_or_else(
            || "the connection was lost".to_owned(),
            |line| format!("the connection was lost: {line}"),
        ))
    }
}

/// The last line that says something, as much of it as a message takes.
pub(super) fn last_line(said: &str) -> Option<String> {
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    let mut short: String = line.chars().take(LINE_MAX).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    Some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_errors_is_their_end() {
        let mut kept = Kept::new(Limits { noise: 0, answers: 0, errors: 1 << 20 });
        for _ in 0..50 {
            kept.take(&[b'x'; 10_000]).unwrap();
        }
        kept.take(b"\nsudo: a password is required\n").unwrap();
        assert!(kept.bytes.len() <= 2 * ERRORS_MAX);
        assert_eq!(last_line(&kept.text()).as_deref(), Some("sudo: a password is required"));
        assert_eq!(kept.take(&vec![b'x'; 1 << 20]), Err(FrameError::TooManyErrors(1 << 20)));
    }

    #[test]
    fn a_message_takes_so_much_of_a_line() {
        assert_eq!(last_line("a\n b \n\n").as_deref(), Some("b"));
        assert_eq!(last_line(" \n"), None);
        let long = last_line(&"é".repeat(5000)).unwrap();
        assert_eq!(long.chars().count(), LINE_MAX + 1);
    }
}
