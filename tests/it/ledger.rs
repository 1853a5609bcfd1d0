//! What a host remembers: drift and change, what nobody declares any more, what is owed, who is at work.

mod orphans;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Output, Project};

/// A project on this machine, with a folder that its resources are about.
pub struct Bench {
    pub project: Project,
    pub folder: TempDir,
}

impl Bench {
    /// With these declarations; `ROOT` stands for the folder.
    pub fn new(declared: &str) -> Self {
        let inventory = "[connection]\ntransport = \"local\"\n[hosts.here]\n";
        let (project, folder) = (Project::of(inventory, ""), tempfile::tempdir());
        let bench = Self { project, folder: folder.expect("a folder") };
        bench.declare(declared);
        bench
    }

    pub fn declare(&self, declared: &str) {
        let root = self.folder.path().to_str().expect("UTF-8");
        self.project.file("modules/m/module.toml", declared.replace("ROOT", root));
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect("a file");
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// What the host keeps of this project.
    pub fn state(&self, path: &str) -> PathBuf {
        self.project.path().join(".host-state/o/here").join(path)
    }

    #[track_caller]
    pub fn apply(&self) -> Output {
        self.project.run(&["apply", "--yes"]).expect(0)
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.project.run(words)
    }

    /// What was printed, with what differs from run to run taken out.
    pub fn told(&self, output: &Output) -> String {
        let text = format!("{}{}", output.stdout, output.stderr);
        let text = text.replace(self.folder.path().to_str().expect("UTF-8"), "ROOT");
        let run = regex::Regex::new("01[0-9A-HJKMNP-TV-Z]{24}").expect("a regex");
        let text = run.replace_all(&text, "RUN");
        let day = regex::Regex::new("20[0-9]{2}-[0-9]{2}-[0-9]{2}(T[0-9:]+Z)?").expect("a regex");
        let text = day.replace_all(&text, "DAY");
        let who = regex::Regex::new("[^ ]+( [0-9]+)?@[^ ,]+, run").expect("a regex");
        let text = who.replace_all(&text, "WHO, run");
        let time = regex::Regex::new(r"in [0-9.]+ s").expect("a regex");
        let text = time.replace_all(&text, "in T s");
        let named = regex::Regex::new(" Run [0-9A-Z]+….*").expect("a regex");
        named.replace_all(&text, " Run RUN").into_owned()
    }

    /// As [`Self::told`], of an end alone, with whoever ended it.
    fn ended(&self, end: &str) -> String {
        let (stdout, stderr) = (end.to_owned(), String::new());
        let told = self.told(&Output { stdout, stderr, status: 0 });
        regex::Regex::new("[^ ]+@[^ ]+").expect("a regex").replace_all(&told, "WHO").into_owned()
    }

    /// For each change of the plan its address without the module, and what moved.
    pub fn origins(&self) -> Vec<(String, String)> {
        let plan = self.run(&["plan", "--json"]).expect(0);
        let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
        let sets = plan["sets"].as_array().expect("sets").iter();
        let changes = sets.flat_map(|set| set["changes"].as_array().expect("changes"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let short = |address: String| {
            address
                .trim_start_matches("m/")
                .replace(self.folder.path().to_str().expect("UTF-8"), "ROOT")
        };
        changes.map(|one| (short(text(&one["address"])), text(&one["origin"]))).collect()
    }

    /// The names of what is in the folder, sorted.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).expect("a folder").flatten();
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = names.map(name).collect();
        names.sort();
        names
    }

    /// Starts an apply that is left running.
    pub fn start(&self, words: &[&str]) -> (Child, TempDir) {
        let (mut command, home) = self.project.command_cleared(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        (command.spawn().expect("the program under test"), home)
    }

    /// The process of the remote shell that holds the lock.
    pub fn holder(&self) -> u32 {
        let lock = fs::read_to_string(self.state("lock")).expect("a lock");
        lock.split(' ').next().and_then(|word| word.parse().ok()).expect("a process")
    }
}

/// Who holds the lock, as a refusal names it.
#[track_caller]
fn holder_named(told: &str) -> &str {
    let (_, rest) = told.split_once("at work there: ").expect("somebody holds it");
    rest.lines().next().expect("a line")
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < end, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn kill(signal: &str, process: u32) {
    let process = process.to_string();
    let status = std::process::Command::new("kill").args(["-s", signal, &process]).status();
    assert!(status.expect("kill(1)").success());
}

const TWO: &str = r#"
[file."ROOT/a"]
content = "one\n"
mode = "0640"
[file."ROOT/b"]
content = "two\n"
mode = "0644"
"#;

#[test]
fn drift_is_told_from_change() {
    let bench = Bench::new(TWO);
    assert_eq!(bench.origins().len(), 2);
    assert!(bench.origins().iter().all(|(_, origin)| origin == "new"));
    bench.apply();
    bench.write("a", "by hand\n");
    bench.declare(&TWO.replace("two", "three"));
    let origin = |name: &str, word: &str| (format!("file[ROOT/{name}]"), word.to_owned());
    assert_eq!(bench.origins(), [origin("a", "drift"), origin("b", "change")]);
    bench.write("b", "also by hand\n");
    assert_eq!(bench.origins(), [origin("a", "drift"), origin("b", "both")]);
    fs::remove_file(bench.path("b")).expect("a file");
    assert_eq!(bench.origins(), [origin("a", "drift"), origin("b", "both")]);
    bench.write("b", "also by hand\n");
    let drift = bench.run(&["drift"]).expect(2);
    insta::assert_snapshot!("drift", bench.told(&drift));
    // A file that is gone moved; one that the files alone changed did not.
    bench.apply();
    fs::remove_file(bench.path("a")).expect("a file");
    bench.declare(&TWO.replace("0644", "0600").replace("two", "three"));
    assert_eq!(bench.origins(), [origin("a", "drift"), origin("b", "change")]);
    bench.apply();
    let none = bench.run(&["drift"]).expect(0);
    insta::assert_snapshot!("drift_none", bench.told(&none));
    let json = bench.run(&["drift", "--json"]).expect(0);
    assert_eq!(
        serde_json::from_str::<Value>(&json.stdout).expect("JSON")["sets"],
        Value::Array(vec![])
    );
}

#[test]
fn what_held_before_the_first_apply_is_remembered_too() {
    let bench = Bench::new(TWO);
    bench.write("a", "one\n");
    bench.write("b", "two\n");
    fs::set_permissions(bench.path("a"), std::os::unix::fs::PermissionsExt::from_mode(0o640))
        .unwrap();
    bench.apply();
    bench.write("a", "by hand\n");
    assert_eq!(bench.origins(), [("file[ROOT/a]".to_owned(), "drift".to_owned())]);
}

const MANY: &str = r#"
[file."ROOT/kept"]
content = "kept\n"
[directory."ROOT/made"]
[directory."ROOT/there"]
[file."ROOT/made/whole"]
content = "x\n"
[file."ROOT/made/frame"]
[file."ROOT/frame"]
[symlink."ROOT/made/link"]
target = "whole"
[line.l]
path = "ROOT/made/frame"
line = "a line"
[block.b]
path = "ROOT/frame"
content = "a block\n"
[command.c]
command = "echo ran >> ROOT/ran"
creates = "ROOT/ran"
[command.told]
command = "echo told >> ROOT/told"
run_on = ["file[ROOT/**]"]
"#;

#[test]
fn what_nobody_declares_any_more_goes_when_that_is_asked_for() {
    let bench = Bench::new(MANY);
    fs::create_dir(bench.path("there")).expect("a folder");
    bench.write("frame", "mine\n");
    bench.apply();
    let left = "[file.\"ROOT/kept\"]\ncontent = \"kept\\n\"\n[command.told]\n\
                command = \"echo told >> ROOT/told\"\nrun_on = [\"file[ROOT/**]\"]\n";
    bench.declare(left);
    let plan = bench.run(&["plan"]).expect(0);
    insta::assert_snapshot!("orphans", bench.told(&plan));
    let most = bench.run(&["plan", "--prune", "--max-removals", "3"]).expect(1);
    assert!(most.stderr.contains("this plan removes 4 things"), "{}", most.stderr);
    let refused = bench.run(&["apply", "--yes", "--prune", "--max-removals", "3"]).expect(1);
    assert!(refused.stderr.contains("more than --max-removals 3"), "{}", refused.stderr);
    assert!(bench.path("made/whole").exists(), "nothing was done");
    let prune = bench.run(&["apply", "--yes", "--prune"]).expect(0);
    insta::assert_snapshot!("pruned", bench.told(&prune));
    assert!(!bench.path("made").exists());
    assert!(bench.path("there").exists(), "it was there before");
    assert_eq!(bench.text("frame"), "mine\n", "its block went, and no more");
    assert_eq!(bench.text("told").lines().count(), 2, "what is removed sets triggers off");
    let ledger = bench.run(&["ledger", "here", "--json"]).expect(0);
    let ledger: Value = serde_json::from_str(&ledger.stdout).expect("JSON");
    let known = ledger["resources"].as_object().expect("resources");
    let kept = format!("m/file[{}]", bench.path("kept").display());
    assert_eq!(
        known.keys().collect::<Vec<_>>(),
        ["m/command[told]", &kept],
        "all else is forgotten"
    );
    assert!(bench.path("ran").exists(), "what a command did stays");
    let again = bench.run(&["plan", "--prune"]).expect(0);
    assert_eq!(again.stdout, "here  no changes\n\nPlan: 1 host: 1 unchanged.\n");
}

#[test]
fn a_saved_plan_prunes_what_it_says() {
    let bench = Bench::new(TWO);
    bench.apply();
    bench.declare("[file.\"ROOT/a\"]\ncontent = \"one\\n\"\nmode = \"0640\"\n");
    let path = bench.path("plan");
    let path = path.to_str().expect("UTF-8");
    bench.run(&["plan", "--prune", "-o", path]).expect(0);
    bench.run(&["apply", path]).expect(0);
    assert!(!bench.path("b").exists() && bench.path("a").exists());
    assert_eq!(bench.run(&["plan"]).stdout, "here  no changes\n\nPlan: 1 host: 1 unchanged.\n");
}

#[test]
fn an_address_that_moved_is_no_orphan() {
    let bench = Bench::new("[line.old]\npath = \"ROOT/f\"\nline = \"x\"\n");
    bench.write("f", "x\n");
    bench.apply();
    let new = "moved = [{ from = \"line[old]\", to = \"line[new]\" }]\n\
               [line.new]\npath = \"ROOT/f\"\nline = \"x\"\n";
    bench.declare(new);
    let plan = bench.run(&["plan"]).expect(0);
    assert_eq!(plan.stdout, "here  no changes\n\nPlan: 1 host: 1 unchanged.\n");
    bench.apply();
    bench.declare(&new.replace("moved = [{ from = \"line[old]\", to = \"line[new]\" }]", ""));
    assert_eq!(bench.run(&["plan"]).stdout, "here  no changes\n\nPlan: 1 host: 1 unchanged.\n");
    let ledger = bench.run(&["ledger", "here", "--json"]).expect(0);
    let ledger: Value = serde_json::from_str(&ledger.stdout).expect("JSON");
    let known: Vec<&String> = ledger["resources"].as_object().expect("resources").keys().collect();
    assert_eq!(known, ["m/line[new]"]);
}

/// A step that was begun and of which nobody knows whether it was done: what it was to bring may be there, and nobody
/// on the host did that.
#[test]
fn what_was_on_its_way_is_no_drift() {
    let one = "[file.\"ROOT/a\"]\ncontent = \"one\\n\"\n";
    let bench = Bench::new(one);
    bench.apply();
    bench.declare(&one.replace("one", "two"));
    bench.apply();
    let journal = fs::read_to_string(bench.state("journal")).expect("a journal");
    let cut: String = journal
        .lines()
        .filter(|line| !line.starts_with("done "))
        .fold(String::new(), |all, line| all + line + "\n");
    fs::write(bench.state("journal"), cut).expect("a journal");
    bench.declare(&one.replace("one", "three"));
    let origin = |word: &str| [("file[ROOT/a]".to_owned(), word.to_owned())];
    assert_eq!(bench.origins(), origin("change"), "two was on its way");
    bench.write("a", "one\n");
    assert_eq!(bench.origins(), origin("change"), "one was there before");
    bench.write("a", "by hand\n");
    assert_eq!(bench.origins(), origin("both"));
}

/// What an apply made is ours, also when later ones changed it.
#[test]
fn what_was_made_and_then_changed_is_pruned() {
    let folder = "[directory.\"ROOT/made\"]\nmode = \"0755\"\n";
    let bench = Bench::new(folder);
    bench.apply();
    bench.declare(&folder.replace("0755", "0700"));
    bench.apply();
    bench.declare("");
    bench.run(&["apply", "--yes", "--prune"]).expect(0);
    assert!(!bench.path("made").exists());
}

/// What is known of an address goes with it: that the host moved, and what is owed there.
#[test]
fn what_is_known_of_an_address_moves_with_it() {
    let old = "[file.\"ROOT/f\"]\ncontent = \"x\\n\"\n\
               [command.old]\ncommand = \"[ -e ROOT/may ] && echo told >>ROOT/told\"\nrun_on = [\"file[ROOT/f]\"]\n\
               [line.old]\npath = \"ROOT/g\"\nline = \"y\"\n";
    let bench = Bench::new(old);
    bench.write("g", "");
    bench.run(&["apply", "--yes"]).expect(3);
    bench.run(&["apply", "--yes", "--target", "m/line[old]"]).expect(0);
    bench.write("g", "by hand\n");
    let new = old.replace("command.old", "command.new").replace("line.old", "line.new");
    bench.declare(&format!(
        "moved = [{{ from = \"line[old]\", to = \"line[new]\" }}, {{ from = \"command[old]\", to = \"command[new]\" }}]\n{new}"
    ));
    let origins = bench.origins();
    assert!(origins.contains(&("line[new]".to_owned(), "drift".to_owned())), "{origins:?}");
    let plan = bench.run(&["plan"]).expect(0).stdout;
    assert!(plan.contains("m/command[new]") && plan.contains("run, owed since run"), "{plan}");
    bench.write("may", "");
    bench.apply();
    assert_eq!(bench.text("told"), "told\n");
    assert_eq!(bench.run(&["plan"]).last_line(), "Plan: 1 host: 1 unchanged.");
}

/// Accounts go only where they are asked for by name: `--prune` alone leaves them.
#[test]
fn accounts_are_pruned_by_their_own_word_only() {
    use trueup::ledger::{Entry, Ledger, Parted};

    let bench = Bench::new(TWO);
    bench.apply();
    // One that is there on every machine. Nothing is applied.
    let entry = Entry {
        mark: "ab".to_owned(),
        parting: Parted::Asked("{ state = \"absent\" }".to_owned()),
        run: "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
        ..Entry::default()
    };
    let entries = [("m/user[games]".to_owned(), entry)].into();
    let ledger = Ledger { serial: 1, entries, ..Ledger::default() };
    fs::write(bench.state("ledger"), ledger.text(("o", "here"))).expect("a ledger");
    fs::remove_file(bench.state("journal")).expect("a journal");
    let prune = bench.run(&["plan", "--prune"]).expect(0).stdout;
    assert!(!prune.contains("- m/user[games]"), "{prune}");
    let accounts = bench.run(&["plan", "--prune-accounts"]).expect(0).stdout;
    assert!(accounts.contains("- m/user[games]"), "{accounts}");
}

/// A file, a command that it triggers, and between them one that waits for `ROOT/go`.
const TRIGGER: &str = r#"
[file."ROOT/a"]
content = "first\n"
[command.gate]
command = "touch ROOT/gate; until [ -e ROOT/go ]; do sleep 0.05; done"
run_on = ["file[ROOT/a]"]
[command.told]
command = "echo told >> ROOT/told"
run_on = ["file[ROOT/a]"]
"#;

/// T20: cut between a change and the restart that it calls for; the restart still comes, once.
#[test]
fn a_trigger_is_owed_until_it_is_done() {
    for cut in ["controller", "shell"] {
        let bench = Bench::new(TRIGGER);
        bench.write("go", "");
        bench.apply();
        assert_eq!(bench.text("told").lines().count(), 1);
        fs::remove_file(bench.path("go")).expect("a file");
        fs::remove_file(bench.path("gate")).expect("a file");
        bench.declare(&TRIGGER.replace("first", "second"));
        let (mut child, _home) = bench.start(&["apply", "--yes"]);
        until("the gate is reached", || bench.path("gate").exists());
        let shell = bench.holder();
        if cut == "controller" {
            kill("KILL", child.id());
        } else {
            kill("KILL", shell);
        }
        child.wait().expect("the program");
        bench.write("go", "");
        until("the shell is gone", || !PathBuf::from(format!("/proc/{shell}")).exists());
        assert_eq!(bench.text("a"), "second\n");
        assert_eq!(bench.text("told").lines().count(), 1, "it was cut before");
        let plan = bench.run(&["plan"]).expect(0);
        if cut == "controller" {
            insta::assert_snapshot!("owed", bench.told(&plan));
        }
        assert!(plan.stdout.contains("run, owed since run"), "{cut}: {}", plan.stdout);
        // What is not selected stays owed.
        bench.run(&["apply", "--yes", "--target", "m/file[**]"]).expect(0);
        assert!(bench.run(&["plan"]).stdout.contains("command[told]"), "{cut}");
        bench.apply();
        assert_eq!(bench.text("told").lines().count(), 2, "{cut}: exactly once");
        let after = bench.run(&["plan"]).expect(0);
        assert_eq!(after.stdout, "here  no changes\n\nPlan: 1 host: 1 unchanged.\n");
    }
}

#[test]
fn a_trigger_that_failed_is_owed() {
    let bench = Bench::new(&TRIGGER.replace("echo told", "[ -e ROOT/may ] && echo told"));
    bench.write("go", "");
    bench.run(&["apply", "--yes"]).expect(3);
    let plan = bench.run(&["plan"]).expect(0);
    assert!(plan.stdout.contains("run, owed since run"), "{}", plan.stdout);
    bench.write("may", "");
    bench.apply();
    assert_eq!(bench.text("told").lines().count(), 1);
    assert_eq!(bench.run(&["plan"]).last_line(), "Plan: 1 host: 1 unchanged.");
}

/// A trigger that the selection leaves out is not lost: it is owed.
#[test]
fn a_trigger_that_is_not_selected_is_owed() {
    let bench = Bench::new(TRIGGER);
    bench.write("go", "");
    bench.apply();
    bench.declare(&TRIGGER.replace("first", "second"));
    bench.run(&["apply", "--yes", "--target", "m/file[**]"]).expect(0);
    assert_eq!(bench.text("told").lines().count(), 1);
    let plan = bench.run(&["plan"]).expect(0);
    assert!(plan.stdout.contains("run, owed since run"), "{}", plan.stdout);
    bench.apply();
    assert_eq!(bench.text("told").lines().count(), 2);
}

/// E1, T34, T35: one apply at a time; the second says who is first; a dead one holds nothing.
#[test]
fn one_apply_at_a_time() {
    let bench = Bench::new(TRIGGER);
    let (mut first, _home) = bench.start(&["apply", "--yes"]);
    until("the gate is reached", || bench.path("gate").exists());
    let second = bench.run(&["apply", "--yes", "--lock-timeout", "0"]).expect(3);
    insta::assert_snapshot!("locked", bench.told(&second));
    let plan = bench.run(&["plan"]).expect(0);
    assert!(plan.stdout.contains("another apply is at work there: "), "{}", plan.stdout);
    let forget = bench.run(&["ledger", "here", "--forget", "--yes"]).expect(3);
    assert!(forget.stderr.contains("an apply is at work there"), "{}", forget.stderr);
    let other = bench.run(&["unlock", "here", "--run", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--yes"]);
    assert!(other.expect(3).stderr.contains("it is another run's"));
    assert!(!second.stderr.contains("waits"), "{}", second.stderr);
    // Who waits says so at once, everywhere.
    let log = bench.path("log");
    let path = log.display().to_string();
    let words = ["apply", "--yes", "--lock-timeout", "60", "--json", "--log", &path];
    let (waiting, _home2) = bench.start(&words);
    let told = || fs::read_to_string(&log).unwrap_or_default().contains("waits up to 60 s: ");
    until("it says for whom it waits", told);
    bench.write("go", "");
    assert!(first.wait().expect("the first").success());
    let waited = waiting.wait_with_output().expect("the second");
    assert!(waited.status.success(), "it waited");
    let said = String::from_utf8(waited.stderr).expect("UTF-8");
    let who = format!("another apply is at work there: {}", holder_named(&second.stdout));
    assert_eq!(said, format!("here  waits up to 60 s: {who}\n"));
    let lines = String::from_utf8(waited.stdout).expect("UTF-8");
    let line = lines.lines().next().expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&line["event"], &line["host"]), (&"host_waiting".into(), &"here".into()));
    assert_eq!((&line["seconds"], &line["message"]), (&60.into(), &Value::String(who)));
    assert!(lines.lines().nth(1).is_some_and(|line| line.starts_with("{\"event\":\"plan\"")));
    assert_eq!(bench.text("told").lines().count(), 1, "the second found nothing to do");
}

/// T37.
#[test]
fn unlock_ends_the_apply_that_holds_it() {
    let bench =
        Bench::new(&TRIGGER.replace("sleep 0.05", "sleep 0.05; [ ! -e ROOT/ends ] || exit 0"));
    let (first, _home) = bench.start(&["apply", "--yes"]);
    until("the gate is reached", || bench.path("gate").exists());
    let who = bench.run(&["unlock", "here"]).expect(3);
    let run =
        who.stderr.split("run ").nth(1).and_then(|rest| rest.split(',').next()).expect("a run");
    // What it says can be pasted, and a beginning is enough, as everywhere.
    let paste = format!("to end that apply: trueup unlock here --run {run}\n");
    assert!(who.stderr.ends_with(&paste), "{}", who.stderr);
    let empty = bench.run(&["unlock", "here", "--run", "", "--yes"]).expect(3);
    assert!(empty.stderr.contains("it is another run's"), "{}", empty.stderr);
    let run = &run[..10].to_lowercase();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The step that runs ends; no other begins.
            std::thread::sleep(Duration::from_millis(500));
            bench.write("ends", "");
        });
        bench.run(&["unlock", "here", "--run", run, "--yes"]).expect(0);
    });
    let first = first.wait_with_output().expect("the first");
    assert_eq!(first.status.code(), Some(3));
    let told = String::from_utf8(first.stdout).expect("UTF-8");
    let (_, end) = told.split_once("\nPlan: ").expect("a plan");
    let end = end.split_once('\n').expect("more").1.to_owned();
    insta::assert_snapshot!("unlocked", bench.ended(&end));
    assert_eq!(bench.text("told"), "", "nothing was begun after it");
    bench.write("go", "");
    bench.apply();
    assert_eq!(bench.text("told").lines().count(), 1, "what was owed came");
}

