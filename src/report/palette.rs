//! Labels to colours, as data.

use super::Style;
use crate::model::Action;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Added,
    Removed,
    Changed,
    Trigger,
    Unknown,
    Heading,
    Quiet,
    Bad,
    /// Words that differ in an added or removed line.
    AddedWord,
    RemovedWord,
}

impl Label {
    /// The terminal's code for it (ECMA-48, SGR).
    const fn code(self) -> &'static str {
        match self {
            Self::Added => "32",
            Self::Removed => "31",
            Self::Changed => "33",
            Self::Trigger => "36",
            Self::Unknown => "35",
            Self::Heading => "1",
            Self::Quiet => "2",
            Self::Bad => "1;31",
            Self::AddedWord => "7;32",
            Self::RemovedWord => "7;31",
        }
    }

    /// How an action is marked.
    pub(super) const fn of(action: Action) -> Self {
        match action {
            Action::Create => Self::Added,
            Action::Update => Self::Changed,
            Action::Delete => Self::Removed,
            Action::Run | Action::Trigger => Self::Trigger,
            Action::KnownAfter => Self::Unknown,
        }
    }
}

/// `text` as its label is shown.
pub(super) fn paint(style: Style, label: Label, text: &str) -> String {
    if style.color.on() { format!("\x1b[{}m{text}\x1b[0m", label.code()) } else { text.to_owned() }
}
