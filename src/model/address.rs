//! The name of a resource on a host: `module/type[name]`, and the patterns that select some.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use super::change::word;

/// `module/type[name]`, unique on a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub module: String,
    pub kind: &'static str,
    pub name: String,
}

impl Address {
    /// Reads `module/type[name]`, as it is displayed.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (head, name) = text.strip_suffix(']')?.split_once('[')?;
        let (module, kind) = head.rsplit_once('/')?;
        Some(Self { module: module.to_owned(), kind: word(kind), name: name.to_owned() })
    }

    /// The address without its module, as it is written inside that module.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{}[{}]", self.kind, self.name)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.module, self.kind, self.name)
    }
}

/// A selector of addresses as `requires` and triggers write it: `file[/etc/nginx/**]`, or with a
/// module in front. The name is a glob in which `*` stays inside one path part and `**` does not.
#[derive(Debug, Clone)]
pub struct AddressPattern {
    module: Option<String>,
    kind: String,
    /// The name as it is written, and what it matches besides where it has anything of a glob.
    written: String,
    glob: Option<GlobMatcher>,
    text: String,
}

/// Why a text is no address pattern, with what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("an address is written `type[name]` or `module/type[name]`")]
    Shape,
    #[error("the name is not a glob: {0}")]
    Glob(String),
}

impl AddressPattern {
    /// What every one looks like, as a regular expression.
    pub const SHAPE: &str = r"^([^\[]+/)?[^\[/]+\[[\s\S]+\]$";

    /// Reads `type[name]` or `module/type[name]`.
    ///
    /// # Errors
    /// When the brackets or the type are missing, or the name is not a glob.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let inner = text.strip_suffix(']').ok_or(PatternError::Shape)?;
        let (head, name) = inner.split_once('[').ok_or(PatternError::Shape)?;
        let (module, kind) = match head.rsplit_once('/') {
            Some((module, kind)) => (Some(module.to_owned()), kind),
            None => (None, head),
        };
        if kind.is_empty() || name.is_empty() || module.as_deref() == Some("") {
            return Err(PatternError::Shape);
        }
        let glob = if name.contains(['*', '?', '[', '{', '\\']) {
            let mut builder = GlobBuilder::new(name);
            let built = builder.literal_separator(true).backslash_escape(true).build();
            let built = built.map_err(|error| PatternError::Glob(error.kind().to_string()))?;
            Some(built.compile_matcher())
        } else {
            None
        };
        let (kind, written, text) = (kind.to_owned(), name.to_owned(), text.to_owned());
        Ok(Self { module, kind, written, glob, text })
    }

    /// Whether it selects `address`, read inside `module`.
    #[must_use]
    pub fn matches(&self, address: &Address, module: &str) -> bool {
        self.module.as_deref().unwrap_or(module) == address.module
            && self.kind == address.kind
            && (self.written == address.name
                || self.glob.as_ref().is_some_and(|glob| glob.is_match(&address.name)))
    }

    /// The module that it names, if it does.
    #[must_use]
    pub fn module(&self) -> Option<&str> {
        self.module.as_deref()
    }

    /// The one name that it selects, where it is no glob.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        self.glob.is_none().then_some(self.written.as_str())
    }

    /// The type that it names.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(module: &str, name: &str) -> Address {
        Address { module: module.into(), kind: "file", name: name.into() }
    }

    #[test]
    fn selects_inside_the_module_unless_it_names_another() {
        let pattern = AddressPattern::parse("file[/etc/nginx/**]").unwrap();
        assert!(pattern.matches(&file("nginx", "/etc/nginx/conf.d/a.conf"), "nginx"));
        assert!(!pattern.matches(&file("base", "/etc/nginx/nginx.conf"), "nginx"));
        let other = AddressPattern::parse("base/file[/etc/*]").unwrap();
        assert!(other.matches(&file("base", "/etc/motd"), "nginx"));
        assert!(!other.matches(&file("base", "/etc/a/b"), "nginx"));
    }

    #[test]
    fn an_address_reads_as_it_is_displayed() {
        for name in ["/etc/a]b", "a[0]", "x/y"] {
            let address = file("m", name);
            assert_eq!(Address::read(&address.to_string()), Some(address));
        }
        assert_eq!(Address::read("file[x]"), None);
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in ["", "file", "file[]", "[x]", "/file[x]", "file[x", "file x]"] {
            assert_eq!(AddressPattern::parse(text).unwrap_err(), PatternError::Shape, "{text}");
        }
    }
}