/// T41: whatever stands in the place of a ledger, a plan is no lie and an apply destroys nothing.
#[test]
fn a_damaged_ledger_is_told_and_made_anew() {
    let bench = Bench::new(TWO);
    bench.apply();
    // The second apply takes the journal of the first in.
    bench.declare(&TWO.replace("two", "three"));
    bench.apply();
    let whole = fs::read(bench.state("ledger")).expect("a ledger");
    let garbage: [&[u8]; 4] =
        [b"", b"\0\xff\x1b[31m{{7*7}}", b"trueup-ledger 1 x y z\n", &[b'a'; 10_000]];
    let cuts = (1..whole.len()).step_by(37).map(|end| whole[..end].to_vec());
    for (round, bytes) in garbage.iter().map(|bytes| bytes.to_vec()).chain(cuts).enumerate() {
        fs::write(bench.state("ledger"), &bytes).expect("a ledger");
        bench.write("b", "by hand\n");
        let plan = bench.run(&["plan"]).expect(0);
        assert!(plan.stdout.contains("~ m/file["), "{round}: {}", plan.stdout);
        assert!(!plan.stdout.contains('\u{1b}'));
        if round == 1 {
            insta::assert_snapshot!("damaged", bench.told(&plan));
        }
        bench.apply();
        assert_eq!(bench.text("b"), "three\n");
        let after = bench.run(&["plan"]).expect(0);
        assert_eq!(after.stdout, "here  no changes\n\nPlan: 1 host: 1 unchanged.\n", "{round}");
    }
    let aside = fs::read(bench.state("ledger.damaged")).expect("what was damaged is kept");
    assert!(whole.starts_with(&aside) && aside.len() < whole.len());
    // Another host's, another project's, and one of a newer program are not touched.
    let text = String::from_utf8(whole).expect("UTF-8");
    for foreign in [
        text.replacen("o here", "o there", 1),
        text.replacen("o here", "other here", 1),
        text.replacen("trueup-ledger 1", "trueup-ledger 9", 1),
    ] {
        fs::write(bench.state("ledger"), &foreign).expect("a ledger");
        bench.write("b", "by hand\n");
        assert!(bench.run(&["plan"]).expect(0).stdout.contains("is not to be used"));
        let apply = bench.run(&["apply", "--yes"]).expect(3);
        assert!(apply.stdout.contains("--forget"), "{}", apply.stdout);
        assert_eq!(bench.text("b"), "by hand\n");
        assert_eq!(fs::read_to_string(bench.state("ledger")).expect("a ledger"), foreign);
    }
    bench.run(&["ledger", "here", "--forget", "--yes"]).expect(0);
    bench.apply();
}

