//! Frames: programs and contents to the host, answers from it.
//!
//! To the host: a first line that reads the prelude, then for each program `P SEQ LENGTH` and so many
//! bytes, then the contents that its steps read, each with a line holding the nonce after it.
//! From the host: an empty line, `NONCE KIND SEQ STATUS LENGTH`, so many bytes, a newline. Whatever
//! comes before the first frame is noise (banners, output of startup files) and is skipped; between
//! frames nothing may come. Everything that a host sends is bounded by [`Limits`].

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// The remote shell is there; the payload is its user id, its process and when that was started.
    Hello,
    /// The answer to a question of a probe.
    Data,
    /// A step did its work.
    Done,
    /// A step failed; the payload is what it said.
    Failed,
    /// A step was not begun because one before it failed.
    Skipped,
    /// What the program of a step prints while it runs; beside the answers and not counted among them.
    Live,
    /// The program is through; the payload counts its answers.
    End,
}

/// One frame from a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub kind: AnswerKind,
    pub seq: u64,
    /// Exit status of what it is about.
    pub status: u32,
    pub payload: Vec<u8>,
}

impl Answer {
    /// The answers that came together in this one: each ends with a line `NONCE SEQ STATUS` (prelude.sh, `apart`) and is
    /// without its last newlines, as if it had been captured by itself. What no such line ends is none.
    #[must_use]
    pub fn apart(self, nonce: &str) -> Vec<Self> {
        let mark = format!("\n{nonce} ");
        let (mut answers, mut rest) = (Vec::new(), self.payload.as_slice());
        while let Some(at) = find(rest, mark.as_bytes()) {
            let text = &rest[..at];
            let line = &rest[at + mark.len()..];
            let end = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
            let mut words = line[..end].split(|&byte| byte == b' ');
            if let (Ok(seq), Ok(status)) = (number(words.next()), number(words.next())) {
                let kept = text.iter().rposition(|&byte| byte != b'\n').map_or(0, |last| last + 1);
                let payload = text[..kept].to_vec();
                answers.push(Self { kind: self.kind, seq, status, payload });
            }
            rest = line.get(end + 1..).unwrap_or_default();
        }
        answers
    }
}

/// How much a host may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes before the first frame.
    pub noise: usize,
    /// Bytes of all frames together.
    pub answers: usize,
    /// Bytes of standard error.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { noise: 1 << 20, answers: 64 << 20, errors: 16 << 20 }
    }
}

/// Why what a host sent is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the host sent more than {0} bytes before its first answer")]
    TooMuchNoise(usize),
    #[error("the host's answer is larger than the limit of {0} bytes")]
    TooLarge(usize),
    #[error("the host wrote more than {0} bytes on its standard error")]
    TooManyErrors(usize),
    #[error("the host's answer is not in the form of the wire: {0}")]
    Malformed(&'static str),
}

/// The first line and the prelude: what is written before any program.
#[must_use]
pub fn opening(prelude: &[u8]) -> Vec<u8> {
    let length = prelude.len();
    let mut bytes = format!(
        "P=$(dd bs={length} count=1 iflag=fullblock 2>/dev/null); [ \"${{#P}}\" = {length} ] && eval \"$P\"\n"
    )
    .into_bytes();
    bytes.extend_from_slice(prelude);
    bytes
}

/// A program as a frame. A last `:` keeps its end from being a newline, which the remote shell's
/// command substitution would take away.
#[must_use]
pub fn program(seq: u64, script: &[u8]) -> Vec<u8> {
    let mut bytes = format!("P {seq} {}\n", script.len() + 2).into_bytes();
    bytes.extend_from_slice(script);
    bytes.extend_from_slice(b"\n:");
    bytes
}

/// The line that stands before a part of a large content.
///
/// It says how many bytes follow, and how many of the content they are. Where the two differ, they are what gzip(1) made of
/// these. It is always as long, so that dd(1) can read it.
#[must_use]
pub fn part(nonce: &str, length: u64, bytes: u64) -> Vec<u8> {
    let line = format!("{nonce} {length} {bytes} ");
    format!("{line:<79}\n").into_bytes()
}

/// The line that must stand after a content.
#[must_use]
pub fn seal(nonce: &str) -> Vec<u8> {
    format!("{nonce}\n").into_bytes()
}

/// As [`seal`], after a content that was read while it was sent: with the digest that it had, or with a word
/// that spoils it where it was not the content that was planned.
#[must_use]
pub fn seal_of(nonce: &str, digest: Option<&str>) -> Vec<u8> {
    format!("{nonce} {}\n", digest.unwrap_or("spoiled")).into_bytes()
}

