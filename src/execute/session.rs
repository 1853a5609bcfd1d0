//! One host's long-lived shell: programs go out as frames, answers come back as frames.
//!
//! Everything of an exchange is written at once, while answers are read; the controller never waits a
//! round trip between two steps.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::model::Host;
use crate::shell::frame::{opening, program, seal};
use crate::shell::{Answer, AnswerKind, FrameError, Limits, Reader, Script, prelude};
use crate::transport::{self, TransportError, Wire};

/// What a session cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub connections: u32,
    pub exchanges: u32,
    pub bytes_out: u64,
    pub bytes_in: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            exchanges: self.exchanges + other.exchanges,
            bytes_out: self.bytes_out + other.bytes_out,
            bytes_in: self.bytes_in + other.bytes_in,
        }
    }
}

/// Bytes of the remote standard error that are kept, to explain a session that died.
const ERRORS_MAX: usize = 64 << 10;

/// A host's shell.
#[derive(Debug)]
pub(super) struct Session {
    wire: Wire,
    reader: Reader,
    nonce: String,
    /// What is written before the first program.
    opening: Option<Vec<u8>>,
    errors: Vec<u8>,
    next: u64,
    pub(super) counts: Counts,
}

/// A program to run and the contents that its steps read, in their order.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) script: Script,
    pub(super) contents: Vec<Arc<[u8]>>,
    /// How many answers it gives, its end not counted.
    pub(super) answers: usize,
    /// Seconds in which the next answer must come.
    pub(super) seconds: u32,
}

/// Why an exchange did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The shell ended before it said what was asked.
    #[error("{0}")]
    Closed(String),
    /// No answer came within so many seconds.
    #[error("no answer within {0} s")]
    Silent(u32),
    /// It could not be started on the host.
    #[error("{message}")]
    NoShell { message: String, help: Option<String> },
}

impl Session {
    /// Connects; nothing is written yet.
    pub(super) async fn open(
        host: &Host,
        libraries: &[&str],
        settings: &transport::Settings,
        limits: Limits,
    ) -> Result<Self, SessionError> {
        let nonce = random_word();
        let prelude = prelude(&nonce, &random_word()[..16], libraries);
        let patience = Duration::from_secs(u64::from(settings.connect_timeout) + 20);
        let wire = timeout(patience, transport::open(host, settings)).await.map_err(|_| {
            TransportError::Unreachable(format!("no connection within {} s", patience.as_secs()))
        })??;
        Ok(Self {
            wire,
            reader: Reader::new(&nonce, limits),
            nonce,
            opening: Some(opening(&prelude)),
            errors: Vec::new(),
            next: 1,
            counts: Counts { connections: 1, ..Counts::default() },
        })
    }

    /// The next sequence number.
    pub(super) const fn seq(&mut self) -> u64 {
        let seq = self.next;
        self.next += 1;
        seq
    }

    /// Sends a program with its contents and hands every answer to `each` as it comes. Answers must
    /// come in the order of their numbers and be as many as the end says.
    pub(super) async fn exchange(
        &mut self,
        work: Program,
        mut each: impl FnMut(&Answer),
    ) -> Result<Vec<Answer>, SessionError> {
        let end = self.seq();
        let hello = self.opening.is_some();
        let mut pieces: Vec<Vec<u8>> = self.opening.take().into_iter().collect();
        pieces.push(program(end, work.script.bytes()));
        let seal = seal(&self.nonce);
        self.counts.exchanges += 1;
        let Wire { input, output, errors, .. } = &mut self.wire;
        let counts = &mut self.counts;
        let write = async {
            for piece in &pieces {
                input.write_all(piece).await?;
                counts.bytes_out += piece.len() as u64;
            }
            for content in &work.contents {
                input.write_all(content).await?;
                input.write_all(&seal).await?;
                counts.bytes_out += content.len() as u64;
            }
            input.flush().await
        };
        let mut reading = Reading {
            reader: &mut self.reader,
            kept: &mut self.errors,
            bytes: 0,
            hello,
            expected: work.answers,
            last: 0,
            answers: Vec::new(),
            end,
        };
        let patience = Duration::from_secs(work.seconds.into());
        let read = reading.run(&mut **output, &mut **errors, patience, &mut each);
        // A failed write means that the shell is gone; what it said before tells why.
        let (_, read) = tokio::join!(write, read);
        self.counts.bytes_in += reading.bytes;
        let answers = std::mem::take(&mut reading.answers);
        match read {
            Ok(()) => Ok(answers),
            Err(SessionError::Closed(_)) if hello && !reading.greeted() => Err(self.no_shell()),
            Err(error) => Err(error),
        }
    }

    /// Ends a session and waits until the remote shell has cleaned up and gone, some seconds at most.
    pub(super) async fn leave(mut self) -> Counts {
        let _ = self.wire.input.write_all(b"Q 0 0\n").await;
        let _ = self.wire.input.shutdown().await;
        let mut rest = [0_u8; 512];
        let output = &mut self.wire.output;
        let gone =
            async { while matches!(output.read(&mut rest).await, Ok(count) if count > 0) {} };
        let _ = timeout(Duration::from_secs(5), gone).await;
        self.counts
    }

