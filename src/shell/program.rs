//! Programs for the remote shell: the words that start it, scripts, and steps.

use std::sync::LazyLock;

use super::quote;
use crate::model::Body;

/// PATH of everything that runs on a host; root-owned places only.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the remote shell runs first: one line from its standard input. Quoted so that the login
/// shells sh, bash, zsh, fish and tcsh all read it the same way; no byte of a user's is in it.
pub const START: &str = "read -r p; eval \"$p\"";

/// How the login becomes what the shell runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login<'m> {
    /// It stays what it is.
    Plain,
    /// Root by sudo without a password: where one is needed it fails at once and asks nothing.
    Sudo,
    /// Root by sudo, which asks with this mark and reads the password from standard input. Behind it
    /// the shell prints the mark before it reads anything. [`prompt`] and [`ready`] say how both look.
    SudoAsking { mark: &'m str },
}

/// What sudo prints when it asks. It stands in no command line: there sudo's own `%U` stands for the
/// name, so that a login shell that shows what it runs (`set -x`) is not taken for sudo.
#[must_use]
pub fn prompt(mark: &str) -> String {
    format!("{mark}root")
}

/// What the shell behind sudo prints when it is there; computed by it, for the same reason.
#[must_use]
pub fn ready(mark: &str) -> String {
    format!("{mark}42")
}

/// The login command as words, for a program that is started without a shell.
///
/// sudo runs with a PATH and a locale of ours, and asks anew whatever it remembers (`-k`).
#[must_use]
pub fn login_words(login: Login<'_>) -> Vec<String> {
    let path = format!("PATH={PATH}");
    let mut words: Vec<&str> = vec!["/usr/bin/env"];
    let start = match login {
        Login::SudoAsking { mark } => format!("echo {mark}$((6*7)); {START}"),
        Login::Plain | Login::Sudo => START.to_owned(),
    };
    let ours = [path.as_str(), "LC_ALL=C"];
    let asking;
    match login {
        Login::Plain => {}
        Login::Sudo => {
            words.extend(ours);
            words.extend(["/usr/bin/env", "sudo", "-k", "-n", "--", "/usr/bin/env"]);
        }
        Login::SudoAsking { mark } => {
            words.extend(ours);
            asking = format!("{mark}%U");
            words.extend(["/usr/bin/env", "sudo", "-k", "-S", "-p", &asking, "--", "/usr/bin/env"]);
        }
    }
    words.push("-i");
    words.extend(ours);
    words.extend(["/bin/sh", "-c"]);
    let mut words: Vec<String> = words.into_iter().map(ToOwned::to_owned).collect();
    words.push(start);
    words
}

/// The login command for a login shell: plain words and one in single quotes, which has none in it.
#[must_use]
pub fn login_line(login: Login<'_>) -> String {
    let mut words = login_words(login);
    let start = words.pop().expect("the last word is what sh runs");
    format!("exec {} '{start}'", words.join(" "))
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

/// What a step reads from the wire: bodies one behind the other.
pub type Content = Vec<Body>;

/// One guarded step: a compound command that ends with 0 when it has done its work, and the content
/// that it reads from the wire, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub script: Script,
    pub content: Option<Content>,
    /// The folder whose entries it changes: synced to disk before the program ends.
    pub folder: Option<String>,
    /// How it is done together with its neighbours, where it can be.
    pub joint: Option<Joint>,
}

/// What a step shares with others that one call of a shell function can do with it.
///
/// It is called as `CALL SHARED… ITEM…`, where an item is the number of a step and its words, and answers for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joint {
    pub call: &'static str,
    pub shared: Vec<String>,
    pub words: Vec<Vec<u8>>,
}

impl Joint {
    /// Whether one call can do both.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        (self.call, &self.shared) == (other.call, &other.shared)
    }

    /// Bytes of its words.
    #[must_use]
    pub fn size(&self) -> usize {
        self.words.iter().map(Vec::len).sum()
    }
}

impl Step {
    /// A step without content.
    #[must_use]
    pub const fn new(script: Script) -> Self {
        Self { script, content: None, folder: None, joint: None }
    }

    /// A step that changes an entry of `folder`.
    #[must_use]
    pub fn inside(script: Script, folder: &str) -> Self {
        Self { script, content: None, folder: Some(folder.to_owned()), joint: None }
    }

    /// Adds the content that it reads from the wire.
    #[must_use]
    pub fn reading(mut self, content: Option<Body>) -> Self {
        self.content = content.map(|body| vec![body]);
        self
    }

    /// How many bytes it reads from the wire; -1 where it reads none.
    #[must_use]
    pub fn bytes(&self) -> i128 {
        let sum = |content: &Content| content.iter().map(|body| i128::from(body.size())).sum();
        self.content.as_ref().map_or(-1, sum)
    }
}