/// Reads answers out of a stream of bytes, whatever pieces they come in.
#[derive(Debug)]
pub struct Reader {
    nonce: Vec<u8>,
    limits: Limits,
    buffer: Vec<u8>,
    /// Where in `buffer` the bytes begin that were not read yet.
    at: usize,
    /// Up to where no first frame begins.
    searched: usize,
    /// Bytes of frames so far.
    taken: usize,
    begun: bool,
}

impl Reader {
    /// A reader of the frames that carry `nonce`.
    #[must_use]
    pub fn new(nonce: &str, limits: Limits) -> Self {
        Self {
            nonce: nonce.as_bytes().to_vec(),
            limits,
            buffer: Vec::new(),
            at: 0,
            searched: 0,
            taken: 0,
            begun: false,
        }
    }

    /// Begins anew with another shell's stream; what was read counts on.
    pub fn forget(&mut self) {
        self.buffer.clear();
        (self.at, self.searched, self.begun) = (0, 0, false);
    }

    /// Takes bytes from the host.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 && self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// What came before the first frame and was not one, so far.
    #[must_use]
    pub fn noise(&self) -> &[u8] {
        if self.begun { &[] } else { &self.buffer }
    }

    /// The next whole frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// When a limit is passed or the bytes are not in the form of a frame.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end at the first gap")]
    pub fn next(&mut self) -> Result<Option<Answer>, FrameError> {
        if !self.begun && !self.skip_noise()? {
            return Ok(None);
        }
        let rest = &self.buffer[self.at..];
        let Some((header, head)) = header(rest, &self.nonce)? else { return Ok(None) };
        if self.taken.saturating_add(header.length) > self.limits.answers {
            return Err(FrameError::TooLarge(self.limits.answers));
        }
        let end = head + header.length;
        if rest.len() <= end {
            // As much as is to come: growing by doubling would need twice the memory.
            let missing = end + 1 - rest.len();
            if header.length > LARGE {
                self.buffer.reserve_exact(missing);
            }
            return Ok(None);
        }
        if rest[end] != b'\n' {
            return Err(FrameError::Malformed("a length is wrong"));
        }
        // A payload was in a shell's variable, which holds none; what is made of it goes into words again.
        if rest[head..end].contains(&0) {
            return Err(FrameError::Malformed("a NUL byte stands in an answer"));
        }
        self.taken += header.length;
        let payload = self.cut(head, end);
        Ok(Some(Answer { kind: header.kind, seq: header.seq, status: header.status, payload }))
    }

    /// Finds the first line that begins with the nonce; true when it was found.
    fn skip_noise(&mut self) -> Result<bool, FrameError> {
        let mut mark = vec![b'\n'];
        mark.extend_from_slice(&self.nonce);
        mark.push(b' ');
        // What was searched before is not searched again, however small the pieces that come.
        let from = self.searched;
        self.searched = self.buffer.len().saturating_sub(mark.len() - 1).max(from);
        match find(&self.buffer[from..], &mark) {
            Some(found) if from + found <= self.limits.noise => {
                self.at = from + found;
                self.begun = true;
                Ok(true)
            }
            None if self.buffer.len() <= self.limits.noise => Ok(false),
            _ => Err(FrameError::TooMuchNoise(self.limits.noise)),
        }
    }

    /// Takes a payload out; a large one as it lies there.
    fn cut(&mut self, head: usize, end: usize) -> Vec<u8> {
        let (head, end) = (self.at + head, self.at + end);
        if end - head <= LARGE {
            let payload = self.buffer[head..end].to_vec();
            self.at = end + 1;
            self.compact();
            return payload;
        }
        let rest = self.buffer.split_off(end + 1);
        let mut payload = std::mem::replace(&mut self.buffer, rest);
        self.at = 0;
        payload.truncate(end);
        payload.drain(..head);
        payload
    }

