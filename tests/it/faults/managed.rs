//! A project with all that faults are tried on, what must be found of it, and what is looked at after one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::rooms::Room;
use crate::support::{Output, Project};

const MODULE: &str = r#"
[directory."ROOT/etc"]
[file."ROOT/etc/conf"]
content = "conf of round {{ vars.round }}\n"
[file."ROOT/etc/f{{ each.value }}"]
for_each = "{{ vars.numbers }}"
content = "file {{ each.value }} of round {{ vars.round }}\n{{ vars.filling }}\n"
mode = "{% if vars.round % 2 == 0 %}0640{% else %}0600{% endif %}"
owner = "{% if vars.round % 2 == 0 %}root{% else %}daemon{% endif %}"
[file."ROOT/etc/large"]
source = "files/large"
validate = "OUTER/point {{ vars.round }}-validate"
[command.point]
command = "OUTER/point {{ vars.round }}-command"
creates = "OUTER/points/{{ vars.round }}-command"
[symlink."ROOT/etc/link"]
target = "round{{ vars.round }}"
[set.pair]
members = ["file[ROOT/etc/pair*]"]
validate = "OUTER/point {{ vars.round }}-set"
[file."ROOT/etc/pair1"]
content = "pair1 of round {{ vars.round }}\n"
[file."ROOT/etc/pair2"]
content = "pair2 of round {{ vars.round }}\n"
[command.react]
command = "sha256sum <ROOT/etc/conf >>ROOT/log && sync ROOT/log"
run_on = ["file[ROOT/etc/conf]"]
"#;

const INVENTORY: &str = "[connection]\ntransport = \"local\"\n[hosts.here]\n";

/// What stands at a path: a file's digest, mode and owner, or where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Absent,
    File(String, u32, u32),
    Link(PathBuf),
}

/// A project on this machine whose declarations are of a round: 1, 2, 3 …
pub struct Managed {
    pub project: Project,
    /// A folder. What is managed is in its `root/etc`; `point` in it is a program that steps call.
    outer: PathBuf,
    files: usize,
}

impl Managed {
    pub fn new(outer: &Path, files: usize) -> Self {
        let text = outer.to_str().expect("UTF-8");
        let module = MODULE.replace("ROOT", &format!("{text}/root")).replace("OUTER", text);
        let outer = outer.to_owned();
        Self { project: Project::of(INVENTORY, &module), outer, files }
    }

    pub fn outer(&self) -> &str {
        self.outer.to_str().expect("UTF-8")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.outer.join(path)
    }

    /// The place of a managed file, as a room sees it.
    fn place(&self, room: &Room, name: &str) -> PathBuf {
        room.path(self.path("root/etc").join(name))
    }

    /// What the host remembers.
    pub fn state(&self) -> PathBuf {
        self.path("root/state/o/here")
    }

    /// Runs the program in a room.
    pub fn trueup(&self, room: &Room, words: &[&str]) -> Output {
        let before = room.words();
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let state = self.path("root/state");
        let state = state.to_str().expect("UTF-8");
        self.project.run_under(&before, words, &[("TRUEUP_HOST_STATE", state)])
    }

    /// Declares what a round is to leave.
    pub fn declare(&self, round: usize) {
        let numbers: Vec<String> = (1..=self.files).map(|number| format!("\"{number}\"")).collect();
        let filling = "x".repeat(2000);
        let numbers = numbers.join(", ");
        let vars =
            format!("[vars]\nround = {round}\nfilling = \"{filling}\"\nnumbers = [{numbers}]\n");
        self.project.file("inventory.toml", format!("{INVENTORY}{vars}"));
        self.project.file("modules/m/files/large", large(round));
    }

    /// What a round leaves.
    pub fn wanted(&self, round: usize) -> BTreeMap<String, Found> {
        let (mode, owner) = if round.is_multiple_of(2) { (0o640, 0) } else { (0o600, 1) };
        let plain = |text: &str| Found::File(digest(text.as_bytes()), 0o644, 0);
        let mut wanted = BTreeMap::new();
        for number in 1..=self.files {
            let text = format!("file {number} of round {round}\n{}\n", "x".repeat(2000));
            wanted.insert(format!("f{number}"), Found::File(digest(text.as_bytes()), mode, owner));
        }
        for name in ["conf", "pair1", "pair2"] {
            wanted.insert(name.to_owned(), plain(&format!("{name} of round {round}\n")));
        }
        wanted.insert("large".to_owned(), plain(&large(round)));
        wanted.insert("link".to_owned(), Found::Link(format!("round{round}").into()));
        wanted
    }

    /// Which files are old; an error where one is neither old nor new.
    pub fn olds(&self, room: &Room, round: usize) -> Result<BTreeSet<String>, String> {
        let old = self.wanted(round - 1);
        let mut olds = BTreeSet::new();
        for (name, new) in self.wanted(round) {
            let found = found(&self.place(room, &name));
            if found == old[&name] {
                olds.insert(name);
            } else if found != new {
                return Err(format!("{name} is neither old nor new: {found:?}"));
            }
        }
        Ok(olds)
    }

