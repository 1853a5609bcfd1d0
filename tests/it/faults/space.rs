//! No room, and no writing (T05, T07 to T09 and T48 of the threats): file systems of their own that become
//! full, run out of inodes or turn read-only in the middle of a run, and on the way back.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::managed::json;
use super::unprivileged;
use crate::support::rooms::Room;
use crate::support::{Output, Project};

/// Files of a run.
const FILES: usize = 24;
const INVENTORY: &str = "[connection]\ntransport = \"local\"\n[hosts.here]\n";

/// A small file system, mounted at `disk`, and a project with files on it.
struct Small {
    room: Room,
    project: Project,
    folder: TempDir,
}

impl Small {
    /// With so many KiB, made with these options of mkfs.ext4.
    fn new(kib: usize, options: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("space-").tempdir().expect("a folder");
        let outer = folder.path().to_str().expect("UTF-8");
        let room = Room::new(
            None,
            "cd \"$1\"\nmkdir disk private state\ntruncate -s \"$2K\" image\n\
             mkfs.ext4 -q -m 0 -O ^has_journal $3 image\nmount -o loop image disk\n\
             mkdir -p /var/lib/trueup\nmount --bind private /var/lib/trueup",
            &[outer, &kib.to_string(), options],
        );
        Self { room, project: Project::of(INVENTORY, ""), folder }
    }

    fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn inside(&self, name: &str) -> PathBuf {
        self.room.path(self.disk().join(name))
    }

    /// Declares files 01 to 24 with so many bytes of this letter each, and what else is in the module; `DISK`
    /// stands for the folder.
    fn declare(&self, letter: char, bytes: usize, more: &str) {
        let mut module = String::new();
        for number in 1..=FILES {
            let _ = writeln!(
                module,
                "[file.\"DISK/{number:02}\"]\ncontent = \"{number}{}\"",
                letter.to_string().repeat(bytes)
            );
            if number == FILES / 2 {
                module.push_str(more);
            }
        }
        let disk = self.disk();
        let disk = disk.to_str().expect("UTF-8");
        self.project.file("modules/m/module.toml", module.replace("DISK", disk));
    }

    fn run(&self, words: &[&str]) -> Output {
        let before = self.room.words();
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let state = self.folder.path().join("state");
        self.project.run_under(
            &before,
            words,
            &[("TRUEUP_HOST_STATE", state.to_str().expect("UTF-8"))],
        )
    }

    /// The letters with which the files are filled, `-` where one is not there. None may be anything else, and
    /// nothing may lie beside.
    #[track_caller]
    fn letters(&self) -> String {
        let mut letters = String::new();
        for number in 1..=FILES {
            let Ok(text) = fs::read_to_string(self.inside(&format!("{number:02}"))) else {
                letters.push('-');
                continue;
            };
            let rest = text.strip_prefix(&number.to_string()).expect("its number");
            let letter = rest.chars().next().expect("a letter");
            assert!(
                rest.len() > 10 && rest.chars().all(|other| other == letter),
                "{number}: {text}"
            );
            letters.push(letter);
        }
        let entries = fs::read_dir(self.inside("")).expect("a folder").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let beside: Vec<String> = names.filter(|name| name.starts_with(".trueup")).collect();
        assert!(beside.is_empty(), "{beside:?}");
        letters
    }

    /// What an apply that failed says; it must agree with what is there, letter for letter.
    #[track_caller]
    fn failed(&self, letter: char) -> String {
        let applied = self.run(&["apply", "--yes", "--json"]).expect(3);
        let end = json(&applied).expect("JSON");
        let host = &end["hosts"][0];
        assert_eq!(host["outcome"], "failed", "{host:#}");
        let letters = self.letters();
        let names = |key: &str| -> Vec<String> {
            let all = host[key].as_array().into_iter().flatten();
            let texts = all.map(|one| one.as_str().or_else(|| one["address"].as_str()));
            texts.flatten().map(ToOwned::to_owned).collect()
        };
        let (done, not_done) = (names("done"), names("not_done"));
        let disk = self.disk();
        for (at, found) in letters.chars().enumerate() {
            let address = format!("m/file[{}/{:02}]", disk.display(), at + 1);
            assert_eq!(done.contains(&address), found == letter, "{address} {letters}: {host:#}");
        }
        assert!(!done.is_empty() && !not_done.is_empty(), "{letters}: {host:#}");
        let problems: Vec<&Value> = host["problems"].as_array().into_iter().flatten().collect();
        assert_eq!(problems.len(), 1, "{host:#}");
        format!("{}", problems[0]).replace(&*disk.display().to_string(), "DISK")
    }

    /// The next apply does what is left.
    #[track_caller]
    fn goes_on(&self, letter: char) {
        self.run(&["apply", "--yes"]).expect(0);
        assert_eq!(self.letters(), letter.to_string().repeat(FILES));
        assert!(self.run(&["plan"]).expect(0).stdout.contains("no changes"));
    }
}

