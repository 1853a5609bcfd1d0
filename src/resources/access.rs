//! On what the way to a host hangs: paths, units, packages and accounts. A type says by this table whether a
//! change of it may cut that way off, and why. docs/commit-confirm.md prints the table; a test holds both together.

use crate::model::{Action, Change, WayIn};

/// What one reason is given for.
type Rows = [(&'static str, &'static [&'static str])];

/// Paths by what hangs on them. One that ends with `/` is that folder and all below it, one that ends with `*` all that
/// begin so. A folder on the way to any of them counts too.
const PATHS: &Rows = &[
    (
        "sshd hangs on it",
        &[
            "/etc/ssh/",
            "/etc/dropbear/",
            "/etc/default/ssh",
            "/etc/default/dropbear",
            "/etc/sysconfig/sshd",
            "/etc/conf.d/sshd",
            "/etc/conf.d/dropbear",
            "/etc/crypto-policies/",
            "/run/sshd/",
            "/usr/sbin/sshd",
            "/usr/lib/openssh/",
            "/usr/libexec/openssh/",
            "/usr/lib/ssh/",
        ],
    ),
    (
        "root is reached by it",
        &[
            "/etc/sudoers",
            "/etc/sudoers.d/",
            "/etc/sudo.conf",
            "/etc/doas.conf",
            "/etc/doas.d/",
            "/usr/bin/sudo",
            "/usr/bin/doas",
        ],
    ),
    (
        "every login goes through it",
        &[
            "/etc/pam.d/",
            "/etc/pam.conf",
            "/etc/security/",
            "/etc/environment",
            "/etc/shells",
            "/etc/nologin",
            "/run/nologin",
            "/var/run/nologin",
            "/etc/bash.bashrc",
            "/etc/bashrc",
            "/etc/zsh/",
            "/etc/zshenv",
            "/etc/csh.cshrc",
            "/etc/fish/",
            "/etc/ld.so.*",
            "/bin/sh",
            "/usr/bin/sh",
            "/usr/bin/env",
            "/lib/ld-*",
            "/lib64/ld-*",
            "/etc/selinux/",
        ],
    ),
    (
        "accounts are looked up there",
        &[
            "/etc/passwd*",
            "/etc/shadow*",
            "/etc/group*",
            "/etc/gshadow*",
            "/etc/nsswitch.conf",
            "/etc/sssd/",
            "/etc/nslcd.conf",
            "/etc/krb5.conf",
        ],
    ),
    (
        "the firewall is made of it",
        &[
            "/etc/nftables*",
            "/etc/iptables*",
            "/etc/ip6tables*",
            "/etc/ipset*",
            "/etc/ufw/",
            "/etc/default/ufw",
            "/etc/firewalld/",
            "/etc/shorewall*",
            "/etc/sysconfig/iptables*",
            "/etc/sysconfig/ip6tables*",
            "/etc/sysconfig/nftables*",
            "/etc/hosts.allow",
            "/etc/hosts.deny",
            "/etc/fail2ban/",
        ],
    ),
    (
        "the network is made of it",
        &[
            "/etc/network/",
            "/etc/netplan/",
            "/etc/systemd/network/",
            "/usr/lib/systemd/network/",
            "/run/systemd/network/",
            "/etc/systemd/networkd.conf*",
            "/etc/systemd/resolved.conf*",
            "/etc/NetworkManager/",
            "/etc/sysconfig/network*",
            "/etc/conf.d/net*",
            "/etc/dhcp/",
            "/etc/dhcpcd*",
            "/etc/wpa_supplicant/",
            "/etc/wireguard/",
            "/etc/openvpn/",
            "/etc/sysctl.conf",
            "/etc/sysctl.d/",
            "/etc/resolv.conf",
            "/etc/resolvconf/",
            "/etc/hosts",
            "/etc/host.conf",
            "/etc/gai.conf",
        ],
    ),
];

/// Below `/etc/ssh/`, and only for who goes out from there.
const OUTWARD: [&str; 3] =
    ["/etc/ssh/ssh_config", "/etc/ssh/ssh_config.d/", "/etc/ssh/ssh_known_hosts*"];

/// Units and packages by what hangs on them. A unit counts without its suffix and without what stands behind its `@`.
const NAMES: &Rows = &[
    ("sshd hangs on it", &["ssh", "sshd", "openssh-server", "openssh", "dropbear*"]),
    ("root is reached by it", &["sudo", "sudo-ldap", "doas", "opendoas"]),
    (
        "every login goes through it",
        &["systemd-logind", "dbus", "login", "passwd", "libpam*", "pam", "dash", "bash", "libc6"],
    ),
    ("accounts are looked up there", &["libnss*", "sssd*", "nscd", "nslcd", "base-passwd"]),
    (
        "it is the firewall",
        &[
            "nftables",
            "iptables*",
            "ip6tables",
            "netfilter-persistent",
            "ufw",
            "firewalld",
            "shorewall*",
            "fail2ban",
            "sshguard",
        ],
    ),
    (
        "the network hangs on it",
        &[
            "network",
            "networking",
            "ifup*",
            "netplan*",
            "network-manager",
            "NetworkManager",
            "systemd-networkd",
            "systemd-resolved",
            "resolvconf",
            "openresolv",
            "dhcpcd*",
            "isc-dhcp-client",
            "udhcpc",
            "wpa_supplicant",
            "wpasupplicant",
            "wireguard*",
            "wg-quick",
            "openvpn*",
            "tailscale*",
        ],
    ),
];

/// Accounts that the programs between us and a login run as.
const ACCOUNTS: &Rows = &[
    ("sshd hangs on it", &["sshd"]),
    ("the network hangs on it", &["systemd-network", "systemd-resolve", "messagebus", "dbus"]),
];

/// Groups that let into root's place by the usual rules of sudo and doas.
const GROUPS: &Rows = &[("root is reached by it", &["root", "sudo", "wheel", "admin"])];

/// Folders whose entries are units or scripts of them: these count as the unit.
const UNITS: [&str; 5] = [
    "/etc/systemd/system/",
    "/run/systemd/system/",
    "/usr/lib/systemd/system/",
    "/lib/systemd/system/",
    "/etc/init.d/",
];

/// In the home of who logs in: what sshd and its shell read there.
const HOME: [&str; 9] = [
    ".ssh/",
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".zshenv",
    ".zshrc",
    ".cshrc",
    ".tcshrc",
    ".config/fish/",
];

/// Whether an entry of the table means this.
fn means(entry: &str, it: &str) -> bool {
    match (entry.strip_suffix('*'), entry.strip_suffix('/')) {
        (Some(start), _) => it.starts_with(start),
        (None, Some(folder)) => {
            it.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        (None, None) => entry == it,
    }
}

/// The reason that a table gives for it.
fn why(rows: &Rows, it: &str) -> Option<&'static str> {
    rows.iter()
        .find(|(_, entries)| entries.iter().any(|entry| means(entry, it)))
        .map(|(why, _)| *why)
}

/// Whether a folder stands above a path.
fn above(folder: &str, path: &str) -> bool {
    folder == "/"
        || path.strip_prefix(folder).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}

/// Why a change of what stands at a path may cut us off: nobody gets in, or becomes root, or finds the way.
pub(super) fn path(path: &str, change: &Change, way: &WayIn) -> Option<&'static str> {
    if OUTWARD.iter().any(|entry| means(entry, path)) {
        return None;
    }
    let unit = || {
        let entry = UNITS.iter().find_map(|folder| path.strip_prefix(folder))?;
        name(entry.split('/').next().unwrap_or_default())
    };
    let folder = || {
        let all = PATHS.iter().flat_map(|(_, entries)| *entries);
        let there = change.action != Action::Create;
        (there && all.into_iter().any(|entry| above(path, entry)))
            .then_some("what logins hang on is below it")
    };
    why(PATHS, path).or_else(unit).or_else(|| home(path, change, way)).or_else(folder)
}

/// Why a change in the home of who logs in may cut us off.
fn home(path: &str, change: &Change, way: &WayIn) -> Option<&'static str> {
    let Some(login) = &way.login else {
        let keys = path.ends_with("/.ssh") || path.contains("/.ssh/authorized_keys");
        return keys.then_some("it may be who logs in here");
    };
    if login.shell == path {
        return Some("it is the shell of who logs in here");
    }
    if change.action != Action::Create && (path == login.home || above(path, &login.home)) {
        return Some("sshd looks at this folder before it lets the login in");
    }
    let inside = path.strip_prefix(&login.home)?.strip_prefix('/')?;
    HOME.iter()
        .any(|entry| means(entry, inside))
        .then_some("it is read when the login gets in here")
}

/// Why a change of a unit or a package of this name may cut us off.
pub(super) fn name(name: &str) -> Option<&'static str> {
    const SUFFIXES: [&str; 9] = [
        ".service.d",
        ".socket.d",
        ".service",
        ".socket",
        ".target",
        ".path",
        ".timer",
        ".mount",
        ".d",
    ];
    let name = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    why(NAMES, name).or_else(|| why(NAMES, name.split_once('@')?.0))
}

