//! Draws mistakes: the message, the place, the text itself underlined, and what to do.

use std::fmt::Write as _;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::Style;
use super::escape::visible;
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
    for mistake in mistakes {
        let _ = writeln!(text, "{}\n", one(&renderer, mistake, &file));
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
        let (path, source) = file(id);
        if mistake.sensitive {
            for label in labels().filter(|label| label.span.file == id) {
                let before = &source[..range(label, source).start];
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
                let origin = Origin::path(path.clone()).line(line).char_column(column);
                group = group.element(origin);
            }
            continue;
        }
        let mut snippet = Snippet::source(source).path(path).line_start(1).fold(true);
        for label in labels().filter(|label| label.span.file == id) {
            let kind = if mistake.primary.as_ref() == Some(label) {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let annotation = kind.span(range(label, source));
            snippet = snippet.annotation(if label.text.is_empty() {
                annotation
            } else {
                annotation.label(visible(&label.text))
            });
        }
        group = group.element(snippet);
    }
    for help in &mistake.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    renderer.render(&[group])
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
