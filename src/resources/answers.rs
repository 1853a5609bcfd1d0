//! What a host answered about paths: what stands there, and contents.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;

use super::input::{Mode, parent};
use super::path::{CONTENT_MAX, FileKind, Meta};
use super::stats::about;
use super::text::next_line;
use crate::model::Body;

/// What a host answered about paths.
#[derive(Debug, Default)]
pub(super) struct Answers<'a> {
    metas: HashMap<&'a [u8], Meta>,
    contents: HashMap<&'a [u8], (&'a [u8], Vec<u8>)>,
    /// What was opened to read a content, as `%f %u %g`.
    opened: HashMap<&'a [u8], &'a [u8]>,
    /// The paths of which stat said that they are not there.
    absent: HashSet<&'a [u8]>,
    problems: Vec<String>,
    /// Which of these is about a path.
    problem_of: HashMap<&'a [u8], usize>,
}

impl<'a> Answers<'a> {
    /// Reads an answer to [`ask_stat`](super::path::ask_stat) and [`ask_contents`](super::path::ask_contents).
    pub(super) fn read(answer: &'a [u8]) -> Self {
        let mut answers = Self::default();
        let mut rest = answer;
        // Paths whose contents come behind them, one behind the other, and how long each is.
        let mut ahead: Vec<(&[u8], usize)> = Vec::new();
        while !rest.is_empty() {
            let line = line(&mut rest);
            if let Some(rest) = line.strip_prefix(b"s ") {
                match meta(rest) {
                    Some((path, meta)) => drop(answers.metas.insert(path, meta)),
                    None => answers.problem(line),
                }
            } else if line.starts_with(b"d ") {
                ahead.extend(answers.content_of(line, &mut rest));
            } else if line.starts_with(b"> ") {
                for (path, length) in std::mem::take(&mut ahead) {
                    match rest.split_at_checked(length) {
                        Some((content, after)) => {
                            answers.contents.insert(path, (b"-", content.to_vec()));
                            rest = after;
                        }
                        None => answers.garbled(path, line),
                    }
                }
                // The point behind them, which keeps their last line breaks.
                let _ = self::line(&mut rest);
            } else if absent(line) {
                answers.absent.extend(about(line));
            } else {
                answers.problem_of.extend(about(line).map(|path| (path, answers.problems.len())));
                answers.problem(line);
            }
        }
        for (path, _) in ahead {
            answers.garbled(path, path);
        }
        answers
    }

    /// Reads a content that stands in base64 behind its line `d DIGEST PATH`; of one that stands behind others as it is the
    /// path, and how long it is.
    fn content_of(&mut self, line: &'a [u8], rest: &mut &'a [u8]) -> Option<(&'a [u8], usize)> {
        let mut parts = line.splitn(3, |&byte| byte == b' ').skip(1);
        let (digest, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let mut encoded = Vec::new();
        while !rest.is_empty() {
            let next = self::line(rest);
            if let Some(seen) = next.strip_prefix(b"f ") {
                self.opened.insert(path, seen);
            } else if let Some(length) = next.strip_prefix(b"= ") {
                let length = str::from_utf8(length).ok().and_then(|length| length.parse().ok());
                if length.is_none() {
                    self.garbled(path, next);
                }
                return Some((path, length?));
            } else if next == b"." {
                break;
            } else {
                encoded.extend_from_slice(next);
            }
        }
        if encoded == b"!" {
            self.contents.insert(path, (b"unreadable", Vec::new()));
        } else if let Some(bytes) = base64(&encoded) {
            self.contents.insert(path, (digest, bytes));
        } else {
            self.garbled(path, line);
        }
        None
    }

    /// What came of a content, by this line, is none: it is not taken for the one that is wanted.
    fn garbled(&mut self, path: &'a [u8], line: &[u8]) {
        self.contents.insert(path, (b"garbled", Vec::new()));
        self.problem(line);
    }

    fn problem(&mut self, line: &[u8]) {
        self.problems.push(String::from_utf8_lossy(line).into_owned());
    }

    /// What stands at `path`: `None` when nothing does.
    pub(super) fn meta(&self, path: &str) -> Result<Option<&Meta>, String> {
        if let Some(meta) = self.metas.get(path.as_bytes()) {
            return Ok(Some(meta));
        }
        // stat names a path in quotes; where it had to write it in another way, an error about any
        // path is taken for one about this.
        if let Some(&problem) = self.problem_of.get(path.as_bytes()) {
            return Err(self.problems[problem].clone());
        }
        match self.problems.first() {
            Some(problem) if !self.absent.contains(path.as_bytes()) => Err(problem.clone()),
            _ => Ok(None),
        }
    }

    /// Whether the folder of `path` is there.
    pub(super) fn has_parent(&self, path: &str) -> bool {
        self.metas.contains_key(parent(path).as_bytes())
    }

    /// The content that the host sent for `path`, because it is another than the one wanted.
    pub(super) fn content(&self, path: &str, size: u64) -> Result<Option<Body>, String> {
        let Some((digest, bytes)) = self.contents.get(path.as_bytes()) else { return Ok(None) };
        let digest = String::from_utf8_lossy(digest).into_owned();
        let (opened, seen) = (self.opened.get(path.as_bytes()), self.metas.get(path.as_bytes()));
        if opened.zip(seen).is_some_and(|(opened, seen)| *opened != seen.seen.as_bytes()) {
            return Err("something else stood there while it was read".into());
        }
        if bytes.len() as u64 > CONTENT_MAX {
            let right = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
            let digest = if right || digest == "-" {
                digest
            } else {
                return Err("its digest is none".into());
            };
            return Ok(Some(Body::away(size, digest)));
        }
        let body = Body::of(bytes.clone());
        match digest.as_str() {
            "unreadable" => Err("its content cannot be read".into()),
            "garbled" => Err("what the host said of its content is none".into()),
            "unsummed" => Err(
                "its content cannot be compared, because this host has no sha256sum: install what \
                 brings it (coreutils)"
                    .into(),
            ),
            // Nobody asked for the host's own digest.
            "-" => Ok(Some(body)),
            digest if digest == body.digest() => Ok(Some(body)),
            _ => Err("it changed while it was read".into()),
        }
    }
}

/// The next line of an answer, which is taken away from it.
fn line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (line, after) = next_line(rest).unwrap_or_default();
    *rest = after;
    line
}

