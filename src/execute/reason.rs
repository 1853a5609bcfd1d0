//! Why something went wrong, in words that anybody may read. Of what a sensitive value went into, only our
//! own sentences are told, numbers, and the words of the operating system: never what a program said.

use crate::resolve::{Desired, Together};

/// What stands for all that may hold the value.
const WITHHELD: &str = "what was said is not shown, because a sensitive value went into it";

/// First lines of what a step says that are ours and name nothing; `#` stands for a number.
const OURS: [&str; 15] = [
    "it is not what this was planned against",
    "it was not there when this was planned, and is there now",
    "it is gone, and was there when this was planned",
    "its owner, mode or kind is not what this was planned against",
    "its content is not what this was planned against",
    "what is in it is not what this was planned against",
    "its password, its lock or the day on which it ends is not what this was planned against",
    "the file that brought the same content is another one now",
    "the file that it comes from was changed after this was planned: plan again",
    "the old content stays, because validate said (exit status #):",
    "timed out after # s",
    "exit status #",
    "exit status #:",
    "`until` did not succeed within # s; at last it ended with exit status #",
    "`until` did not succeed within # s; at last it ended with exit status # and said:",
];

/// What the operating system says, whatever stands around it.
const SYSTEM: [&str; 9] = [
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Input/output error",
    "Device or resource busy",
    "Operation not permitted",
    "Permission denied",
    "Text file busy",
    "File name too long",
];

/// Digits that a number of ours has at most: seconds, statuses.
const DIGITS: usize = 6;

/// Something that did not go as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The resource that it is about, if one is.
    pub resource: Option<usize>,
    /// All of it; may hold values of the resource.
    pub message: String,
    /// What of it holds no value, where something is known.
    pub plain: Option<String>,
    /// Whether it is about all of the set that the resource is a member of.
    pub set: bool,
}

impl Incident {
    /// As it is, where the step was that of a set with these members: about the one that is named, else about all of it.
    pub(super) fn of_set(self, desired: &Desired, items: &[usize]) -> Self {
        if self.resource.and_then(|index| desired.set_of(index)).is_none() {
            return self;
        }
        // What is said of one member begins with its path.
        let named = |index: &usize| {
            let instance = &desired.resources[*index];
            let path = instance.kind.subject(&instance.desired);
            self.message.strip_prefix(path).is_some_and(|rest| rest.starts_with(": "))
        };
        let member = items.iter().copied().find(named);
        Self { set: member.is_none(), resource: member.or(self.resource), ..self }
    }

    /// The set that it is about, where it is about all of one.
    #[must_use]
    pub fn set_of<'d>(&self, desired: &'d Desired) -> Option<&'d Together> {
        self.resource.filter(|_| self.set).and_then(|index| desired.set_of(index))
    }

    /// Whether a sensitive value went into what it is about.
    #[must_use]
    pub fn sensitive(&self, desired: &Desired) -> bool {
        let own = self.resource.into_iter();
        // What is said of one member of a set may show the others.
        let members = self.resource.and_then(|index| desired.set_of(index));
        let members = members.into_iter().flat_map(|set| set.members.iter().copied());
        own.chain(members).any(|index| desired.resources[index].sensitive)
    }

    /// Whether somebody changed what the plan was made against.
    #[must_use]
    pub fn stale(&self) -> bool {
        let first = self.message.lines().next().unwrap_or_default();
        let ends =
            ["not what this was planned against", "when this was planned", "and is there now"];
        ends.iter().any(|end| first.ends_with(end))
    }

    /// What is told of it; `sensitive` is whether a sensitive value went into its resource.
    #[must_use]
    pub fn told(&self, sensitive: bool) -> String {
        match (sensitive, &self.plain) {
            (false, _) => self.message.clone(),
            (true, None) => format!("failed; {WITHHELD}"),
            (true, Some(plain)) => format!("{plain}; {WITHHELD}"),
        }
    }
}

