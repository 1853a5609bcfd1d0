//! One line in a file that somebody else owns: there, or not there. It never touches another line
//! than the ones that it names.

use regex::bytes::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::input::{Presence, absolute_path};
use super::record::{absent, text as text_of};
use super::text::{self, Anchors, Edge, Edit, Lines, Observed, Position, bare};
use super::{
    About, Claim, Input, Inverse, Parting, Resource, Subject, Verdict, Work, access, path,
};
use crate::model::change::sha256_hex;
use crate::model::{Body, Change, Diagnostic, WayIn};
use crate::shell::{Script, Step};

/// `[line.NAME]`
#[derive(Debug)]
pub(super) struct Line {
    path: String,
    state: Presence,
    text: String,
    /// Lines that this one stands for: the last of them is replaced, or all are removed.
    matching: Option<Regex>,
    position: Position,
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
    /// The line, without its line break; it is added where `match` finds none.
    #[schemars(with = "Option<String>")]
    line: Option<Spanned<String>>,
    /// A regular expression: unless `line` is there already, the last line that it finds is replaced by it.
    #[schemars(with = "Option<String>")]
    r#match: Option<Spanned<String>>,
    /// A regular expression: a new line goes after the last line that it finds, or to the end.
    #[schemars(with = "Option<String>")]
    insert_after: Option<Spanned<String>>,
    /// A regular expression: a new line goes before the first line that it finds, or to the end.
    #[schemars(with = "Option<String>")]
    insert_before: Option<Spanned<String>>,
    /// The end of the file to which a new line goes; "end" if absent.
    #[schemars(with = "Option<Edge>")]
    insert_at: Option<Spanned<Edge>>,
}

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    r#"[line.swappiness]
path = "/etc/sysctl.conf"
match = '^#?vm\.swappiness'
line = "vm.swappiness = 10"
"#,
    r#"[line.hosts]
path = "/etc/nsswitch.conf"
match = '^hosts:'
line = "hosts: files dns"
insert_before = '^networks:'
"#,
];

impl Resource for Line {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "line";
    const FAMILY: &'static str = "text";
    const ABOUT: About = About::of::<Table>(
        "One line in a file that somebody else made",
        "free and stands in addresses alone",
    )
    .notes(
        "All other lines stay. A line that is there already stays where it is, wherever that is. \
         A file that is not there is made by a `file` without a content. A rollback brings \
         the whole file back.",
    )
    .examples(EXAMPLES);
    const RETURNS: bool = true;
    const LIBRARY: &'static [&'static str] = &[path::LIBRARY, super::account::LIBRARY];
    const IN_FOLDER: bool = true;

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
        let matching =
            table.r#match.as_ref().and_then(|regex| text::pattern(input, regex, &mut found));
        let anchors = Anchors {
            after: &table.insert_after,
            before: &table.insert_before,
            at: &table.insert_at,
        };
        let position = anchors.read(input, &mut found);
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self {
            path: table.path.into_inner(),
            state: table.state,
            text: table.line.map(Spanned::into_inner).unwrap_or_default(),
            matching,
            position,
        })
    }

    fn subject(desired: &Self) -> &str {
        &desired.path
    }

    /// A line may be a secret: its digest stands for it.
    fn identity(desired: &Self) -> Vec<String> {
        let digest = sha256_hex(desired.text.as_bytes());
        vec![format!("line {} {}", desired.path, &digest[..16])]
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        text::wants(desired)
    }

    fn claims(desired: &Self) -> Vec<Claim> {
        text::claims(desired)
    }

    fn paths<'d>(items: &[&'d Self]) -> Vec<&'d str> {
        items.iter().map(|edit| edit.path.as_str()).collect()
    }

    fn probe(items: &[&Self], script: &mut Script) {
        text::probe(items, script);
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        text::observe(items, answer)
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        text::diff(desired, observed)
    }

    fn cuts(desired: &Self, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        access::path(&desired.path, change, way_in)
    }

    fn parting(desired: &Self) -> Parting {
        match desired.state {
            Presence::Absent => Parting::Nothing,
            Presence::Present => {
                let keys = [("path", text_of(&desired.path)), ("line", text_of(&desired.text))];
                Parting::Goes(absent(keys))
            }
        }
    }

    fn inverse(desired: &Self, observed: &Observed, change: &Change) -> Inverse {
        text::inverse(&desired.path, observed, change)
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        text::predict(desired, observed)
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        text::steps(work)
    }
}

