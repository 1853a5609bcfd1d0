//! The crash campaign (T01, T02, T20 and T21 of the threats): an apply that replaces 40 files, restarts two
//! services and makes or removes three users is killed at random moments: the controller, the remote
//! shell, the session of sshd, or the link.
//!
//! After each kill every file is old or new, the plan says exactly what is left, an owed restart came or is
//! named, and the next apply converges. `TRUEUP_CRASH=200` does so many rounds, `TRUEUP_SEED=N` begins at
//! the seed that a failure printed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::project;
use crate::support::{Project, Random, lab, lab::Shell, lab::left_out, lab::own};

const HOST: &str = "spare1";
const FILES: usize = 40;
const INVENTORY: &str = "[connection]\nuser = \"root\"\n[hosts.spare1]\n";

const MODULE: &str = r#"
[user."crash-{{ each.value }}"]
for_each = ["a", "b", "c"]
state = "{% if vars.round % 2 == 0 %}present{% else %}absent{% endif %}"
create_home = false
[file."/srv/crash/f{{ each.value }}"]
for_each = "{{ vars.numbers }}"
content = "file {{ each.value }} of round {{ vars.round }}\n{{ vars.filling }}\n"
mode = "{% if vars.round % 2 == 0 %}0640{% else %}0600{% endif %}"
[file."/srv/crash/conf{{ each.value }}"]
for_each = ["1", "2"]
content = "conf {{ each.value }} of round {{ vars.round }}\n"
[service."crash{{ each.value }}"]
for_each = ["1", "2"]
state = "running"
restart_on = ["file[/srv/crash/conf{{ each.value }}]"]
"#;

/// What each round must find on the host before it.
const MADE: &str = r"
rm -f /run/crash?.log
mkdir -p /srv/crash
for n in 1 2; do
echo none >/srv/crash/conf$n
cat >/etc/systemd/system/crash$n.service <<END
[Service]
ExecStart=/bin/sh -c 'sha256sum </srv/crash/conf$n >>/run/crash$n.log; exec sleep infinity'
END
done
systemctl daemon-reload
systemctl restart crash1 crash2";

const KINDS: [&str; 4] = ["controller", "shell", "sshd", "link"];

/// A host and a project, round after round.
struct Crash {
    project: Project,
    shell: Shell,
    /// How long an apply takes that nobody kills.
    whole: Duration,
    figures: BTreeMap<&'static str, usize>,
}

impl Crash {
    fn new() -> Self {
        let mut shell = lab().shell(HOST);
        shell.run(MADE);
        let project = project(INVENTORY, MODULE);
        let mut new =
            Self { project, shell, whole: Duration::from_secs(2), figures: BTreeMap::new() };
        new.declare(0);
        let since = Instant::now();
        new.project.on_lab(&["apply", "--yes"]).expect(0);
        new.whole = since.elapsed();
        new
    }

    fn declare(&self, round: usize) {
        let numbers: Vec<String> = (1..=FILES).map(|number| format!("\"{number}\"")).collect();
        let text = format!(
            "{INVENTORY}[vars]\nround = {round}\nfilling = \"{}\"\nnumbers = [{}]\n",
            "x".repeat(2000),
            numbers.join(", ")
        );
        self.project.file("inventory.toml", text);
    }

