//! Mal's folder on a host, and a session with root's shell there that does steps in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use trueup::resources::{Part, SetStep};
use trueup::shell::{Answer, AnswerKind, Script};

use super::HOST;
use crate::support::{Random, sent};
use crate::support::{lab, lab::Shell};
use crate::wire::bench::{States, ask, changes, observe, said, steps};
use crate::wire::declare::{Item, declare};
use crate::wire::session::{Edit, Session, prelude_with};

/// Names of files in her folder and in the open one.
const FILES: &str = "f0 f1 f2 f3 c0 g0 g1 l0 b0 t0 t1 s0 s1 o0 o1 o2 o3 shadow";
/// Where the host remembers.
const STATE: &str = "/var/lib/trueup-attack";
/// Every step runs, also behind one that failed.
const EDITS: [Edit; 1] = [("[ -z \"$F\" ] && beat busy", "F= && beat busy")];

/// What root's files declare, in two versions.
pub(super) const MODULE: &str = r#"
[file."/srv/mal/d/f0"]
content = "WORD\n"
owner = "mal"
mode = "0MODE"
[file."/srv/mal/d/f1"]
content = "DECLARED WORD\n"
owner = "root"
mode = "0600"
[file."/srv/mal/d/f2"]
mode = "0MODE"
[file."/srv/mal/d/f3"]
content = "WORD\n"
[file."/srv/mal/d/shadow"]
content = "WORD\n"
[file."/srv/mal/d/c0"]
mode = "0MODE"
[file."/srv/mal/d/g0"]
GOES
[file."/srv/mal/d/g1"]
content = "WORD\n"
owner = "mal"
[line.l0]
path = "/srv/mal/d/l0"
line = "WORD"
[block.b0]
path = "/srv/mal/d/b0"
content = "WORD"
[symlink."/srv/mal/d/s0"]
target = "WORD"
[directory."/srv/mal/d/n0"]
owner = "mal"
mode = "0755"
[directory."/srv/mal/d/m0"]
owner = "mal"
mode = "0FOLDER"
[directory."/srv/mal/d/p0"]
state = "PURGED"
purge = true
[authorized_key.mal]
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuKEY"]
exclusive = true
[file."/srv/open/o0"]
content = "WORD\n"
owner = "mal"
mode = "0MODE"
[file."/srv/open/o1"]
content = "WORD\n"
[file."/srv/open/o2"]
mode = "0MODE"
[line.o3]
path = "/srv/open/o3"
line = "WORD"
[symlink."/srv/open/s1"]
target = "WORD"
[directory."/srv/open/n1"]
owner = "mal"
mode = "0FOLDER"
"#;

/// Two files that go in together.
pub(super) const SET: &str = r#"
[file."/srv/mal/d/t0"]
content = "WORD\n"
[file."/srv/mal/d/t1"]
mode = "0MODE"
"#;

/// What mal does in a round, and the names that she is after.
const WAYS: [&str; 12] = [
    "parent",
    "parent ssh",
    "ssh",
    "target",
    "target",
    "temporary:f0,c0,m0",
    "gone",
    "deep:p0",
    "folder:n0,m0",
    "open",
    "open",
    "pipe",
];

/// A host under attack.
pub(super) struct Field {
    shell: Shell,
    session: Session,
    victims: String,
    runs: usize,
    figures: BTreeMap<&'static str, usize>,
    reasons: BTreeMap<String, usize>,
}

impl Field {
    pub(super) fn new() -> Self {
        let mut shell = lab().shell(HOST);
        for (path, text) in
            [("/run/mal.pl", include_str!("mal.pl")), ("/run/place.sh", include_str!("place.sh"))]
        {
            let (status, said) =
                lab().try_on(HOST, &format!("cat >{path}; chmod 0644 {path}"), text.as_bytes());
            assert_eq!(status, 0, "{said}");
        }
        let made = shell.run(&format!("sh /run/place.sh first {FILES}"));
        assert_eq!(made, "", "{made}");
        let victims = shell.run("sh /run/place.sh victims");
        assert!(victims.contains("/srv/crown/f0"), "{victims}");
        let session = session();
        Self {
            shell,
            session,
            victims,
            runs: 0,
            figures: BTreeMap::new(),
            reasons: BTreeMap::new(),
        }
    }

