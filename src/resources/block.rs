//! A block of lines in a file that somebody else owns, between two lines that mark it. It never touches
//! what is not between its markers.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::content::Given;
use super::input::{Presence, absolute_path};
use super::record::{absent, text as text_of};
use super::text::{self, Anchors, Edge, Edit, Lines, Observed, Position, bare};
use super::{
    About, Claim, Input, Inverse, Parting, Record, Resource, Subject, Verdict, Work, access, path,
};
use crate::model::{Body, Change, Diagnostic, WayIn};
use crate::shell::{Script, Step};

/// What stands between the comment sign and the name in the markers.
const BEGIN: &str = "BEGIN trueup block";
const END: &str = "END trueup block";

/// `[block.NAME]`
#[derive(Debug)]
pub(super) struct Block {
    path: String,
    state: Presence,
    name: String,
    comment: String,
    comment_end: String,
    content: Body,
    position: Position,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether the block is there; an absent one goes with its markers.
    #[serde(default)]
    state: Presence,
    /// The file, an absolute path: it must be there and have at most 1 MiB.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// The lines of the block.
    #[schemars(with = "Option<String>")]
    content: Option<Spanned<String>>,
    /// A template of the module, by its path below templates/: its rendered text is the content.
    #[schemars(with = "Option<String>")]
    template: Option<Spanned<String>>,
    /// A file of the module, such as `files/rules`: its bytes are the content.
    #[schemars(with = "Option<String>")]
    source: Option<Spanned<String>>,
    /// What makes a comment of the marker lines, in front of them; another one is another block.
    #[serde(default = "hash")]
    #[schemars(with = "String")]
    comment: Spanned<String>,
    /// What ends a comment, behind the markers, such as `-->`; nothing if absent.
    #[schemars(with = "Option<String>")]
    comment_end: Option<Spanned<String>>,
    /// A regular expression: a new block goes after the last line that it finds, or to the end.
    #[schemars(with = "Option<String>")]
    insert_after: Option<Spanned<String>>,
    /// A regular expression: a new block goes before the first line that it finds, or to the end.
    #[schemars(with = "Option<String>")]
    insert_before: Option<Spanned<String>>,
    /// The end of the file to which a new block goes; "end" if absent.
    #[schemars(with = "Option<Edge>")]
    insert_at: Option<Spanned<Edge>>,
}

/// The comment sign of most files.
fn hash() -> Spanned<String> {
    Spanned::new(0..0, "#".to_owned())
}

