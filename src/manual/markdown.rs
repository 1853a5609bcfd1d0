//! docs/resources.md: the pages of all resource types in one.

use std::fmt::Write as _;

use super::page::{self, Body, Key, Page};
use crate::resources::REGISTRY;

const HEAD: &str = "# Resource types

Made by `cargo xtask docs` from the types themselves: what is changed here by hand is lost. On a terminal:
`trueup doc`, `trueup doc TYPE`. A string may hold expressions, and every other value may be a string that
is one expression; see the [language](language.md#expressions).
";

/// The page of all resource types.
#[must_use]
pub fn reference() -> String {
    let mut kinds: Vec<_> = REGISTRY.to_vec();
    kinds.sort_by_key(|kind| kind.name());
    let mut text = HEAD.to_owned();
    text.push_str("\n## Keys of every resource\n\n");
    keys(&mut text, &page::shared());
    for kind in kinds {
        one(&mut text, &page::resource(kind));
    }
    text
}

/// One type.
fn one(text: &mut String, page: &Page) {
    let _ = write!(text, "\n## `{}`\n\n{}.\n", page.name, page.summary);
    for section in &page.sections {
        text.push('\n');
        match &section.body {
            Body::Text(words) => {
                let (written, rest) = words.split_once(':').unwrap_or(("", words));
                let _ = writeln!(text, "`{written}`:{rest}");
            }
            Body::Lines(lines) => lines.iter().for_each(|line| {
                let _ = writeln!(text, "{line}");
            }),
            Body::Keys(list) => keys(text, list),
            Body::Toml(example) => {
                let _ = writeln!(text, "```toml\n{example}\n```");
            }
        }
    }
}

/// A table of keys.
fn keys(text: &mut String, keys: &[Key]) {
    text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
    for Key { name, kind, default, required, meaning } in keys {
        let default = match default {
            Some(default) => format!("`{default}`"),
            None if *required => "needed".to_owned(),
            None => "–".to_owned(),
        };
        let cells = [format!("`{name}`"), kind.clone(), default, meaning.clone()];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}