#[test]
fn a_ledger_is_read() {
    let bench = Bench::new(TWO);
    let empty = bench.run(&["ledger", "here"]).expect(0);
    assert_eq!(empty.stdout, "here: 0 resources.\n");
    bench.apply();
    let ledger = bench.run(&["ledger", "here"]).expect(0);
    insta::assert_snapshot!("ledger", bench.told(&ledger));
    let mode = fs::metadata(bench.state("")).expect("a folder").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o700);
}

/// T34: many applies at once, each of another release: one after another, never mixed.
#[test]
fn eight_applies_at_once_are_never_mixed() {
    let files = "[file.\"ROOT/f{{ each.value }}\"]\nfor_each = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\"]\n\
                 content = \"release {{ vars.release }}\\n\"\n";
    let bench = Bench::new(files);
    let releases: Vec<String> = (0..8).map(|number| format!("release={number}")).collect();
    let running: Vec<(Child, TempDir)> = releases
        .iter()
        .map(|release| bench.start(&["apply", "--yes", "--lock-timeout", "120", "--var", release]))
        .collect();
    for (mut child, _home) in running {
        assert!(child.wait().expect("the program").success());
    }
    let first = bench.text("f1");
    assert!((2..=6).all(|number| bench.text(&format!("f{number}")) == first), "they are mixed");
    let ledger = bench.run(&["ledger", "here", "--json"]).expect(0);
    let ledger: Value = serde_json::from_str(&ledger.stdout).expect("JSON");
    let resources = ledger["resources"].as_object().expect("resources").values();
    let runs: std::collections::BTreeSet<&str> =
        resources.filter_map(|entry| entry["run"].as_str()).collect();
    assert_eq!(runs.len(), 1, "all are of the run that was last");
    let last = format!("release={}", first.trim().trim_start_matches("release "));
    let plan = bench.run(&["plan", "--var", &last]).expect(0);
    assert_eq!(plan.stdout, "here  no changes\n\nPlan: 1 host: 1 unchanged.\n");
}