/// Shown by the manual.
const EXAMPLES: &[&str] = &[r#"[block.backends]
path = "/etc/hosts"
content = """
10.0.0.11 app1
10.0.0.12 app2
"""
"#];

impl Resource for Block {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "block";
    const FAMILY: &'static str = "text";
    const ABOUT: About = About::of::<Table>(
        "A block of lines in a file that somebody else made",
        "in its markers, the lines `# BEGIN trueup block NAME` and `# END trueup block NAME`",
    )
    .notes(
        "All other lines stay. A block that is there stays where it is. Where a marker is missing or \
         stands there twice, nothing is changed. A file that is not there is made by a `file` without \
         a content. A rollback brings the whole file back.",
    )
    .examples(EXAMPLES);
    const RETURNS: bool = true;
    const LIBRARY: &'static [&'static str] = &[path::LIBRARY, super::account::LIBRARY];
    const IN_FOLDER: bool = true;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a block resource")?;
        let mut found = Vec::new();
        if let Err(why) = absolute_path(table.path.get_ref()) {
            found.push(Diagnostic::at(input.span(&table.path), why.to_owned()));
        }
        for comment in std::iter::once(&table.comment).chain(&table.comment_end) {
            let text = comment.get_ref();
            if text.trim().is_empty() || text.chars().any(char::is_control) {
                let message = "a comment sign is one or more characters in one line";
                found.push(Diagnostic::at(input.span(comment), message));
            }
        }
        let given =
            Given { content: &table.content, template: &table.template, source: &table.source };
        let before = found.len();
        let content = given.read(input, ("a block", table.state), &mut found);
        if content.is_none() && table.state == Presence::Present && found.len() == before {
            found.push(
                Diagnostic::at(input.header, "a block needs a content")
                    .label("`content`, `template` or `source` is missing here"),
            );
        }
        let anchors = Anchors {
            after: &table.insert_after,
            before: &table.insert_before,
            at: &table.insert_at,
        };
        let position = anchors.read(input, &mut found);
        let span = [&table.content, &table.template, &table.source].into_iter().flatten().next();
        let span = span.map_or(input.header, |key| input.span(key));
        let block = Self {
            path: table.path.into_inner(),
            state: table.state,
            name: input.name.value.clone(),
            comment: table.comment.into_inner(),
            comment_end: table.comment_end.map(Spanned::into_inner).unwrap_or_default(),
            content: content.unwrap_or_else(|| Body::of([])),
            position,
        };
        if block.content.file().is_some() {
            let message =
                "a block's content has at most 1 MiB, as the files that lines are edited in";
            found.push(Diagnostic::at(span, message));
        }
        let foreign = |line: &&&[u8]| block.is_marker(bare(line));
        if let Some(line) = Lines::of(&block.content).all.iter().find(foreign) {
            let line = String::from_utf8_lossy(bare(line)).into_owned();
            let message = format!("a block's content holds no marker: `{}`", line.escape_debug());
            found.push(Diagnostic::at(span, message));
        }
        if found.is_empty() { Ok(block) } else { Err(found) }
    }

    fn subject(desired: &Self) -> &str {
        &desired.path
    }

    fn identity(desired: &Self) -> Vec<String> {
        vec![format!("block {} {}", desired.path, desired.marker(BEGIN))]
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

    fn record(desired: &Self) -> Record {
        vec![("block", desired.content.digest().to_owned())]
    }

    fn cuts(desired: &Self, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        access::path(&desired.path, change, way_in)
    }

    fn parting(desired: &Self) -> Parting {
        match desired.state {
            Presence::Absent => Parting::Nothing,
            Presence::Present => {
                let path = ("path", text_of(&desired.path));
                let comment = ("comment", text_of(&desired.comment));
                Parting::Goes(if desired.comment_end.is_empty() {
                    absent([path, comment])
                } else {
                    absent([path, comment, ("comment_end", text_of(&desired.comment_end))])
                })
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

impl Edit for Block {
    const WHAT: &'static str = "the block";

    fn path(&self) -> &str {
        &self.path
    }

    fn state(&self) -> Presence {
        self.state
    }

    fn mark(&self) -> Option<String> {
        Some(self.marker(BEGIN))
    }

    fn edited(&self, body: &Body) -> Result<(Body, Option<String>), String> {
        let lines = Lines::of(body);
        let present = self.state == Presence::Present;
        let Some((begin, end)) = self.place(&lines)? else {
            if !present {
                return Ok((body.clone(), None));
            }
            let (whole, there) = lines.with(&self.lines(lines.end), &self.position);
            let note = if there { None } else { text::missed(&self.position) };
            return Ok((Body::of(whole), note));
        };
        let mut whole = lines.all[..begin].concat();
        if present {
            whole.extend(self.lines(lines.end));
            if !lines.all[end].ends_with(b"\n") {
                whole.truncate(whole.len() - lines.end.len());
            }
        }
        whole.extend(lines.all[end + 1..].concat());
        Ok((Body::of(whole), None))
    }
}

impl Block {
    /// A line that marks it.
    fn marker(&self, word: &str) -> String {
        let gap = if self.comment_end.is_empty() { "" } else { " " };
        format!("{} {word} {}{gap}{}", self.comment, self.name, self.comment_end)
    }

    /// Whether a line marks any block with its comment sign.
    fn is_marker(&self, line: &[u8]) -> bool {
        [BEGIN, END]
            .iter()
            .any(|word| line.starts_with(format!("{} {word} ", self.comment).as_bytes()))
    }

    /// The block with its markers, whole lines.
    fn lines(&self, end: &str) -> Vec<u8> {
        let mut whole = format!("{}{end}", self.marker(BEGIN)).into_bytes();
        for line in Lines::of(&self.content).all {
            whole.extend_from_slice(bare(line));
            whole.extend_from_slice(end.as_bytes());
        }
        whole.extend(format!("{}{end}", self.marker(END)).into_bytes());
        whole
    }

    /// Its first and last line in a file; `None` when it is not there.
    fn place(&self, lines: &Lines<'_>) -> Result<Option<(usize, usize)>, String> {
        let find = |word: &str| -> Vec<usize> {
            let marker = self.marker(word);
            let all = lines.all.iter().enumerate();
            let these = all.filter(|(_, line)| bare(line).trim_ascii_end() == marker.as_bytes());
            these.map(|(at, _)| at).collect()
        };
        let (begins, ends) = (find(BEGIN), find(END));
        let why = match (begins.as_slice(), ends.as_slice()) {
            ([], []) => return Ok(None),
            (&[begin], &[end]) if begin < end => {
                let inner = lines.all[begin + 1..end].iter();
                if !inner.clone().any(|line| self.is_marker(bare(line))) {
                    return Ok(Some((begin, end)));
                }
                format!("another block is inside of it (lines {} to {})", begin + 1, end + 1)
            }
            (&[begin], &[end]) => {
                format!("it ends (line {}) before it begins (line {})", end + 1, begin + 1)
            }
            ([], ends) => format!("its first marker is missing, its last one is {}", at(ends)),
            (begins, []) => format!("its last marker is missing, its first one is {}", at(begins)),
            (begins, ends) => {
                format!("its first marker is {}, its last one {}", at(begins), at(ends))
            }
        };
        Err(format!(
            "the markers of block `{}` in {} are damaged: {why}. Mend them by hand, or remove what is \
             left of the block with its markers",
            self.name, self.path
        ))
    }
}

/// Lines, counted from one: "in line 3", "in lines 3 and 9".
fn at(lines: &[usize]) -> String {
    let numbers: Vec<String> = lines.iter().take(4).map(|line| (line + 1).to_string()).collect();
    let more = if lines.len() > 4 { " and more" } else { "" };
    let word = if lines.len() == 1 { "line" } else { "lines" };
    format!("in {word} {}{more}", numbers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(state: Presence, content: &str) -> Block {
        Block {
            path: "/f".into(),
            state,
            name: "x".into(),
            comment: "#".into(),
            comment_end: String::new(),
            content: Body::of(content.as_bytes()),
            position: Position::End,
        }
    }

    fn edit(block: &Block, text: &str) -> Result<String, String> {
        let (body, _) = block.edited(&Body::of(text.as_bytes()))?;
        Ok(String::from_utf8(body.bytes().unwrap().to_vec()).unwrap())
    }

    #[test]
    fn is_put_in_changed_and_taken_away() {
        let (one, two) = (block(Presence::Present, "a\n"), block(Presence::Present, "b\nc"));
        let gone = block(Presence::Absent, "");
        for (before, with) in [
            ("", "# BEGIN trueup block x\na\n# END trueup block x\n"),
            ("y", "y\n# BEGIN trueup block x\na\n# END trueup block x\n"),
            ("y\r\n", "y\r\n# BEGIN trueup block x\r\na\r\n# END trueup block x\r\n"),
        ] {
            assert_eq!(edit(&one, before).unwrap(), with);
            assert_eq!(edit(&one, with).unwrap(), with, "twice");
            let changed = edit(&two, with).unwrap();
            assert_eq!(edit(&two, before).unwrap(), changed);
            assert_eq!(edit(&gone, &changed).unwrap().trim_end(), before.trim_end());
        }
        let open = "# BEGIN trueup block x\nb\nc\n# END trueup block x";
        assert_eq!(edit(&two, open).unwrap(), open, "no line break at the end, as it was");
        assert_eq!(edit(&gone, "a\n").unwrap(), "a\n");
    }

    #[test]
    fn damaged_markers_are_not_touched() {
        let (begin, end) = ("# BEGIN trueup block x\n", "# END trueup block x\n");
        let other = "# BEGIN trueup block y\n# END trueup block y\n";
        for (text, why) in [
            (begin.to_owned(), "its last marker is missing, its first one is in line 1"),
            (end.to_owned(), "its first marker is missing, its last one is in line 1"),
            (format!("{end}{begin}"), "it ends (line 1) before it begins (line 2)"),
            (format!("{begin}{begin}{end}"), "its first marker is in lines 1, 2"),
            (format!("{begin}{end}{begin}{end}"), "its first marker is in lines 1, 3"),
            (format!("{begin}{other}{end}"), "another block is inside of it (lines 1 to 4)"),
        ] {
            for block in [block(Presence::Present, "a\n"), block(Presence::Absent, "")] {
                let said = edit(&block, &text).unwrap_err();
                assert!(said.contains(why), "{said}");
            }
        }
    }
}
