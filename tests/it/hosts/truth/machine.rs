//! Random accounts, keys, packages, services and commands.

use std::fmt::Write as _;

use super::draft::{Draft, file, path};
use super::world::{KEYS, ROOT};
use crate::support::Random;

/// Hashes of passwords, as crypt(5) has them.
const HASHES: [&str; 2] = [
    "$5$saltsalt$5i1qBpoG1r2lckbKSq1CnT.UGPp8XJNqM5AYlEGzft6",
    "$6$othersalt$q.dTMpqGKTkOYJ6uMzKqwbRnb5fX5bG8lTaTOOVJ1pRZ6iXRK0dVbFBVfUYJ8Nf6jjvnQPyXW8xQdcMCbGZtU1",
];

/// Groups and users, and their keys; gives the users that will be there.
pub(super) fn accounts(random: &mut Random, draft: &mut Draft) -> Vec<String> {
    let mut groups = vec!["video"];
    // Who has it as the primary group has its number.
    let members = ["tu1", "tu2", "tu3"].map(|user| format!("member {user}"));
    let with = |name: &str| [&[format!("group {name}")][..], &members].concat();
    let usual = random.maybe(80, "gid = 7501\n");
    let keys = if random.chance(20) { "gid = 7599\n" } else { usual };
    draft.declare(("group", "tg1"), keys, &with("tg1"));
    match random.below(10) {
        0..=6 => {
            draft.declare(("group", "tg2"), random.maybe(30, "retries = 1"), &with("tg2"));
            groups.push("tg2");
        }
        7..=8 => draft.declare(("group", "tg2"), "state = \"absent\"", &with("tg2")),
        _ => {}
    }
    let system = if random.chance(50) { "system = true" } else { "state = \"absent\"" };
    draft.declare(("group", "tg3"), system, &with("tg3"));
    let mut there = Vec::new();
    for name in ["tu1", "tu2", "tu3"] {
        let mut things: Vec<String> =
            ["user", "group", "member"].map(|kind| format!("{kind} {name}")).to_vec();
        things.extend(["tg1", "tg2", "video"].map(|group| format!("group {group}")));
        match random.below(10) {
            0..=1 => {
                // Keys that somebody of the same name left are refused to a new user, not taken over.
                let with_home = if name == "tu3" { random.chance(50) } else { true };
                let more = if with_home { "remove_home = true\n" } else { "" };
                let keys = format!("state = \"absent\"\n{more}");
                draft.declare(("user", name), &keys, &things);
            }
            2..=8 => {
                draft.declare(("user", name), &user(random, name, &groups), &things);
                there.push(name.to_owned());
            }
            _ => {}
        }
    }
    for name in there.iter().filter(|name| *name != "tu3") {
        authorized(random, draft, name);
    }
    there
}

/// The keys of a user that is there.
fn user(random: &mut Random, name: &str, groups: &[&str]) -> String {
    let mut keys = format!("shell = \"{}\"\n", random.one(&["/bin/sh", "/bin/bash"]));
    // Its home has authorized keys, which are refused to another number.
    match name {
        "tu1" => keys.push_str("uid = 7401\n"),
        "tu2" => keys.push_str("uid = 7402\n"),
        _ => {
            keys.push_str(random.one(&["", "uid = 7403\n", "uid = 7404\n"]));
            keys.push_str(random.maybe(40, "system = true\n"));
            keys.push_str(random.one(&["", "create_home = true\n", "create_home = false\n"]));
            keys.push_str(random.maybe(30, "home = \"/srv/truth-home\"\n"));
        }
    }
    if random.chance(50) {
        let _ = writeln!(keys, "comment = \"{}\"", random.one(&["one", "two words", ""]));
    }
    keys.push_str(random.maybe(30, "group = \"tg1\"\n"));
    if random.chance(60) {
        let _ = writeln!(keys, "groups = [\"{}\"]", random.one(groups));
    }
    keys.push_str(random.maybe(30, "exclusive_groups = true\n"));
    if random.chance(40) {
        let _ = writeln!(keys, "locked = {}", random.chance(50));
    }
    if random.chance(40) {
        let _ = writeln!(keys, "password = '{}'", random.one(&HASHES));
    }
    keys.push_str(random.maybe(20, "retries = 2\n"));
    keys
}

/// Keys of a user: some, or exactly these.
fn authorized(random: &mut Random, draft: &mut Draft, user: &str) {
    let things = [".ssh", ".ssh/authorized_keys"].map(|name| format!("file /home/{user}/{name}"));
    if random.chance(70) {
        let mut keys = match random.below(3) {
            0 => format!("keys = [\"{}\"]\n", KEYS[0]),
            1 => format!("keys = [\"{} mine\", \"{}\"]\n", KEYS[0], KEYS[1]),
            _ => format!("keys = [\"{}\"]\n", KEYS[1]),
        };
        if random.chance(20) {
            keys.push_str("state = \"absent\"\n");
        } else {
            keys.push_str(random.maybe(30, "exclusive = true\n"));
            keys.push_str(
                random.maybe(30, "options = [\"restrict\", 'command=\"echo \\\"x y\\\"\"']\n"),
            );
            keys.push_str(random.maybe(30, "comment = \"a comment\"\n"));
        }
        draft.declare(("authorized_key", user), &keys, &things);
    }
    if random.chance(30) {
        let keys = format!("user = \"{user}\"\nkeys = [\"{}\"]\n", KEYS[2]);
        draft.declare(("authorized_key", &format!("{user}-more")), &keys, &things);
    }
}