    /// The round that each file is of, by its name; `None` for what is neither old nor new.
    fn files(&mut self, round: usize) -> BTreeMap<String, usize> {
        let said = self.shell.run(
            "cd /srv/crash && for f in f* conf*; do printf '%s %s ' \"$f\" \"$(stat -c %a:%U \"$f\")\"; \
             sha256sum <\"$f\"; done",
        );
        let mut known = BTreeMap::new();
        for round in [round - 1, round] {
            let mode = if round.is_multiple_of(2) { "640:root" } else { "600:root" };
            for number in 1..=FILES {
                let filling = "x".repeat(2000);
                let text = format!("file {number} of round {round}\n{filling}\n");
                known.insert((format!("f{number}"), digest(&text), mode), round);
            }
            for number in 1..=2 {
                let text = format!("conf {number} of round {round}\n");
                known.insert((format!("conf{number}"), digest(&text), "644:root"), round);
            }
        }
        let mut files = BTreeMap::new();
        for line in said.lines().filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let found = known.iter().find(|((name, digest, mode), _)| {
                name == words[0] && words[1] == *mode && words[2] == digest
            });
            let (_, round) = found.unwrap_or_else(|| panic!("neither old nor new: {line}"));
            files.insert(words[0].to_owned(), *round);
        }
        assert_eq!(files.len(), FILES + 2, "{said}");
        files
    }

    /// The digests with which a service was started, the last one last.
    fn starts(&mut self, number: usize) -> Vec<String> {
        let said = self.shell.run(&format!("cut -d' ' -f1 /run/crash{number}.log"));
        said.lines().filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect()
    }

    /// Kills an apply after a while, and waits until nothing of it runs any more.
    fn kill(&mut self, kind: &'static str, after: Duration) {
        let (mut command, _home) = self.project.lab_command_cleared(&["apply", "--yes"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program");
        std::thread::sleep(after);
        let lock = self.project.lab_state().join("o/spare1/lock");
        let lock = lock.display();
        match kind {
            "controller" => drop(child.kill()),
            "shell" => {
                self.shell.run(&format!("read -r p o <\"{lock}\" && kill -KILL $p"));
            }
            "sshd" => {
                // The process of sshd that carries the session.
                self.shell.run(&format!(
                    "read -r p o <\"{lock}\" && kill -KILL $(cut -d' ' -f4 /proc/$p/stat)"
                ));
            }
            _ => {
                lab().link("cut", HOST);
                std::thread::sleep(Duration::from_secs(2));
            }
        }
        if kind == "link" {
            lab().link("mend", HOST);
        }
        let output = child.wait_with_output().expect("the program");
        let text = String::from_utf8_lossy(&output.stdout);
        if output.status.code() == Some(0) {
            *self.figures.entry("ended before it was killed").or_default() += 1;
            assert!(text.contains("Applied to 1 host in"), "{text}");
        } else {
            *self.figures.entry(kind).or_default() += 1;
        }
        let end = Instant::now() + Duration::from_secs(60);
        let alive = format!(
            "read -r p s o <\"{lock}\" && [ -r /proc/$p/stat ] && \
             [ \"$(cut -d' ' -f22 /proc/$p/stat)\" = $s ] && echo alive"
        );
        while self.shell.run(&alive).contains("alive") {
            assert!(Instant::now() < end, "the remote shell did not end: {kind}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the plan names, after its module.
    fn planned(&self) -> (BTreeSet<String>, String) {
        let json = self.project.on_lab(&["plan", "--json"]).expect(0);
        let plan: Value = serde_json::from_str(&json.stdout).expect("JSON");
        let sets = plan["sets"].as_array().expect("sets").iter();
        let changes = sets.flat_map(|set| set["changes"].as_array().expect("changes"));
        let named = changes.map(|one| {
            let address = one["address"].as_str().expect("an address");
            address.trim_start_matches("m/").to_owned()
        });
        (named.collect(), json.stdout)
    }

    fn round(&mut self, round: usize, seed: u64) {
        let mut random = Random(seed);
        let kind = KINDS[random.below(KINDS.len())];
        let most = usize::try_from(self.whole.as_millis()).expect("a short time").max(300);
        let after = Duration::from_millis(random.below(most * 11 / 10) as u64);
        let told = format!("round {round}, seed {seed}: {kind} after {after:?}");
        self.declare(round);
        self.kill(kind, after);
        // Every file is old or new, and the plan names exactly those that are old.
        let files = self.files(round);
        let (named, plan) = self.planned();
        for (name, of) in &files {
            let address = format!("file[/srv/crash/{name}]");
            assert_eq!(named.contains(&address), *of < round, "{told}: {address}\n{plan}");
        }
        for number in 1..=2 {
            let starts = self.starts(number);
            let text = format!("conf {number} of round {}\n", files[&format!("conf{number}")]);
            let fresh = starts.last() == Some(&digest(&text));
            let address = format!("service[crash{number}]");
            assert!(fresh || named.contains(&address), "{told}: a restart is lost\n{plan}");
        }
        let ledger = self.project.on_lab(&["ledger", HOST, "--json"]).expect(0);
        let ledger: Value = serde_json::from_str(&ledger.stdout).expect("JSON");
        assert!(ledger["damage"].is_null() && ledger["lock"].is_null(), "{told}: {ledger}");
        // The next apply converges.
        self.project.on_lab(&["apply", "--yes"]).expect(0);
        assert!(self.files(round).values().all(|of| *of == round), "{told}");
        for number in 1..=2 {
            let text = digest(&format!("conf {number} of round {round}\n"));
            let count = self.starts(number).iter().filter(|start| **start == text).count();
            assert!(count > 0, "{told}: crash{number} was not restarted");
            let word =
                if count == 1 { "restarts that came once" } else { "restarts that came twice" };
            *self.figures.entry(word).or_default() += 1;
            assert_eq!(count, 1, "{told}: crash{number} was started {count} times");
        }
        let left = self.shell.run("ls -A /srv/crash | grep -c '^\\.trueup'");
        assert_eq!(left.trim(), "0", "{told}: something is left");
        // Nobody else is at work there: no folder of a shell that is gone.
        let left = self.shell.run(
            "for f in /var/lib/trueup/trueup.*; do [ -e \"$f\" ] || continue; p=${f#*/trueup.}; \
             [ -d \"/proc/${p%%-*}\" ] || echo \"$f\"; done",
        );
        assert_eq!(left.trim(), "", "{told}: a folder is left");
        let users = self.shell.run("getent passwd crash-a crash-b crash-c | wc -l");
        assert_eq!(users.trim(), if round.is_multiple_of(2) { "3" } else { "0" }, "{told}");
        assert!(self.planned().0.is_empty(), "{told}: {}", self.planned().1);
    }
}

/// A line of figures, also where the output of tests is kept back.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn digest(text: &str) -> String {
    trueup::model::change::sha256_hex(text.as_bytes())
}

#[test]
fn whatever_dies_nothing_is_half_done_and_no_restart_is_lost() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let number =
        |name| std::env::var(name).ok().and_then(|text: String| text.parse::<usize>().ok());
    let rounds = number("TRUEUP_CRASH").unwrap_or(6);
    let seed = number("TRUEUP_SEED").unwrap_or(1) as u64;
    let mut crash = Crash::new();
    for round in 1..=rounds {
        let seed = seed + round as u64 - 1;
        crash.round(round, seed);
    }
    say(&format!(
        "crash: {rounds} rounds from seed {seed}, apply {:?}: {:?}",
        crash.whole, crash.figures
    ));
    crash
        .shell
        .run("systemctl stop crash1 crash2; rm -rf /srv/crash /etc/systemd/system/crash?.service");
}

/// A full disk where a host remembers: nothing is changed that could not be written down before.
#[test]
fn nothing_is_done_that_there_is_no_room_to_remember() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let file = "[file.\"/srv/crash-full\"]\ncontent = \"first\\n\"\n";
    let project = project(INVENTORY, file);
    let state = project.lab_state();
    let state = state.to_str().expect("UTF-8");
    lab().on(HOST, &format!("mkdir -p {state} && mount -t tmpfs -o size=64k,mode=700 t {state}"));
    project.on_lab(&["apply", "--yes"]).expect(0);
    lab().on(HOST, &format!("head -c 1000000 /dev/zero >{state}/fill 2>/dev/null || true"));
    project.file("modules/m/module.toml", file.replace("first", &"second".repeat(2000)));
    let full = project.on_lab(&["apply", "--yes"]).expect(3);
    assert!(full.stdout.contains("No space left on device"), "{}", full.stdout);
    assert_eq!(lab().on(HOST, "cat /srv/crash-full"), "first\n", "{}", full.stdout);
    lab().on(HOST, &format!("rm {state}/fill"));
    project.on_lab(&["apply", "--yes"]).expect(0);
    assert!(project.on_lab(&["plan"]).expect(0).stdout.contains("no changes"));
    lab().on(HOST, &format!("umount {state}; rm -f /srv/crash-full"));
}
