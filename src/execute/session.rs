//! One host's long-lived shell: programs go out as frames, answers come back as frames.
//!
//! Everything of an exchange is written at once, while answers are read; the controller never waits a
//! round trip between two steps. No exchange outlives its deadline, whatever a host sends or does not
//! read.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::Settings;
use super::connect::{connect, greeting, patience};
use super::cost::Counts;
use super::failpoint::failpoint;
use super::login;
use super::pace::Pace;
use super::password::Password;
use super::program::{Expected, Program};
use super::purpose::Purpose;
use super::reading::{Kept, Reading};
use super::sending;
use super::session_error::SessionError;
use crate::model::{Become, Host};
use crate::shell::frame::{opening, program};
use crate::shell::{Answer, Reader, Script, with_first};
use crate::transport::{self, Link, TransportError, Way, Wire};

/// A host's shell.
#[derive(Debug)]
pub(super) struct Session {
    host: Host,
    link: Link,
    wire: Wire,
    reader: Reader,
    nonce: String,
    /// What is written with the first program.
    prelude: Option<Vec<u8>>,
    kept: Kept,
    next: u64,
    password: Arc<Password>,
    places: Arc<Semaphore>,
    transport: transport::Settings,
    /// Seconds until the shell must have greeted.
    greeting: u32,
    /// When all work on this host must be over, and how many seconds that was in all.
    end: (Instant, u32),
    /// Which process the shell is, once it has greeted.
    pub(super) remote: Option<Remote>,
    /// How fast the line to it is.
    pace: Pace,
    pub(super) counts: Counts,
}

/// Which process the remote shell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remote {
    /// Its user: 0 is root.
    pub(super) user: u32,
    pub(super) process: u32,
    /// When it was started, in the host's own ticks: with the number it names one process.
    pub(super) started: u64,
    /// Whether it has gzip(1).
    pub(super) gzip: bool,
}

impl Remote {
    /// From the greeting.
    pub(super) fn read(greeting: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(greeting).ok()?;
        let mut words = text.split(' ');
        let remote = Self {
            user: words.next()?.parse().ok()?,
            process: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
            gzip: words.next()? == "gzip",
        };
        words.next().is_none().then_some(remote)
    }
}

impl Session {
    /// Connects; nothing is written yet.
    pub(super) async fn open(
        host: &Host,
        purpose: Purpose,
        settings: &Settings,
    ) -> Result<Self, SessionError> {
        let begun = Instant::now();
        let link = connect(host, Way::Any, patience(settings)).await?;
        let reused = link.is_reused();
        let opened = match Self::on(link.clone(), host, (purpose, settings)).await {
            // What was kept leads nowhere any more.
            Err(SessionError::Transport(_)) if reused => {
                link.spoil();
                let link = connect(host, Way::New, patience(settings)).await?;
                Self::on(link, host, (purpose, settings)).await
            }
            opened => opened,
        };
        let mut session = opened?;
        session.counts.times.connect = begun.elapsed();
        Ok(session)
    }

    /// A shell on a link that is there.
    async fn on(
        link: Link,
        host: &Host,
        (purpose, settings): (Purpose, &Settings),
    ) -> Result<Self, SessionError> {
        let nonce = random_word();
        let prelude = purpose.prelude(&nonce, &random_word()[..16]);
        let seconds = settings.host_timeout;
        let end = (Instant::now() + Duration::from_secs(seconds.into()), seconds);
        let greeting = greeting(settings);
        let connections = u32::from(!link.is_reused());
        let start = login::start(&link, host);
        let wire = timeout(Duration::from_secs(greeting.into()), start)
            .await
            .map_err(|_| TransportError::Unreachable(format!("no shell within {greeting} s")))??;
        Ok(Self {
            host: host.clone(),
            link,
            wire,
            reader: Reader::new(&nonce, settings.limits),
            nonce,
            prelude: Some(prelude),
            kept: Kept::new(settings.limits),
            next: 1,
            password: Arc::clone(&settings.password),
            places: Arc::clone(&settings.places),
            transport: settings.transport.clone(),
            greeting,
            end,
            remote: None,
            pace: Pace::default(),
            counts: Counts { connections, ..Counts::default() },
        })
    }

    /// Connects to the same host anew.
    pub(super) async fn again(
        &self,
        purpose: Purpose,
        settings: &Settings,
    ) -> Result<Self, SessionError> {
        let link = connect(&self.host, Way::New, patience(settings)).await?;
        Self::on(link, &self.host, (purpose, settings)).await
    }

    /// Whether the login becomes root.
    pub(super) fn becomes(&self) -> bool {
        self.host.connection.r#become == Some(Become::Sudo)
    }

    /// The way to this shell from beside.
    pub(super) fn beside(&self, settings: &Settings) -> Beside {
        let (link, host, remote) = (self.link.clone(), self.host.clone(), self.remote);
        Beside { link, host, remote, settings: settings.clone() }
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
        self.counts.exchanges += 1;
        let sent = match self.send(end, &work, &mut each).await {
            // No shell came of a connection that was kept: a new one tells why, or is one.
            Err(error) if self.remote.is_none() && self.link.is_reused() && error.is_of_link() => {
                self.anew().await?;
                self.send(end, &work, &mut each).await
            }
            sent => sent,
        };
        let sent = match sent {
            Err(SessionError::PasswordWanted) => {
                let start = login::start_with_password(&self.link, &self.host, &self.password);
                self.wire = Box::pin(start).await?;
                self.kept.forget();
                self.reader.forget();
                self.send(end, &work, &mut each).await
            }
            sent => sent,
        };
        if sent.is_err() {
            self.link.spoil();
        }
        sent
    }

