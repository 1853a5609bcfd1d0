//! The plan tells the truth: for random projects on a real host, what an apply changes is exactly what its
//! plan named, the next plan is empty, and a second apply changes nothing.
//!
//! The host is looked at by other means than ours, before and after. It keeps what a round left, so that
//! the next project meets it in whatever state that is. `TRUEUP_TRUTH=200` does so many rounds, and
//! `TRUEUP_SEED=N` begins at the seed that a failure printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;

use crate::support::lab::Lab;
use crate::support::{Project, lab, lab::left_out, lab::own};

/// Rounds of a plain run.
const ROUNDS: u64 = 8;
const HOST: &str = "spare1";
/// Everything that is declared on paths is below this folder.
const ROOT: &str = "/srv/truth";

/// Numbers that follow from a seed (`SplitMix64`).
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `most`.
    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).expect("a small number")
    }

    /// True so often in a hundred.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<'o>(&mut self, of: &[&'o str]) -> &'o str {
        of[self.below(of.len())]
    }
}

/// A random project, and which things of the host each of its resources is about.
#[derive(Default)]
struct Draft {
    module: String,
    about: BTreeMap<String, Vec<String>>,
}

impl Draft {
    /// Declares a resource: its type, name, keys and the things that its change may change.
    fn declare(&mut self, (kind, name): (&str, &str), keys: &str, things: &[String]) {
        let _ = writeln!(self.module, "[{kind}.\"{name}\"]\n{keys}");
        self.about.insert(format!("m/{kind}[{name}]"), things.to_vec());
    }
}

fn path(name: &str) -> String {
    format!("{ROOT}/{name}")
}

fn file(name: &str) -> String {
    format!("file {}", path(name))
}

/// A random project over a small world, so that rounds meet what others left.
fn draft(random: &mut Random) -> Draft {
    let mut draft = Draft::default();
    draft.declare(("directory", ROOT), "", &[format!("file {ROOT}")]);
    let users = accounts(random, &mut draft);
    let mut owners: Vec<&str> = vec!["root", "daemon"];
    owners.extend(users.iter().map(String::as_str));
    paths(random, &mut draft, &owners);
    texts(random, &mut draft);
    system(random, &mut draft);
    draft
}

/// Groups and users; gives the users that will be there.
fn accounts(random: &mut Random, draft: &mut Draft) -> Vec<String> {
    let mut groups = Vec::new();
    for name in ["tg1", "tg2"] {
        if random.chance(70) {
            draft.declare(("group", name), "", &[format!("group {name}")]);
            groups.push(name);
        }
    }
    let mut there = Vec::new();
    for name in ["tu1", "tu2", "tu3"] {
        let things = [format!("user {name}"), format!("group {name}")];
        let mut things = things.to_vec();
        things.extend(["tg1", "tg2"].map(|group| format!("group {group}")));
        match random.below(10) {
            0..=1 => draft.declare(("user", name), "state = \"absent\"", &things),
            2..=7 => {
                let mut keys = format!("shell = \"{}\"\n", random.one(&["/bin/sh", "/bin/bash"]));
                if random.chance(50) {
                    let _ = writeln!(keys, "comment = \"{}\"", random.one(&["one", "two words"]));
                }
                if !groups.is_empty() && random.chance(50) {
                    let _ = writeln!(keys, "groups = [\"{}\"]", random.one(&groups));
                }
                draft.declare(("user", name), &keys, &things);
                there.push(name.to_owned());
            }
            _ => {}
        }
    }
    there
}

/// Files, directories and symlinks.
fn paths(random: &mut Random, draft: &mut Draft, owners: &[&str]) {
    const MODES: [&str; 4] = ["0600", "0644", "0640", "0755"];
    for name in ["d1", "d2"] {
        let mode = random.one(&["0700", "0755", "0750"]);
        let keys = format!("mode = \"{mode}\"\nowner = \"{}\"", random.one(owners));
        draft.declare(("directory", &path(name)), &keys, &[file(name)]);
    }
    for name in ["f1", "f2", "f3", "d1/f4", "d2/f 5", "é6"] {
        match random.below(10) {
            0..=1 => {
                draft.declare(("file", &path(name)), "state = \"absent\"", &[file(name)]);
            }
            2..=7 => {
                let content = random.one(&["", "a\\n", "b\\nc\\n", "no end", "crlf\\r\\n"]);
                let mut keys = format!("content = \"{content}\"\n");
                if random.chance(60) {
                    let _ = writeln!(keys, "mode = \"{}\"", random.one(&MODES));
                }
                if random.chance(40) {
                    let _ = writeln!(keys, "owner = \"{}\"", random.one(owners));
                }
                if random.chance(30) {
                    let _ = writeln!(keys, "group = \"{}\"", random.one(&["root", "daemon"]));
                }
                if random.chance(20) {
                    keys.push_str("validate = \"test -e {{ candidate }}\"\n");
                }
                draft.declare(("file", &path(name)), &keys, &[file(name)]);
            }
            _ => {}
        }
    }
    for name in ["l1", "l2"] {
        let target = random.one(&["f1", "/etc/hostname", "nowhere", "d1"]);
        let keys = match random.below(4) {
            0 => "state = \"absent\"".to_owned(),
            _ => format!("target = \"{target}\""),
        };
        draft.declare(("symlink", &path(name)), &keys, &[file(name)]);
    }
}