    /// An error unless a whole copy is kept of each file that is old no longer, and of no other a bad one.
    pub fn kept(&self, room: &Room, olds: &BTreeSet<String>, round: usize) -> Result<(), String> {
        let folder = room.path(self.state().join("kept"));
        let runs = fs::read_dir(folder).into_iter().flatten().flatten();
        // A run's id sorts by time.
        let run = runs.map(|entry| entry.path()).max();
        let list = run.as_ref().map(|run| fs::read_to_string(run.join("list")).unwrap_or_default());
        let mut kept = BTreeMap::new();
        for line in list.as_deref().unwrap_or_default().lines() {
            let words: Vec<&str> = line.splitn(5, ' ').collect();
            let [number, _, kind, _, path] = words[..] else {
                return Err(format!("a line of what is kept is damaged: {line}"));
            };
            if kind != "absent" && kind != "folder" {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                kept.insert(name, found(&run.as_ref().expect("a list").join(number)));
            }
        }
        for (name, old) in self.wanted(round - 1).iter().filter(|(name, _)| !olds.contains(*name)) {
            if kept.get(name) != Some(old) {
                return Err(format!(
                    "{name} was changed, and what is kept of it is {:?}",
                    kept.get(name)
                ));
            }
        }
        Ok(())
    }

    /// Whether the last that came of what `conf` calls for was for this one.
    pub fn reacted(&self, room: &Room, round: usize) -> bool {
        let log = fs::read_to_string(room.path(self.path("root/log"))).unwrap_or_default();
        let last = log.lines().last().and_then(|line| line.split(' ').next());
        matches!(&self.wanted(round)["conf"], Found::File(digest, ..) if last == Some(digest))
    }

    /// An error unless the ledger is readable, and nobody holds the lock.
    pub fn remembered(&self, room: &Room) -> Result<(), String> {
        let ledger = json(&self.trueup(room, &["ledger", "here", "--json"]))?;
        let good = ledger["damage"].is_null() && ledger["lock"].is_null();
        if good { Ok(()) } else { Err(format!("the ledger: {ledger:#}")) }
    }

    /// What the plan names: the names of files, and the addresses of others.
    pub fn planned(&self, room: &Room) -> Result<BTreeSet<String>, String> {
        let plan = json(&self.trueup(room, &["plan", "--json"]))?;
        let sets = plan["sets"].as_array().ok_or("no plan")?.iter();
        let changes = sets.flat_map(|set| set["changes"].as_array().expect("changes"));
        let names = changes.map(|one| self.name(one["address"].as_str().expect("an address")));
        Ok(names.collect())
    }

    /// The name of a managed file, by its address.
    pub fn name(&self, address: &str) -> String {
        let address = address.trim_start_matches("m/");
        match address.split_once(&format!("{}/root/etc/", self.outer())) {
            Some((_, name)) => name.trim_end_matches(']').to_owned(),
            None => address.to_owned(),
        }
    }

    /// An error unless everything is as the round wants it, nothing is left to do, and nothing lies about.
    pub fn converged(&self, room: &Room, round: usize) -> Result<(), String> {
        let new = self.wanted(round);
        for (name, new) in &new {
            let found = found(&self.place(room, name));
            if found != *new {
                return Err(format!("{name} after the next apply: {found:?}"));
            }
        }
        if !self.reacted(room, round) {
            return Err("what conf calls for did not come with the next apply".into());
        }
        let named = self.planned(room)?;
        if !named.is_empty() {
            return Err(format!("the plan after the next apply names {named:?}"));
        }
        let left = self.left(room, &new);
        if left.is_empty() { Ok(()) } else { Err(format!("left after the next apply: {left:?}")) }
    }

    /// What lies beside what is managed, in the folders of sets, and among what is private.
    fn left(&self, room: &Room, known: &BTreeMap<String, Found>) -> Vec<PathBuf> {
        let folders = ["root/etc", "root/private", "root/state/o/here/sets"];
        let entries = folders.iter().flat_map(|folder| {
            fs::read_dir(room.path(self.path(folder))).into_iter().flatten().flatten()
        });
        let left =
            entries.filter(|entry| !known.contains_key(&*entry.file_name().to_string_lossy()));
        left.map(|entry| entry.path()).collect()
    }
}

fn digest(bytes: &[u8]) -> String {
    trueup::model::change::sha256_hex(bytes)
}

/// A content of more than 1 MiB.
fn large(round: usize) -> String {
    format!("large of round {round}\n").repeat(60_000 + round)
}

fn found(path: &Path) -> Found {
    let Ok(meta) = fs::symlink_metadata(path) else { return Found::Absent };
    if meta.is_symlink() {
        return Found::Link(fs::read_link(path).expect("a link"));
    }
    let content = fs::read(path).unwrap_or_default();
    Found::File(digest(&content), meta.mode() & 0o7777, meta.uid())
}

/// A document that was printed, or the last of several.
pub fn json(output: &Output) -> Result<Value, String> {
    let last = output.stdout.trim_end().lines().last().unwrap_or_default();
    serde_json::from_str(&output.stdout)
        .or_else(|_| serde_json::from_str(last))
        .map_err(|_| format!("status {}: {}{}", output.status, output.stdout, output.stderr))
}