/// T36: what a step leaves running does not keep the lock.
#[test]
fn a_daemon_does_not_keep_the_lock() {
    let bench = Bench::new(
        "[command.daemon]\ncommand = \"sleep 30 >/dev/null 2>&1 & echo $! >ROOT/pid\"\ncreates = \"ROOT/pid\"\n",
    );
    bench.apply();
    let daemon: u32 = bench.text("pid").trim().parse().expect("a process");
    assert!(PathBuf::from(format!("/proc/{daemon}")).exists(), "it runs");
    bench.run(&["apply", "--yes", "--lock-timeout", "0"]).expect(0);
    kill("KILL", daemon);
}

/// Nothing is changed where it cannot be written down before, and nothing is read or written where somebody
/// else could have put it.
#[test]
fn nothing_is_done_that_cannot_be_remembered() {
    let bench = Bench::new(TWO);
    bench.project.file(".host-state", "in the way");
    let refused = bench.run(&["apply", "--yes"]).expect(3);
    assert!(refused.stdout.contains("Not a directory"), "{}", refused.stdout);
    assert!(!bench.path("a").exists());
    fs::remove_file(bench.project.path().join(".host-state")).expect("a file");
    // A link in the place of the folder.
    let project = bench.project.path().join(".host-state/o");
    fs::create_dir_all(&project).expect("a folder");
    std::os::unix::fs::symlink(bench.path(""), project.join("here")).expect("a link");
    let planted = bench.run(&["apply", "--yes"]).expect(3);
    assert!(planted.stdout.contains("is not a folder of this login's alone"), "{}", planted.stdout);
    assert!(!bench.path("a").exists() && !bench.path("lock").exists());
}

