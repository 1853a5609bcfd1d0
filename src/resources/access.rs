//! On what the way to a host hangs: paths, units and packages. A type says by these whether a change of it
//! may cut that way off.

/// Below these a file decides who gets in, or over which network.
const PATHS: [&str; 16] = [
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
const NAMES: [&str; 19] = [
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

/// Whether what stands at a path decides who gets in, or over which network.
pub(super) fn path(path: &str) -> bool {
    PATHS.iter().any(|start| path.starts_with(start)) || path.ends_with("/.ssh/authorized_keys")
}

/// Whether logins or the network hang on a unit or package of this name.
pub(super) fn name(name: &str) -> bool {
    NAMES.contains(&name)
}
