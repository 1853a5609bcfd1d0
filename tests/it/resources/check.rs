//! Compares what becomes of a case with what its file expects.

use trueup::model::address::Address;
use trueup::model::change::{Fired, TriggerKind};
use trueup::model::{Action, Attribute, Body, Change, Difference};
use trueup::resources::{Back, Erased, Part, ResourceType, Verdict};
use trueup::shell::{Script, Step};

use super::case::{Case, told};
use crate::support::sent;

/// What is wrong with a case; empty when all is as expected.
pub fn check(kind: &dyn ResourceType, case: &Case) -> Vec<String> {
    let mut wrong = Wrong(Vec::new());
    match (case.parse(kind), &case.expected.mistakes) {
        (Err(mistakes), expected) => {
            let found: Vec<String> = mistakes.iter().map(told).collect();
            wrong.mistakes(expected.as_deref().unwrap_or_default(), &found);
        }
        (Ok(_), Some(_)) => wrong.0.push("the table was read, and mistakes are expected".into()),
        (Ok(desired), None) => wrong.observed(kind, case, &desired),
    }
    wrong.0
}

/// The findings about one case.
struct Wrong(Vec<String>);

impl Wrong {
    fn mistakes(&mut self, expected: &[String], found: &[String]) {
        // In any order: the report sorts them by their places.
        let fits = expected.len() == found.len()
            && expected.iter().all(|part| found.iter().any(|whole| whole.contains(part)))
            && found.iter().all(|whole| expected.iter().any(|part| whole.contains(part)));
        if !fits {
            self.0.push(format!("mistakes\n  expected {expected:#?}\n  found {found:#?}"));
        }
    }

    fn observed(&mut self, kind: &dyn ResourceType, case: &Case, desired: &Erased) {
        let mut script = Script::new();
        kind.probe(&[desired], &mut script);
        self.text("probe", case.expected.probe.as_deref(), &text_of(&script));
        match kind.observe(&[desired], case.answer.as_bytes()).remove(0) {
            Err(why) => self.judged(case, "error", &why, None),
            Ok(observed) => {
                let verdict = kind.diff(desired, &observed);
                let (word, says, change) = parts_of(&verdict);
                self.judged(case, word, &says, change);
                self.work(kind, case, (desired, &observed), change);
                self.inverse(kind, case, (desired, &observed), change);
            }
        }
    }

    fn judged(&mut self, case: &Case, verdict: &str, says: &str, change: Option<&Change>) {
        let expected = &case.expected;
        self.text("verdict", expected.verdict.as_deref(), verdict);
        if let Some(part) = &expected.says
            && !says.contains(part)
        {
            self.0.push(format!("says\n  expected {part}\n  found    {says}"));
        }
        let action = change.map_or("none", |change| word(change.action));
        self.text("action", expected.action.as_deref(), action);
        let found = change.map_or_else(Vec::new, |change| change.attributes.clone());
        let found: Vec<String> = found.iter().map(line).collect();
        if let Some(attributes) = &expected.attributes
            && *attributes != found
        {
            self.0.push(format!("attributes\n  expected {attributes:#?}\n  found {found:#?}"));
        }
    }

    /// The trigger and the steps.
    fn work(
        &mut self,
        kind: &dyn ResourceType,
        case: &Case,
        (desired, observed): (&Erased, &Erased),
        change: Option<&Change>,
    ) {
        let heeds = kind.heeds(desired, observed, change);
        if case.expected.heeds.is_some_and(|expected| expected != heeds) {
            self.0.push(format!("heeds\n  found    {heeds}"));
        }
        let fired = case.fired.as_deref().map(fired);
        let Some(change) = with(change, fired) else {
            let none = "(there is nothing to do)";
            self.text("program", case.expected.program.as_deref(), none);
            return;
        };
        let part = Part { desired, observed, change: &change, timeout: case.timeout };
        let steps: Vec<Step> = kind.steps(&[part]).into_iter().map(|(_, step)| step).collect();
        let program: Vec<String> = steps.iter().map(|step| text_of(&step.script)).collect();
        self.text("program", case.expected.program.as_deref(), &program.join("\n"));
        let contents: Vec<_> = steps.iter().filter_map(sent).collect();
        let contents = contents.concat();
        let sent = String::from_utf8_lossy(&contents);
        self.text("content", case.expected.content.as_deref(), &sent);
    }

