//! What dpkg and apt say of packages, and what apt would do for all changes together.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::super::Verdict;
use super::super::able::Lacks;
use crate::model::Change;

/// A package on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::resources) struct Observed {
    /// As dpkg has it: `installed`, `config-files`, `half-configured` …; empty where it has none.
    pub(super) status: String,
    pub(super) version: String,
    pub(super) held: bool,
    /// The version that apt would install, and all that it could.
    pub(super) candidate: Option<String>,
    pub(super) versions: Vec<String>,
    /// What provides it, where it is only a name.
    pub(super) providers: Vec<String>,
    pub(super) simulation: Option<Arc<Simulation>>,
    pub(super) lacks: Lacks,
}

/// What apt would do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Simulation {
    /// The packages that it was asked for, and which of them to remove.
    asked: Vec<(String, bool)>,
    /// Name, version now and version then.
    installs: Vec<(String, Option<String>, String)>,
    removes: Vec<String>,
    configures: Vec<String>,
    errors: Vec<String>,
}

impl Observed {
    /// The version that is there, whole or in parts.
    pub(super) fn version(&self) -> Option<&str> {
        let there = !matches!(self.status.as_str(), "" | "not-installed" | "config-files");
        there.then_some(self.version.as_str())
    }

    pub(super) fn is_whole(&self) -> bool {
        matches!(self.status.as_str(), "installed" | "triggers-awaited" | "triggers-pending")
    }

    /// Whether apt could install this version.
    pub(super) fn offers(&self, version: &str) -> bool {
        self.versions.iter().any(|offered| offered == version) || self.version() == Some(version)
    }

    /// As package.sh says it: `none`, `config-files` or `STATUS=VERSION`.
    pub(super) fn word(&self) -> String {
        match self.status.as_str() {
            "" | "not-installed" => "none".to_owned(),
            "config-files" => self.status.clone(),
            status => format!("{status}={}", self.version),
        }
    }

    /// What apt installs or changes besides, where `name` is the first that it was asked for: name, version
    /// now and version then.
    pub(super) fn along(&self, name: &str) -> impl Iterator<Item = (&str, Option<&str>, &str)> {
        let first =
            |all: &&Arc<Simulation>| all.asked.first().is_some_and(|(first, _)| first == name);
        let all = self.simulation.iter().find(first);
        let installs = all
            .into_iter()
            .flat_map(|all| all.installs.iter().filter(|(name, ..)| !all.asks(name)));
        installs.map(|(name, old, new)| (name.as_str(), old.as_deref(), new.as_str()))
    }

    /// A change beside what apt would do for it and all others together.
    pub(super) fn together(&self, name: &str, verdict: Verdict) -> Verdict {
        let Verdict::Change(change) = verdict else { return verdict };
        let Some(simulation) = self.simulation.as_ref().filter(|all| all.asks(name)) else {
            return Verdict::Change(change);
        };
        if !simulation.errors.is_empty() {
            let message = format!("apt cannot do it: {}", simulation.errors.join("; "));
            return Verdict::Blocked { need: None, message, then: change };
        }
        let unnamed: Vec<&str> = simulation.unnamed();
        if !unnamed.is_empty() && simulation.asked.first().is_some_and(|(first, _)| first == name) {
            let message = format!(
                "apt would also remove {}; where that is meant, declare it with `state = \"absent\"`",
                unnamed.join(", ")
            );
            return Verdict::Blocked { need: None, message, then: change };
        }
        let bears = simulation.bears(name);
        Verdict::Change(if bears { simulation.told(change) } else { change })
    }
}

impl Simulation {
    /// Whether what comes along is told of this one: the first that is installed; where all go, the first.
    fn bears(&self, name: &str) -> bool {
        let installed = self.asked.iter().find(|(_, gone)| !gone);
        installed.or_else(|| self.asked.first()).is_some_and(|(first, _)| first == name)
    }

