//! A plan as Markdown, for a merge request: the answer first, each set of hosts folded behind its heading.

use std::fmt::Write as _;

use super::plan::{block, last_line, names, troubles};
use super::{Style, Switch, closing};
use crate::model::Outcome;
use crate::plan::Document;

/// The plan as Markdown (GitHub's and GitLab's kind: `CommonMark` with `<details>`).
#[must_use]
pub fn render(style: Style, plan: &Document) -> String {
    let style = Style { color: Switch::Off, ..style };
    let mut text = String::new();
    let _ = writeln!(text, "**{}**\n", escaped(&last_line(plan)));
    let short = closing::list(style, plan);
    if !short.is_empty() {
        let _ = writeln!(text, "{}", fenced(&short, ""));
    }
    for (index, stage) in plan.stages.iter().enumerate() {
        for (hosts, changes) in plan.sets(|planned| planned.stage == index) {
            let mut inner = String::new();
            block(style, &mut inner, &hosts, (&changes, &[]));
            let summary = format!("{}: {}", stage, names(&hosts));
            let _ = writeln!(
                text,
                "<details><summary>{}</summary>\n\n{}\n</details>\n",
                html(&summary),
                fenced(&inner, "diff")
            );
        }
    }
    let mut trouble = String::new();
    troubles(style, &mut trouble, plan);
    if !trouble.is_empty() {
        let _ = writeln!(text, "{}", fenced(&trouble, ""));
    }
    let unchanged = plan.outcomes().filter(|outcome| *outcome == Outcome::Ok).count();
    if unchanged > 0 {
        let _ = writeln!(text, "{unchanged} without changes.");
    }
    text
}

/// A text in a fence that is longer than any in it.
fn fenced(text: &str, language: &str) -> String {
    let mut longest = 2;
    for line in text.lines() {
        let line = line.trim_start_matches([' ', '+', '-']);
        longest = longest.max(line.chars().take_while(|char| *char == '`').count());
    }
    let fence = "`".repeat(longest + 1);
    // A diff's marks count in the first column only.
    let shifted = text.lines().map(|line| match line.strip_prefix("      ") {
        Some(fact) if language == "diff" && fact.starts_with(['+', '-', '@']) => fact.to_owned(),
        _ => line.to_owned(),
    });
    let body: Vec<String> = shifted.collect();
    format!("{fence}{language}\n{}\n{fence}", body.join("\n").trim_end())
}

/// Text between tags.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text in a paragraph.
fn escaped(text: &str) -> String {
    html(text).replace('*', "\\*").replace('_', "\\_").replace('`', "\\`")
}