/// One line of [`ask_stat`](super::path::ask_stat)'s answer.
fn meta(rest: &[u8]) -> Option<(&[u8], Meta)> {
    let mut parts = rest.splitn(8, |&byte| byte == b' ');
    let mut word = || std::str::from_utf8(parts.next()?).ok();
    let (raw, uid, gid, size, links) = (word()?, word()?, word()?, word()?, word()?);
    let (owner, group) = (word()?, word()?);
    // stat(1) has one word for all numbers that nobody has.
    let name = |name: &str, number: &str| {
        if name == "UNKNOWN" { number.to_owned() } else { name.to_owned() }
    };
    let bits = u32::from_str_radix(raw, 16).ok()?;
    let meta = Meta {
        kind: FileKind::of(bits),
        mode: Mode(bits & 0o7777),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        owner: name(owner, uid),
        group: name(group, gid),
        size: size.parse().ok()?,
        links: links.parse().ok()?,
        seen: format!("{raw} {uid} {gid}"),
    };
    Some((parts.next()?, meta))
}

/// Whether a line only says that a path is not there (the messages of GNU and busybox stat in the C
/// locale end the same way).
fn absent(line: &[u8]) -> bool {
    line.is_empty()
        || line.ends_with(b": No such file or directory")
        || line.ends_with(b": Not a directory")
}

/// Decodes base64 (RFC 4648) as base64(1) prints it, newlines taken out.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stat_lines_and_contents() {
        let answer = b"s 81a4 0 33 3 1 root www-data /etc/a b\n\
            stat: cannot statx '/etc/none': No such file or directory\n\
            d ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad /etc/a b\nYWJj\n.";
        let answers = Answers::read(answer);
        let meta = answers.meta("/etc/a b").unwrap().unwrap();
        assert_eq!((meta.kind, meta.mode, meta.gid), (FileKind::Regular, Mode(0o644), 33));
        assert_eq!(meta.seen, "81a4 0 33");
        assert_eq!(answers.meta("/etc/none").unwrap(), None);
        let body = answers.content("/etc/a b", 3).unwrap().unwrap();
        assert_eq!(body.bytes().map(AsRef::as_ref), Some(&b"abc"[..]));
    }

    #[test]
    fn contents_come_as_they_are_behind_their_lengths() {
        let answer = b"d - /a\nf 81a4 0 0\n= 4\nd - /b\nf 81a4 0 0\n= 0\nd - /c\nf 81a4 0 0\n= 3\n\
            > 7\na\nb\n.\n\n.\nd - /d\nYWJj\n.\n";
        let answers = Answers::read(answer);
        let content = |path| answers.content(path, 9).unwrap().unwrap().bytes().unwrap().to_vec();
        assert_eq!([content("/a"), content("/b"), content("/c")], [&b"a\nb\n"[..], b"", b".\n\n"]);
        assert_eq!(content("/d"), b"abc");
        // What cannot be made out is no content, and not the one that is wanted either.
        let wrong: [&[u8]; 4] = [
            b"d - /a\nf 81a4 0 0\n= 9\n> 9\nabc\n.",
            b"d - /a\nf 81a4 0 0\n= 9\n",
            b"d - /a\nf 81a4 0 0\n= x\n> 9\nabc\n.",
            b"d - /a\n%%%\n.\n",
        ];
        for text in wrong {
            let answers = Answers::read(text);
            assert!(answers.content("/a", 9).is_err() && !answers.problems.is_empty());
        }
    }

    #[test]
    fn an_error_is_not_taken_for_absence() {
        let answers = Answers::read(b"stat: cannot statx '/root/x': Permission denied");
        assert!(answers.meta("/root/x").unwrap_err().contains("Permission denied"));
        assert!(answers.meta("/root/y").is_err(), "of it nothing was said");
        let both = b"stat: cannot statx '/root/x': Permission denied\nstat: cannot statx '/etc/y': No such file or directory";
        assert_eq!(Answers::read(both).meta("/etc/y").unwrap(), None);
    }
}
