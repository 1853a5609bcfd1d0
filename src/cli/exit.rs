//! Exit statuses: what a script can rely on.

use std::process::ExitCode;

use crate::model::Outcome;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// 0: nothing to change, planned well, or applied.
    Good,
    /// 1: a mistake in the arguments or the project.
    Mistake,
    /// 2: there are changes, with `--detailed-exitcode`.
    Changes,
    /// 3: a host failed, was unreachable, refused or unknown.
    Hosts,
    /// 4: a host put back what was not confirmed.
    RolledBack,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

impl Exit {
    /// The number.
    pub(super) const fn status(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Mistake => 1,
            Self::Changes => 2,
            Self::Hosts => 3,
            Self::RolledBack => 4,
        }
    }

    /// The status that these outcomes of hosts ask for; changes count where they are asked about.
    pub(super) fn of(outcomes: impl Iterator<Item = Outcome>, detailed: bool) -> Self {
        match outcomes.max() {
            Some(Outcome::RolledBack) => Self::RolledBack,
            Some(worst) if worst > Outcome::Changed => Self::Hosts,
            Some(Outcome::Changed) if detailed => Self::Changes,
            _ => Self::Good,
        }
    }
}
