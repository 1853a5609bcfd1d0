//! Whether a host can be changed by this login at all: root, and the programs that the change needs.

use super::Verdict;

/// Asks whether the login is root; one line where it is not.
pub(super) const ROOT: &str = "[ \"$U\" -eq 0 ] || echo @login\n";

/// What is missing on a host for any change of a type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lacks {
    root: bool,
    programs: Vec<String>,
}

impl Lacks {
    /// What the lines `@login` and `@missing PROGRAM` of an answer say.
    pub(super) fn read(answer: &str) -> Self {
        let programs = answer.lines().filter_map(|line| line.strip_prefix("@missing "));
        Self {
            root: answer.lines().any(|line| line == "@login"),
            programs: programs.map(ToOwned::to_owned).collect(),
        }
    }

    /// `verdict`, unless it is a change that cannot be done here.
    pub(super) fn stop(&self, verdict: Verdict) -> Verdict {
        let Verdict::Change(_) = verdict else { return verdict };
        if self.root {
            return Verdict::Refused(
                "it differs, and only root can change it: set `become = \"sudo\"`, or log in as root"
                    .into(),
            );
        }
        if self.programs.is_empty() {
            return verdict;
        }
        Verdict::Refused(format!(
            "it differs, and this host has no {}: install what brings it",
            self.programs.join(", ")
        ))
    }
}
