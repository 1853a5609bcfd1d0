//! What a reader must look at first: changes that take something away, stop something, or may cut off
//! the way to the host.

use std::fmt;

use crate::model::change::TriggerKind;
use crate::model::{Action, Change, Difference};
use crate::resolve::Instance;

/// A way in which a change is dangerous, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Danger {
    Deletes,
    Stops,
    Restarts,
    /// A mistake in it may keep us, or everybody, off the host.
    MayCutAccess,
    /// It runs a command of the user's.
    Runs,
    Reloads,
}

impl Danger {
    /// All, the worst first.
    pub const ALL: [Self; 6] =
        [Self::Deletes, Self::Stops, Self::Restarts, Self::MayCutAccess, Self::Runs, Self::Reloads];

    /// As a reader knows it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deletes => "deletes",
            Self::Stops => "stops",
            Self::Restarts => "restarts",
            Self::MayCutAccess => "may cut access",
            Self::Runs => "runs",
            Self::Reloads => "reloads",
        }
    }
}

/// All dangers of a change, the worst first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dangers(pub Vec<Danger>);

impl fmt::Display for Dangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|danger| danger.word()).collect();
        f.write_str(&words.join(", "))
    }
}

/// Below these a file decides who gets in, or over which network.
const ACCESS_PATHS: [&str; 16] = [
    "/etc/ssh/",
    "/etc/sudoers",
    "/etc/pam.d/",
    "/etc/security/",
    "/etc/nftables",
    "/etc/iptables/",
    "/etc/ufw/",
    "/etc/firewalld/",
    "/etc/network/",
    "/etc/netplan/",
    "/etc/NetworkManager/",
    "/etc/systemd/network/",
    "/etc/hosts.",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/nsswitch.conf",
];

/// Units and packages on which logins and the network hang.
const ACCESS_NAMES: [&str; 19] = [
    "ssh",
    "sshd",
    "openssh-server",
    "sudo",
    "nftables",
    "iptables",
    "netfilter-persistent",
    "firewalld",
    "ufw",
    "fail2ban",
    "networking",
    "ifupdown",
    "netplan.io",
    "network-manager",
    "NetworkManager",
    "systemd-networkd",
    "systemd-resolved",
    "wg-quick@wg0",
    "openvpn",
];

/// What is dangerous about a change.
#[must_use]
pub fn dangers(instance: &Instance, change: &Change) -> Dangers {
    let fired = |kind| change.fired.as_ref().is_some_and(|fired| fired.kind == kind);
    let stops = instance.address.kind == "service"
        && matches!(after(change, "state"), Some("stopped" | "masked"));
    let found = [
        (Danger::Deletes, change.action == Action::Delete || purges(change)),
        (Danger::Stops, stops),
        (Danger::Restarts, fired(TriggerKind::Restart)),
        (Danger::MayCutAccess, cuts(instance, change)),
        (Danger::Runs, change.action == Action::Run || fired(TriggerKind::Run)),
        (Danger::Reloads, fired(TriggerKind::Reload)),
    ];
    Dangers(found.into_iter().filter(|(_, found)| *found).map(|(danger, _)| danger).collect())
}

/// Whether something goes that is one of several facts: an entry of a folder, a key of a user.
fn purges(change: &Change) -> bool {
    change.attributes.iter().any(|attribute| {
        matches!(attribute.name, "entry" | "key")
            && matches!(attribute.difference, Difference::Value { before: Some(_), after: None })
    })
}

/// What an attribute will be.
fn after<'c>(change: &'c Change, name: &str) -> Option<&'c str> {
    let attribute = change.attributes.iter().find(|attribute| attribute.name == name)?;
    match &attribute.difference {
        Difference::Value { after, .. } => after.as_deref(),
        _ => None,
    }
}

fn cuts(instance: &Instance, change: &Change) -> bool {
    let subject = instance.kind.subject(&instance.desired);
    let path = |path: &str| {
        // A folder around them counts too.
        ACCESS_PATHS
            .iter()
            .any(|start| path.starts_with(start) || start.starts_with(&format!("{path}/")))
            || path.ends_with("/.ssh/authorized_keys")
    };
    match instance.address.kind {
        "service" => {
            // A trigger that reloads is what a careful change does.
            let starts = after(change, "state") == Some("running") && change.fired.is_none();
            ACCESS_NAMES.contains(&subject.trim_end_matches(".service")) && !starts
        }
        "package" => ACCESS_NAMES.contains(&subject) && change.action != Action::Create,
        "user" => {
            let held = ["shell", "locked", "password", "uid", "group", "groups", "home"];
            change.action == Action::Delete
                || change.action == Action::Update
                    && change.attributes.iter().any(|attribute| held.contains(&attribute.name))
        }
        "authorized_key" => change.action != Action::Create,
        "command" | "group" => false,
        _ => path(subject),
    }
}