/// What did not hold after its apply is remembered as that, also where the apply failed: no plan takes it for
/// something that somebody did on the host.
#[test]
fn what_did_not_hold_is_no_drift() {
    let bench = Bench::new(
        "[file.\"ROOT/a\"]\ncontent = \"one\\n\"\n\
         [command.spoils]\ncommand = \"echo other >ROOT/a; exit 1\"\ncreates = \"ROOT/never\"\n",
    );
    bench.run(&["apply", "--yes"]).expect(3);
    let ledger = bench.run(&["ledger", "here", "--json"]).expect(0);
    let ledger: Value = serde_json::from_str(&ledger.stdout).expect("JSON");
    let root = bench.folder.path().display();
    assert_eq!(ledger["resources"][format!("m/file[{root}/a]")]["unsettled"], true, "{ledger}");
    let (address, origin) = bench.origins().swap_remove(0);
    assert_eq!((address.as_str(), origin.as_str()), ("file[ROOT/a]", "change"));
    // Somebody mended it: from the next apply on it is known to hold.
    bench.write("a", "one\n");
    bench.declare("[file.\"ROOT/a\"]\ncontent = \"one\\n\"\n");
    bench.apply();
    bench.write("a", "by hand\n");
    assert_eq!(bench.origins(), [("file[ROOT/a]".to_owned(), "drift".to_owned())]);
}