/// Texts that somebody else made, of which only lines are said.
fn texts(random: &mut Random, draft: &mut Draft) {
    for name in ["t1", "t2"] {
        for line in 0..3 {
            if !random.chance(70) {
                continue;
            }
            let keys = match random.below(3) {
                0 => format!("line = \"k{line} = {}\"\nmatch = '^k{line} '", random.below(3)),
                1 => format!("match = '^k{line} '\nstate = \"absent\""),
                _ => format!("line = \"k{line} = 1\""),
            };
            let keys = format!("path = \"{}\"\n{keys}", path(name));
            draft.declare(("line", &format!("{name}-{line}")), &keys, &[file(name)]);
        }
    }
}

/// Packages, services and commands.
fn system(random: &mut Random, draft: &mut Draft) {
    for name in ["lab-pkg01", "lab-pkg02", "lab-pkg03"] {
        let keys = if random.chance(60) { "" } else { "state = \"absent\"" };
        draft.declare(("package", name), keys, &[format!("package {name}")]);
    }
    for name in ["lab-svc1", "lab-svc2"] {
        let state = random.one(&["running", "stopped"]);
        let mut keys = format!("state = \"{state}\"\nenabled = {}\n", random.chance(50));
        if random.chance(50) {
            let verb = random.one(&["restart_on", "reload_on"]);
            let _ = writeln!(keys, "{verb} = [\"directory[{ROOT}/d*]\"]");
        }
        let things = [format!("service {name}"), format!("log {name}")];
        draft.declare(("service", name), &keys, &things);
    }
    let marker = path("made");
    draft.declare(
        ("command", "make"),
        &format!("command = \"echo x >> {marker}\"\ncreates = \"{marker}\""),
        &[file("made")],
    );
    let runs = path("runs");
    draft.declare(
        ("command", "note"),
        &format!(
            "command = \"echo x >> {runs}\"\nrun_on = [\"directory[{ROOT}/d2]\", \"command[make]\"]"
        ),
        &[file("runs")],
    );
}

/// Everything on the host that a round may change, by other means than the program's.
fn look(lab: &Lab) -> BTreeMap<String, String> {
    let said = lab.on(
        HOST,
        r#"
find /srv/truth -mindepth 0 -printf 'file %p\t%y %m %U %G %l ' \( -type f -exec sh -c 'sha256sum <"$1"' sh {} \; -o -printf '\n' \) 2>/dev/null
getent passwd | while IFS=: read -r n r; do printf 'user %s\t%s\n' "$n" "$r"; done
getent group | while IFS=: read -r n r; do printf 'group %s\t%s\n' "$n" "$r"; done
dpkg-query -W -f 'package ${Package}\t${db:Status-Status} ${Version}\n' | grep -v not-installed
for s in lab-svc1 lab-svc2; do
printf 'service %s\t%s %s\n' "$s" "$(systemctl is-active "$s")" "$(systemctl is-enabled "$s")"
printf 'log %s\t%s\n' "$s" "$(cut -d ' ' -f 1 <"/run/$s.log" | tr '\n' ' ')"
done
"#,
    );
    let split =
        |line: &str| line.split_once('\t').map(|(thing, state)| (thing.into(), state.into()));
    let mut found: BTreeMap<String, String> = said.lines().filter_map(split).collect();
    // A package that was removed and one that was never there are the same to us.
    found.retain(|thing, state| !thing.starts_with("package ") || state.starts_with("installed"));
    found
}

