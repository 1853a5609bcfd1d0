//! A managed host: its name, how to reach it and how to become root there.

use std::fmt;

/// A managed host of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    /// What ssh is told to connect to: the `address` of the inventory, else the name.
    pub address: String,
    /// All groups that it is in, children's parents included, sorted.
    pub groups: Vec<String>,
    pub connection: Connection,
}

/// How to reach a host; each setting may come from the inventory, a group or the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    pub transport: Option<TransportKind>,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Path of a private key; ssh uses no other then.
    pub identity: Option<String>,
    /// Hosts to jump through, as `ssh -J` takes them.
    pub jump: Option<String>,
    pub r#become: Option<Become>,
    /// The program of the `command` transport, ending in a shell.
    pub command: Option<Vec<String>>,
}

impl Connection {
    /// The settings of `self` where it has them, else those of `outer`.
    #[must_use]
    pub fn over(self, outer: &Self) -> Self {
        Self {
            transport: self.transport.or(outer.transport),
            user: self.user.or_else(|| outer.user.clone()),
            port: self.port.or(outer.port),
            identity: self.identity.or_else(|| outer.identity.clone()),
            jump: self.jump.or_else(|| outer.jump.clone()),
            r#become: self.r#become.or(outer.r#become),
            command: self.command.or_else(|| outer.command.clone()),
        }
    }
}

/// What carries a shell's standard input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    Ssh,
    Local,
    Command,
}

impl TransportKind {
    /// Every name that an inventory may write, with what it means.
    pub const NAMES: [(&'static str, Self); 3] =
        [("ssh", Self::Ssh), ("local", Self::Local), ("command", Self::Command)];
}

/// How the login user becomes root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Become {
    /// Stay the login user.
    No,
    /// By sudo, with a password where it wants one.
    Sudo,
}

impl Become {
    /// Every name that an inventory may write, with what it means.
    pub const NAMES: [(&'static str, Self); 2] = [("no", Self::No), ("sudo", Self::Sudo)];
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