    /// A new connection in the place of one that was kept.
    async fn anew(&mut self) -> Result<(), SessionError> {
        self.link.spoil();
        self.link = connect(&self.host, Way::New, (&self.transport, self.greeting)).await?;
        self.wire = login::start(&self.link, &self.host).await?;
        self.kept.forget();
        self.reader.forget();
        self.counts.connections += 1;
        Ok(())
    }

    /// The connection ends with the run: what the run does may decide who gets in.
    pub(super) fn spoil(&self) {
        self.link.spoil();
    }

    async fn send(
        &mut self,
        end: u64,
        work: &Program,
        each: &mut impl FnMut(&Answer),
    ) -> Result<Vec<Answer>, SessionError> {
        let hello = self.remote.is_none();
        let piece = match &self.prelude {
            Some(prelude) => opening(&with_first(prelude, (end, work.script.bytes()))),
            None => program(end, work.script.bytes()),
        };
        let nonce = &self.nonce;
        let mut pace = Some(&mut self.pace).filter(|_| self.remote.is_some_and(|host| host.gzip));
        let Wire { input, output, errors, .. } = &mut self.wire;
        let counts = &mut self.counts;
        let write = async {
            input.write_all(&piece).await?;
            counts.bytes_out += piece.len() as u64;
            drop(piece);
            for content in &work.contents {
                let how = (nonce.as_str(), pace.as_deref_mut());
                counts.bytes_out += sending::content(&mut **input, content, how).await?;
            }
            let flushed = input.flush().await;
            failpoint!("sent");
            flushed
        };
        let mut reading = Reading {
            reader: &mut self.reader,
            kept: &mut self.kept,
            bytes: 0,
            greeting: hello.then_some(self.greeting),
            patience: work.seconds,
            over: (self.end.0, self.end.1, "--host-timeout"),
            whole: work.whole,
            places: &self.places,
            remote: &mut self.remote,
            expected: &work.expected,
            answers: Vec::new(),
            end,
        };
        let read = {
            let read = reading.run(&mut **output, &mut **errors, each);
            tokio::pin!(read, write);
            // A failed write means that the shell is gone; what it said before tells why. One that
            // does not end must not hold up what the reading found.
            tokio::select! {
                read = &mut read => read,
                _ = &mut write => read.await,
            }
        };
        self.counts.bytes_in += reading.bytes;
        let answers = std::mem::take(&mut reading.answers);
        let answers = answers.into_iter().zip(&work.expected);
        let answers = answers.flat_map(|(answer, (_, due))| match due {
            Expected::Questions => answer.apart(nonce),
            _ => vec![answer],
        });
        if self.remote.is_some() {
            self.prelude = None;
        }
        match read {
            Ok(()) => Ok(answers.collect()),
            Err(SessionError::Closed(_)) if self.remote.is_none() => Err(self.no_shell()),
            Err(error) => Err(error),
        }
    }

    /// Ends a session and waits until the remote shell has cleaned up and gone, some seconds at most.
    pub(super) async fn leave(mut self) -> Counts {
        let gone = async {
            self.say_goodbye().await;
            let mut rest = [0_u8; 512];
            let output = &mut self.wire.output;
            while matches!(output.read(&mut rest).await, Ok(count) if count > 0) {}
        };
        let _ = timeout(Duration::from_secs(5), gone).await;
        self.counts
    }

    /// Ends a session that has left nothing on its host.
    pub(super) async fn close(mut self) -> Counts {
        let _ = timeout(Duration::from_secs(5), self.say_goodbye()).await;
        self.counts
    }

    async fn say_goodbye(&mut self) {
        let _ = self.wire.input.write_all(b"Q 0 0\n").await;
        let _ = self.wire.input.shutdown().await;
    }

    /// Why the shell did not even greet, from what was printed instead.
    fn no_shell(&self) -> SessionError {
        let noise = String::from_utf8_lossy(self.reader.noise());
        login::explain(&format!("{noise}\n{}", self.kept.text()), &self.host)
    }
}

/// What it takes to reach a remote shell from beside while an exchange with it goes on.
pub(super) struct Beside {
    link: Link,
    host: Host,
    remote: Option<Remote>,
    settings: Settings,
}

impl Beside {
    /// Asks the shell to begin no further step: what runs now ends as it would.
    pub(super) async fn ask_to_stop(self) -> Result<(), SessionError> {
        let Some(remote) = self.remote else { return Ok(()) };
        let mut session =
            Session::on(self.link, &self.host, (Purpose::Signal, &self.settings)).await?;
        let mut program = Program { seconds: 20, whole: Some(20), ..Program::default() };
        let mut inner = Script::new();
        inner.text("process ").number(remote.process).text(" ").number(remote.started);
        inner.text(" && kill -USR1 ").number(remote.process).text("\n");
        program.ask(session.seq(), &inner);
        session.exchange(program, |_| {}).await?;
        session.close().await;
        Ok(())
    }
}

/// 32 hex digits from the system's randomness.
pub(super) fn random_word() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes.iter().fold(String::with_capacity(32), |mut word, byte| {
        let _ = write!(word, "{byte:02x}");
        word
    })
}
