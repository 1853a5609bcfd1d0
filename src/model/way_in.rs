//! How we get in to a host, as far as the host could say: what a change may cut off.

/// The way in to a host, and who could put changes back that cut it off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WayIn {
    /// Who logs in; `None` where the host could not say it, and it may be anybody.
    pub login: Option<Login>,
    /// Whether the login becomes root.
    pub becomes: bool,
    /// What tells the machine from all others, where it said so: two hosts that say the same are one.
    pub machine: Option<String>,
    /// Whether somebody puts back where the host starts anew before it was confirmed.
    pub outlives_boot: bool,
}

/// An account that logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub name: String,
    pub home: String,
    pub shell: String,
    /// The names of its groups.
    pub groups: Vec<String>,
}

impl WayIn {
    /// Whether it is an account of this name that logs in.
    #[must_use]
    pub fn needs_login(&self, name: &str) -> bool {
        self.login.as_ref().is_none_or(|login| login.name == name)
    }

    /// Whether logins hang on an account of this name: the one that logs in, and root where it becomes root.
    #[must_use]
    pub fn needs_user(&self, name: &str) -> bool {
        self.needs_login(name) || self.becomes && name == "root"
    }

    /// Whether the login is in a group of this name.
    #[must_use]
    pub fn needs_group(&self, name: &str) -> bool {
        self.login.as_ref().is_none_or(|login| login.groups.iter().any(|group| group == name))
    }
}
