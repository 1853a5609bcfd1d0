//! What is known of a host by asking it: a fixed list of typed values, inert data everywhere.

use std::collections::BTreeMap;

use super::Value;

/// What a host said about itself. Every value is untrusted text that was checked for its shape;
/// none is ever evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub hostname: String,
    pub kernel: String,
    pub arch: String,
    pub cpus: u32,
    pub memory_mb: u64,
    /// The login user after `become`.
    pub user: String,
    /// `systemd`, or `other`.
    pub init: String,
    pub os: Os,
}

/// What `os-release(5)` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// `ID`: `debian`, `ubuntu`, `alpine`.
    pub id: String,
    /// The first word of `ID_LIKE`, else `ID`.
    pub family: String,
    /// `VERSION_ID`; empty where there is none.
    pub version: String,
    /// `VERSION_CODENAME`; empty where there is none.
    pub codename: String,
    /// `PRETTY_NAME`.
    pub name: String,
}

impl Facts {
    /// Stands in for a host that was not asked yet, so that templates can be checked without it.
    #[must_use]
    pub fn stand_in(hostname: &str) -> Self {
        Self {
            hostname: hostname.to_owned(),
            kernel: "6.1.0".to_owned(),
            arch: "x86_64".to_owned(),
            cpus: 2,
            memory_mb: 2048,
            user: "root".to_owned(),
            init: "systemd".to_owned(),
            os: Os {
                id: "debian".to_owned(),
                family: "debian".to_owned(),
                version: "12".to_owned(),
                codename: "bookworm".to_owned(),
                name: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            },
        }
    }

    /// All hosts that may be meant, [`Self::stand_in`] first: what is wrong with all of them does not
    /// hang on one system's values.
    #[must_use]
    pub fn stand_ins(hostname: &str) -> Vec<Self> {
        let other = |arch: &str, init: &str, os: [&str; 5]| {
            let [id, family, version, codename, name] = os.map(ToOwned::to_owned);
            Self {
                arch: arch.to_owned(),
                init: init.to_owned(),
                os: Os { id, family, version, codename, name },
                ..Self::stand_in(hostname)
            }
        };
        vec![
            Self::stand_in(hostname),
            other("aarch64", "systemd", ["ubuntu", "debian", "24.04", "noble", "Ubuntu 24.04 LTS"]),
            other("x86_64", "other", ["alpine", "alpine", "3.22.1", "", "Alpine Linux v3.22"]),
        ]
    }

    /// As expressions see them: `facts.os.id`, `facts.cpus`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let text = |value: &str| Value::String(value.to_owned());
        let table = |entries: Vec<(&str, Value)>| {
            Value::Table(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<BTreeMap<_, _>>(),
            )
        };
        table(vec![
            ("hostname", text(&self.hostname)),
            ("kernel", text(&self.kernel)),
            ("arch", text(&self.arch)),
            ("cpus", Value::Integer(i64::from(self.cpus))),
            ("memory_mb", Value::Integer(i64::try_from(self.memory_mb).unwrap_or(i64::MAX))),
            ("user", text(&self.user)),
            ("init", text(&self.init)),
            (
                "os",
                table(vec![
                    ("id", text(&self.os.id)),
                    ("family", text(&self.os.family)),
                    ("version", text(&self.os.version)),
                    ("codename", text(&self.os.codename)),
                    ("name", text(&self.os.name)),
                ]),
            ),
        ])
    }
}