    pub(super) fn asks(&self, name: &str) -> bool {
        self.asked.iter().any(|(asked, _)| asked == name)
    }

    /// Packages that would go and that nobody named.
    fn unnamed(&self) -> Vec<&str> {
        let named = |name: &str| self.asked.iter().any(|(asked, gone)| *gone && asked == name);
        self.removes.iter().map(String::as_str).filter(|name| !named(name)).collect()
    }

    /// What an apply may do: `+NAME=VERSION` and `-NAME`.
    pub(super) fn allowed(&self) -> impl Iterator<Item = String> {
        let installs = self.installs.iter().map(|(name, _, version)| format!("+{name}={version}"));
        installs.chain(self.removes.iter().map(|name| format!("-{name}")))
    }

    /// `change` with what comes along.
    fn told(&self, change: Change) -> Change {
        let others = || self.installs.iter().filter(|(name, ..)| !self.asks(name));
        let new = others().filter(|(_, old, _)| old.is_none());
        let new = new.map(|(name, _, version)| format!("{name} {version}"));
        let raised = others().filter_map(|(name, old, version)| {
            Some(format!("{name} {} to {version}", old.as_ref()?))
        });
        let waiting = self.configures.iter().filter(|name| {
            !self.asks(name) && !self.installs.iter().any(|(installed, ..)| installed == *name)
        });
        let parts = [
            ("apt also installs", new.collect::<Vec<_>>()),
            ("apt also changes", raised.collect()),
            ("apt also configures what waits for it:", waiting.cloned().collect()),
        ];
        let told = parts.into_iter().filter_map(|(what, names)| list(what, &names));
        let lines: Vec<String> = change.note.clone().into_iter().chain(told).collect();
        if lines.is_empty() { change } else { change.note(lines.join("\n")) }
    }
}

/// Names behind some words, in lines of a readable width.
fn list(what: &str, names: &[String]) -> Option<String> {
    const WIDTH: usize = 72;
    if names.is_empty() {
        return None;
    }
    let mut text = what.to_owned();
    let mut used = text.len();
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        if used + name.len() + 2 > WIDTH {
            text.push_str("\n ");
            used = 1;
        }
        let _ = write!(text, " {name}{comma}");
        used += name.len() + 1 + comma.len();
    }
    Some(text)
}

/// An answer about packages, in its parts.
#[derive(Debug, Default)]
pub(super) struct Answer<'a> {
    native: &'a str,
    /// Status, version and want by `name:architecture`.
    known: HashMap<&'a str, [&'a str; 3]>,
    candidates: HashMap<&'a str, &'a str>,
    versions: HashMap<&'a str, Vec<&'a str>>,
    providers: HashMap<&'a str, Vec<&'a str>>,
    simulation: Option<Arc<Simulation>>,
}

