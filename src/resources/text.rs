//! A text file that somebody else made, and of which a part is edited: what `line` and `block` share.
//! All that is not that part stays, byte for byte.

use regex::bytes::Regex;
use toml::Spanned;

use super::answers::Answers;
use super::input::{Presence, parent};
use super::path::{self, FileKind, Meta};
use super::{Back, Claim, Input, Inverse, STEP_SECONDS, Subject, Verdict, Work};
use crate::model::{Action, Attribute, Body, Change, Diagnostic};
use crate::shell::{Script, Step};

/// The file as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    Absent,
    File { meta: Meta, body: Body },
    Other(FileKind),
}

/// A type that edits a part of a file.
pub(super) trait Edit {
    /// What it is called: "the line".
    const WHAT: &'static str;

    fn path(&self) -> &str;
    fn state(&self) -> Presence;

    /// The content after the edit, and what a reader must know of it.
    ///
    /// # Errors
    /// When the file is such that it cannot be edited.
    fn edited(&self, body: &Body) -> Result<(Body, Option<String>), String>;

    /// A mark that is in the file once.
    fn mark(&self) -> Option<String> {
        None
    }
}

/// Where something new goes.
#[derive(Debug, Default)]
pub(super) enum Position {
    #[default]
    End,
    Start,
    /// After the last line that it finds.
    After(Regex),
    /// Before the first line that it finds.
    Before(Regex),
}

/// The keys of a table that say where something new goes.
pub(super) struct Anchors<'t> {
    pub(super) after: &'t Option<Spanned<String>>,
    pub(super) before: &'t Option<Spanned<String>>,
    pub(super) at: &'t Option<Spanned<Edge>>,
}

/// An end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Edge {
    Start,
    End,
}

impl Anchors<'_> {
    /// The one position that they say.
    pub(super) fn read(&self, input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Position {
        let spans = [
            self.after.as_ref().map(|key| input.span(key)),
            self.before.as_ref().map(|key| input.span(key)),
            self.at.as_ref().map(|key| input.span(key)),
        ];
        let mut given = spans.into_iter().flatten();
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            found.push(
                Diagnostic::at(second, "there is one place for it")
                    .label("either `insert_after`, `insert_before` or `insert_at`")
                    .related(first, "already given here"),
            );
        }
        let read = |text: &Option<Spanned<String>>, found: &mut Vec<Diagnostic>| {
            text.as_ref().and_then(|text| pattern(input, text, found))
        };
        if let Some(regex) = read(self.after, found) {
            return Position::After(regex);
        }
        if let Some(regex) = read(self.before, found) {
            return Position::Before(regex);
        }
        match self.at.as_ref().map(Spanned::get_ref) {
            Some(Edge::Start) => Position::Start,
            _ => Position::End,
        }
    }
}

/// A regular expression that a key gives.
pub(super) fn pattern(
    input: &Input<'_>,
    text: &Spanned<String>,
    found: &mut Vec<Diagnostic>,
) -> Option<Regex> {
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
}

/// A content as lines, each with its line break.
#[derive(Debug, Clone)]
pub(super) struct Lines<'b> {
    pub(super) all: Vec<&'b [u8]>,
    /// What ends a new line: as the first one ends.
    pub(super) end: &'static str,
}

impl<'b> Lines<'b> {
    pub(super) fn of(body: &'b Body) -> Self {
        let bytes = body.bytes().map(AsRef::as_ref).unwrap_or_default();
        let all: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        let end =
            if all.first().is_some_and(|line| line.ends_with(b"\r\n")) { "\r\n" } else { "\n" };
        Self { all, end }
    }

    /// The content with `new`, whole lines, where `position` says; and whether that was found. A file
    /// that ended without a line break gets one before what comes behind it.
    pub(super) fn with(&self, new: &[u8], position: &Position) -> (Vec<u8>, bool) {
        let found = |regex: &Regex, line: &[u8]| regex.is_match(bare(line));
        let at = match position {
            Position::Start => Some(0),
            Position::End => Some(self.all.len()),
            Position::After(regex) => {
                self.all.iter().rposition(|line| found(regex, line)).map(|at| at + 1)
            }
            Position::Before(regex) => self.all.iter().position(|line| found(regex, line)),
        };
        let (before, after) = self.all.split_at(at.unwrap_or(self.all.len()));
        let mut whole = before.concat();
        if !whole.is_empty() && !whole.ends_with(b"\n") {
            whole.extend_from_slice(self.end.as_bytes());
        }
        whole.extend_from_slice(new);
        whole.extend(after.concat());
        (whole, at.is_some())
    }
}

/// The first line of a text without its line break, and what comes behind it.
#[must_use]
pub fn next_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let at = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    Some((&text[..at], text.get(at + 1..).unwrap_or_default()))
}

/// A line without its line break.
pub(super) fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What is said where an anchor is not there.
pub(super) fn missed(position: &Position) -> Option<String> {
    let key = match position {
        Position::After(_) => "insert_after",
        Position::Before(_) => "insert_before",
        Position::Start | Position::End => return None,
    };
    Some(format!("`{key}` finds no line: it goes to the end"))
}

pub(super) fn claims(edit: &impl Edit) -> Vec<Claim> {
    vec![Claim::Edit { path: edit.path().to_owned(), mark: edit.mark() }]
}

pub(super) fn wants(edit: &impl Edit) -> Vec<Subject> {
    vec![Subject::Path(edit.path().to_owned())]
}

