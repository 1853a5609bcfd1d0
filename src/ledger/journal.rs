//! What a run writes down before it changes anything, and the marks that the host's shell puts behind it.
//! A run that ended early is known by what it left: what was not begun was not done, what was begun and
//! not done may hold or not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Entry, LastRun, Ledger, Owed};

/// One line of a run's own. The shell adds `boot ID` and `word WORD RUN` before them, and behind them `begun SEQ`,
/// `acted SEQ` (a restart came, and is still looked at), `done SEQ`, `failed SEQ`, and `left WORD` where it ended in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    /// A run begins, on a ledger that was written so often.
    Run(u64, LastRun),
    /// This holds already.
    Entry(String, Entry),
    /// The step with this number brings it about; `None` takes it away.
    Change(u64, String, Option<Entry>),
    /// Nothing is left of this.
    Gone(String),
    Owed(Owed),
    /// The step with this number takes back what this run changed of this: it calls for nothing any more.
    Back(u64, String, String),
    /// It was done, and did not hold after it.
    Open(String),
}

/// What a run is about to do, as lines for the journal.
#[derive(Debug, Default)]
pub struct Notes {
    lines: Vec<Line>,
}

impl Notes {
    /// A run begins.
    pub fn run(&mut self, serial: u64, run: LastRun) {
        self.lines.push(Line::Run(serial, run));
    }

    /// A resource that holds already.
    pub fn holds(&mut self, address: String, entry: Entry) {
        self.lines.push(Line::Entry(address, entry));
    }

    /// What a step will bring about.
    pub fn change(&mut self, seq: u64, address: String, entry: Option<Entry>) {
        self.lines.push(Line::Change(seq, address, entry));
    }

    /// What nobody declares any more and is not there.
    pub fn gone(&mut self, address: String) {
        self.lines.push(Line::Gone(address));
    }

    /// What a change will call for.
    pub fn owed(&mut self, owed: Owed) {
        self.lines.push(Line::Owed(owed));
    }

    /// What a run changed goes back in a step.
    pub fn back(&mut self, seq: u64, run: String, address: String) {
        self.lines.push(Line::Back(seq, run, address));
    }

    /// What does not hold although it was done.
    pub fn open(&mut self, address: String) {
        self.lines.push(Line::Open(address));
    }

    /// How many lines there are.
    #[must_use]
    pub const fn lines(&self) -> usize {
        self.lines.len()
    }

    /// The text of the lines.
    ///
    /// # Panics
    /// Never: lines have string keys only.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |line| serde_json::to_string(line).expect("a line with string keys is JSON");
        self.lines.iter().map(|each| line(each) + "\n").collect()
    }
}

/// A journal as it was found.
#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: Vec<Line>,
    begun: BTreeSet<u64>,
    done: BTreeSet<u64>,
    failed: BTreeSet<u64>,
    acted: BTreeSet<u64>,
    undone: BTreeSet<u64>,
    /// The host was started anew since: what it had not put on disk is not there.
    cut: bool,
}

impl Journal {
    /// Reads what is there. A line that is none was cut, with all that came behind it in that write.
    pub(super) fn read(text: &str, boot: &str) -> Self {
        let mut journal = Self::default();
        for line in text.lines() {
            let mark = line.split_once(' ').map(|(word, seq)| (word, seq.trim()));
            match mark {
                Some(("boot", then)) => journal.cut |= then != boot,
                Some(("begun", seq)) => journal.begun.extend(seq.parse::<u64>().ok()),
                // Put back since by the host itself.
                Some(("undone", seq)) => seq.parse().map_or((), |seq| journal.undo(seq)),
                Some(("done", seq)) => journal.done.extend(seq.parse::<u64>().ok()),
                Some(("acted", seq)) => journal.acted.extend(seq.parse::<u64>().ok()),
                Some(("failed", seq)) => journal.failed.extend(seq.parse::<u64>().ok()),
                _ => journal.lines.extend(serde_json::from_str::<Line>(line).ok()),
            }
        }
        journal
    }

    fn undo(&mut self, seq: u64) {
        self.begun.remove(&seq);
        self.done.remove(&seq);
        self.undone.insert(seq);
    }

    fn done(&self, seq: u64) -> bool {
        self.done.contains(&seq)
    }

    /// Whether a step cannot have changed anything.
    fn untouched(&self, seq: u64) -> bool {
        let cut = self.cut && !self.undone.contains(&seq);
        !cut && !self.begun.contains(&seq) && !self.done(seq)
    }
}

