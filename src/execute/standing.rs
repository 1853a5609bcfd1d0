//! Answers that stand as long as what they hang on is as it was: kept from run to run, so that a host which says that
//! nothing of it was touched since need not be asked again. Where nothing can be kept, all is asked.

use std::fs::{DirBuilder, OpenOptions, symlink_metadata};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::config::own;
use crate::ledger;
use crate::model::Host;
use crate::model::change::sha256_hex;
use crate::resources::{next_line, stat_about};

/// Seconds for which what an answer hangs on must not have been touched: what touches it later gets another time.
const STILL: u64 = 2;

/// The most that is kept of one answer, in bytes.
const BYTES_MAX: usize = 1 << 20;
/// The most that stands before it, in bytes.
const HEAD_MAX: usize = 4 << 10;
/// The most of that which is what stat(1) said.
const LINES_MAX: usize = 2 << 10;

/// The folder of a process is as old as the process: of stat(1) itself, that is what time it is on the host.
pub(super) const NOW: &str = "/proc/self/";
/// Characters of a boot's number (random(4)).
const BOOT: usize = 36;

/// Where answers of a host are kept: in a folder of this user's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeps<'k> {
    pub(super) folder: &'k Path,
    pub(super) host: &'k Host,
}

/// One answer of a host, where it may be kept.
#[derive(Debug)]
pub(super) struct Standing {
    /// Where it is kept.
    file: PathBuf,
    /// Stands for the question.
    question: String,
    /// The files that it hangs on.
    grounds: Vec<String>,
    /// Whether one of them may be missing.
    fewer: bool,
    kept: Option<Kept>,
}

/// An answer that was kept.
#[derive(Debug)]
struct Kept {
    /// In which boot of the host it was given.
    boot: String,
    /// What stat(1) said then of the files that it hangs on.
    lines: String,
    answer: Vec<u8>,
}

impl Standing {
    /// That to a question, which is all that makes the answer, its shell functions too. It hangs on these files, which must
    /// be there.
    pub(super) fn on(keeps: Keeps<'_>, question: &[u8], grounds: &[&str]) -> Self {
        let grounds = grounds.iter().map(|&ground| ground.to_owned()).collect();
        Self::of(keeps, "", sha256_hex(question), grounds)
    }

    /// What a host remembers in a folder.
    pub(super) fn memory(keeps: Keeps<'_>, folder: &str) -> Self {
        let grounds = ["ledger", "journal"].map(|file| format!("{folder}/{file}")).into();
        let question = sha256_hex(ledger::LIBRARY.as_bytes());
        Self { fewer: true, ..Self::of(keeps, folder, question, grounds) }
    }

    /// Takes away what is kept.
    pub(super) fn forget(self) {
        // What cannot be taken away is what it was.
        let _ = std::fs::remove_file(self.file);
    }

    fn of(keeps: Keeps<'_>, what: &str, question: String, grounds: Vec<String>) -> Self {
        let Keeps { folder, host } = keeps;
        let whose = format!("{}\n{}\n{:?}\n{what}", host.name, host.address, host.connection);
        let mut name = sha256_hex(whose.as_bytes());
        name.truncate(40);
        let file = folder.join("answers").join(name);
        let kept = trusted(&file).and_then(|text| Kept::read(&text, &question));
        Self { file, question, grounds, fewer: false, kept }
    }

    /// The files that it hangs on.
    pub(super) fn grounds(&self) -> impl Iterator<Item = &str> {
        self.grounds.iter().map(String::as_str)
    }

    /// What the host is told of the answer that is kept: in which boot it was given, and what stat(1) said then. Both are
    /// empty where none is.
    pub(super) fn told(&self) -> [&str; 2] {
        self.kept.as_ref().map_or(["", ""], |kept| [&kept.boot, &kept.lines])
    }

    /// The whole answer: behind its first lines, which hang on more (`= …`), what is kept in the place of a line `@same`,
    /// which is none where nothing is; and without a line `@from`.
    pub(super) fn whole(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let (head, line, rest) = parts(answer);
        match line {
            b"@same" => {
                let kept = self.kept.as_ref()?;
                // Behind it stands what the login may not.
                let end = if rest.is_empty() { &b""[..] } else { b"\n" };
                Some([head, &kept.answer, end, rest].concat())
            }
            b"@from" => Some([head, rest].concat()),
            _ => Some(answer.to_vec()),
        }
    }