    /// Makes the place as it is when a round begins; what mal will do, told and as words for her.
    pub(super) fn begin(&mut self, random: &mut Random, seed: u64) -> (String, String) {
        let way = random.one(&WAYS);
        let names: Vec<&str> = FILES.split(' ').chain(["n0", "m0", "p0"]).collect();
        let open = ["o0", "o1", "o2", "o3", "s1", "n1"];
        let mut ways = String::new();
        for word in way.split(' ') {
            let _ = write!(ways, " {word}");
            if !word.contains(':') && !["parent", "ssh"].contains(&word) {
                let of: &[&str] = if word == "open" { &open } else { &names };
                let few: Vec<&str> = (0..=random.below(4)).map(|_| random.one(of)).collect();
                let _ = write!(ways, ":{}", few.join(","));
            }
        }
        let made = self.shell.run(&format!("sh /run/place.sh again {FILES}"));
        assert_eq!(made, "", "seed {seed}: {made}");
        (format!("seed {seed}: mal.pl{ways}"), ways)
    }

    /// One round; what mal did.
    pub(super) fn round(&mut self, random: &mut Random, seed: u64) -> String {
        let (told, ways) = self.begin(random, seed);
        self.keep();
        let mut done = 0;
        for wave in 0..3 {
            // What was planned in peace is raced in the steps; what was planned under attack is raced in the questions too.
            // A folder of root's that stands under a managed name in peace is the one that is meant.
            if wave > 0 && ways.contains(" folder") {
                break;
            }
            let quiet = random.chance(50) || ways.contains(" folder");
            if quiet && wave > 0 {
                self.stop();
            }
            let text = version(MODULE, wave);
            let items = declare(&text);
            if !quiet && wave == 0 {
                self.start(seed, &ways);
            }
            let states = self.look(&items);
            let set = self.set(&declare(&version(SET, wave)));
            if quiet {
                self.start(seed + wave, &ways);
            }
            if let Some(states) = states {
                let (script, contents) = steps(&items, &states, || self.session.seq());
                done += self.exchange(&script, &contents);
            }
            if let Some((script, contents)) = set {
                done += self.exchange(&script, &contents);
            }
        }
        // The way back, under attack too.
        let count: u64 = self
            .shell
            .run(&format!("cat {STATE}/p/h/kept/{}/list | wc -l", self.run()))
            .trim()
            .parse()
            .expect("a number");
        let run = self.run();
        let mut script = Script::new();
        for number in (1..=count).rev() {
            let seq = self.session.seq();
            script
                .text("go ")
                .number(seq)
                .text(" -1 && {\nputback ")
                .arg(&run)
                .text(" ")
                .number(number)
                .text("\nend $?\n}\n");
        }
        if count > 0 {
            done += self.exchange(&script, &[]);
        }
        self.stop();
        *self.figures.entry("done").or_default() += done;
        told
    }

    /// Fails the test where something is not as it must be.
    pub(super) fn unharmed(&mut self, told: &str) {
        let victims = self.shell.run("sh /run/place.sh victims");
        let wrong: Vec<&str> =
            victims.lines().filter(|line| !self.victims.contains(*line)).collect();
        assert!(victims == self.victims, "{told}\n{}", wrong.join("\n"));
        let leaks = self.shell.run("sh /run/place.sh leaks");
        assert_eq!(leaks, "", "{told}");
    }

    pub(super) fn figures(&self) -> String {
        format!("{:?}; refused: {:#?}", self.figures, self.reasons)
    }

    fn run(&self) -> String {
        format!("01JD7C{:020}", self.runs)
    }

    /// Another run, which keeps what it changes.
    fn keep(&mut self) {
        self.runs += 1;
        let seq = self.session.seq();
        let mut script = Script::new();
        script.text("go ").number(seq).text(" -1 && {\nkeep_here() { { [ -n \"$state\" ] || hold p/h \"$1\" 0 me; } && keeping \"$2\"; }; keep_here");
        script.args([STATE, &self.run()]).text("\nend $?\n}\n");
        let answers = self.session.exchange(&script, &[]).expect("a session");
        assert_eq!(answers[0].kind, AnswerKind::Done, "{}", said(&answers[0]));
    }

    pub(super) fn start(&mut self, seed: u64, ways: &str) {
        let text = format!(
            "setsid setpriv --reuid mal --regid mal --clear-groups perl /run/mal.pl {seed} /srv/mal{ways} >/run/mal.log 2>&1 </dev/null &"
        );
        self.shell.run(&text);
    }