/// Whether a text begins as the journal of the first run on a host does.
pub(super) fn is_first(text: &str) -> bool {
    let own =
        |line: &&str| !line.is_empty() && !line.starts_with("boot ") && !line.starts_with("word ");
    match text.lines().find(own) {
        Some(line) => matches!(serde_json::from_str(line), Ok(Line::Run(0, _))),
        // Its first lines were cut.
        None => true,
    }
}

/// Whether all that a ledger and its journal say is about addresses that are `these`.
pub fn is_about(text: &[u8], these: impl Fn(&str) -> bool) -> bool {
    let about = |line: &str| match serde_json::from_str(line) {
        Ok(
            Line::Entry(address, _)
            | Line::Change(_, address, _)
            | Line::Gone(address)
            | Line::Open(address)
            | Line::Back(_, _, address)
            | Line::Owed(Owed { address, .. }),
        ) => these(&address),
        Ok(Line::Run(..)) | Err(_) => true,
    };
    String::from_utf8_lossy(text).lines().all(about)
}

/// Takes a journal into the ledger that it was written beside.
pub(super) fn fold(ledger: &mut Ledger, journal: &Journal) {
    let Some(Line::Run(serial, last)) = journal.lines.first() else { return };
    if *serial != ledger.serial {
        // It was taken in already.
        return;
    }
    ledger.last = Some(last.clone());
    // Which steps change an address, in their order.
    let mut steps: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in &journal.lines {
        if let Line::Change(seq, address, _) = line {
            steps.entry(address).or_default().push(*seq);
        }
    }
    for line in &journal.lines {
        match line {
            Line::Entry(address, entry) => {
                drop(ledger.entries.insert(address.clone(), entry.clone()));
            }
            Line::Change(seq, address, entry) => {
                change(ledger, journal, (*seq, address, entry.as_ref()));
            }
            Line::Gone(address) => drop(ledger.entries.remove(address)),
            Line::Owed(owed) => ledger.owed.push(owed.clone()),
            Line::Back(seq, run, address) if journal.done(*seq) => {
                for owed in ledger.owed.iter_mut().filter(|owed| owed.run == *run) {
                    owed.because.remove(address);
                }
            }
            Line::Run(..) | Line::Back(..) => {}
            Line::Open(address) => {
                if let Some(entry) = ledger.entries.get_mut(address) {
                    entry.unsettled = true;
                }
            }
        }
    }
    let touched = |address: &String| match steps.get(address.as_str()) {
        // A step that failed changes what it is about when it is done again, and calls for it then.
        Some(seqs) => {
            seqs.iter().any(|seq| !journal.untouched(*seq) && !journal.failed.contains(seq))
        }
        None => true,
    };
    for owed in &mut ledger.owed {
        if owed.run == last.run {
            owed.because.retain(touched);
        }
    }
    ledger.owed.retain(|owed| !owed.because.is_empty());
}