    /// Gives back the memory of what was read.
    fn compact(&mut self) {
        if self.at > 1 << 16 && self.at * 2 > self.buffer.len() {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
    }
}

/// A frame's first line.
struct Header {
    kind: AnswerKind,
    seq: u64,
    status: u32,
    length: usize,
}

/// A payload of more bytes is not copied.
const LARGE: usize = 1 << 16;

/// The longest first line that a right host sends: nonce, kind and three numbers.
const HEADER_MAX: usize = 160;

/// The header at the start of `bytes` and where its payload begins.
fn header(bytes: &[u8], nonce: &[u8]) -> Result<Option<(Header, usize)>, FrameError> {
    match bytes.first() {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(_) => return Err(FrameError::Malformed("something stands between two frames")),
    }
    let line = &bytes[1..bytes.len().min(HEADER_MAX)];
    let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
        return if line.len() + 1 < HEADER_MAX {
            Ok(None)
        } else {
            Err(FrameError::Malformed("a first line is too long"))
        };
    };
    let mut words = line[..end].split(|&byte| byte == b' ');
    if words.next() != Some(nonce) {
        return Err(FrameError::Malformed("the session's marker is missing"));
    }
    let kind = match words.next() {
        Some(b"hello") => AnswerKind::Hello,
        Some(b"data") => AnswerKind::Data,
        Some(b"done") => AnswerKind::Done,
        Some(b"failed") => AnswerKind::Failed,
        Some(b"skipped") => AnswerKind::Skipped,
        Some(b"live") => AnswerKind::Live,
        Some(b"end") => AnswerKind::End,
        _ => return Err(FrameError::Malformed("an unknown kind of answer")),
    };
    let header = Header {
        kind,
        seq: number(words.next())?,
        status: number(words.next())?,
        length: number(words.next())?,
    };
    match words.next() {
        None => Ok(Some((header, end + 2))),
        Some(_) => Err(FrameError::Malformed("a first line has too many words")),
    }
}

/// A number in plain digits.
fn number<T: std::str::FromStr>(word: Option<&[u8]>) -> Result<T, FrameError> {
    word.filter(|word| !word.is_empty() && word.iter().all(u8::is_ascii_digit))
        .and_then(|word| std::str::from_utf8(word).ok())
        .and_then(|word| word.parse().ok())
        .ok_or(FrameError::Malformed("a number is wrong"))
}

/// Where `needle` first stands in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(hay, needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";

    fn read_all(reader: &mut Reader) -> Result<Vec<Answer>, FrameError> {
        let mut answers = Vec::new();
        while let Some(answer) = reader.next()? {
            answers.push(answer);
        }
        Ok(answers)
    }

    fn stream() -> Vec<u8> {
        format!("Welcome\n\x1b[2J\n{NONCE} hello 0 0 1\n0\n\n{NONCE} data 7 2 3\na\nb\n")
            .into_bytes()
    }

    #[test]
    fn answers_that_came_together_are_told_apart() {
        let text = format!("\n{NONCE} 1 0\na\nb\n\n\n{NONCE} 2 3\nhalf of one");
        let (kind, payload) = (AnswerKind::Data, text.into_bytes());
        let answers = Answer { kind, seq: 1, status: 0, payload }.apart(NONCE);
        let told: Vec<(u64, u32, &[u8])> =
            answers.iter().map(|it| (it.seq, it.status, it.payload.as_slice())).collect();
        assert_eq!(told, [(1, 0, &b""[..]), (2, 3, b"a\nb")]);
    }

    #[test]
    fn reads_frames_in_any_pieces() {
        let bytes = stream();
        for size in 1..bytes.len() {
            let mut reader = Reader::new(NONCE, Limits::default());
            let mut answers = Vec::new();
            for piece in bytes.chunks(size) {
                reader.push(piece);
                answers.extend(read_all(&mut reader).unwrap());
            }
            assert_eq!(answers.len(), 2, "pieces of {size}");
            assert_eq!(answers[1].payload, b"a\nb");
            assert_eq!((answers[1].seq, answers[1].status), (7, 2));
        }
    }

    #[test]
    fn refuses_what_is_no_frame() {
        let cases: [(&str, &str); 7] = [
            ("data 1 0 3\na\0b\n", "a NUL byte stands in an answer"),
            ("data 1 0 1\nab\n", "a length is wrong"),
            ("data 1 0 -1\n", "a number is wrong"),
            ("data 99999999999999999999 0 1\na\n", "a number is wrong"),
            ("gone 1 0 1\na\n", "an unknown kind of answer"),
            ("data 1 0 1 1\na\n", "a first line has too many words"),
            ("data 1 0 1\na\nnoise", "something stands between two frames"),
        ];
        for (text, why) in cases {
            let mut reader = Reader::new(NONCE, Limits::default());
            reader.push(format!("\n{NONCE} {text}").as_bytes());
            assert_eq!(read_all(&mut reader), Err(FrameError::Malformed(why)), "{text}");
        }
    }

    #[test]
    fn bounds_noise_and_answers() {
        let limits = Limits { noise: 10, answers: 10, errors: 10 };
        let mut reader = Reader::new(NONCE, limits);
        reader.push(&[b'x'; 11]);
        assert_eq!(reader.next(), Err(FrameError::TooMuchNoise(10)));
        let mut reader = Reader::new(NONCE, limits);
        reader.push(format!("\n{NONCE} data 1 0 4000000000\n").as_bytes());
        assert_eq!(reader.next(), Err(FrameError::TooLarge(10)));
    }
}
