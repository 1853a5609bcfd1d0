//! What went wrong as annotations of GitHub Actions (its workflow commands, `::error …::message`).

use super::escape::visible;
use super::plan::last_line;
use crate::model::{Diagnostic, FileId, Outcome, Severity};
use crate::plan::{Document, HostPlan, HostState, Problem};

/// One annotation.
fn annotation(level: &str, place: Option<(&str, usize)>, title: &str, message: &str) -> String {
    let mut properties = Vec::new();
    if let Some((file, line)) = place {
        properties.push(format!("file={}", property(file)));
        properties.push(format!("line={line}"));
    }
    if !title.is_empty() {
        properties.push(format!("title={}", property(title)));
    }
    format!("::{level} {}::{}\n", properties.join(","), data(message))
}

/// Text behind the colons; each line made visible before.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(visible).collect();
    lines.join("\n").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property's value.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// `file:line` in its parts.
fn place(place: &str) -> Option<(&str, usize)> {
    let (file, line) = place.rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

/// What is wrong with hosts and resources, and the answer of the plan.
#[must_use]
pub fn plan(plan: &Document) -> String {
    let hosts = plan.hosts.iter().map(|HostPlan { host, state, .. }| match state {
        HostState::Ended { outcome, message, help } => {
            let lines: Vec<&str> = help.iter().map(String::as_str).collect();
            let message = [&[message.as_str()], lines.as_slice()].concat().join("\n");
            annotation("error", None, &format!("{host} {}", outcome.word()), &message)
        }
        HostState::Compared { problems, .. } => self::problems(host, problems),
    });
    let answer = annotation("notice", None, "trueup plan", &last_line(plan));
    hosts.collect::<String>() + &answer
}

/// Problems of a host.
#[must_use]
pub fn problems(host: &str, problems: &[Problem]) -> String {
    let each = problems.iter().map(|problem| match &problem.resource {
        Some((address, at)) => {
            annotation("error", place(at), &format!("{host} {address}"), &problem.message)
        }
        None => annotation("error", None, host, &problem.message),
    });
    each.collect()
}

/// A host that did not end well, for the end of an apply.
#[must_use]
pub fn ended(host: &str, outcome: Outcome, found: &[Problem]) -> String {
    if outcome <= Outcome::Changed {
        return String::new();
    }
    if found.is_empty() {
        return annotation("error", None, host, outcome.word());
    }
    problems(host, found)
}

/// Mistakes in the project.
pub fn mistakes<'s>(found: &[Diagnostic], file: impl Fn(FileId) -> (String, &'s str)) -> String {
    let each = found.iter().map(|mistake| {
        let level = match mistake.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let label = mistake.primary.as_ref();
        let place = label.map(|label| {
            let (path, text) = file(label.span.file);
            let before = text.get(..label.span.start).unwrap_or(text);
            (path, before.matches('\n').count() + 1)
        });
        let lines = std::iter::once(&mistake.message).chain(&mistake.help).chain(&mistake.notes);
        let lines: Vec<&str> = lines.map(String::as_str).collect();
        let place = place.as_ref().map(|(path, line)| (path.as_str(), *line));
        annotation(level, place, mistake.code, &lines.join("\n"))
    });
    each.collect()
}