/// Packages: there, away with and without their configuration, at a version.
pub(super) fn packages(random: &mut Random, draft: &mut Draft) {
    for name in ["lab-pkg01", "lab-pkg02", "lab-pkg03"] {
        let keys = random.one(&["", "", "retries = 1", "state = \"absent\"", "state = \"latest\""]);
        draft.declare(("package", name), keys, &[format!("package {name}")]);
    }
    for name in ["tr-a", "tr-conf"] {
        let mut keys = random
            .one(&[
                "",
                "state = \"latest\"\n",
                "version = \"1.0\"\n",
                "version = \"1.1\"\n",
                "version = \"1.2\"\n",
                "state = \"absent\"\n",
                "state = \"absent\"\npurge = true\n",
            ])
            .to_owned();
        if name == "tr-conf" && !keys.contains("absent") {
            let _ = writeln!(keys, "conffiles = \"{}\"", random.one(&["keep", "replace"]));
        }
        let mut things = vec![format!("package {name}")];
        if name == "tr-conf" {
            things.push("file /etc/tr/**".to_owned());
        }
        draft.declare(("package", name), &keys, &things);
    }
}

pub(super) fn services(random: &mut Random, draft: &mut Draft) {
    for name in ["tr-svc1", "tr-svc2", "tr-svc3"] {
        let state = random.one(&["running", "running", "stopped", "masked", ""]);
        let mut keys = String::new();
        if !state.is_empty() {
            let _ = writeln!(keys, "state = \"{state}\"");
        }
        if state != "masked" {
            let _ = writeln!(keys, "enabled = {}", random.chance(50));
        }
        for verb in ["restart_on", "reload_on"] {
            if random.chance(40) {
                let cause = random.one(&[
                    "directory[/srv/truth/d*]",
                    "file[/srv/truth/**]",
                    "line[*]",
                    "block[*]",
                    "package[tr-conf]",
                ]);
                // A pattern must find something.
                if !cause.contains("[*]") || draft.module.contains(&format!("[{}.", &cause[..4])) {
                    let _ = writeln!(keys, "{verb} = [\"{cause}\"]");
                }
            }
        }
        keys.push_str(random.maybe(20, "retries = 1\ntimeout = \"60s\"\n"));
        draft.declare(("service", name), &keys, &[format!("service {name}")]);
    }
}

/// Commands, each with what tells whether it must run.
pub(super) fn commands(random: &mut Random, draft: &mut Draft, users: &[String]) {
    let mut command = |name: &str, keys: &str, things: &[&str]| {
        let things: Vec<String> = things.iter().map(|name| file(name)).collect();
        draft.declare(("command", name), keys, &things);
    };
    let (made, runs) = (path("made"), path("runs"));
    let once = format!("command = \"echo x >> {made}\"\ncreates = \"{made}\"");
    command("make", &once, &["made"]);
    let note = format!(
        "command = \"echo x >> {runs}\"\nrun_on = [\"directory[{ROOT}/d2]\", \"command[make]\"]"
    );
    command("note", &note, &["runs"]);
    if random.chance(50) {
        let user = users.first().filter(|_| random.chance(60)).map_or("daemon", String::as_str);
        let keys = format!(
            "command = 'cat >who; printf \"%s\" \"$WORD\" >>who; id -un >>who'\nas_user = \"{user}\"\n\
             cwd = \"{ROOT}/open\"\nenvironment = {{ WORD = \"it's $word \\\"\" }}\nstdin = \"a\\nb\"\n\
             creates = \"{ROOT}/open/who\"\n{}",
            random.maybe(30, "sensitive = true\n")
        );
        command("as-user", &keys, &["open/who"]);
    }
    if random.chance(40) {
        let up = path("up");
        let keys = format!(
            "command = \"(sleep 0.3; touch {up}) >/dev/null 2>&1 &\"\nuntil = \"test -e {up}\"\nunless = \"test -e {up}\""
        );
        command("start", &keys, &["up"]);
        let keys = format!("until = \"test -e {up}\"\nrequires = [\"command[start]\"]");
        command("wait", &keys, &["up"]);
    }
    if random.chance(20) {
        let (tries, done) = (path("tries"), path("done"));
        let keys = format!(
            "command = 'echo x >>{tries}; [ $(($(wc -l <{tries}) % 2)) = 0 ] && touch {done}'\nonly_if = \"! test -e {done}\"\nretries = 3"
        );
        command("again", &keys, &["tries", "done"]);
    }
}