/// Things whose state differs.
fn changed(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |thing: &&String| before.get(*thing) != after.get(*thing);
    all.into_iter().filter(differs).cloned().collect()
}

/// What hands do between rounds.
fn drift(random: &mut Random, lab: &Lab) {
    let acts = [
        "[ ! -f /srv/truth/f1 ] || echo drift >>/srv/truth/f1",
        "[ ! -f /srv/truth/f2 ] || chmod 0666 /srv/truth/f2",
        "rm -f /srv/truth/f3",
        "[ ! -d /srv/truth ] || ln -sfn elsewhere /srv/truth/l1",
        "systemctl stop lab-svc1",
        "systemctl start lab-svc2",
        "[ ! -f /srv/truth/t1 ] || printf 'k0 = 9' >>/srv/truth/t1",
        "apt-get -qq -y remove lab-pkg02 >/dev/null 2>&1; true",
        "[ ! -d /srv/truth/d1 ] || chown daemon /srv/truth/d1",
    ];
    for act in acts {
        if random.chance(20) {
            lab.on(HOST, act);
        }
    }
}

/// One project, planned and applied.
fn round(seed: u64, lab: &Lab) -> Result<usize, String> {
    let mut random = Random(seed);
    drift(&mut random, lab);
    let Draft { module, about } = draft(&mut random);
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"truth\"\ninventory = \"inventory.toml\"\n\
             [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
        )
        .file("inventory.toml", format!("[hosts.{HOST}]\n"))
        .file("modules/m/module.toml", &module);
    let told = |what: &str, output: &str| format!("{what}\n{output}\n{module}");
    let plan = project.on_lab(&["plan", "--json"]);
    let document: Value =
        serde_json::from_str(&plan.stdout).map_err(|_| told("the plan failed", &plan.stderr))?;
    if document["errored"] == true {
        return Err(told("the host cannot be planned", &plan.stdout));
    }
    let before = look(lab);
    let applied = project.on_lab(&["apply", "--yes"]);
    let after = look(lab);
    if applied.status != 0 {
        return Err(told("the apply failed", &applied.stdout));
    }
    let really = changed(&before, &after);
    let mut named: BTreeSet<&String> = BTreeSet::new();
    let none = Vec::new();
    let changes = document["sets"][0]["changes"].as_array().unwrap_or(&none);
    for change in changes {
        let address = change["address"].as_str().unwrap_or_default();
        let things = about.get(address).ok_or_else(|| told("an address of nobody", address))?;
        named.extend(things);
        let known = change["actions"][0] != "known after";
        if known && !things.iter().any(|thing| really.contains(thing)) {
            return Err(told("named and not changed", address));
        }
    }
    if let Some(more) = really.iter().find(|thing| !named.contains(thing)) {
        let state = format!("{more}: {:?} -> {:?}", before.get(more), after.get(more));
        return Err(told("changed and not named", &state));
    }
    let again = project.on_lab(&["plan", "--detailed-exitcode"]);
    if again.status != 0 {
        return Err(told("the next plan is not empty", &again.stdout));
    }
    let twice = project.on_lab(&["apply", "--yes"]);
    let still = changed(&after, &look(lab));
    if twice.status != 0 || !still.is_empty() {
        return Err(told("a second apply changed", &format!("{still:?}\n{}", twice.stdout)));
    }
    Ok(changes.len())
}

#[test]
fn an_apply_changes_what_its_plan_named_and_nothing_else() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let lab = lab();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("TRUEUP_SEED").unwrap_or(1);
    let rounds = number("TRUEUP_TRUTH").unwrap_or(ROUNDS);
    lab.on(HOST, "mkdir -p /srv/truth && touch /srv/truth/t1 /srv/truth/t2");
    let mut changes = 0;
    for seed in first..first + rounds {
        match round(seed, &lab) {
            Ok(count) => changes += count,
            Err(why) => panic!("TRUEUP_SEED={seed}: {why}"),
        }
    }
    assert!(changes > 0, "no project changed anything");
    let _ = writeln!(std::io::stderr(), "{rounds} projects from seed {first}, {changes} changes");
    lab.on(
        HOST,
        "rm -rf /srv/truth; for u in tu1 tu2 tu3; do userdel $u 2>/dev/null; done; \
         for g in tg1 tg2; do groupdel $g 2>/dev/null; done; \
         systemctl disable -q --now lab-svc1 lab-svc2; apt-get -qq -y remove lab-pkg01 lab-pkg02 lab-pkg03 >/dev/null 2>&1; true",
    );
}
