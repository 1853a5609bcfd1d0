//! Answers that stand as long as what they were made from is as it was: kept from run to run, so that a host which says
//! that nothing of it was touched since need not be asked again. Where nothing can be kept, all is asked.

use std::fs::{DirBuilder, OpenOptions, symlink_metadata};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::config::own;
use crate::model::Host;
use crate::model::change::sha256_hex;

/// Seconds for which what an answer was made from must not have been touched: what touches it later gets another time.
const STILL: u64 = 2;

/// The most that is kept of one answer, in bytes.
const BYTES_MAX: usize = 1 << 20;
/// More than stands before it.
const HEAD_MAX: u64 = 1 << 10;

/// One answer of a host, where it may be kept.
#[derive(Debug)]
pub(super) struct Standing {
    /// Where it is kept.
    file: PathBuf,
    /// Stands for the question.
    question: String,
    /// What the host said of that from which the answer was made, and the answer.
    kept: Option<(String, Vec<u8>)>,
}

impl Standing {
    /// That to a question to a host, in a folder of this user's. The question is all that makes the answer, its shell
    /// functions too.
    pub(super) fn of(folder: &Path, host: &Host, question: &[u8]) -> Self {
        let whose = format!("{}\n{}\n{:?}", host.name, host.address, host.connection);
        let mut name = sha256_hex(whose.as_bytes());
        name.truncate(40);
        let (file, question) = (folder.join("answers").join(name), sha256_hex(question));
        let kept = trusted(&file).and_then(|text| read(&text, &question));
        Self { file, question, kept }
    }

    /// What the host is told of it: the state in which the answer that is kept was made, or nothing.
    pub(super) fn state(&self) -> &str {
        self.kept.as_ref().map_or("", |(state, _)| state)
    }

    /// The whole answer: what is kept where the host says that it stands, else what it says, which is kept then where it
    /// can be. None where it says of nothing that it stands.
    pub(super) fn whole(&self, said: &[u8]) -> Option<Vec<u8>> {
        let end = said.iter().position(|&byte| byte == b'\n').unwrap_or(said.len());
        if &said[..end] == b"@same" {
            // Behind it stands what the login may not.
            return self.kept.as_ref().map(|(_, answer)| [answer, &said[end..]].concat());
        }
        if let Some(state) = state(said) {
            // Who cannot keep it asks again.
            let _ = self.keep(&state, said);
        }
        Some(said.to_vec())
    }

