//! One line in a file that somebody else owns: there, or not there. It never touches another line
//! than the ones that it names.

use regex::bytes::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::input::{Presence, absolute_path, parent};
use super::path::{self, Answers, FileKind, Meta};
use super::{About, Input, Needs, Resource, STEP_SECONDS, Subject, Verdict, Work};
use crate::model::{Action, Attribute, Body, Change, Diagnostic};
use crate::shell::{Script, Step};

/// `[line.NAME]`
#[derive(Debug)]
pub(super) struct Line {
    path: String,
    state: Presence,
    text: String,
    /// Lines that this one stands for: the last of them is replaced, or all are removed.
    matching: Option<Regex>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether the line is there; with "absent" all lines that `match` finds, or that equal `line`, are removed.
    #[serde(default)]
    state: Presence,
    /// The file, an absolute path: it must be there and have at most 1 MiB.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// The line, without its line break; it is added at the end where `match` finds none.
    #[schemars(with = "Option<String>")]
    line: Option<Spanned<String>>,
    /// A regular expression: unless `line` is there already, the last line that it finds is replaced by it.
    #[schemars(with = "Option<String>")]
    r#match: Option<Spanned<String>>,
}

/// The file that the line is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    Absent,
    File { meta: Meta, body: Body },
    Other(FileKind),
}

/// Shown by the manual.
const EXAMPLES: &[&str] = &[r#"[line.swappiness]
path = "/etc/sysctl.conf"
match = '^#?vm\.swappiness'
line = "vm.swappiness = 10"
"#];

impl Resource for Line {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "line";
    const ABOUT: About = About::of::<Table>(
        "One line in a file that somebody else made",
        "free and stands in addresses alone",
    )
    .notes("All other lines stay.")
    .examples(EXAMPLES);
    const LIBRARY: &'static [&'static str] = &[path::LIBRARY];
    const NEEDS: Needs = Needs::Folder;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a line resource")?;
        let mut found = Vec::new();
        if let Err(why) = absolute_path(table.path.get_ref()) {
            found.push(Diagnostic::at(input.span(&table.path), why.to_owned()));
        }
        match &table.line {
            Some(line) if line.get_ref().contains(['\n', '\r']) => {
                found.push(Diagnostic::at(input.span(line), "a line holds no line break"));
            }
            None if table.state == Presence::Present => found.push(
                Diagnostic::at(input.header, "a line needs `line`").label("`line` is missing here"),
            ),
            None if table.r#match.is_none() => found.push(Diagnostic::at(
                input.header,
                "a line that is absent needs `line` or `match`",
            )),
            _ => {}
        }
        let matching = table.r#match.as_ref().and_then(|text| {
            let regex = Regex::new(text.get_ref());
            regex
                .map_err(|error| {
                    let why = error.to_string();
                    let why = why.lines().last().unwrap_or_default();
                    let why = why.trim_start_matches("error: ");
                    let message = format!("not a regular expression: {why}");
                    found.push(Diagnostic::at(input.span(text), message));
                })
                .ok()
        });
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self {
            path: table.path.into_inner(),
            state: table.state,
            text: table.line.map(Spanned::into_inner).unwrap_or_default(),
            matching,
        })
    }

    fn subject(desired: &Self) -> &str {
        &desired.path
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        vec![Subject::Path(desired.path.clone())]
    }

    fn probe(items: &[&Self], script: &mut Script) {
        let mut paths: Vec<&str> = items.iter().map(|line| line.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        path::ask_stat(paths.iter().copied(), script);
        path::ask_texts(&paths, script);
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let answers = Answers::read(answer);
        items
            .iter()
            .map(|line| {
                let Some(meta) = answers.meta(&line.path)? else { return Ok(Observed::Absent) };
                if meta.kind != FileKind::Regular {
                    return Ok(Observed::Other(meta.kind));
                }
                match answers.content(&line.path, meta.size)? {
                    Some(body) if body.bytes.is_some() => {
                        Ok(Observed::File { meta: meta.clone(), body })
                    }
                    Some(body) => Err(format!(
                        "{} has {} bytes, more than the {} that lines are edited in",
                        line.path,
                        body.size,
                        path::CONTENT_MAX
                    )),
                    None => Err("the host did not send its content".into()),
                }
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        match observed {
            Observed::Other(kind) => {
                Verdict::Refused(format!("{} is {}, not a file", desired.path, kind.word()))
            }
            Observed::Absent if desired.state == Presence::Absent => {
                Verdict::Same("the file is not there".into())
            }
            Observed::Absent => {
                let then = Change::new(Action::KnownAfter, Vec::new())
                    .note(format!("in {}: + {}", desired.path, desired.text));
                let message = format!(
                    "{} does not exist; a line is put into a file that is there",
                    desired.path
                );
                let need = Some(Subject::Path(desired.path.clone()));
                Verdict::Blocked { need, message, then }
            }
            Observed::File { meta, body } => {
                let edited = desired.edited(body);
                if edited.digest == body.digest {
                    return Verdict::Same(
                        match desired.state {
                            Presence::Present => "the line is there",
                            Presence::Absent => "the line is not there",
                        }
                        .into(),
                    );
                }
                if meta.links > 1 {
                    return Verdict::Refused(format!(
                        "{} has {} hard links; a new content would part it from the others",
                        desired.path, meta.links
                    ));
                }
                let content = Attribute::content(Some(body.clone()), Some(edited));
                Verdict::Change(
                    Change::new(Action::Update, vec![content]).note(format!("in {}", desired.path)),
                )
            }
        }
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        match observed {
            Observed::File { meta, body } => {
                Observed::File { meta: meta.clone(), body: desired.edited(body) }
            }
            other => other.clone(),
        }
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], step(work))).collect()
    }
}

