//! The ledger as text. A first line says the version, how often it was written, whose it is, and what
//! follows it: `trueup-ledger 1 SERIAL PROJECT HOST LINES SHA256`; then a line of JSON for each entry and
//! each trigger that is owed.
//!
//! What a host sends is untrusted: it is bounded, checked against its own digest, and decides about that
//! host alone.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::journal::{self, Journal};
use super::{Entry, Ledger, Owed};
use crate::model::RunId;
use crate::model::change::sha256_hex;

/// The largest ledger that is read, in bytes.
const MOST: usize = 32 << 20;

const WORD: &str = "trueup-ledger";
const VERSION: &str = "1";

/// Why a ledger says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It cannot be read: the next apply writes it anew and keeps the old one beside it.
    #[error("its ledger cannot be read: {0}")]
    Broken(String),
    /// It is not this host's, or not this program's to write.
    #[error("its ledger is not to be used: {0}")]
    Foreign(String),
}

/// One line behind the first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    Entry(String, Entry),
    Owed(Owed),
}

/// What a host answered: who holds the lock, and what it remembers.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// Who is at work there now.
    pub lock: Option<String>,
    pub ledger: Ledger,
    pub damage: Option<Damage>,
    /// What is to be known of sets that a run left in the middle.
    pub sets: Vec<String>,
    /// The run that used up the saved plan that is to be applied, where one did; empty where that is not known.
    pub spent: Option<String>,
    /// What was to go and cannot as things are, and why.
    pub stays: Vec<(String, String)>,
}

/// Words of the host's that are told, at most.
const TOLD: usize = 600;

impl Memory {
    /// Takes in what the host said of the sets that it put back, one a line.
    pub fn mended(&mut self, said: &[u8]) {
        let said = String::from_utf8_lossy(said);
        let lines = said.lines().take(20).map(|line| line.chars().take(TOLD).collect());
        self.sets.extend(lines);
    }

    /// Takes in which run used up a saved plan, as `spent` says it.
    pub fn used_up(&mut self, said: &[u8]) {
        let said = String::from_utf8_lossy(said);
        self.spent = said
            .lines()
            .next()
            .map(|run| RunId::parse(run).map(|run| run.to_string()).unwrap_or_default());
    }
}

/// Reads the answer of `recall`.
#[must_use]
pub fn read(answer: &[u8], (project, host): (&str, &str)) -> Memory {
    // What a shell captures lacks its last line ends.
    let text = String::from_utf8_lossy(answer).trim_end_matches('\n').to_owned() + "\n";
    let (mut memory, mut boot, mut rest) = (Memory::default(), "", &*text);
    let mut acted = String::new();
    while let Some(line) = rest.strip_prefix("= ") {
        let (line, more) = line.split_once('\n').unwrap_or((line, ""));
        rest = more;
        match line.split_once(' ').unwrap_or((line, "")) {
            ("boot", value) => boot = value,
            ("lock", value) => memory.lock = Some(value.chars().take(300).collect()),
            ("foreign", path) => {
                let why = format!("{path} is not a folder of this login's alone");
                memory.damage = Some(Damage::Foreign(why));
            }
            // While somebody is at work it is in the middle for good reasons.
            ("set", label) if memory.lock.is_none() && memory.sets.len() < 20 => {
                let label: String = label.chars().take(TOLD).collect();
                memory.sets.push(format!(
                    "{label} was left in the middle by a run that died: the next apply puts its old files back first"
                ));
            }
            ("set", _) => {}
            ("journal", _) => memory.ledger.open = true,
            ("acted", seq) => acted = format!("\nacted {seq}\n"),
            _ => break,
        }
    }
    let open = memory.ledger.open;
    let rest =
        if acted.is_empty() { Cow::Borrowed(rest) } else { Cow::Owned(rest.to_owned() + &acted) };
    match parse(&rest, boot, (project, host)) {
        Ok(ledger) => memory.ledger = Ledger { open, ..ledger },
        Err(damage) => memory.damage = Some(damage),
    }
    memory
}

fn parse(text: &str, boot: &str, whose: (&str, &str)) -> Result<Ledger, Damage> {
    if text.len() > MOST {
        return Err(Damage::Broken(format!("it has more than {} MiB", MOST >> 20)));
    }
    let (mut ledger, rest) = match text.starts_with(WORD) {
        true => base(text, whose)?,
        // A first run left a journal alone.
        false if text.trim().is_empty() || journal::is_first(text) => (Ledger::default(), text),
        false => return Err(Damage::Broken("its first line is another".to_owned())),
    };
    if !rest.trim().is_empty() {
        let journal = Journal::read(rest, boot);
        journal::fold(&mut ledger, &journal);
    }
    Ok(ledger)
}