pub(super) fn probe(items: &[&impl Edit], script: &mut Script) {
    let mut paths: Vec<&str> = items.iter().map(|edit| edit.path()).collect();
    paths.sort_unstable();
    paths.dedup();
    path::ask_texts(&paths, script);
}

pub(super) fn observe(items: &[&impl Edit], answer: &[u8]) -> Vec<Result<Observed, String>> {
    let answers = Answers::read(answer);
    items.iter().map(|edit| file(&answers, edit.path())).collect()
}

/// What stands at a path, with its content.
pub(super) fn file(answers: &Answers<'_>, path: &str) -> Result<Observed, String> {
    let Some(meta) = answers.meta(path)? else { return Ok(Observed::Absent) };
    if meta.kind != FileKind::Regular {
        return Ok(Observed::Other(meta.kind));
    }
    match answers.content(path, meta.size)? {
        Some(body) if body.bytes().is_some() => Ok(Observed::File { meta: meta.clone(), body }),
        Some(body) => Err(format!(
            "{path} has {} bytes, more than the {} that are edited",
            body.size(),
            path::CONTENT_MAX
        )),
        None => Err("the host did not send its content".into()),
    }
}

pub(super) fn diff<E: Edit>(desired: &E, observed: &Observed) -> Verdict {
    let (path, present) = (desired.path(), desired.state() == Presence::Present);
    let (meta, body) = match observed {
        Observed::Other(kind) => {
            return Verdict::Refused(format!("{path} is {}, not a file", kind.word()));
        }
        Observed::Absent if !present => return Verdict::Same("the file is not there".into()),
        Observed::Absent => (None, Body::of([])),
        Observed::File { meta, body } => (Some(meta), body.clone()),
    };
    let (edited, note) = match desired.edited(&body) {
        Ok(edited) => edited,
        Err(why) => return Verdict::Refused(why),
    };
    if meta.is_some() && edited.digest() == body.digest() {
        let not = if present { "" } else { "not " };
        return Verdict::Same(format!("{} is {not}there", E::WHAT));
    }
    let note = std::iter::once(format!("in {path}")).chain(note).collect::<Vec<_>>().join("\n");
    let content = Attribute::content(Some(body), Some(edited));
    let then = Change::new(Action::Update, vec![content]);
    match meta {
        None => Verdict::Blocked {
            need: Some(Subject::Path(path.to_owned())),
            message: format!(
                "{path} does not exist: declare it too, as [file.{path:?}] without a content"
            ),
            then: then.note(format!("in {path}")),
        },
        Some(meta) if meta.links > 1 => Verdict::Refused(path::hard_links(path, meta.links)),
        Some(_) => Verdict::Change(then.note(note)),
    }
}

/// The whole file goes back, since nobody knows which of its lines somebody meant.
pub(super) fn inverse(path: &str, observed: &Observed, change: &Change) -> Inverse {
    let back = match observed {
        Observed::File { body, .. } => Back::to("file", path, []).kept(Some(body)),
        _ => Back::gone("file", path),
    };
    Inverse::of(back.leaving_all(change))
}

pub(super) fn predict(desired: &impl Edit, observed: &Observed) -> Observed {
    let (meta, body) = match observed {
        Observed::File { meta, body } => (meta.clone(), body.clone()),
        Observed::Absent if desired.state() == Presence::Present => {
            (path::fresh(FileKind::Regular, super::input::Mode(0o644)), Body::of([]))
        }
        other => return other.clone(),
    };
    match desired.edited(&body) {
        Ok((body, _)) => Observed::File { meta, body },
        Err(_) => observed.clone(),
    }
}

/// One step for neighbours in one file: it is read, edited here and put in whole while it is still as it was.
pub(super) fn steps<R>(work: &[Work<'_, R>]) -> Vec<(Vec<usize>, Step)>
where
    R: super::Resource<Desired = R, Observed = Observed> + Edit,
{
    let mut steps = Vec::new();
    let mut at = 0;
    for edits in work.chunk_by(|one, other| one.desired.path() == other.desired.path()) {
        steps.push(((at..at + edits.len()).collect(), step(edits)));
        at += edits.len();
    }
    steps
}

/// Each edit was made from what the one before it leaves, so the last one has all of them.
fn step<R>(edits: &[Work<'_, R>]) -> Step
where
    R: super::Resource<Desired = R, Observed = Observed> + Edit,
{
    let (first, last) = (&edits[0], &edits[edits.len() - 1]);
    let empty = Body::of([]);
    let body = |work: &Work<'_, R>| match work.observed {
        Observed::File { body, .. } => body.clone(),
        // A file before it is about to be made.
        _ => empty.clone(),
    };
    let seen = match first.observed {
        Observed::File { meta, .. } if !meta.seen.is_empty() => meta.seen.as_str(),
        _ => "-",
    };
    let seconds = edits.iter().filter_map(|work| work.timeout).max().unwrap_or(STEP_SECONDS);
    let path = first.desired.path();
    let mut script = Script::new();
    match last.desired.edited(&body(last)) {
        Err(why) => {
            script.text("fail").arg(why);
            Step::new(script)
        }
        Ok((edited, _)) => {
            script.text("put").args([path, seen, body(first).digest()]);
            script.args(["-", "", "", &seconds.to_string(), ""]);
            Step::inside(script, parent(path)).reading(Some(edited))
        }
    }
}
