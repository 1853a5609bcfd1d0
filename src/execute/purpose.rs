//! What a session is for, and so which shell functions the remote end gets at its start.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::Settings;
use crate::ledger;
use crate::resources::REGISTRY;
use crate::shell::{asking, named, prelude};

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Only questions.
    Look,
    /// Changes too, or what a host remembers.
    Work,
    /// A word to another shell on the host.
    Signal,
}

impl Purpose {
    /// That of the first look of a run.
    pub(super) const fn of(settings: &Settings) -> Self {
        if settings.run.is_some() { Self::Work } else { Self::Look }
    }

    /// The remote end of such a session.
    pub(super) fn prelude(self, nonce: &str, word: &str) -> Vec<u8> {
        // The same for all hosts but for its first line.
        static LOOK: LazyLock<Vec<u8>> = LazyLock::new(|| asking("", "", &libraries()));
        static WORK: LazyLock<Vec<u8>> = LazyLock::new(|| prelude("", "", &libraries()));
        static SIGNAL: LazyLock<Vec<u8>> = LazyLock::new(|| asking("", "", &[]));
        let all = match self {
            Self::Look => &LOOK,
            Self::Work => &WORK,
            Self::Signal => &SIGNAL,
        };
        named(all, nonce, word)
    }
}

/// The functions that probes and steps of all types call.
pub(super) fn libraries() -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    let all = REGISTRY.iter().flat_map(|kind| kind.library().iter().copied());
    all.chain([ledger::LIBRARY, ledger::KEPT, ledger::BACK, ledger::CONFIRM])
        .filter(|library| seen.insert(*library))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::libraries;

    /// All libraries run in one shell: a second function of one name would take the place of the first.
    #[test]
    fn no_two_libraries_have_a_function_of_one_name() {
        let prelude = include_str!("../shell/prelude.sh");
        let mut seen = BTreeSet::new();
        for text in libraries().into_iter().chain([prelude]) {
            let names = text.lines().filter_map(|line| line.split_once("() {"));
            for (name, _) in names.filter(|(name, _)| {
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            }) {
                assert!(seen.insert(name.to_owned()), "two functions are called {name}");
            }
        }
        assert!(seen.len() > 50, "the functions are seen");
    }
}