    /// Keeps what stands in an answer behind a line `@from`, where the host said this of the files, and it can be kept and
    /// `may` be.
    pub(super) fn keep(
        &self,
        answer: &[u8],
        said: Option<&Said<'_>>,
        may: impl FnOnce(&[u8]) -> bool,
    ) {
        let (_, line, rest) = parts(answer);
        if line == b"@from"
            && let Some((boot, lines)) = said.and_then(|said| self.state(said))
            && lasts(rest)
            && may(rest)
        {
            // Who cannot keep it asks again.
            let _ = self.write((boot, &lines), rest);
        }
    }

    /// What was said of the files, where an answer may be kept by it: they are regular files or folders, and not touched
    /// just before.
    fn state<'a>(&self, said: &Said<'a>) -> Option<(&'a str, String)> {
        let now = said.line(NOW).and_then(seconds)?;
        let mut lines = Vec::new();
        for ground in &self.grounds {
            let line = said.line(ground)?;
            let fits = touched(line).map_or_else(
                || self.fewer && line.ends_with(": No such file or directory"),
                |touched| touched.saturating_add(STILL) < now,
            );
            fits.then(|| lines.push(line))?;
        }
        let there = lines.iter().any(|line| touched(line).is_some());
        let lines = lines.join("\n");
        (there && said.boot.len() == BOOT && lines.len() <= LINES_MAX).then_some((said.boot, lines))
    }

    fn write(&self, (boot, lines): (&str, &str), answer: &[u8]) -> std::io::Result<()> {
        let (question, count) = (&self.question, self.grounds.len());
        let head = format!("{question}\n{boot} {count}\n{lines}\n");
        let text = [head.as_bytes(), answer].concat();
        let sum = sha256_hex(&text);
        let Some(folder) = self.file.parent() else { return Ok(()) };
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // tempfile(3) makes it for this user alone.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(format!("{sum}\n").as_bytes())?;
        file.write_all(&text)?;
        file.persist(&self.file)?;
        Ok(())
    }
}

impl Kept {
    /// What is kept in a file, where it is whole and to this question.
    fn read(text: &[u8], question: &str) -> Option<Self> {
        let (sum, whole) = next_line(text)?;
        let (asked, rest) = next_line(whole)?;
        (asked == question.as_bytes() && sha256_hex(whole).as_bytes() == sum).then_some(())?;
        let (head, mut rest) = next_line(rest)?;
        let (boot, count) = str::from_utf8(head).ok()?.split_once(' ')?;
        let mut lines = Vec::new();
        for _ in 0..count.parse::<usize>().ok()? {
            let (line, more) = next_line(rest)?;
            lines.push(str::from_utf8(line).ok()?);
            rest = more;
        }
        Some(Self { boot: boot.to_owned(), lines: lines.join("\n"), answer: rest.to_vec() })
    }
}

/// What a host says of all that answers hang on.
#[derive(Debug)]
pub(super) struct Said<'a> {
    boot: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Said<'a> {
    /// Reads the answer to the question about paths, which begins with the boot and then has a line of stat(1) for each of so
    /// many files; what stands behind the boot's line is given back.
    pub(super) fn read(answer: &'a [u8], count: usize) -> (Self, &'a [u8]) {
        let (boot, rest) = next_line(answer).unwrap_or_default();
        let boot = str::from_utf8(boot).unwrap_or_default();
        let lines = rest.split(|&byte| byte == b'\n').take(count);
        let lines = lines.filter_map(|line| str::from_utf8(line).ok()).collect();
        (Self { boot, lines }, rest)
    }

    /// The line about a file.
    fn line(&self, path: &str) -> Option<&'a str> {
        let about = |line: &&&str| stat_about(line.as_bytes()) == Some(path.as_bytes());
        self.lines.iter().find(about).copied()
    }
}

/// An answer's first lines that begin with `= `, the line behind them, and what stands behind that.
fn parts(answer: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let mut rest = answer;
    loop {
        let (line, more) = next_line(rest).unwrap_or_default();
        if !line.starts_with(b"= ") {
            return (&answer[..answer.len() - rest.len()], line, more);
        }
        rest = more;
    }
}