impl Line {
    /// Whether `line` (without its line break) is this line or one that it stands for.
    fn selects(&self, line: &[u8]) -> bool {
        line == self.text.as_bytes() && (self.matching.is_none() || !self.text.is_empty())
            || self.matching.as_ref().is_some_and(|regex| regex.is_match(line))
    }

    /// The content after the edit. A line that is there already stays where it is; else the last one
    /// that `match` finds is replaced; else it is added at the end. A file that ended without a line
    /// break gets one before the new line.
    fn edited(&self, body: &Body) -> Body {
        let bytes = body.bytes.as_deref().unwrap_or_default();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        let bare = |line: &&[u8]| -> Vec<u8> {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            line.strip_suffix(b"\r").unwrap_or(line).to_vec()
        };
        if self.state == Presence::Absent {
            let kept: Vec<&[u8]> =
                lines.into_iter().filter(|line| !self.selects(&bare(line))).collect();
            return Body::of(kept.concat());
        }
        if lines.iter().any(|line| bare(line) == self.text.as_bytes()) {
            return body.clone();
        }
        let found = self
            .matching
            .as_ref()
            .and_then(|regex| lines.iter().rposition(|line| regex.is_match(&bare(line))));
        let mut new = Vec::with_capacity(bytes.len() + self.text.len() + 2);
        for (index, line) in lines.iter().enumerate() {
            if Some(index) == found {
                new.extend_from_slice(self.text.as_bytes());
                new.extend_from_slice(&line[bare(line).len()..]);
            } else {
                new.extend_from_slice(line);
            }
        }
        if found.is_none() {
            if !new.is_empty() && !new.ends_with(b"\n") {
                new.push(b'\n');
            }
            new.extend_from_slice(self.text.as_bytes());
            new.push(b'\n');
        }
        Body::of(new)
    }
}

fn step(work: &Work<'_, Line>) -> Step {
    let mut script = Script::new();
    let Observed::File { meta, body } = work.observed else {
        script.text("fail").arg("the file is not there");
        return Step::new(script);
    };
    let seen = if meta.seen.is_empty() { "-" } else { &meta.seen };
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    script
        .text("put")
        .args([&work.desired.path, seen, &body.digest])
        .args(["-", "", "", &seconds, ""]);
    Step::inside(script, parent(&work.desired.path)).reading(work.desired.edited(body).bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(state: Presence, line: &str, matching: Option<&str>) -> Line {
        Line {
            path: "/f".into(),
            state,
            text: line.into(),
            matching: matching.map(|regex| Regex::new(regex).unwrap()),
        }
    }

    fn edit(line: &Line, text: &str) -> String {
        let body = line.edited(&Body::of(text.as_bytes()));
        String::from_utf8(body.bytes.unwrap().to_vec()).unwrap()
    }

    #[test]
    fn adds_replaces_and_keeps() {
        let present = line(Presence::Present, "a=1", Some("^#?a="));
        for (before, after) in [
            ("", "a=1\n"),
            ("x\n", "x\na=1\n"),
            ("x", "x\na=1\n"),
            ("#a=0\na=2\nb\n", "#a=0\na=1\nb\n"),
            ("a=1\na=2\n", "a=1\na=2\n"),
            ("a=2\r\nb\r\n", "a=1\r\nb\r\n"),
            ("a=2", "a=1"),
        ] {
            assert_eq!(edit(&present, before), after, "{before:?}");
            assert_eq!(edit(&present, after), after, "twice: {before:?}");
        }
    }

    #[test]
    fn removes_what_it_names() {
        let gone = line(Presence::Absent, "a=1", None);
        assert_eq!(edit(&gone, "a=1\nb\na=1\r\na=10\n"), "b\na=10\n");
        let gone = line(Presence::Absent, "", Some("^a"));
        assert_eq!(edit(&gone, "\nab\nb\n"), "\nb\n");
    }
}