    /// The way back.
    fn inverse(
        &mut self,
        kind: &dyn ResourceType,
        case: &Case,
        (desired, observed): (&Erased, &Erased),
        change: Option<&Change>,
    ) {
        let Some(change) = change else { return };
        let inverse = kind.inverse(desired, observed, change);
        let back: Vec<String> = inverse.back.iter().map(said).collect();
        let lines = |lines: &[String]| lines.join("\n");
        let expected = case.expected.inverse.as_deref().map(lines);
        self.text("inverse", expected.as_deref(), &lines(&back));
        if let Some(lost) = &case.expected.lost {
            let fits = lost.len() == inverse.lost.len()
                && lost.iter().zip(&inverse.lost).all(|(part, whole)| whole.contains(part));
            if !fits {
                self.0.push(format!("lost\n  expected {lost:#?}\n  found {:#?}", inverse.lost));
            }
        }
    }

    fn text(&mut self, what: &str, expected: Option<&str>, found: &str) {
        if let Some(expected) = expected
            && expected.trim_end() != found.trim_end()
        {
            self.0.push(format!("{what}\n  expected {expected}\n  found    {found}"));
        }
    }
}

/// A verdict as its word, what it says and its change.
pub fn parts_of(verdict: &Verdict) -> (&'static str, String, Option<&Change>) {
    match verdict {
        Verdict::Same(why) => ("same", why.clone(), None),
        Verdict::Change(change) => {
            ("change", change.note.clone().unwrap_or_default(), Some(change))
        }
        Verdict::Blocked { message, then, .. } => ("blocked", message.clone(), Some(then)),
        Verdict::Refused(message) => ("refused", message.clone(), None),
    }
}

/// The change that plan makes of a verdict and a trigger.
fn with(change: Option<&Change>, fired: Option<Fired>) -> Option<Change> {
    let trigger = fired.as_ref().map(|_| Change::new(Action::Trigger, Vec::new()));
    let mut change = change.cloned().or(trigger)?;
    change.fired = fired;
    Some(change)
}

fn fired(word: &str) -> Fired {
    let kinds = [TriggerKind::Reload, TriggerKind::Restart, TriggerKind::Run];
    let kind = kinds.into_iter().find(|kind| kind.word() == word);
    Fired {
        kind: kind.expect("reload, restart or run"),
        because: Vec::<Address>::new(),
        owed: None,
    }
}

const fn word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
        Action::Run => "run",
        Action::Trigger => "trigger",
        Action::KnownAfter => "known after",
    }
}

/// An attribute as `mode 0640 -> 0644`; a side that is not there is left out.
fn line(attribute: &Attribute) -> String {
    let size = |body: &Body| format!("{} bytes", body.size());
    let (before, after) = match &attribute.difference {
        Difference::Value { before, after } => (before.clone(), after.clone()),
        Difference::Content { before, after } => {
            (before.as_ref().map(size), after.as_ref().map(size))
        }
        Difference::Secret { .. } => (None, Some("(sensitive)".to_owned())),
        Difference::Sensitive { .. } => (None, None),
    };
    let sides = [before.as_deref(), Some("->"), after.as_deref()];
    let sides: Vec<&str> = sides.into_iter().flatten().collect();
    format!("{} {}", attribute.name, sides.join(" "))
}

/// What goes back, in one line; of a digest the first digits.
fn said(back: &Back) -> String {
    let kept = if back.kept { " kept" } else { "" };
    let short = |value: &str| {
        let digest = value.len() == 64 && !value.contains(' ');
        value[..if digest { 8 } else { value.len() }].to_owned()
    };
    let left = back.left.as_ref().map_or_else(
        || ", leaving nothing".to_owned(),
        |left| {
            let all = left.iter().map(|(key, value)| format!(" {key}={}", short(value)));
            format!(", leaving{}", all.collect::<String>())
        },
    );
    format!("{}[{}] {}{kept}{left}", back.kind, back.name, back.text())
}

/// A script as text.
pub fn text_of(script: &Script) -> String {
    String::from_utf8_lossy(script.bytes()).into_owned()
}