#[test]
fn what_a_killed_shell_left_goes_with_the_next_apply() {
    // Its file is new and not yet in place, and what the validator prints goes into a folder of its own.
    let bench = Bench::new(
        "[file.\"ROOT/one\"]\ncontent = \"new\\n\"\n\
         validate = \"read -r p o </proc/self/cwd/LOCK && kill -KILL $p && sleep 5\"\n",
    );
    let lock = bench.state("lock").display().to_string();
    let text = fs::read_to_string(bench.project.path().join("modules/m/module.toml"));
    let text = text.expect("a module").replace("/proc/self/cwd/LOCK", &lock);
    bench.project.file("modules/m/module.toml", &text);
    bench.run(&["apply", "--yes"]).expect(3);
    let killed = bench.holder();
    let folders = || {
        let base = fs::read_dir("/var/lib/trueup").expect("a folder").flatten();
        let state = base.filter(|entry| entry.file_name().to_string_lossy().starts_with("trueup."));
        let of = |entry: &fs::DirEntry| {
            let text = fs::read_to_string(entry.path().join("holder")).unwrap_or_default();
            text.starts_with(&format!("{killed} "))
        };
        state.filter(of).count()
    };
    let files = bench.files();
    assert!(files.len() == 1 && files[0].starts_with(".trueup-"), "{files:?}");
    // A plan takes nothing away.
    bench.run(&["plan"]).expect(0);
    assert_eq!(bench.files().len(), 1);
    bench.project.file("modules/m/module.toml", text.replace("kill -KILL", "echo"));
    bench.apply();
    assert_eq!(bench.files(), ["one"]);
    // Here as on any host another project's apply may have taken it before.
    assert_eq!(folders(), 0, "a folder is left");
}

/// A run that is cut between the ledger and its journal leaves a ledger alone.
#[test]
fn a_ledger_without_a_journal_is_read() {
    let bench = Bench::new(TWO);
    bench.apply();
    // The second one takes the journal of the first in.
    bench.declare(&TWO.replace("two", "three"));
    bench.apply();
    fs::remove_file(bench.state("journal")).expect("a journal");
    let ledger = bench.run(&["ledger", "here", "--json"]).expect(0);
    let ledger: Value = serde_json::from_str(&ledger.stdout).expect("JSON");
    assert!(ledger["damage"].is_null(), "{ledger:#}");
    assert_eq!(ledger["resources"].as_object().map(serde_json::Map::len), Some(2), "{ledger:#}");
}
