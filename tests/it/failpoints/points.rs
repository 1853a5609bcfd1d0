//! Where the program dies, and what must hold behind it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::VARIABLE;
use crate::ledger::{Bench, until};
use crate::support::repository;

/// What stands of the file that comes first, where that is sure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Old,
    New,
    Either,
}

/// What is known of the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Record {
    /// It has none.
    None,
    Interrupted,
    /// Its end is there.
    Ended,
}

/// What a run that is killed was to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verb {
    Apply,
    /// With a file that nobody declares any more.
    Prune,
    /// Of a saved plan.
    Saved,
    /// Back to the release before.
    Rollback,
}

/// A point, the verb that dies there, and what it leaves.
type Case = (&'static str, Verb, First, Record);

const CASES: &[Case] = &[
    ("lock-asked", Verb::Apply, First::Old, Record::None),
    ("sent#1", Verb::Apply, First::Old, Record::None),
    ("lock-held", Verb::Apply, First::Old, Record::None),
    ("unnamed#1", Verb::Apply, First::Old, Record::None),
    ("unnamed#2", Verb::Apply, First::Old, Record::None),
    ("recorded", Verb::Apply, First::Old, Record::Interrupted),
    ("event#1", Verb::Apply, First::Either, Record::Interrupted),
    ("event#4", Verb::Apply, First::Either, Record::Interrupted),
    ("wave#1", Verb::Apply, First::Old, Record::Interrupted),
    ("sent#2", Verb::Apply, First::Old, Record::Interrupted),
    ("acknowledged#1", Verb::Apply, First::Either, Record::Interrupted),
    ("acknowledged#2", Verb::Apply, First::Either, Record::Interrupted),
    ("acknowledged#3", Verb::Apply, First::Either, Record::Interrupted),
    ("stepped#1", Verb::Apply, First::New, Record::Interrupted),
    ("stepped#2", Verb::Apply, First::New, Record::Interrupted),
    ("stepped#3", Verb::Apply, First::New, Record::Interrupted),
    ("wave-done#1", Verb::Apply, First::New, Record::Interrupted),
    ("wave#2", Verb::Apply, First::New, Record::Interrupted),
    ("sent#3", Verb::Apply, First::New, Record::Interrupted),
    ("acknowledged#4", Verb::Apply, First::New, Record::Interrupted),
    ("stepped#4", Verb::Apply, First::New, Record::Interrupted),
    ("wave-done#2", Verb::Apply, First::New, Record::Interrupted),
    ("through", Verb::Apply, First::New, Record::Interrupted),
    ("summary", Verb::Apply, First::New, Record::Ended),
    ("unnamed#3", Verb::Apply, First::New, Record::Ended),
    ("lock-held", Verb::Prune, First::Old, Record::None),
    ("sent#2", Verb::Prune, First::Old, Record::None),
    ("wave#1", Verb::Prune, First::Old, Record::Interrupted),
    ("stepped#1", Verb::Prune, First::Either, Record::Interrupted),
    ("stepped#2", Verb::Prune, First::Either, Record::Interrupted),
    ("through", Verb::Prune, First::New, Record::Interrupted),
    ("lock-held", Verb::Saved, First::Old, Record::None),
    ("wave#1", Verb::Saved, First::Old, Record::Interrupted),
    ("acknowledged#1", Verb::Saved, First::Either, Record::Interrupted),
    ("acknowledged#2", Verb::Saved, First::Either, Record::Interrupted),
    ("stepped#1", Verb::Saved, First::New, Record::Interrupted),
    ("lock-asked", Verb::Rollback, First::Old, Record::None),
    ("lock-held", Verb::Rollback, First::Old, Record::None),
    ("sent#2", Verb::Rollback, First::Old, Record::None),
    ("wave#1", Verb::Rollback, First::Old, Record::Interrupted),
    ("acknowledged#2", Verb::Rollback, First::Either, Record::Interrupted),
    ("stepped#1", Verb::Rollback, First::Either, Record::Interrupted),
    ("through", Verb::Rollback, First::New, Record::Interrupted),
];

/// Points that other tests of this folder are about.
const ELSEWHERE: &[&str] = &["unconfirmed", "confirmed", "piece"];

/// A file with a trigger, a command, and in the wave behind it a line in what that brings.
const MODULE: &str = r#"
[file."ROOT/a"]
content = "release {{ vars.release }}\n"
[command.told]
command = "cat ROOT/a >>ROOT/told"
run_on = ["file[ROOT/a]"]
[command.make]
command = "echo base >ROOT/made{{ vars.release }}"
creates = "ROOT/made{{ vars.release }}"
[line.l]
path = "ROOT/made{{ vars.release }}"
line = "a line"
requires = ["command[make]"]
"#;

/// What is gone from the files when something is pruned.
const OLD: &str = "[file.\"ROOT/old\"]\ncontent = \"old\\n\"\n";

const RELEASE: [&str; 2] = ["--var", "release=2"];

/// A project of which release 1 was applied, and what is killed.
struct Died {
    bench: Bench,
    words: Vec<String>,
    verb: Verb,
    named: String,
}

impl Died {
    fn new(point: &str, verb: Verb) -> Self {
        let bench = Bench::new(&format!("{MODULE}{OLD}"));
        let apply = |release: &str| bench.run(&["apply", "--yes", "--var", release]).expect(0);
        apply("release=1");
        let plan = bench.path("plan").display().to_string();
        let words: &[&str] = match verb {
            Verb::Apply => &["apply", "--yes", "--var", "release=2"],
            Verb::Prune => {
                bench.declare(MODULE);
                &["apply", "--yes", "--prune", "--var", "release=2"]
            }
            Verb::Saved => {
                bench.run(&["plan", "-o", &plan, "--var", "release=2"]).expect(0);
                &["apply", &plan]
            }
            Verb::Rollback => {
                apply("release=2");
                &["rollback", "last", "--yes"]
            }
        };
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self { words, verb, named: format!("{verb:?} at {point}"), bench }
    }

    fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// What the first file says when nothing was done, and when all was.
    const fn releases(&self) -> [&'static str; 2] {
        match self.verb {
            Verb::Rollback => ["release 2\n", "release 1\n"],
            _ => ["release 1\n", "release 2\n"],
        }
    }

    /// The ids of the runs of which there is a record.
    fn records(&self) -> Vec<String> {
        let place = self.bench.project.path().join(".trueup/runs");
        let entries = fs::read_dir(place).into_iter().flatten();
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut all: Vec<String> = names.map(|name| name.into_string().expect("an id")).collect();
        all.sort();
        all
    }

    /// What the plan for release 2 names, after its module.
    fn planned(&self, words: &[&str]) -> BTreeSet<String> {
        let json = self.bench.run(&[&["plan", "--json"], &RELEASE[..], words].concat()).expect(0);
        let plan: Value = serde_json::from_str(&json.stdout).expect("JSON");
        let sets = plan["sets"].as_array().expect("sets").iter();
        let changes = sets.flat_map(|set| set["changes"].as_array().expect("changes"));
        let root = self.bench.folder.path().display().to_string();
        let short = |text: &str| text.trim_start_matches("m/").replace(&root, "ROOT");
        changes.map(|one| short(one["address"].as_str().expect("an address"))).collect()
    }

    /// What that plan must name, by what stands on the host.
    fn open(&self) -> BTreeSet<String> {
        let bench = &self.bench;
        let made = bench.text("made2");
        let open = [
            ("file[ROOT/a]", bench.text("a") != "release 2\n"),
            ("command[told]", !bench.text("told").contains("release 2")),
            ("command[make]", made.is_empty()),
            ("line[l]", !made.contains("a line")),
            ("file[ROOT/old]", self.verb == Verb::Prune && bench.path("old").exists()),
        ];
        open.iter().filter(|(_, open)| *open).map(|(name, _)| (*name).to_owned()).collect()
    }

    /// The shell that held the lock is gone.
    fn ended(&self) {
        let Ok(lock) = fs::read_to_string(self.bench.state("lock")) else { return };
        let process = lock.split(' ').next().expect("a process").to_owned();
        until("the shell ends", || !Path::new("/proc").join(&process).exists());
    }

    fn check(&self, (point, verb, first, record): Case) -> Result<(), String> {
        let (bench, named) = (&self.bench, &self.named);
        let sure = |so: bool, what: &str| {
            if so { Ok(()) } else { Err(format!("{named}: {what}")) }
        };
        let before = self.records();
        let died = format!("{point}=kill");
        let output = bench.project.run_with(&self.words(), &[(VARIABLE, &died)]);
        sure(output.status == -1, &format!("it is not reached:\n{}", output.stdout))?;
        sure(output.stderr.is_empty(), &output.stderr)?;
        self.ended();
        let [old, new] = self.releases();
        let stands = bench.text("a");
        let known = match first {
            First::Old => stands == old,
            First::New => stands == new,
            First::Either => stands == old || stands == new,
        };
        sure(known, &format!("a is {stands:?}"))?;
        let ledger = bench.run(&["ledger", "here", "--json"]);
        sure(
            ledger.status == 0,
            &format!(
                "{}LEDGER {:?} JOURNAL {:?}",
                ledger.stdout,
                fs::read_to_string(bench.state("ledger")),
                fs::read_to_string(bench.state("journal"))
            ),
        )?;
        let ledger: Value = serde_json::from_str(&ledger.stdout).expect("JSON");
        sure(ledger["damage"].is_null() && ledger["lock"].is_null(), &ledger.to_string())?;
        // What is known of the run.
        let new_ones: Vec<String> =
            self.records().into_iter().filter(|id| !before.contains(id)).collect();
        let listed = bench.run(&["runs"]).expect(0).stdout;
        sure(listed.contains("interrupted") == (record == Record::Interrupted), &listed)?;
        if let (Record::Interrupted, [id]) = (record, new_ones.as_slice()) {
            let shown = bench.run(&["runs", "show", id]).expect(0).stdout;
            sure(shown.contains("Interrupted: nothing was heard"), &shown)?;
            let nothing = shown.contains("nothing was changed");
            sure(!nothing || stands == old, &format!("a is {stands:?}:\n{shown}"))?;
            let done = shown.contains("/a]\n\nhere") || shown.contains("/a]\n  ");
            sure(!done || stands == new, &format!("a is {stands:?}:\n{shown}"))?;
        } else {
            let ended = record == Record::Ended && new_ones.len() == 1;
            sure(ended || record == Record::None, &format!("records: {new_ones:?}"))?;
        }
        if verb == Verb::Rollback {
            return self.back();
        }
        // The next plan names exactly what is open.
        let prune: &[&str] = if verb == Verb::Prune { &["--prune"] } else { &[] };
        let (planned, open) = (self.planned(prune), self.open());
        sure(planned == open, &format!("planned {planned:?}, open {open:?}"))?;
        if verb == Verb::Saved {
            self.spent()?;
        }
        // The next apply brings it about.
        let apply = [&["apply", "--yes"], &RELEASE[..], prune].concat();
        let applied = bench.run(&apply);
        sure(applied.status == 0, &format!("{}{}", applied.stdout, applied.stderr))?;
        let (planned, open) = (self.planned(prune), self.open());
        sure(planned.is_empty() && open.is_empty(), &format!("{planned:?}, {open:?}"))?;
        let told = bench.text("told");
        sure(told.matches("release 2").count() == 1, &format!("told: {told}"))?;
        sure(bench.text("made2") == "base\na line\n", "the line is there once")?;
        self.clean()
    }

    /// A saved plan that was begun is used up, or it is refused because the host moved.
    fn spent(&self) -> Result<(), String> {
        let stands = self.bench.text("a");
        let again = self.bench.run(&self.words());
        let whole = again.status == 0 && self.bench.text("a") == "release 2\n";
        let refused = again.status == 3 && self.bench.text("a") == stands;
        if whole || refused { Ok(()) } else { Err(format!("{}: {}", self.named, again.stdout)) }
    }

    /// A way back that was cut is gone to its end.
    fn back(&self) -> Result<(), String> {
        let bench = &self.bench;
        let run = self.records()[1].clone();
        let again = bench.run(&["rollback", &run, "--yes"]);
        if again.status != 0 || bench.text("a") != "release 1\n" {
            return Err(format!("{}: {}{}", self.named, again.stdout, again.stderr));
        }
        self.clean()
    }

    /// Nothing is left beside what is declared.
    fn clean(&self) -> Result<(), String> {
        let names = fs::read_dir(self.bench.path("")).expect("the folder");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        let known = ["a", "told", "made1", "made2", "old", "plan"];
        let strange: Vec<_> = names.filter(|name| !known.iter().any(|one| name == one)).collect();
        if strange.is_empty() { Ok(()) } else { Err(format!("{}: left: {strange:?}", self.named)) }
    }
}

#[test]
fn wherever_the_controller_dies_the_host_and_the_next_run_are_right() {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(&case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = Died::new(case.0, case.1).check(case) {
                        wrong.lock().expect("no thread panicked").push(why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no thread panicked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Each point of the source is in the table, and each of the table is in the source.
#[test]
fn every_point_is_tried() {
    let mut there = BTreeSet::new();
    for room in ["execute", "cli"] {
        for entry in fs::read_dir(repository().join("src").join(room)).expect("a room") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let text = fs::read_to_string(path).expect("a file");
                let calls = text.split("failpoint!(\"").skip(1);
                there.extend(calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
    }
    let named = CASES.iter().map(|(point, ..)| point.split('#').next().expect("a name"));
    let named: BTreeSet<String> =
        named.chain(ELSEWHERE.iter().copied()).map(ToOwned::to_owned).collect();
    assert_eq!(there, named);
}
