//! A line of `authorized_keys`: options, type, base64 and comment (sshd(8), "file format").

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The types of keys that sshd knows. Certificates have `-cert-v01@openssh.com` in theirs.
const TYPES: [&str; 8] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-dss",
];

/// A public key with what stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    pub(super) options: String,
    pub(super) kind: String,
    pub(super) base64: String,
    pub(super) comment: String,
}

impl PublicKey {
    /// Reads one line.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        if line.contains("PRIVATE KEY") {
            return Err("this is a private key: it must not leave its owner".into());
        }
        let line = line.trim();
        let (first, rest) = word(line)?;
        let (options, kind, rest) = if known(first) {
            ("", first, rest)
        } else {
            let (second, rest) = word(rest)?;
            if !known(second) {
                return Err(format!("it has no type of key, such as {}", TYPES[0]));
            }
            (first, second, rest)
        };
        let (base64, comment) = word(rest)?;
        check(kind, base64)?;
        Ok(Self {
            options: options.to_owned(),
            kind: kind.to_owned(),
            base64: base64.to_owned(),
            comment: comment.to_owned(),
        })
    }

    /// What makes it this key and no other.
    pub(super) fn identity(&self) -> String {
        format!("{} {}", self.kind, self.base64)
    }

    /// As it stands in the file.
    pub(super) fn line(&self) -> String {
        let parts = [&self.options, &self.kind, &self.base64, &self.comment];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// For a reader: the fingerprint in the place of the key, as `ssh-keygen -l` prints it.
    pub(super) fn shown(&self) -> String {
        let bytes = STANDARD.decode(&self.base64).unwrap_or_default();
        let print = format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(bytes)));
        Self { base64: print, ..self.clone() }.line()
    }
}

/// The next word; spaces between quotes belong to it.
pub(super) fn word(text: &str) -> Result<(&str, &str), String> {
    let text = text.trim_start();
    let (mut quoted, mut escaped) = (false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Ok((&text[..at], text[at..].trim_start())),
            _ => {}
        }
    }
    if quoted { Err("a quote in its options does not end".into()) } else { Ok((text, "")) }
}

fn known(kind: &str) -> bool {
    TYPES.contains(&kind) || kind.ends_with("-cert-v01@openssh.com")
}

/// Whether the base64 is whole and holds a key of this type: strings, each with its length before it
/// (RFC 4253, 6.6).
fn check(kind: &str, base64: &str) -> Result<(), String> {
    if base64.is_empty() {
        return Err(format!("nothing stands behind {kind}"));
    }
    let bytes = STANDARD.decode(base64).map_err(|_| "its base64 is cut or damaged".to_owned())?;
    let mut rest = bytes.as_slice();
    let mut strings = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some(string) = after.get(..length) else { break };
        strings.push(string);
        rest = &after[length..];
        if strings.len() == 1 && kind.contains("-cert-") {
            // What follows in a certificate has other shapes too.
            rest = &[];
        }
    }
    let inside = strings.first().map(|name| String::from_utf8_lossy(name).into_owned());
    match inside {
        Some(inside) if inside != kind && known(&inside) => {
            Err(format!("it says {kind} and holds {inside}"))
        }
        Some(inside) if inside == kind && rest.is_empty() => {
            let whole = strings.len() > 1 || kind.contains("-cert-");
            if whole { Ok(()) } else { Err("its base64 is cut or damaged".into()) }
        }
        _ => Err("its base64 is cut or damaged".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB9";

    #[test]
    fn reads_options_and_comments() {
        let text = format!("from=\"10.0.0.0/8\",command=\"a b\" ssh-ed25519 {KEY} me at home");
        let key = PublicKey::parse(&text).unwrap();
        assert_eq!(key.options, "from=\"10.0.0.0/8\",command=\"a b\"");
        assert_eq!(key.comment, "me at home");
        assert_eq!(key.line(), text);
        assert_eq!(PublicKey::parse(&key.line()).unwrap(), key);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            (String::new(), "no type of key"),
            (KEY.to_owned(), "no type of key"),
            ("ssh-ed25519".to_owned(), "nothing stands behind"),
            (format!("ssh-ed25519 {}", &KEY[..40]), "cut or damaged"),
            (format!("ssh-ed25519 {KEY}="), "cut or damaged"),
            (format!("ssh-rsa {KEY}"), "says ssh-rsa and holds ssh-ed25519"),
            (format!("command=\"x ssh-ed25519 {KEY}"), "a quote"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), "a private key"),
        ] {
            let said = PublicKey::parse(&text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