/// The failure of a step that said this and ended with this status.
pub(super) fn of_step(resource: Option<usize>, said: &str, status: u32) -> Incident {
    let said = said.trim_end();
    let plain = Some(plain(said).unwrap_or_else(|| format!("failed (exit status {status})")));
    let message = if said.is_empty() { format!("exit status {status}") } else { said.to_owned() };
    Incident { resource, message, plain, set: false }
}

/// Our own words in what a step said.
fn plain(said: &str) -> Option<String> {
    let mut lines = said.lines();
    let mut first = lines.next()?;
    if first.starts_with("tried ") && first.ends_with(" times; the last time:") {
        first = lines.next()?;
    }
    let form = numberless(first)?;
    if OURS.contains(&form.as_str()) {
        let told = first.trim_end_matches(':').trim_end_matches(" and said");
        let told = told.replace("validate said (", "validate failed (");
        let second = lines.next().map(str::trim).filter(|_| form.contains("validate"));
        let late = second
            .filter(|line| numberless(line).is_some_and(|form| form == "timed out after # s"));
        return Some(late.map_or_else(|| told.clone(), |late| format!("{told}: {late}")));
    }
    SYSTEM.into_iter().find(|word| first.contains(word)).map(ToOwned::to_owned)
}

/// A line with `#` for each number; `None` where one is longer than any of ours.
fn numberless(line: &str) -> Option<String> {
    let mut form = String::with_capacity(line.len());
    let mut digits = 0;
    for char in line.chars() {
        digits = if char.is_ascii_digit() { digits + 1 } else { 0 };
        match digits {
            0 => form.push(char),
            1 => form.push('#'),
            many if many > DIGITS => return None,
            _ => {}
        }
    }
    Some(form)
}

#[cfg(test)]
mod tests {
    use super::super::purpose::libraries;
    use super::*;

    #[test]
    fn our_own_reasons_are_told_and_nothing_else() {
        let told = |said: &str| of_step(Some(0), said, 7).told(true);
        let cases = [
            ("", "failed (exit status 7)"),
            ("psst HUNTER2", "failed (exit status 7)"),
            (
                "it is not what this was planned against\nplanned against  HUNTER2\nfound now        x",
                "it is not what this was planned against",
            ),
            (
                "the old content stays, because validate said (exit status 3):\n    HUNTER2",
                "the old content stays, because validate failed (exit status 3)",
            ),
            (
                "the old content stays, because validate said (exit status 124):\n    timed out after 5 s\nHUNTER2",
                "the old content stays, because validate failed (exit status 124): timed out after 5 s",
            ),
            ("timed out after 300 s\nHUNTER2", "timed out after 300 s"),
            ("exit status 3:\nHUNTER2", "exit status 3"),
            (
                "`until` did not succeed within 5 s; at last it ended with exit status 1 and said:\nHUNTER2",
                "`until` did not succeed within 5 s; at last it ended with exit status 1",
            ),
            ("tried 3 times; the last time:\ntimed out after 5 s\nHUNTER2", "timed out after 5 s"),
            ("cannot write /HUNTER2: No space left on device", "No space left on device"),
            ("exit status 1234567", "failed (exit status 7)"),
            ("exit status 3 HUNTER2", "failed (exit status 7)"),
        ];
        for (said, wanted) in cases {
            assert_eq!(told(said), format!("{wanted}; {WITHHELD}"), "{said}");
        }
        assert_eq!(of_step(None, "said\n", 1).told(false), "said");
        assert_eq!(of_step(None, "", 9).told(false), "exit status 9");
    }

    /// A sentence that the shell library no longer says would be told no more, without a word.
    #[test]
    fn the_shell_library_says_these_sentences() {
        let library = libraries().concat() + include_str!("../shell/prelude.sh");
        for sentence in OURS {
            let beginning = sentence.split('#').next().unwrap_or(sentence);
            let quoted = beginning.replace('`', "\\`");
            assert!(library.contains(beginning) || library.contains(&quoted), "{sentence}");
        }
    }
}