impl Edit for Line {
    const WHAT: &'static str = "the line";

    fn path(&self) -> &str {
        &self.path
    }

    fn state(&self) -> Presence {
        self.state
    }

    /// A line that is there already stays where it is; else the last one that `match` finds is
    /// replaced and keeps its line break; else it is added.
    fn edited(&self, body: &Body) -> Result<(Body, Option<String>), String> {
        let lines = Lines::of(body);
        if self.state == Presence::Absent {
            let all = lines.all.into_iter();
            let kept: Vec<&[u8]> = all.filter(|line| !self.selects(bare(line))).collect();
            return Ok((Body::of(kept.concat()), None));
        }
        let text = self.text.as_bytes();
        if lines.all.iter().any(|line| bare(line) == text) {
            return Ok((body.clone(), None));
        }
        let is_match =
            |line: &[u8]| self.matching.as_ref().is_some_and(|regex| regex.is_match(bare(line)));
        let Some(at) = lines.all.iter().rposition(|line| is_match(line)) else {
            let new = format!("{}{}", self.text, lines.end);
            let (whole, there) = lines.with(new.as_bytes(), &self.position);
            let note = if there { None } else { text::missed(&self.position) };
            return Ok((Body::of(whole), note));
        };
        let count = lines.all.iter().filter(|line| is_match(line)).count();
        let note =
            (count > 1).then(|| format!("`match` finds {count} lines: the last one is replaced"));
        let line = lines.all[at];
        let new = [text, &line[bare(line).len()..]].concat();
        let mut all = lines.all.clone();
        all[at] = &new;
        Ok((Body::of(all.concat()), note))
    }
}

impl Line {
    /// Whether `line` (without its line break) is this line or one that it stands for.
    fn selects(&self, line: &[u8]) -> bool {
        line == self.text.as_bytes() && (self.matching.is_none() || !self.text.is_empty())
            || self.matching.as_ref().is_some_and(|regex| regex.is_match(line))
    }
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
            position: Position::End,
        }
    }

    fn edit(line: &Line, text: &str) -> String {
        let (body, _) = line.edited(&Body::of(text.as_bytes())).unwrap();
        String::from_utf8(body.bytes().unwrap().to_vec()).unwrap()
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

    #[test]
    fn a_new_line_goes_to_its_anchor() {
        let at = |position| Line { position, ..line(Presence::Present, "new", None) };
        let regex = |text| Regex::new(text).unwrap();
        let text = "[a]\nx\n[b]\nx\n";
        for (position, after) in [
            (Position::End, "[a]\nx\n[b]\nx\nnew\n"),
            (Position::Start, "new\n[a]\nx\n[b]\nx\n"),
            (Position::After(regex("^x")), "[a]\nx\n[b]\nx\nnew\n"),
            (Position::After(regex(r"^\[a\]$")), "[a]\nnew\nx\n[b]\nx\n"),
            (Position::Before(regex("^x$")), "[a]\nnew\nx\n[b]\nx\n"),
            (Position::Before(regex("^y")), "[a]\nx\n[b]\nx\nnew\n"),
        ] {
            let line = at(position);
            assert_eq!(edit(&line, text), after, "{line:?}");
            assert_eq!(edit(&line, after), after, "twice: {line:?}");
        }
        assert_eq!(edit(&at(Position::After(regex("b"))), "a\r\nb"), "a\r\nb\r\nnew\r\n");
        assert_eq!(edit(&at(Position::Start), "a\r\n"), "new\r\na\r\n");
    }

    #[test]
    fn what_is_not_as_one_would_think_is_said() {
        let said = |line: Line, text: &str| line.edited(&Body::of(text.as_bytes())).unwrap().1;
        let present = || line(Presence::Present, "a=1", Some("^a="));
        assert_eq!(said(present(), "a=2\n"), None);
        assert_eq!(
            said(present(), "a=2\na=3\n").as_deref(),
            Some("`match` finds 2 lines: the last one is replaced")
        );
        let anchored = Line { position: Position::After(Regex::new("^x+$").unwrap()), ..present() };
        assert_eq!(
            said(anchored, "b\n").as_deref(),
            Some("`insert_after` finds no line: it goes to the end")
        );
    }
}