    fn keep(&self, state: &str, answer: &[u8]) -> std::io::Result<()> {
        let text = [format!("{}\n{state}\n", self.question).as_bytes(), answer].concat();
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

/// What a file holds, where nobody else could have put it there.
fn trusted(file: &Path) -> Option<Vec<u8>> {
    // Who may write to the folder could give one host's answer to another.
    let folder = symlink_metadata(file.parent()?).ok()?;
    (folder.is_dir() && own::is_ours(&folder)).then_some(())?;
    let opened = own::open(OpenOptions::new().read(true), file).ok()??;
    let most = BYTES_MAX as u64 + HEAD_MAX;
    let mut text = Vec::new();
    // One that was cut is not whole.
    opened.take(most).read_to_end(&mut text).ok()?;
    Some(text)
}

/// What is kept in a file: the state and the answer, where it is whole and to this question.
fn read(text: &[u8], question: &str) -> Option<(String, Vec<u8>)> {
    let line = |text: &[u8]| {
        let end = text.iter().position(|&byte| byte == b'\n')?;
        Some((String::from_utf8(text[..end].to_vec()).ok()?, text[end + 1..].to_vec()))
    };
    let (sum, rest) = line(text)?;
    let whole = sha256_hex(&rest) == sum;
    let (asked, rest) = line(&rest)?;
    (whole && asked == question).then(|| line(&rest)).flatten()
}

/// The state that an answer says it was made from, where it may be kept. Its first line is `@from NOW BOOT STATE STATE`;
/// each STATE ends in `:` and when that was changed last, and all times are the host's, in seconds. What has more lines
/// that begin so was made from other things too. Where times have no fractions they are of an image, or made up.
fn state(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok().filter(|text| text.len() <= BYTES_MAX)?;
    let (first, rest) = text.split_once('\n')?;
    let (now, states) = first.strip_prefix("@from ")?.split_once(' ')?;
    let seconds = |time: &str| time.split('.').next()?.parse::<u64>().ok();
    let now = seconds(now)?;
    let still = |state: &str| {
        let time = state.rsplit_once(':').map_or("", |(_, time)| time);
        let exact = time.split_once('.').is_some_and(|(_, rest)| rest.bytes().any(|b| b != b'0'));
        exact && seconds(time).is_some_and(|changed| changed.saturating_add(STILL) < now)
    };
    let alone = !rest.lines().any(|line| line.starts_with(['@', '!']));
    let mut words = states.split(' ');
    let boot = words.next().is_some_and(|boot| boot.len() == 36);
    let whole = boot && words.clone().count() == 2 && words.all(still);
    (alone && whole).then(|| states.to_owned())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::model::Connection;

    const ANSWER: &[u8] =
        b"@from 100.5 123e4567-e89b-12d3-a456-426614174000 1:2:3:90.000000001 1:4:5:97.9\na:all\tinstalled\t1\tinstall";
    const STATE: &str = "123e4567-e89b-12d3-a456-426614174000 1:2:3:90.000000001 1:4:5:97.9";

    fn host() -> Host {
        let name = "web1".to_owned();
        Host { address: name.clone(), name, groups: Vec::new(), connection: Connection::default() }
    }

    #[test]
    fn an_answer_stands_for_its_question_alone() {
        let folder = tempfile::tempdir().unwrap();
        let of = |question: &[u8]| Standing::of(folder.path(), &host(), question);
        let first = of(b"packages a");
        assert_eq!((first.state(), first.whole(b"@same")), ("", None), "nothing is kept");
        assert_eq!(first.whole(ANSWER).as_deref(), Some(ANSWER));
        let next = of(b"packages a");
        assert_eq!(next.state(), STATE);
        assert_eq!(next.whole(b"@same").as_deref(), Some(ANSWER));
        let all = [ANSWER, b"\n@login"].concat();
        assert_eq!(next.whole(b"@same\n@login"), Some(all), "another login");
        assert_eq!(of(b"packages a b").state(), "");
        // What is not whole is not believed.
        let text = fs::read(&next.file).unwrap();
        for end in 0..text.len() {
            fs::write(&next.file, &text[..end]).unwrap();
            assert_eq!(of(b"packages a").state(), "", "{end}");
        }
        // What somebody else may write is not either.
        fs::write(&next.file, &text).unwrap();
        assert_eq!(of(b"packages a").state(), STATE);
        let allow =
            |mode| fs::set_permissions(&next.file, fs::Permissions::from_mode(mode)).unwrap();
        allow(0o660);
        assert_eq!(of(b"packages a").state(), "");
        allow(0o600);
        fs::rename(&next.file, folder.path().join("other")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("other"), &next.file).unwrap();
        assert_eq!(of(b"packages a").state(), "");
        fs::remove_file(&next.file).unwrap();
        fs::write(&next.file, String::from_utf8(text).unwrap().replace("installed", "gone"))
            .unwrap();
        assert_eq!(of(b"packages a").state(), "");
    }

    #[test]
    fn what_was_just_touched_or_hangs_on_more_is_not_kept() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        assert_eq!(state(ANSWER).as_deref(), Some(STATE));
        for (from, to) in [
            ("97.9", "98.0"),
            ("100.5", "99"),
            ("@from ", "@from x"),
            (" 1:4:5:97.9", ""),
            ("97.9\n", "97.9\n@candidates\n"),
            ("97.9\n", "97.9\n!\n"),
            ("97.9", ""),
            ("97.9", "97"),
            ("97.9", "97.000000000"),
            ("97.9", "18446744073709551615.9"),
            ("123e4567-e89b-12d3-a456-426614174000", "unknown"),
        ] {
            assert_eq!(state(text.replace(from, to).as_bytes()), None, "{from} {to}");
        }
    }
}
