//! One session with a shell, as src/execute keeps it: programs out, answers in.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use trueup::resources::REGISTRY;
use trueup::shell::frame::{opening, part, program, seal};
use trueup::shell::{Answer, AnswerKind, Limits, Reader, Script, prelude};

/// The session's nonce. Fixed, so that a recorded stream can be played again.
pub const NONCE: &str = "00112233445566778899aabbccddeeff";
/// The word in the names of temporary files. Fixed, so that a test can be the one who guesses it.
pub const WORD: &str = "0123456789abcdef";

/// A text in the prelude and what stands there instead.
pub type Edit = (&'static str, &'static str);

/// Nothing here takes as long; a session that does hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// The prelude with the libraries of all types, its folder for private files moved to `state`, and
/// `edits` made in it.
pub fn prelude_with(state: &str, edits: &[Edit]) -> Vec<u8> {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut libraries: Vec<&str> = Vec::new();
        let all = REGISTRY.iter().flat_map(|kind| kind.library());
        for library in
            all.chain([&trueup::ledger::LIBRARY, &trueup::ledger::KEPT, &trueup::ledger::CONFIRM])
        {
            if !libraries.contains(library) {
                libraries.push(library);
            }
        }
        String::from_utf8(prelude(NONCE, WORD, &libraries)).expect("the prelude is ASCII")
    });
    let private = "n=/var/lib/trueup";
    assert!(TEXT.contains(private), "the prelude's folder for private files is another one now");
    let mut text = TEXT.replace(private, &format!("n={state}"));
    for (from, to) in edits {
        assert!(text.contains(from), "the prelude has no {from:?} any more: change this test too");
        text = text.replace(from, to);
    }
    text.into_bytes()
}

/// A running shell.
pub struct Session {
    pub child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    /// Our end of its standard output: a socket, since one can be shut while a thread reads from it.
    socket: UnixStream,
    reader: Reader,
    next: u64,
    /// What is done to large contents.
    pub made: Made,
}

impl Session {
    /// Starts a shell and sends the opening.
    pub fn open(mut command: Command, prelude: &[u8]) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a pair of sockets");
        let mut stdout = socket.try_clone().expect("a socket");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell that starts");
        // It holds the shell's end of the socket.
        drop(command);
        let (pieces, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count) = stdout.read(&mut buffer) {
                if count == 0 || pieces.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        let reader = Reader::new(NONCE, Limits::default());
        let mut session =
            Self { child, input, output, socket, reader, next: 1, made: Made::Nothing };
        session.send(&opening(prelude));
        session
    }

    /// The next sequence number.
    pub const fn seq(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Writes bytes; a shell that is gone is noticed when its answer is read.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(bytes).and_then(|()| input.flush());
        }
    }

    /// Writes no more.
    pub fn shut(&mut self) {
        self.input = None;
    }

    /// Closes both directions, as a client does that is killed.
    pub fn hang_up(&mut self) {
        self.input = None;
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// The next answer; `None` when the shell has ended.
    pub fn answer(&mut self) -> Result<Option<Answer>, String> {
        loop {
            if let Some(answer) = self.reader.next().map_err(|error| error.to_string())? {
                return Ok(Some(answer));
            }
            match self.output.recv_timeout(PATIENCE) {
                Ok(piece) => self.reader.push(&piece),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    return Err("the session hangs".into());
                }
            }
        }
    }

    /// Sends a program with its contents; gives its answers without greeting and end.
    pub fn exchange(
        &mut self,
        script: &Script,
        contents: &[Arc<[u8]>],
    ) -> Result<Vec<Answer>, String> {
        let end = self.seq();
        let bytes = frame_by(self.made, (end, script), contents);
        self.send(&bytes);
        self.answers(end)
    }

    /// The answers of a program, without greeting and end.
    pub fn answers(&mut self, end: u64) -> Result<Vec<Answer>, String> {
        let mut answers: Vec<Answer> = Vec::new();
        while let Some(answer) = self.answer()? {
            match answer.kind {
                AnswerKind::Hello => {}
                AnswerKind::End => {
                    let count = answers.len().to_string();
                    if answer.seq != end || answer.payload != count.as_bytes() {
                        return Err(format!("the end does not fit: {answer:?} after {answers:?}"));
                    }
                    return Ok(answers);
                }
                _ => answers.push(answer),
            }
        }
        Err(format!("the shell ended after {answers:?}"))
    }

    /// Ends the session as the controller does; an error when the shell lives on.
    pub fn close(mut self) -> Result<(), String> {
        self.send(b"Q 0 0\n");
        self.shut();
        self.wait()
    }

    /// Waits for the shell's end.
    pub fn wait(&mut self) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.child.try_wait().map_err(|error| error.to_string())?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("the shell lives on".into())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is done to a large content before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It goes as one part.
    Nothing,
    /// Parts of half a MiB go as they are.
    Parts,
    /// Parts of half a MiB are made small.
    Small,
    /// Every other one of them is, and the last is not.
    Mixed,
}

/// A program and its contents as they go over the wire.
pub fn frame(seq: u64, script: &Script, contents: &[Arc<[u8]>]) -> Vec<u8> {
    frame_by(Made::Nothing, (seq, script), contents)
}

/// As [`frame`], with large contents made so.
pub fn frame_by(made: Made, (seq, script): (u64, &Script), contents: &[Arc<[u8]>]) -> Vec<u8> {
    let mut bytes = program(seq, script.bytes());
    for content in contents {
        bytes.extend(body(content, made));
        bytes.extend_from_slice(&seal(NONCE));
    }
    bytes
}

/// A content as it goes over the wire.
pub fn body(content: &[u8], made: Made) -> Vec<u8> {
    if content.len() <= 1 << 20 {
        return content.to_vec();
    }
    let most = if made == Made::Nothing { content.len() } else { 1 << 19 };
    let mut bytes = Vec::new();
    for (number, piece) in content.chunks(most).rev().enumerate() {
        let small = made == Made::Small || made == Made::Mixed && number % 2 == 1;
        let sent = if small { gzip(piece) } else { piece.to_vec() };
        assert!(
            !small || sent.len() != piece.len(),
            "it would be taken for what was not made small"
        );
        let head = part(NONCE, sent.len() as u64, piece.len() as u64);
        bytes.splice(0..0, [head, sent].concat());
    }
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut small = GzEncoder::new(Vec::new(), Compression::fast());
    small.write_all(bytes).and_then(|()| small.finish()).expect("bytes in memory")
}