/// The first number behind some words.
fn number_behind(text: &str, words: &str) -> usize {
    let rest = text.split_once(words).unwrap_or_else(|| panic!("{words:?} is not in {text}")).1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[test]
fn a_disk_that_fills_up_in_a_run_keeps_what_is_old_and_is_told() {
    if unprivileged("a disk that fills up") {
        return;
    }
    let small = Small::new(1024, "-N 64");
    small.declare('o', 5000, "");
    small.run(&["apply", "--yes"]).expect(0);
    small.declare('n', 60_000, "");
    let why = small.failed('n');
    assert!(why.contains("DISK/") && why.contains("No space left on device"), "{why}");
    assert_eq!(number_behind(&why, "(it has ") / 100, 600, "{why}");
    assert!(number_behind(&why, "there is room for ") < 60_000, "{why}");
    // Somebody makes room: what is small fits again.
    small.declare('s', 3000, "");
    small.goes_on('s');
}

/// T08.
#[test]
fn an_inode_table_that_fills_up_in_a_run_is_told() {
    if unprivileged("an inode table that fills up") {
        return;
    }
    let small = Small::new(1024, "-N 32");
    small.declare('n', 100, "");
    let why = small.failed('n');
    assert!(why.contains("No space left on device (no inodes are left)"), "{why}");
    assert!(small.letters().matches('n').count() > 5, "{}", small.letters());
}

#[test]
fn a_disk_that_turns_read_only_in_a_run_is_told_and_the_next_run_goes_on() {
    if unprivileged("a disk that turns read-only") {
        return;
    }
    let small = Small::new(1024, "-N 64");
    small.declare('o', 100, "");
    small.run(&["apply", "--yes"]).expect(0);
    let mark = small.folder.path().join("turned");
    let turns = format!(
        "[command.turns]\ncommand = \"mount -o remount,ro DISK && touch {0}\"\ncreates = \"{0}\"\n",
        mark.display()
    );
    small.declare('n', 100, &turns);
    let why = small.failed('n');
    assert!(why.contains("DISK/13") && why.contains("Read-only file system"), "{why}");
    assert_eq!(small.letters(), format!("{}{}", "n".repeat(12), "o".repeat(12)));
    small.room.run("mount -o remount,rw \"$1\"", &[small.disk().to_str().expect("UTF-8")]);
    small.goes_on('n');
}

/// The way back of the last run, with one copy of a file changed by this.
fn way_back(harm: impl Fn(&Path)) -> (Small, Output) {
    let small = Small::new(2048, "-N 64");
    small.declare('o', 100, "");
    small.run(&["apply", "--yes"]).expect(0);
    small.declare('n', 100, "");
    small.run(&["apply", "--yes"]).expect(0);
    let state = small.folder.path().join("state/o/here/kept");
    let runs = fs::read_dir(&state).expect("a folder").flatten();
    let run = runs.map(|entry| entry.path()).max().expect("a run");
    harm(&run.join("5"));
    let back = small.run(&["rollback", "last", "--yes"]);
    (small, back)
}

#[test]
fn a_copy_that_is_gone_or_damaged_is_said_before_and_the_rest_goes_back() {
    if unprivileged("the way back on a small disk") {
        return;
    }
    for words in ["no copy of it is kept", "its copy is damaged: it is not what stood there"] {
        let (small, back) = way_back(|copy| {
            let harmed = if words.contains("damaged") {
                fs::write(copy, "5oooooooooooooooooo")
            } else {
                fs::remove_file(copy)
            };
            harmed.expect("a copy");
        });
        let told = format!("{}{}", back.stdout, back.stderr);
        assert!(told.contains(words) && told.contains("disk/05]"), "{told}");
        assert_eq!(small.letters(), format!("{}n{}", "o".repeat(4), "o".repeat(19)), "{told}");
    }
}

#[test]
fn a_way_back_without_room_is_loud_and_goes_on_when_there_is() {
    if unprivileged("the way back on a small disk") {
        return;
    }
    let small = Small::new(1024, "-N 64");
    small.declare('o', 20_000, "");
    small.run(&["apply", "--yes"]).expect(0);
    small.declare('n', 100, "");
    small.run(&["apply", "--yes"]).expect(0);
    let fill = "head -c 700000 /dev/zero >\"$1/fill\" || :";
    small.room.run(fill, &[small.disk().to_str().expect("UTF-8")]);
    let back = small.run(&["rollback", "last", "--yes"]).expect(3);
    assert!(back.stdout.contains("No space left on device"), "{}", back.stdout);
    let letters = small.letters();
    assert!(letters.contains('n') && letters.contains('o'), "{letters}");
    // What was put back is known, and what was not.
    let plan = small.run(&["plan", "--json"]).expect(0);
    let named = plan.stdout.matches("\"origin\"").count();
    assert_eq!(named, letters.matches('o').count(), "{letters}: {}", plan.stdout);
    fs::remove_file(small.inside("fill")).expect("a file");
    small.goes_on('n');
}