/// When a regular file or a folder was changed last, in seconds of the host's clock, by a line of stat(1). Where times have
/// no fractions they are of an image, or made up.
fn touched(line: &str) -> Option<u64> {
    let (_, about) = line.split_once(" s ")?;
    let exact = ctime(line)?.1.bytes().any(|byte| byte != b'0');
    // The first digit of st_mode in base 16 (inode(7)).
    (exact && about.starts_with(['4', '8'])).then(|| seconds(line)).flatten()
}

/// The ctime before a line of stat(1) (`DEVICE:INODE:SECONDS.FRACTION`), in whole seconds.
fn seconds(line: &str) -> Option<u64> {
    ctime(line)?.0.parse().ok()
}

fn ctime(line: &str) -> Option<(&str, &str)> {
    line.split(' ').next()?.splitn(3, ':').nth(2)?.split_once('.')
}

/// Whether an answer may be kept: it is not too large, and hangs on nothing besides. Lines that begin so were made from other
/// things too, or say that it could not be made.
fn lasts(answer: &[u8]) -> bool {
    let mut lines = answer.split(|&byte| byte == b'\n');
    answer.len() <= BYTES_MAX && !lines.any(|line| line.starts_with(b"@") || line.starts_with(b"!"))
}

/// What a file holds, where nobody else could have put it there.
fn trusted(file: &Path) -> Option<Vec<u8>> {
    // Who may write to the folder could give one host's answer to another.
    let folder = symlink_metadata(file.parent()?).ok()?;
    (folder.is_dir() && own::is_ours(&folder)).then_some(())?;
    let opened = own::open(OpenOptions::new().read(true), file).ok()??;
    let most = (BYTES_MAX + HEAD_MAX) as u64;
    let mut text = Vec::new();
    // One that was cut is not whole.
    opened.take(most).read_to_end(&mut text).ok()?;
    Some(text)
}

