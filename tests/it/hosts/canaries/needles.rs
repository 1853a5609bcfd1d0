//! The canaries, and all by which one would be known.

use std::fmt::Write as _;

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

/// What is in the module itself, in a resource that is marked sensitive.
pub(super) const DECLARED: &str = "Canary-declared-7f3a";
/// What stands in the texts of commands and checks.
pub(super) const PROBE: &str = "Canary-probe-91be";
/// The hash that is in the module itself.
pub(super) const HASHED: &str = "CanaryHashInTheModule.0123456789abcdefghij/";
/// Params of the module, by their names as vars.
pub(super) const NAMES: [&str; 7] =
    ["token", "pem", "pin", "input", "environment", "hash", "probe"];
/// Their values: with quotes, of several lines, of four characters.
const VALUES: [&str; 7] = [
    "Canary \\\"token\\\" it's $HOME/&?% 0d4c",
    "-----CANARY KEY-----\\nQ2FuYXJ5LXBlbS1saW5lLW9uZQx1\\nQ2FuYXJ5LXBlbS1saW5lLXR3bwx2\\n-----CANARY END-----\\n",
    "kZ~7",
    "Canary-input-5b21",
    "Canary-environment-c08e",
    "$5$canarysalt$5i1qBpoG1r2lckbKSq1CnT.UGPp8XJNqM5AYlEGzft6",
    PROBE,
];

/// The vars of the inventory.
pub(super) fn vars() -> String {
    let lines = NAMES.iter().zip(VALUES).map(|(name, value)| format!("{name} = \"{value}\""));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every canary, as it is on a host.
pub(super) fn canaries() -> Vec<String> {
    let plain = VALUES.iter().map(|value| value.replace("\\n", "\n").replace("\\\"", "\""));
    plain.chain([DECLARED.to_owned()]).collect()
}

/// Lines of the canaries as JSON and URLs have them.
pub(super) fn forms() -> String {
    let all = canaries();
    let lines = all.iter().flat_map(|canary| canary.lines());
    let forms = lines.flat_map(|line| [json(line), percent(line)]);
    forms.collect::<Vec<_>>().join("\n")
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("JSON").trim_matches('"').to_owned()
}

/// What is looked for, and what it is a form of.
pub(super) struct Needles(Vec<(String, String)>);

impl Needles {
    pub(super) fn of(canaries: &[String]) -> Self {
        let mut all = Vec::new();
        for canary in canaries {
            let mut add = |form: &str, needle: String| {
                all.push((
                    needle,
                    format!("{form} of {}", canary.lines().next().unwrap_or_default()),
                ));
            };
            for line in canary.lines() {
                add("a line", line.to_owned());
            }
            for text in [canary.clone(), format!("{canary}\n"), format!("token = {canary}\n")] {
                add("a digest", hex(&Sha256::digest(text.as_bytes())));
            }
            if canary.len() < 8 {
                continue;
            }
            // Wherever in a longer text it stands, one of three is in the base64 of that.
            for skipped in 0..3 {
                let text = &canary.as_bytes()[skipped..];
                let whole = &text[..text.len() / 3 * 3];
                let encoded = base64::engine::general_purpose::STANDARD.encode(whole);
                add("base64", encoded[..encoded.len().min(60)].to_owned());
            }
            add("hex", hex(canary.lines().next().unwrap_or_default().as_bytes()));
            for line in canary.lines() {
                add("JSON", json(line));
                add("a URL", percent(line));
                add("a quoted word", line.replace('\'', "'\\''"));
            }
        }
        all.push((HASHED.to_owned(), "the hash in the module".to_owned()));
        all.sort();
        all.dedup_by(|one, other| one.0 == other.0);
        Self(all)
    }

    /// Those that are in a text, by what they are.
    pub(super) fn within(&self, text: &[u8]) -> Vec<&str> {
        let text = String::from_utf8_lossy(text);
        let found = self.0.iter().filter(|(needle, _)| text.contains(needle.as_str()));
        found.map(|(_, what)| what.as_str()).collect()
    }

    /// Those that are in nothing else by chance.
    pub(super) fn long(&self) -> Vec<&str> {
        self.0.iter().map(|(needle, _)| needle.as_str()).filter(|needle| needle.len() > 7).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// As a URL has it.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