/// The ledger itself, and what stands behind it.
fn base<'t>(text: &'t str, (project, host): (&str, &str)) -> Result<(Ledger, &'t str), Damage> {
    let broken = |why: &str| Damage::Broken(why.to_owned());
    let (first, mut rest) = text.split_once('\n').ok_or_else(|| broken("it is cut"))?;
    let words: Vec<&str> = first.split(' ').collect();
    let [_, version, serial, its_project, its_host, count, digest] = words[..] else {
        return Err(broken("its first line is another"));
    };
    if version != VERSION {
        let why = format!("it is of version {version}, which this trueup does not know");
        return Err(Damage::Foreign(why));
    }
    if (its_project, its_host) != (project, host) {
        let why = format!("it is of host `{its_host}` in project `{its_project}`");
        return Err(Damage::Foreign(why));
    }
    let serial = serial.parse().map_err(|_| broken("its serial is no number"))?;
    let count: usize = count.parse().map_err(|_| broken("its count is no number"))?;
    let whole = rest;
    let mut ledger = Ledger { serial, ..Ledger::default() };
    for _ in 0..count {
        let (line, more) = rest.split_once('\n').ok_or_else(|| broken("it is cut"))?;
        rest = more;
        match serde_json::from_str(line) {
            Ok(Line::Entry(address, entry)) => drop(ledger.entries.insert(address, entry)),
            Ok(Line::Owed(owed)) => ledger.owed.push(owed),
            Err(error) => return Err(Damage::Broken(error.to_string())),
        }
    }
    let body = &whole[..whole.len() - rest.len()];
    if sha256_hex(body.as_bytes()) != digest {
        return Err(broken("it was changed after it was written"));
    }
    Ok((ledger, rest))
}

impl Ledger {
    /// The whole file.
    ///
    /// # Panics
    /// Never: its lines have string keys only.
    #[must_use]
    pub fn text(&self, (project, host): (&str, &str)) -> String {
        let entries =
            self.entries.iter().map(|(address, entry)| Line::Entry(address.clone(), entry.clone()));
        let owed = self.owed.iter().cloned().map(Line::Owed);
        let mut body = String::new();
        let mut count = 0;
        for line in entries.chain(owed) {
            let line = serde_json::to_string(&line).expect("a line with string keys is JSON");
            let _ = writeln!(body, "{line}");
            count += 1;
        }
        let digest = sha256_hex(body.as_bytes());
        let serial = self.serial;
        format!("{WORD} {VERSION} {serial} {project} {host} {count} {digest}\n{body}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::LastRun;

    fn ledger() -> Ledger {
        let entry = Entry { mark: "ab".into(), run: "01J".into(), ..Entry::default() };
        let entries = ["m/file[/etc/a]", "m/file[/etc/b ä\\\"]"];
        let owed = Owed {
            address: "m/service[a]".into(),
            kind: "restart".into(),
            because: ["m/file[/etc/a]".to_owned()].into(),
            run: "01J".into(),
        };
        Ledger {
            serial: 7,
            entries: entries.map(|address| (address.to_owned(), entry.clone())).into(),
            owed: vec![owed],
            ..Ledger::default()
        }
    }

    fn recalled(text: &str) -> Memory {
        read(format!("= boot x\n= ledger\n{text}").as_bytes(), ("shop", "web1"))
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let memory = recalled(&ledger().text(("shop", "web1")));
        assert_eq!((memory.damage, memory.ledger), (None, ledger()));
        // A shell's answer has no line end at its end; without a journal behind it that is the ledger's.
        let memory = recalled(ledger().text(("shop", "web1")).trim_end());
        assert_eq!((memory.damage, memory.ledger), (None, ledger()));
        assert_eq!(recalled("").ledger, Ledger::default());
    }

    #[test]
    fn what_it_is_about_is_told_by_every_line() {
        let text = ledger().text(("shop", "web1"));
        let all = ["m/file[/etc/a]", "m/file[/etc/b ä\\\"]", "m/service[a]"];
        assert!(journal::is_about(text.as_bytes(), |address| all.contains(&address)));
        for one in all {
            let fewer = |address: &str| address != one && all.contains(&address);
            assert!(!journal::is_about(text.as_bytes(), fewer), "{one}");
        }
    }

    #[test]
    fn a_restart_that_came_all_the_same_is_owed_no_more() {
        let mut notes = journal::Notes::default();
        notes.run(0, LastRun { run: "01J".into(), who: "me@here".into() });
        notes.change(3, "m/file[/etc/a]".into(), Some(Entry::default()));
        notes.owed(ledger().owed.remove(0));
        notes.change(4, "m/service[a]".into(), Some(Entry::default()));
        let owed = |head: &str| {
            let text = notes.text();
            let text =
                format!("= boot x\n{head}= journal\n= ledger\n{text}begun 3\ndone 3\nbegun 4");
            read(text.as_bytes(), ("shop", "web1")).ledger.owed.len()
        };
        assert_eq!((owed(""), owed("= acted 4\n")), (1, 0));
    }

    #[test]
    fn every_cut_and_every_other_byte_is_seen() {
        let text = ledger().text(("shop", "web1"));
        for end in 1..text.trim_end().len() {
            if text.is_char_boundary(end) {
                let memory = recalled(&text[..end]);
                assert!(memory.damage.is_some(), "cut at {end}");
            }
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let memory = recalled(&text);
            assert!(memory.damage.is_some() || memory.ledger != ledger(), "byte {at}");
        }
    }

    #[test]
    fn another_hosts_is_not_used() {
        let text = ledger().text(("shop", "web2"));
        assert!(matches!(recalled(&text).damage, Some(Damage::Foreign(_))));
    }
}
