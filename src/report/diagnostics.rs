//! Draws mistakes: the message, the place, the text itself underlined, and what to do.

use std::fmt::Write as _;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::Style;
use super::escape::visible;
use crate::model::diagnostic::LIKE_EVERY_RESOURCE;
use crate::model::{Diagnostic, FileId, Label, Severity};

/// Draws all mistakes and counts them. `file` gives a file's shown path and its text.
pub fn render<'s>(
    style: Style,
    mistakes: &[Diagnostic],
    file: impl Fn(FileId) -> (String, &'s str),
) -> String {
    let renderer = if style.color.on() { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.unicode.on() { DecorStyle::Unicode } else { DecorStyle::Ascii };
    let renderer = renderer.decor_style(decor);
    let mut text = String::new();
    let mut told = false;
    for mistake in mistakes {
        let mut mistake = mistake.clone();
        mistake.help.retain(|help| {
            let shared = help.starts_with(LIKE_EVERY_RESOURCE);
            !(shared && std::mem::replace(&mut told, true))
        });
        let _ = writeln!(text, "{}\n", one(&renderer, &mistake, &file));
    }
    text
}

fn one<'s>(
    renderer: &Renderer,
    mistake: &Diagnostic,
    file: &impl Fn(FileId) -> (String, &'s str),
) -> String {
    let level = match mistake.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut files: Vec<FileId> = Vec::new();
    let labels = || mistake.primary.iter().chain(&mistake.related);
    for label in labels() {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    let mut group = Group::with_title(level.primary_title(visible(&mistake.message)));
    if files.is_empty() {
        // Without a place there is nothing that lines could lead to.
        let help = mistake.help.iter().flat_map(|help| ["\n  help: ".to_owned(), visible(help)]);
        let help: String = help.collect();
        return format!("{}{help}", renderer.render(&[group]));
    }
    for id in files {
        let labels: Vec<&Label> = labels().filter(|label| label.span.file == id).collect();
        let primary = mistake.primary.as_ref();
        group = if mistake.sensitive || labels.iter().all(|label| label.span.end == 0) {
            named(group, &labels, file(id))
        } else {
            group.element(snippet(&labels, primary, file(id)))
        };
    }
    if mistake.sensitive {
        let why = "what stands there is not shown: a sensitive value is in it";
        group = group.element(Level::NOTE.message(why));
    }
    for help in &mistake.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    for note in &mistake.notes {
        group = group.element(Level::NOTE.message(visible(note)));
    }
    renderer.render(&[group])
}

/// Places without what stands there: a file as a whole, or lines that are not to be shown.
fn named<'g>(mut group: Group<'g>, labels: &[&Label], (path, source): (String, &str)) -> Group<'g> {
    for label in labels {
        let mut place = path.clone();
        if label.span.end > 0 {
            let before = &source[..range(label, source).start];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
            let _ = write!(place, ":{line}:{column}");
        }
        match label.text.as_str() {
            "" if label.span.end > 0 => place.push_str(": the mistake is here"),
            "" => {}
            text => place.extend([": ", &visible(text)]),
        }
        group = group.element(Origin::path(place));
    }
    group
}

/// The lines of a file that labels point into, with each label under its place.
fn snippet<'s>(
    labels: &[&Label],
    primary: Option<&Label>,
    (path, source): (String, &'s str),
) -> Snippet<'s, Annotation<'s>> {
    let mut snippet = Snippet::source(source).path(path).line_start(1).fold(true);
    for label in labels {
        let kind =
            if primary == Some(label) { AnnotationKind::Primary } else { AnnotationKind::Context };
        let annotation = kind.span(range(label, source));
        snippet = snippet.annotation(if label.text.is_empty() {
            annotation
        } else {
            annotation.label(visible(&label.text))
        });
    }
    snippet
}

/// A label's place, inside its text and on the borders of its characters.
fn range(label: &Label, source: &str) -> std::ops::Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(source.len());
        while !source.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(label.span.start);
    start..floor(label.span.end).max(start)
}
