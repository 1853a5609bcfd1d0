//! What stat(1) says of the paths of a host, asked once for all types that want to know. It judges nothing.

use std::collections::{BTreeSet, HashMap};

use super::input::parent;
use super::path;
use crate::shell::Script;

/// An answer about paths, by path.
#[derive(Debug, Default)]
pub struct Stats<'a> {
    lines: HashMap<&'a [u8], &'a [u8]>,
    /// Lines that name no path as it is written.
    other: Vec<&'a [u8]>,
}

impl<'a> Stats<'a> {
    /// Looks at the answer on the host itself (path.sh, `odd`), right behind the question.
    pub const ODD: &'static str = "odd \"$A\"\n";

    /// Asks what stands at `paths`, and in which folders they are; and at `grounds` before, which file that is and when it was
    /// changed last too.
    pub fn ask<'p>(paths: impl Iterator<Item = &'p str>, grounds: &[&str], script: &mut Script) {
        path::ask_stat(paths, grounds, true, script);
    }

    /// Reads the answer, and the status with which the shell ended that gave it: what stat(1) says nothing of is not there
    /// only if it ended by itself (`stat` in path.sh says the same).
    #[must_use]
    pub fn read(answer: &'a [u8], ended: u32) -> Self {
        let mut stats = Self::default();
        if ended > 1 {
            stats.other.push(b"stat did not end by itself");
        }
        for line in answer.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let line = bare(line);
            match about(line) {
                // Of a path that is told twice nothing is left out.
                Some(path) => {
                    if let Some(before) = stats.lines.insert(path, line) {
                        stats.other.push(before);
                    }
                }
                None => stats.other.push(line),
            }
        }
        stats
    }

    /// The lines about these paths and their folders, and those of which nobody knows what they are about; then `rest`.
    #[must_use]
    pub fn with(&self, paths: &[&str], rest: &[u8]) -> Vec<u8> {
        let wanted: BTreeSet<&str> = paths.iter().flat_map(|path| [*path, parent(path)]).collect();
        let lines = wanted.iter().filter_map(|path| self.lines.get(path.as_bytes()));
        let mut text = Vec::new();
        for line in lines.chain(&self.other) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text.extend_from_slice(rest);
        text
    }
}

/// The path that a line of stat(1) is about, before which may stand which file it is.
#[must_use]
pub fn stat_about(line: &[u8]) -> Option<&[u8]> {
    about(bare(line))
}

/// A line of stat(1) without which file it is.
fn bare(line: &[u8]) -> &[u8] {
    let at = line.iter().position(|&byte| byte == b' ');
    let rest = at.filter(|_| line[0].is_ascii_digit()).map_or(line, |at| &line[at + 1..]);
    if rest.starts_with(b"s ") { rest } else { line }
}

/// The path that a line of stat(1) is about: one that it knows, or one that it names in an error (GNU and busybox quote
/// an absolute path behind a space).
pub(super) fn about(line: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = line.strip_prefix(b"s ") {
        return rest.splitn(8, |&byte| byte == b' ').nth(7);
    }
    let (at, quote) = line.windows(3).enumerate().find_map(|(at, three)| match three {
        [b' ', quote @ (b'\'' | b'"'), b'/'] => Some((at + 2, *quote)),
        _ => None,
    })?;
    let end = line.windows(2).rposition(|two| two == [quote, b':'])?;
    line.get(at..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_gets_the_lines_about_its_paths() {
        let stats = Stats::read(
            b"s 41ed 0 0 9 3 root root /etc\ns 81a4 0 0 3 1 root root /etc/a b\n\
              stat: cannot statx '/etc/none': No such file or directory\nstat: killed\n",
            0,
        );
        let text = String::from_utf8(stats.with(&["/etc/a b"], b"d - /etc/a b\n")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "s 41ed 0 0 9 3 root root /etc",
                "s 81a4 0 0 3 1 root root /etc/a b",
                "stat: killed",
                "d - /etc/a b"
            ]
        );
        assert!(String::from_utf8_lossy(&stats.with(&["/etc/none"], b"")).contains("No such"));
        assert!(Stats::read(b"", 1).with(&["/etc/a"], b"").is_empty());
        assert!(!Stats::read(b"", 137).with(&["/etc/a"], b"").is_empty());
    }

    #[test]
    fn errors_name_their_path() {
        let about =
            |line: &'static str| about(line.as_bytes()).map(|path| str::from_utf8(path).unwrap());
        assert_eq!(about("stat: cannot statx '/a b': No such file or directory"), Some("/a b"));
        assert_eq!(about("stat: can't stat '/a': Permission denied"), Some("/a"));
        assert_eq!(about("stat: cannot statx \"/it's\": Not a directory"), Some("/it's"));
        assert_eq!(about("stat ended with status 137"), None);
    }
}
