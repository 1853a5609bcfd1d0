//! What a resource says of a path or a key: others on the same host heed it. Two that cannot stand
//! beside each other are a mistake; what somebody claims is not purged.

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nobody else manages this path.
    Whole(String),
    /// The path is there and has its owner and mode; others may edit what is in it.
    Frame(String),
    /// A part of what is in the file. A mark is there once.
    Edit { path: String, mark: Option<String> },
    /// The path stays, whoever made it.
    Stays(String),
    /// A key that may log in as a user, by its type and base64.
    Key { user: String, key: String },
}

impl Claim {
    /// The path that it is about.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Whole(path) | Self::Frame(path) | Self::Edit { path, .. } | Self::Stays(path) => {
                Some(path)
            }
            Self::Key { .. } => None,
        }
    }

    /// Whether both can be claimed on one host.
    #[must_use]
    pub fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Edit { mark, .. }, Self::Edit { mark: second, .. }) => {
                mark.is_none() || mark != second
            }
            (Self::Whole(_), Self::Whole(_) | Self::Frame(_) | Self::Edit { .. })
            | (Self::Frame(_), Self::Whole(_) | Self::Frame(_))
            | (Self::Edit { .. }, Self::Whole(_)) => false,
            _ => true,
        }
    }
}