/// The remote end's functions as a program of their own, which stands in a file on the host and calls one of
/// them with its arguments. `more` stands before that.
#[must_use]
pub fn detached((word, libraries): (&str, &[&str]), more: &Script, function: &str) -> Vec<u8> {
    let prelude = prelude("", word, libraries);
    let end = prelude.len() - parts().tail.len();
    let tail = format!("whoami\nstarted $$\nborn=$T\n{function} \"$@\"\n");
    [&prelude[..end], b"\n", more.bytes(), tail.as_bytes()].concat()
}

/// prelude.sh: what all programs need, what steps need besides, and the loop behind the libraries.
struct Parts {
    common: String,
    steps: String,
    tail: String,
}

/// What stands in a library before the functions that only steps call.
const REST: &str = "# The rest is for steps.";

fn parts() -> &'static Parts {
    static PARTS: LazyLock<Parts> = LazyLock::new(|| {
        let text = include_str!("prelude.sh");
        let (common, steps) = text.split_once(REST).expect("prelude.sh says what is for steps");
        let at = steps.rfind("\nwhoami\n").expect("prelude.sh ends with its loop");
        let (steps, tail) = (squeeze(&steps[..at]), squeeze(&steps[at..]));
        Parts { common: squeeze(common), steps, tail: format!("\n{tail}") }
    });
    &PARTS
}

/// The remote end, without comments and indentation, with `libraries` (shell functions of the types
/// in use) before its loop.
#[must_use]
pub fn prelude(nonce: &str, word: &str, libraries: &[&str]) -> Vec<u8> {
    let parts = parts();
    let all = libraries.iter().map(|library| squeeze(library));
    remote_end((nonce, word), std::iter::once(parts.steps.clone()).chain(all))
}

/// As [`prelude`], with which questions can be asked and no step be done: a third of it.
#[must_use]
pub fn asking(nonce: &str, word: &str, libraries: &[&str]) -> Vec<u8> {
    let front =
        |library: &&str| squeeze(library.split_once(REST).map_or(*library, |parts| parts.0));
    remote_end((nonce, word), libraries.iter().map(front))
}

fn remote_end((nonce, word): (&str, &str), libraries: impl Iterator<Item = String>) -> Vec<u8> {
    let parts = parts();
    let mut text = format!("{}\n{}", first_line(nonce, word), parts.common);
    for library in libraries.filter(|library| !library.is_empty()) {
        text.push('\n');
        text.push_str(&library);
    }
    text.push_str(&parts.tail);
    text.into_bytes()
}

/// A prelude with this nonce and word in its first line.
#[must_use]
pub fn named(prelude: &[u8], nonce: &str, word: &str) -> Vec<u8> {
    let at = prelude.iter().position(|&byte| byte == b'\n').unwrap_or(prelude.len());
    [first_line(nonce, word).as_bytes(), &prelude[at..]].concat()
}

fn first_line(nonce: &str, word: &str) -> String {
    format!("N={nonce} R={word}")
}

/// A prelude that runs a program of this number before it reads others: one thing less to read on the host.
#[must_use]
pub fn with_first(prelude: &[u8], (seq, script): (u64, &[u8])) -> Vec<u8> {
    let at = prelude.len() - parts().tail.len();
    let looped = parts().tail.find("\nwhile ").expect("the loop is the end of prelude.sh") + at;
    let end = format!("\nclosing {seq}");
    [&prelude[..looped], b"\nC=0\n", script, end.as_bytes(), &prelude[looped..]].concat()
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
    fn a_login_shell_reads_plain_words_and_one_in_quotes() {
        let line = login_line(Login::SudoAsking { mark: "ab12" });
        let (plain, quoted) = line.split_once(" '").expect("a quoted word");
        assert!(plain.chars().all(|char| char.is_ascii_alphanumeric() || " /=:-_%".contains(char)));
        assert_eq!(quoted, "echo ab12$((6*7)); read -r p; eval \"$p\"'");
        assert!(plain.contains("sudo -k -S -p ab12%U -- "), "{plain}");
        assert!(login_line(Login::Sudo).contains("sudo -k -n -- "));
        assert!(!login_line(Login::Plain).contains("sudo"));
    }

    #[test]
    fn the_prelude_has_no_comments_and_ends_with_a_word() {
        let text = String::from_utf8(prelude("aa", "bb", &["# gone\n  f() { :; }\n"])).unwrap();
        assert!(text.starts_with("N=aa R=bb\nset -u\n"));
        assert_eq!(named(text.as_bytes(), "", ""), prelude("", "", &["# gone\n  f() { :; }\n"]));
        assert!(text.contains("\nf() { :; }\nwhoami\n"));
        assert!(text.ends_with("exit 0"), "command substitution takes final newlines away");
        assert!(!text.contains("\n#"));
    }
}