#[expect(clippy::disallowed_methods, reason = "tests look at the files")]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::model::Connection;

    const GROUNDS: [&str; 2] = ["/a", "/b"];
    const SAID: &[u8] = b"123e4567-e89b-12d3-a456-426614174000\n\
        1:2:90.000000001 s 81a4 0 0 3 1 root root /a\n1:4:97.9 s 41ed 0 0 5 1 root root /b\n\
        9:9:100.5 s 416d 0 0 0 9 root root /proc/self/\ns 41ed 0 0 9 3 root root /etc";
    const LINES: &str =
        "1:2:90.000000001 s 81a4 0 0 3 1 root root /a\n1:4:97.9 s 41ed 0 0 5 1 root root /b";
    const ANSWER: &[u8] = b"a:all\tinstalled\t1\tinstall";

    fn host() -> Host {
        let name = "web1".to_owned();
        Host { address: name.clone(), name, groups: Vec::new(), connection: Connection::default() }
    }

    fn from(answer: &[u8]) -> Vec<u8> {
        [b"@from\n", answer].concat()
    }

    #[test]
    fn an_answer_stands_for_its_question_alone() {
        let folder = tempfile::tempdir().unwrap();
        let host = host();
        let keeps = Keeps { folder: folder.path(), host: &host };
        let of = |question: &[u8]| Standing::on(keeps, question, &GROUNDS);
        let (said, _) = Said::read(SAID, 3);
        let first = of(b"packages a");
        assert_eq!((first.told(), first.whole(b"@same")), (["", ""], None), "none is kept");
        assert_eq!(first.whole(&from(ANSWER)).as_deref(), Some(ANSWER));
        first.keep(&from(ANSWER), None, |_| true);
        assert_eq!(of(b"packages a").told(), ["", ""], "nobody said what it hangs on");
        first.keep(&from(ANSWER), Some(&said), |answer| answer != ANSWER);
        assert_eq!(of(b"packages a").told(), ["", ""], "it may not be");
        first.keep(ANSWER, Some(&said), |_| true);
        assert_eq!(of(b"packages a").told(), ["", ""], "nobody asked for it");
        first.keep(&from(ANSWER), Some(&said), |_| true);
        let next = of(b"packages a");
        assert_eq!(next.told(), ["123e4567-e89b-12d3-a456-426614174000", LINES]);
        assert_eq!(next.whole(b"@same").as_deref(), Some(ANSWER));
        let all = [ANSWER, b"\n@login"].concat();
        assert_eq!(next.whole(b"@same\n@login"), Some(all), "another login");
        let all = [b"= boot 1\n= lock x\n", ANSWER].concat();
        assert_eq!(next.whole(b"= boot 1\n= lock x\n@same"), Some(all), "hangs on more");
        assert_eq!(next.whole(b"!").as_deref(), Some(&b"!"[..]));
        assert_eq!(of(b"packages a b").told(), ["", ""]);
        // What is not whole is not believed.
        let text = fs::read(&next.file).unwrap();
        for end in 0..text.len() {
            fs::write(&next.file, &text[..end]).unwrap();
            assert_eq!(of(b"packages a").told(), ["", ""], "{end}");
        }
        // What somebody else may write is not either.
        fs::write(&next.file, &text).unwrap();
        assert_eq!(of(b"packages a").told()[1], LINES);
        let allow =
            |mode| fs::set_permissions(&next.file, fs::Permissions::from_mode(mode)).unwrap();
        allow(0o660);
        assert_eq!(of(b"packages a").told(), ["", ""]);
        allow(0o600);
        fs::rename(&next.file, folder.path().join("other")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("other"), &next.file).unwrap();
        assert_eq!(of(b"packages a").told(), ["", ""]);
        fs::remove_file(&next.file).unwrap();
        fs::write(&next.file, String::from_utf8(text).unwrap().replace("installed", "gone"))
            .unwrap();
        assert_eq!(of(b"packages a").told(), ["", ""]);
        first.keep(&from(ANSWER), Some(&said), |_| true);
        let file = next.file.clone();
        assert!(file.exists());
        next.forget();
        assert!(!file.exists());
    }

    #[test]
    fn what_was_just_touched_or_is_no_file_is_nothing_to_keep_by() {
        let folder = tempfile::tempdir().unwrap();
        let host = host();
        let keeps = Keeps { folder: folder.path(), host: &host };
        let standing = Standing::on(keeps, b"", &GROUNDS);
        let text = str::from_utf8(SAID).unwrap();
        let state = |standing: &Standing, text: &str| {
            let (said, _) = Said::read(text.as_bytes(), 3);
            standing.state(&said).map(|(_, lines)| lines)
        };
        assert_eq!(state(&standing, text).as_deref(), Some(LINES));
        let there = "1:4:97.9 s 41ed 0 0 5 1 root root /b";
        for (from, to) in [
            ("97.9", "98.0"),
            ("97.9", "98.5"),
            ("100.5", "99.5"),
            ("9:9:100.5 s 416d 0 0 0 9 root root /proc/self/\n", ""),
            (there, ""),
            ("1:4:97.9 s 41ed", "1:4:97.9 s a1ff"),
            ("1:4:97.9 s 41ed", "s 41ed"),
            ("97.9", ""),
            ("97.9", "97"),
            ("97.9", "97.000000000"),
            ("97.9", "18446744073709551615.9"),
            ("123e4567-e89b-12d3-a456-426614174000", "unknown"),
            ("root root /b", &format!("root {} /b", "x".repeat(LINES_MAX))),
        ] {
            assert!(text.contains(from));
            assert_eq!(state(&standing, &text.replace(from, to)), None, "{from} {to}");
        }
        // What a host remembers may lack one of its files.
        let grounds = GROUNDS.map(str::to_owned).into();
        let memory = Standing { grounds, ..Standing::memory(keeps, "/m") };
        let missing = "stat: cannot statx '/b': No such file or directory";
        let fewer = text.replace(there, missing);
        assert_eq!(state(&standing, &fewer), None);
        assert!(state(&memory, &fewer).is_some_and(|lines| lines.ends_with(missing)));
        let none = text.lines().map(|line| match stat_about(line.as_bytes()) {
            Some(b"/a" | b"/b") => missing.replace("/b", "/a"),
            _ => line.to_owned(),
        });
        let none = none.collect::<Vec<_>>().join("\n");
        assert_eq!(state(&memory, &none.replacen("/a", "/b", 1)), None, "it is elsewhere");
        let denied = fewer.replace("No such file or directory", "Permission denied");
        assert_eq!(state(&memory, &denied), None);
    }

    #[test]
    fn what_hangs_on_more_is_not_kept() {
        assert!(lasts(ANSWER));
        for more in [&b"\n@candidates\n"[..], b"\n!\n", b"\n@login"] {
            assert!(!lasts(&[ANSWER, more].concat()));
        }
        assert!(!lasts(&vec![b'x'; BYTES_MAX + 1]));
    }
}