/// As [`name`], for a package: the shell of who logs in counts too.
pub(super) fn package(package: &str, way: &WayIn) -> Option<&'static str> {
    let shell = way.login.as_ref().and_then(|login| login.shell.rsplit('/').next());
    name(package)
        .or_else(|| (shell == Some(package)).then_some("it is the shell of who logs in here"))
}

/// Why a change of a user may cut us off; `held`: whether something of it changes on which logins of his hang.
pub(super) fn user(
    user: &str,
    (change, held): (&Change, bool),
    way: &WayIn,
) -> Option<&'static str> {
    let gone = change.action == Action::Delete;
    if (gone || held) && way.needs_user(user) {
        return Some(whose(user, way));
    }
    gone.then(|| why(ACCOUNTS, user))?
}

/// Why a change of a group may cut us off, which is not made by it.
pub(super) fn group(group: &str, change: &Change, way: &WayIn) -> Option<&'static str> {
    if change.action == Action::Create {
        return None;
    }
    let own = match way.login {
        Some(_) => "who logs in here is in it",
        None => "who logs in here may be in it",
    };
    why(GROUPS, group).or_else(|| way.needs_group(group).then_some(own))
}

/// What a user is to us on whom logins hang.
pub(super) fn whose(user: &str, way: &WayIn) -> &'static str {
    match &way.login {
        None => "it may be who logs in here",
        Some(login) if login.name == user => "it is who logs in here",
        Some(_) => "the login becomes root",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Login;

    fn way(becomes: bool) -> WayIn {
        let text = ToOwned::to_owned;
        let groups = vec![text("deploy"), text("ops")];
        let (name, home, shell) = (text("deploy"), text("/srv/home/deploy"), text("/bin/zsh"));
        let login = Some(Login { name, home, shell, groups });
        WayIn { login, becomes, machine: None, outlives_boot: true }
    }

    fn change(action: Action) -> Change {
        Change::new(action, Vec::new())
    }

    /// The page prints each row as it stands here.
    #[test]
    fn the_page_holds_the_table() {
        let page = include_str!("../../docs/commit-confirm.md");
        let tables: [(&str, &Rows); 4] = [
            ("paths", PATHS),
            ("units and packages", NAMES),
            ("users", ACCOUNTS),
            ("groups", GROUPS),
        ];
        for (what, rows) in tables {
            for (why, entries) in rows {
                let entries: Vec<String> =
                    entries.iter().map(|entry| format!("`{entry}`")).collect();
                let row = format!("| {what} | {why} | {} |", entries.join(", "));
                assert!(page.contains(&row), "docs/commit-confirm.md lacks this row:\n{row}");
            }
        }
        for entry in OUTWARD.iter().chain(&UNITS).chain(&HOME) {
            assert!(page.contains(&format!("`{entry}`")), "docs/commit-confirm.md lacks `{entry}`");
        }
        let rows = page.lines().filter(|line| {
            tables.iter().any(|(what, _)| line.starts_with(&format!("| {what} | ")))
        });
        let all: usize = tables.iter().map(|(_, rows)| rows.len()).sum();
        assert_eq!(rows.count(), all, "and has no other");
    }

    #[test]
    fn what_logins_hang_on_is_seen_by_its_path() {
        let update = change(Action::Update);
        for yes in [
            "/etc/ssh",
            "/etc/ssh/sshd_config",
            "/etc/ssh/sshd_config.d/x.conf",
            "/etc/ssh/ssh_host_ed25519_key",
            "/etc/sudoers.d",
            "/etc/sudoers.d/deploy",
            "/etc/pam.d/sshd",
            "/etc/nftables.conf",
            "/etc/nftables.d/a.nft",
            "/etc/iptables/rules.v4",
            "/etc/netplan/50.yaml",
            "/etc/network/interfaces",
            "/etc/resolv.conf",
            "/etc/hosts",
            "/etc/hosts.deny",
            "/etc/nsswitch.conf",
            "/etc/shadow",
            "/etc/group-",
            "/etc/nologin",
            "/etc/systemd/system/ssh.service",
            "/etc/systemd/system/sshd.service.d/limit.conf",
            "/etc/systemd/system/wg-quick@wg0.service.d/a.conf",
            "/etc/init.d/networking",
            "/bin/sh",
            "/",
            "/etc",
            "/usr/sbin",
            "/etc/systemd",
            "/srv/home/deploy",
            "/srv/home",
            "/srv/home/deploy/.ssh",
            "/srv/home/deploy/.ssh/authorized_keys",
            "/srv/home/deploy/.bashrc",
            "/bin/zsh",
        ] {
            assert!(path(yes, &update, &way(true)).is_some(), "{yes}");
        }
        for no in [
            "/etc/ssh/ssh_config",
            "/etc/ssh/ssh_config.d/x.conf",
            "/etc/ssh/ssh_known_hosts",
            "/etc/motd",
            "/etc/hostname",
            "/etc/sshfoo",
            "/etc/systemd/system/shop.service",
            "/etc/init.d/shop",
            "/srv/www",
            "/srv/home/deploy/app",
            "/srv/home/deploy2",
            "/home/app/.ssh/authorized_keys",
            "/etc/nginx",
            "/bin/zsh5",
        ] {
            assert_eq!(path(no, &update, &way(true)), None, "{no}");
        }
        // A folder that is not there yet lets nobody in or out; what is in it does.
        assert_eq!(path("/srv/home/deploy", &change(Action::Create), &way(true)), None);
        assert!(path("/etc/nologin", &change(Action::Create), &way(true)).is_some());
    }

    #[test]
    fn units_and_packages_are_seen_by_their_names() {
        for yes in [
            "ssh",
            "ssh.service",
            "sshd.socket",
            "ssh@1.service",
            "wg-quick@wg0",
            "nftables",
            "libpam-modules",
        ] {
            assert!(name(yes).is_some(), "{yes}");
        }
        for no in ["nginx", "sshguardian", "app@ssh", "dbus-x11"] {
            assert_eq!(name(no), None, "{no}");
        }
        assert!(package("zsh", &way(true)).is_some() && package("fish", &way(true)).is_none());
    }

    /// The login, and root where it becomes root: nobody else.
    #[test]
    fn accounts_count_where_logins_hang_on_them() {
        let (update, delete) = (change(Action::Update), change(Action::Delete));
        assert_eq!(user("deploy", (&update, true), &way(true)), Some("it is who logs in here"));
        assert_eq!(user("deploy", (&update, false), &way(true)), None);
        assert_eq!(user("root", (&update, true), &way(true)), Some("the login becomes root"));
        assert_eq!(user("root", (&update, true), &way(false)), None);
        assert_eq!(user("app", (&delete, false), &way(true)), None);
        assert_eq!(user("sshd", (&delete, false), &way(true)), Some("sshd hangs on it"));
        let unknown = WayIn::default();
        assert_eq!(user("app", (&delete, false), &unknown), Some("it may be who logs in here"));
        assert_eq!(group("ops", &update, &way(true)), Some("who logs in here is in it"));
        assert_eq!(group("www-data", &delete, &way(true)), None);
        assert!(group("sudo", &delete, &way(true)).is_some());
        assert_eq!(group("sudo", &change(Action::Create), &way(true)), None);
        let keys = "/home/app/.ssh/authorized_keys";
        assert!(
            path(keys, &update, &unknown).is_some() && path(keys, &update, &way(true)).is_none()
        );
    }
}