    /// Ends a session that has left nothing on its host.
    pub(super) async fn close(mut self) -> Counts {
        let _ = self.wire.input.write_all(b"Q 0 0\n").await;
        let _ = self.wire.input.shutdown().await;
        self.counts
    }

    /// Why the shell did not even greet, from what was printed instead.
    fn no_shell(&self) -> SessionError {
        let said = String::from_utf8_lossy(&self.errors).into_owned()
            + &String::from_utf8_lossy(self.reader.noise());
        let line = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let help = if said.contains("sudo") && said.contains("password is required") {
            Some("this login needs a password for sudo; allow it without one (NOPASSWD), or log in as root".to_owned())
        } else if said.contains("sudo") && said.contains("not found") {
            Some("there is no sudo on this host; log in as root".to_owned())
        } else {
            None
        };
        let message = if line.is_empty() {
            "the login ended without starting a shell".to_owned()
        } else {
            format!("no shell could be started: {line}")
        };
        SessionError::NoShell { message, help }
    }
}

/// The reading half of an exchange.
struct Reading<'s> {
    reader: &'s mut Reader,
    kept: &'s mut Vec<u8>,
    bytes: u64,
    /// Whether the greeting is still to come.
    hello: bool,
    expected: usize,
    last: u64,
    answers: Vec<Answer>,
    end: u64,
}

impl Reading<'_> {
    const fn greeted(&self) -> bool {
        !self.hello
    }

    async fn run(
        &mut self,
        output: &mut (dyn tokio::io::AsyncRead + Send + Unpin),
        errors: &mut (dyn tokio::io::AsyncRead + Send + Unpin),
        patience: Duration,
        each: &mut impl FnMut(&Answer),
    ) -> Result<(), SessionError> {
        let mut buffer = vec![0_u8; 64 << 10];
        let mut scrap = vec![0_u8; 4 << 10];
        let mut errors_open = true;
        let mut deadline = tokio::time::Instant::now() + patience;
        loop {
            let before = self.answers.len();
            if self.drain(each)? {
                return Ok(());
            }
            if self.answers.len() > before {
                deadline = tokio::time::Instant::now() + patience;
            }
            tokio::select! {
                read = output.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return Err(self.closed(errors).await),
                    Ok(count) => {
                        self.bytes += count as u64;
                        self.reader.push(&buffer[..count]);
                    }
                },
                read = errors.read(&mut scrap), if errors_open => match read {
                    Ok(0) | Err(_) => errors_open = false,
                    Ok(count) => self.keep(&scrap[..count]),
                },
                () = tokio::time::sleep_until(deadline) => {
                    return Err(SessionError::Silent(u32::try_from(patience.as_secs()).unwrap_or(u32::MAX)));
                }
            }
        }
    }

    /// Takes what is whole; true when the program's end was seen.
    fn drain(&mut self, each: &mut impl FnMut(&Answer)) -> Result<bool, SessionError> {
        while let Some(answer) = self.reader.next()? {
            if self.hello {
                if answer.kind != AnswerKind::Hello {
                    return Err(FrameError::Malformed("the greeting is missing").into());
                }
                self.hello = false;
                continue;
            }
            if answer.kind == AnswerKind::End {
                let count =
                    std::str::from_utf8(&answer.payload).ok().and_then(|text| text.parse().ok());
                if answer.seq != self.end
                    || count != Some(self.answers.len())
                    || self.answers.len() != self.expected
                {
                    return Err(FrameError::Malformed("answers are missing at its end").into());
                }
                return Ok(true);
            }
            let data = matches!(
                answer.kind,
                AnswerKind::Data | AnswerKind::Done | AnswerKind::Failed | AnswerKind::Skipped
            );
            if !data || answer.seq <= self.last || self.answers.len() == self.expected {
                return Err(FrameError::Malformed("an answer came out of its turn").into());
            }
            self.last = answer.seq;
            each(&answer);
            self.answers.push(answer);
        }
        Ok(false)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = ERRORS_MAX.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The end of the stream; what stands on standard error may say why.
    async fn closed(
        &mut self,
        errors: &mut (dyn tokio::io::AsyncRead + Send + Unpin),
    ) -> SessionError {
        let mut rest = vec![0_u8; ERRORS_MAX];
        while let Ok(Ok(count)) = timeout(Duration::from_millis(500), errors.read(&mut rest)).await
        {
            if count == 0 {
                break;
            }
            self.keep(&rest[..count]);
        }
        let said = String::from_utf8_lossy(self.kept).into_owned();
        let line = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        SessionError::Closed(if line.is_empty() {
            "the connection was lost".to_owned()
        } else {
            format!("the connection was lost: {line}")
        })
    }
}

/// 32 hex digits from the system's randomness.
fn random_word() -> String {
    use std::fmt::Write as _;
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes.iter().fold(String::with_capacity(32), |mut word, byte| {
        let _ = write!(word, "{byte:02x}");
        word
    })
}
