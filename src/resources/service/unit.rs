//! A systemd unit as `systemctl show` tells of it, and the names that units have.

use std::collections::HashMap;

use super::State;

/// A unit as it is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its own name; the one that was asked for may be an alias.
    pub(super) id: String,
    pub(super) load: Load,
    /// `active`, `inactive`, `failed`, `activating` …
    pub(super) active: String,
    /// What it waits for after a failure: `auto-restart`; else of no interest.
    pub(super) sub: String,
    /// `enabled`, `disabled`, `static`, `generated` …; empty where systemd says none.
    pub(super) file_state: String,
    /// Whether it ends by itself and counts as stopped then.
    pub(super) passing: bool,
    /// The unit's file, where it stands where a mask would be put.
    pub(super) in_the_way: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Load {
    #[default]
    NotFound,
    /// By an administrator, or for good by the package that brings it.
    Masked {
        by_package: bool,
    },
    /// Its file is wrong, and how.
    Bad(String),
    Loaded,
}

impl Unit {
    /// How it runs: `running`, `stopped`, `failed`, `masked` …, as service.sh says it too.
    pub(super) fn runs(&self) -> &str {
        let runs = match self.active.as_str() {
            _ if self.sub.starts_with("auto-restart") => "failing",
            "active" | "reloading" | "refreshing" | "activating" => "running",
            "inactive" => "stopped",
            other => other,
        };
        match (&self.load, runs) {
            (Load::Masked { .. }, "running") => "masked+running",
            (Load::Masked { .. }, _) => "masked",
            _ => runs,
        }
    }

    /// Whether it is as wanted: a masked one is stopped too, and so is one that failed.
    pub(super) fn is(&self, state: State) -> bool {
        match state {
            State::Running => self.runs() == "running",
            State::Masked => self.runs() == "masked",
            State::Stopped => {
                matches!(self.runs(), "stopped" | "failed" | "masked" | "deactivating")
            }
        }
    }

    /// Whether it starts at boot, as service.sh says it too.
    pub(super) fn boots(&self) -> &'static str {
        match self.file_state.as_str() {
            "enabled" | "alias" => "on",
            "enabled-runtime" => "runtime",
            "masked" | "masked-runtime" => "masked",
            _ => "off",
        }
    }

    /// Why nothing is to do.
    pub(super) fn said(&self) -> String {
        if matches!(self.load, Load::Masked { .. }) {
            return self.runs().to_owned();
        }
        let enabled = if self.boots() == "on" { "enabled" } else { "not enabled" };
        format!("{}, {enabled}", self.active)
    }
}

/// A unit from the properties that systemd told.
pub(super) fn read(keys: &HashMap<&str, &str>) -> Option<Unit> {
    let get = |key| keys.get(key).copied().unwrap_or_default();
    let load = match get("LoadState") {
        "" => return None,
        "not-found" => Load::NotFound,
        "masked" => {
            let path = get("FragmentPath");
            Load::Masked { by_package: path.starts_with("/usr/lib/") || path.starts_with("/lib/") }
        }
        "error" | "bad-setting" => {
            // `NAME "words"`.
            let words = get("LoadError").split_once(' ').map_or("", |(_, words)| words);
            Load::Bad(words.trim_matches('"').to_owned())
        }
        _ => Load::Loaded,
    };
    let in_the_way = Some(get("FragmentPath"))
        .filter(|path| *path == format!("/etc/systemd/system/{}", get("Id")))
        .filter(|_| load == Load::Loaded);
    Some(Unit {
        id: get("Id").to_owned(),
        load,
        active: get("ActiveState").to_owned(),
        sub: get("SubState").to_owned(),
        file_state: get("UnitFileState").to_owned(),
        passing: get("Type") == "oneshot" && get("RemainAfterExit") == "no",
        in_the_way: in_the_way.map(str::to_owned),
    })
}

/// The first line of an answer that is no property of a unit: what systemctl had to say.
pub(super) fn beside(answer: &str) -> &str {
    let property = |line: &str| {
        let key = line.split_once('=').map(|(key, _)| key);
        key.is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_alphabetic()))
    };
    answer.lines().find(|line| !line.is_empty() && !property(line)).unwrap_or_default()
}

/// systemd.unit(5): what a unit's name ends with.
const SUFFIXES: [&str; 11] = [
    "service",
    "socket",
    "timer",
    "target",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
];

/// A unit's whole name.
pub(super) fn with_suffix(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, suffix)) if SUFFIXES.contains(&suffix) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

/// Whether a name is that of a template without an instance.
pub(super) fn is_template(name: &str) -> bool {
    let whole = with_suffix(name);
    whole.rsplit_once('.').is_some_and(|(stem, _)| stem.ends_with('@'))
}

/// systemd.unit(5): a unit's name.
pub(super) fn is_name(name: &str) -> bool {
    let right = |char: char| {
        char.is_ascii_alphanumeric() || matches!(char, ':' | '-' | '_' | '.' | '\\' | '@')
    };
    !name.is_empty()
        && name.len() < 240
        && !name.starts_with(['-', '.', '@'])
        && name.chars().all(right)
}