    /// Ends her, and all that she started.
    pub(super) fn stop(&mut self) {
        let wrong = self.shell.run(
            "n=0; while p=$(pgrep -u mal) && [ $n -lt 100 ]; do n=$((n + 1)); kill -KILL $p 2>/dev/null; sleep 0.02; done; \
             pgrep -u mal; cat /run/mal.log 2>/dev/null; rm -f /run/mal.log",
        );
        assert_eq!(wrong, "", "mal's program is wrong");
    }

    fn look(&mut self, items: &[Item]) -> Option<States> {
        let mut script = Script::new();
        let asked = ask(items, &mut script, || self.session.seq());
        let answers = self.answers(&script, &[])?;
        Some(observe(items, &asked, &answers))
    }

    /// The step of a set for what differs, if anything does.
    fn set(&mut self, items: &[Item]) -> Option<(Script, Vec<std::sync::Arc<[u8]>>)> {
        let states = self.look(items)?;
        let members: Vec<_> = changes(items, &states)
            .iter()
            .map(|(index, change)| {
                let observed = states[*index].as_ref().expect("a change was compared");
                let part =
                    Part { desired: &items[*index].desired, observed, change, timeout: None };
                items[*index].kind.member(&part).expect("it can be in a set")
            })
            .collect();
        if members.is_empty() {
            return None;
        }
        let paths: Vec<&str> = items.iter().map(|item| item.kind.subject(&item.desired)).collect();
        let seq = self.session.seq();
        let folder = format!("RUN{seq}-m-s");
        let step = SetStep {
            folder: &folder,
            label: "m/set[s]",
            validate: Some("cat ${staged}/t0"),
            seconds: Some(20),
            paths: &paths,
        };
        let step = step.step(&members);
        let mut script = Script::new();
        let content = sent(&step);
        let bytes = step.bytes();
        script
            .text("go ")
            .number(seq)
            .text(" ")
            .number(bytes)
            .text(" && {\n")
            .script(&step.script)
            .text("\nend $?\n}\n");
        Some((script, content.into_iter().collect()))
    }

    /// Does steps; how many did their work.
    fn exchange(&mut self, script: &Script, contents: &[std::sync::Arc<[u8]>]) -> usize {
        let answers = self.answers(script, contents).unwrap_or_default();
        for answer in &answers {
            *self.figures.entry("steps").or_default() += 1;
            if answer.kind == AnswerKind::Failed {
                let said = said(answer);
                let line = said.lines().next().unwrap_or_default();
                let line = line
                    .split(' ')
                    .filter(|word| !word.contains('/'))
                    .collect::<Vec<_>>()
                    .join(" ");
                *self.reasons.entry(line).or_default() += 1;
            }
        }
        answers.iter().filter(|answer| answer.kind == AnswerKind::Done).count()
    }

    /// The answers of a program; a session that hangs is ended, and counts.
    fn answers(
        &mut self,
        script: &Script,
        contents: &[std::sync::Arc<[u8]>],
    ) -> Option<Vec<Answer>> {
        match self.session.exchange(script, contents) {
            Ok(answers) => Some(answers),
            Err(why) => {
                *self.reasons.entry(format!("SESSION {why}")).or_default() += 1;
                self.session = session();
                self.keep();
                None
            }
        }
    }
}

/// A session with root's shell on the host.
fn session() -> Session {
    let mut command = lab().script(&["exec", HOST]);
    command.args([
        "env",
        "-i",
        &format!("PATH={}", trueup::shell::PATH),
        "LC_ALL=C",
        "/bin/sh",
        "-c",
        trueup::shell::START,
    ]);
    Session::open(command, &prelude_with("/var/lib/trueup", &EDITS))
}

/// A text of one of the two versions.
pub(super) fn version(text: &str, wave: u64) -> String {
    let odd = wave % 2 == 1;
    let content = "content = \"WORD\\n\"";
    text.replace("GOES", if odd { content } else { "state = \"absent\"" })
        .replace("PURGED", if odd { "absent" } else { "present" })
        .replace("WORD", if odd { "other" } else { "one" })
        .replace("MODE", if odd { "644" } else { "600" })
        .replace("FOLDER", if odd { "755" } else { "711" })
        .replace("KEY", if odd { "QB8" } else { "QB9" })
}