fn change(
    ledger: &mut Ledger,
    journal: &Journal,
    (seq, address, entry): (u64, &str, Option<&Entry>),
) {
    if journal.done(seq) {
        ledger.owed.retain(|owed| owed.address != address);
        match entry {
            Some(entry) => drop(ledger.entries.insert(address.to_owned(), entry.clone())),
            None => drop(ledger.entries.remove(address)),
        }
    } else if !journal.untouched(seq)
        && let Some(entry) = entry
    {
        if journal.acted.contains(&seq) && !journal.failed.contains(&seq) {
            ledger.owed.retain(|owed| owed.address != address);
        }
        let coming = Some(entry.record.clone());
        let known = ledger.entries.entry(address.to_owned()).or_insert_with(|| entry.clone());
        known.unsettled = true;
        known.coming = coming;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str) -> Entry {
        let record = [("content".to_owned(), value.to_owned())].into();
        Entry { mark: value.into(), record, run: "R2".into(), ..Entry::default() }
    }

    /// A ledger with one file, and a run that changes it in step 3 and restarts in step 4.
    fn folded(marks: &str) -> Ledger {
        let mut ledger = Ledger { serial: 1, ..Ledger::default() };
        ledger.entries.insert("m/file[a]".into(), Entry { run: "R1".into(), ..entry("old") });
        let mut notes = Notes::default();
        notes.run(1, LastRun { run: "R2".into(), who: "me@here".into() });
        notes.change(3, "m/file[a]".into(), Some(entry("new")));
        notes.owed(Owed {
            address: "m/service[s]".into(),
            kind: "restart".into(),
            because: ["m/file[a]".to_owned()].into(),
            run: "R2".into(),
        });
        notes.change(4, "m/service[s]".into(), Some(entry("s")));
        let text = format!("{}boot x\n{marks}", notes.text());
        fold(&mut ledger, &Journal::read(&text, "x"));
        ledger
    }

    #[test]
    fn what_was_not_begun_was_not_done() {
        let ledger = folded("");
        assert_eq!(ledger.entries["m/file[a]"].mark, "old");
        assert!(ledger.owed.is_empty());
    }

    #[test]
    fn what_was_begun_is_in_doubt_and_what_it_calls_for_is_owed() {
        let ledger = folded("begun 3\n");
        let file = &ledger.entries["m/file[a]"];
        assert!(file.unsettled && file.mark == "old");
        assert_eq!(file.coming, Some(entry("new").record));
        assert_eq!(ledger.owed.len(), 1);
    }

    #[test]
    fn a_restart_is_owed_until_it_is_done() {
        assert_eq!(folded("begun 3\ndone 3\n").owed.len(), 1);
        assert_eq!(folded("begun 3\ndone 3\nbegun 4\n").owed.len(), 1);
        assert_eq!(folded("begun 3\ndone 3\nbegun 4\nacted 4\nfailed 4\n").owed.len(), 1);
        assert!(folded("begun 3\ndone 3\nbegun 4\nacted 4\n").owed.is_empty());
        let ledger = folded("begun 3\ndone 3\nbegun 4\ndone 4\n");
        assert!(ledger.owed.is_empty());
        assert_eq!(ledger.entries["m/file[a]"].mark, "new");
        assert!(ledger.entries.contains_key("m/service[s]"));
    }

    #[test]
    fn what_goes_back_calls_for_nothing_any_more() {
        let because = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let owed = |because, run: &str| Owed {
            address: "m/service[s]".into(),
            kind: "restart".into(),
            because,
            run: run.into(),
        };
        let folded = |marks: &str| {
            let both = owed(because(&["m/file[a]", "m/file[b]"]), "R1");
            let mut ledger = Ledger {
                owed: vec![both, owed(because(&["m/file[a]"]), "R0")],
                ..Ledger::default()
            };
            let mut notes = Notes::default();
            notes.run(0, LastRun { run: "R2".into(), who: String::new() });
            notes.back(3, "R1".into(), "m/file[a]".into());
            notes.owed(owed(because(&["m/file[a]"]), "R2"));
            notes.change(3, "m/file[a]".into(), None);
            fold(&mut ledger, &Journal::read(&format!("{}boot x\n{marks}", notes.text()), "x"));
            ledger
                .owed
                .iter()
                .map(|owed| (owed.run.clone(), owed.because.len()))
                .collect::<Vec<_>>()
        };
        let pair = |run: &str, count| (run.to_owned(), count);
        assert_eq!(folded(""), [pair("R1", 2), pair("R0", 1)]);
        assert_eq!(folded("begun 3\ndone 3\n"), [pair("R1", 1), pair("R0", 1), pair("R2", 1)]);
    }

    #[test]
    fn what_failed_calls_for_nothing() {
        let ledger = folded("begun 3\nfailed 3\n");
        assert!(ledger.owed.is_empty() && ledger.entries["m/file[a]"].unsettled);
    }

    #[test]
    fn after_a_power_cut_nothing_is_sure_that_has_no_mark() {
        let mut ledger = Ledger::default();
        let mut notes = Notes::default();
        notes.run(0, LastRun { run: "R2".into(), who: String::new() });
        notes.change(3, "m/file[a]".into(), Some(entry("new")));
        let text = format!("{}boot x\n", notes.text());
        fold(&mut ledger, &Journal::read(&text, "y"));
        assert!(ledger.entries["m/file[a]"].unsettled);
        // As the shell writes it: before the lines that are on disk, not behind them.
        let text = format!("\nboot x\nword 0a R2\n{}", notes.text());
        assert!(is_first(&text) && is_first("\nboot x\n") && !is_first("\nboot x\nsomething\n"));
        let mut ledger = Ledger::default();
        fold(&mut ledger, &Journal::read(&text, "y"));
        assert!(ledger.entries["m/file[a]"].unsettled);
    }

    #[test]
    fn a_journal_that_was_taken_in_counts_no_more() {
        let mut ledger = Ledger { serial: 2, ..Ledger::default() };
        let mut notes = Notes::default();
        notes.run(1, LastRun { run: "R2".into(), who: String::new() });
        notes.holds("m/file[a]".into(), entry("x"));
        fold(&mut ledger, &Journal::read(&notes.text(), "x"));
        assert!(ledger.entries.is_empty());
    }
}
