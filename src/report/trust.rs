//! A host's key on the way to be trusted, as text.

use std::fmt::Write as _;

use super::escape::visible;

/// What became of one host.
#[derive(Debug)]
pub struct TrustView {
    pub host: String,
    pub word: &'static str,
    pub lines: Vec<String>,
}

/// The text about one host.
#[must_use]
pub fn render(view: &TrustView) -> String {
    let mut text = format!("{}  {}\n", visible(&view.host), view.word);
    for line in &view.lines {
        let _ = writeln!(text, "      {}", visible(line));
    }
    text
}