impl<'a> Answer<'a> {
    /// Reads an answer.
    pub(super) fn read(text: &'a str) -> Self {
        let mut found = Self::default();
        let mut simulation: Option<Simulation> = None;
        let (mut policy, mut name) = (false, "");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("@simulated ") {
                let asked = rest.split(' ').map(asked).collect();
                simulation = Some(Simulation { asked, ..Simulation::default() });
            } else if let Some(rest) = line.strip_prefix("@virtual ") {
                if let Some((name, provider)) = rest.split_once(' ') {
                    let all = found.providers.entry(name).or_default();
                    if !all.contains(&provider) {
                        all.push(provider);
                    }
                }
            } else if line == "@candidates" {
                policy = true;
            } else if let Some(simulation) = &mut simulation {
                simulation.line(line);
            } else if policy {
                name = line.strip_suffix(':').filter(|_| !line.starts_with(' ')).unwrap_or(name);
                found.policy(name, line);
            } else {
                found.package(line);
            }
        }
        found.simulation = simulation.map(Arc::new);
        found
    }

    /// A line of dpkg-query.
    fn package(&mut self, line: &'a str) {
        let mut words = line.split('\t');
        let (Some(name), Some(status), Some(version)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        if let Some(native) = name.strip_prefix("dpkg:") {
            self.native = native;
        }
        self.known.insert(name, [status, version, words.next().unwrap_or_default()]);
    }

    /// A line of `apt-cache policy` about `name`.
    fn policy(&mut self, name: &'a str, line: &'a str) {
        if let Some(version) = line.strip_prefix("  Candidate: ") {
            if version != "(none)" {
                self.candidates.insert(name, version);
            }
        } else if let Some(rest) = line.strip_prefix("     ").or_else(|| line.strip_prefix(" *** "))
            && !rest.starts_with(' ')
            && let Some((version, _)) = rest.split_once(' ')
        {
            self.versions.entry(name).or_default().push(version);
        }
    }

    /// What it says of one package.
    pub(super) fn of(&self, name: &str, lacks: Lacks) -> Observed {
        let with = |arch: &str| self.known.get(format!("{name}:{arch}").as_str());
        let known = self.known.get(name).or_else(|| with(self.native)).or_else(|| with("all"));
        let [status, version, want] = known.copied().unwrap_or_default();
        let owned = |names: Option<&Vec<&str>>| {
            names.into_iter().flatten().map(ToString::to_string).collect()
        };
        let candidate = self.candidates.get(name).map(ToString::to_string);
        Observed {
            status: status.to_owned(),
            version: version.to_owned(),
            held: want == "hold",
            providers: if candidate.is_some() {
                Vec::new()
            } else {
                owned(self.providers.get(name))
            },
            candidate,
            versions: owned(self.versions.get(name)),
            simulation: self.simulation.clone(),
            lacks,
        }
    }
}

/// A word of what was simulated: `name`, `name=version` or `name-`.
fn asked(word: &str) -> (String, bool) {
    let gone = word.strip_suffix('-').filter(|_| !word.contains('='));
    let name = gone.unwrap_or(word);
    (name.split('=').next().unwrap_or_default().to_owned(), gone.is_some())
}

impl Simulation {
    /// A line of `apt-get -s`: `Inst NAME [OLD] (NEW …`, `Remv NAME [OLD]`, `E: …`.
    fn line(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some(verb), Some(name)) = (words.next(), words.next()) else { return };
        match verb {
            "Inst" => {
                let rest: Vec<&str> = words.take(2).collect();
                let old = rest.first().and_then(|word| word.strip_prefix('['));
                let new = rest.iter().find_map(|word| word.strip_prefix('('));
                let old = old.map(|old| old.trim_end_matches(']').to_owned());
                self.installs.push((name.to_owned(), old, new.unwrap_or_default().to_owned()));
            }
            "Remv" | "Purg" if !self.removes.iter().any(|gone| gone == name) => {
                self.removes.push(name.to_owned());
            }
            "Conf" => self.configures.push(name.to_owned()),
            "E:" => self.errors.push(line["E: ".len()..].trim().to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Action;

    #[test]
    fn what_comes_along_is_told_of_the_first_that_is_installed() {
        let note = |answer: &str, name: &str| {
            let observed = Answer::read(answer).of(name, Lacks::default());
            let change = Change::new(Action::Update, Vec::new());
            match observed.together(name, Verdict::Change(change)) {
                Verdict::Change(change) => change.note,
                verdict => panic!("a change, not {verdict:?}"),
            }
        };
        let both = "@simulated old- new\nRemv old [1]\nInst new (1 lab)\nInst lib (2 lab)\n";
        assert_eq!(note(both, "old"), None);
        assert_eq!(note(both, "new").as_deref(), Some("apt also installs lib 2"));
        let gone = "@simulated old- older-\nRemv old [1]\nRemv older [1]\nInst lib (2 lab)\n";
        assert_eq!(note(gone, "old").as_deref(), Some("apt also installs lib 2"));
        assert_eq!(note(gone, "older"), None);
    }
}
