//! Programs for the remote shell: the words that start it, scripts, and steps.

use std::sync::{Arc, LazyLock};

use super::quote;

/// PATH of everything that runs on a host; root-owned places only.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the remote shell runs first: one line from its standard input. Quoted so that the login
/// shells sh, bash, zsh, fish and tcsh all read it the same way; no byte of a user's is in it.
pub const START: &str = "read -r p; eval \"$p\"";

/// The login command: plain words and [`START`] in single quotes.
#[must_use]
pub fn start_words(sudo: bool) -> String {
    let sudo = if sudo { "sudo -n -- " } else { "" };
    format!("exec {sudo}/usr/bin/env -i PATH={PATH} LC_ALL=C /bin/sh -c '{START}'")
}

/// Shell text that is put together from fixed parts and quoted values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script(Vec<u8>);

impl Script {
    /// An empty script.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds text of our own, as it is.
    pub fn text(&mut self, text: &'static str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: impl Into<i128>) -> &mut Self {
        self.0.extend_from_slice(number.into().to_string().as_bytes());
        self
    }

    /// Adds a space and `value` as one quoted word.
    ///
    /// # Panics
    /// When `value` holds a NUL byte: strings are checked for it when a resource is made.
    pub fn arg(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        let word =
            quote(value.as_ref()).expect("values are checked for NUL when a resource is made");
        self.0.push(b' ');
        self.0.extend_from_slice(&word);
        self
    }

    /// Adds `values`, each as one quoted word.
    pub fn args<V: AsRef<[u8]>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        for value in values {
            self.arg(value);
        }
        self
    }

    /// Adds another script as it is.
    pub fn script(&mut self, other: &Self) -> &mut Self {
        self.0.extend_from_slice(&other.0);
        self
    }

    /// The text so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether nothing was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One guarded step: a compound command that ends with 0 when it has done its work, and the content
/// that it reads from the wire, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub script: Script,
    pub content: Option<Arc<[u8]>>,
    /// The folder whose entries it changes: synced to disk before the program ends.
    pub folder: Option<String>,
}

impl Step {
    /// A step without content.
    #[must_use]
    pub const fn new(script: Script) -> Self {
        Self { script, content: None, folder: None }
    }

    /// A step that changes an entry of `folder`.
    #[must_use]
    pub fn inside(script: Script, folder: &str) -> Self {
        Self { script, content: None, folder: Some(folder.to_owned()) }
    }

    /// Adds the content that it reads from the wire.
    #[must_use]
    pub fn reading(mut self, content: Option<Arc<[u8]>>) -> Self {
        self.content = content;
        self
    }
}

/// The remote end, without comments and indentation, with `libraries` (shell functions of the types
/// in use) before its loop.
#[must_use]
pub fn prelude(nonce: &str, word: &str, libraries: &[&str]) -> Vec<u8> {
    static PARTS: LazyLock<(String, String)> = LazyLock::new(|| {
        let text = squeeze(include_str!("prelude.sh"));
        let at = text.find("\nU=$(id -u)").expect("prelude.sh ends with its loop");
        (text[..at].to_owned(), text[at..].to_owned())
    });
    let mut text = format!("N={nonce} R={word}\n{}", PARTS.0);
    for library in libraries {
        text.push('\n');
        text.push_str(&squeeze(library));
    }
    text.push_str(&PARTS.1);
    text.into_bytes()
}

/// Shell text of ours without comment lines, empty lines and indentation.
fn squeeze(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_text_is_not() {
        let mut script = Script::new();
        script.text("stat --").arg("a b").args(["c", "it's"]).text(" 2>&1");
        assert_eq!(script.bytes(), b"stat -- 'a b' 'c' 'it'\\''s' 2>&1");
    }

    #[test]
    fn the_prelude_has_no_comments_and_ends_with_a_word() {
        let text = String::from_utf8(prelude("aa", "bb", &["# gone\n  f() { :; }\n"])).unwrap();
        assert!(text.starts_with("N=aa R=bb\nset -u\n"));
        assert!(text.contains("\nf() { :; }\nU=$(id -u)\n"));
        assert!(text.ends_with("exit 0"), "command substitution takes final newlines away");
        assert!(!text.contains("\n#"));
    }
}
