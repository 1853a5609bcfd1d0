//! Random projects over a small world, so that rounds meet what others left: paths and texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::machine;
use super::world::ROOT;
use crate::support::Project;
use crate::support::Random;

/// What a host can have of the world.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Every type.
    Whole,
    /// Paths, texts and commands.
    Paths,
}

/// A random project, and which things of the host each of its resources is about.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) module: String,
    /// `KIND NAME`, or `KIND PATH/**` for all below it.
    pub(super) about: BTreeMap<String, Vec<String>>,
}

impl Draft {
    /// Declares a resource: its type, name, keys and the things that its change may change.
    pub(super) fn declare(&mut self, (kind, name): (&str, &str), keys: &str, things: &[String]) {
        let _ = writeln!(self.module, "[{kind}.\"{name}\"]\n{}", keys.trim_end());
        self.about.insert(format!("m/{kind}[{name}]"), things.to_vec());
    }

    /// A random project for a host of this shape.
    pub(super) fn of(random: &mut Random, shape: Shape) -> Self {
        let mut draft = Self::default();
        draft.module.push_str("[params]\nword = { type = \"string\", default = \"\" }\n");
        draft.declare(("directory", ROOT), "", &[file("")]);
        draft.declare(("directory", &path("open")), "mode = \"1777\"", &[file("open")]);
        let mut owners: Vec<String> = ["root", "daemon", "2"].map(ToOwned::to_owned).to_vec();
        let mut users = Vec::new();
        if shape == Shape::Whole {
            users = machine::accounts(random, &mut draft);
            owners.extend(users.iter().cloned());
        }
        let owners: Vec<&str> = owners.iter().map(String::as_str).collect();
        folders(random, &mut draft, (&owners, shape));
        files(random, &mut draft, &owners);
        links(random, &mut draft);
        texts(random, &mut draft);
        if shape == Shape::Whole {
            machine::packages(random, &mut draft);
            machine::services(random, &mut draft);
        }
        machine::commands(random, &mut draft, &users);
        draft
    }

    /// The project's folder, for this host; `word` is a param of the module.
    pub(super) fn project(&self, host: &str, word: &str) -> Project {
        let project = Project::new();
        project
            .file(
                "trueup.toml",
                format!(
                    "[project]\nname = \"truth\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"all\"\n\
                     hosts = \"all\"\nmodules = [{{ use = \"m\", with = {{ word = \"{word}\" }} }}]\n"
                ),
            )
            .file("inventory.toml", format!("[hosts.{host}]\n"))
            .file("modules/m/module.toml", &self.module)
            .file("modules/m/templates/t.tera", "word {{ params.word }}\non {{ host.name }}\n")
            .file("modules/m/files/bytes", b"\xff\x00\x1b[31m\r\nno end")
            .file("modules/m/files/large", vec![b'x'; 1_300_000]);
        project
    }
}

pub(super) fn path(name: &str) -> String {
    format!("{ROOT}/{name}").trim_end_matches('/').to_owned()
}

pub(super) fn file(name: &str) -> String {
    format!("file {}", path(name))
}

/// Keys of who may do what, each so often as not.
fn access(random: &mut Random, modes: &[&str], owners: &[&str]) -> String {
    let mut keys = String::new();
    if random.chance(60) {
        let _ = writeln!(keys, "mode = \"{}\"", random.one(modes));
    }
    if random.chance(40) {
        let _ = writeln!(keys, "owner = \"{}\"", random.one(owners));
    }
    if random.chance(30) {
        let _ = writeln!(keys, "group = \"{}\"", random.one(&["root", "daemon", "3"]));
    }
    keys
}

/// Directories: changed, purged, taken away.
fn folders(random: &mut Random, draft: &mut Draft, (owners, shape): (&[&str], Shape)) {
    const MODES: [&str; 5] = ["0700", "0755", "0750", "2755", "1777"];
    for name in ["d1", "d2", "p1"] {
        // Without GNU rm a folder of another user is purged as that user, who cannot remove all.
        let limited = name == "p1" && shape == Shape::Paths;
        let mut keys = access(random, &MODES, if limited { &["root"] } else { owners });
        if name == "p1" && random.chance(60) {
            keys.push_str("purge = true\n");
            keys.push_str(random.maybe(50, "keep = [\"*.keep\", \"k?\"]\n"));
        }
        draft.declare(("directory", &path(name)), &keys, &[file(name)]);
    }
    if random.chance(50) {
        let mut keys = access(random, &MODES, &["root"]);
        keys.push_str(random.maybe(40, "purge = true\n"));
        draft.declare(("directory", &path("p1/sub")), &keys, &[file("p1/sub")]);
    }
    match random.below(3) {
        0 => {
            let keys = "state = \"absent\"\npurge = true\n";
            draft.declare(("directory", &path("d3")), keys, &[file("d3")]);
        }
        1 => draft.declare(
            ("directory", &path("d3")),
            random.maybe(50, "mode = \"0711\""),
            &[file("d3")],
        ),
        _ => {}
    }
}

fn files(random: &mut Random, draft: &mut Draft, owners: &[&str]) {
    const MODES: [&str; 6] = ["0600", "0644", "0640", "0755", "0400", "4755"];
    const CONTENTS: [&str; 9] = [
        "content = \"\"",
        "content = \"a\\n\"",
        "content = \"b\\nc\\n\"",
        "content = \"no end\"",
        "content = \"crlf\\r\\n\"",
        "template = \"t.tera\"",
        "content = \"{{ params.word }} é\\n\"",
        "source = \"files/bytes\"",
        "",
    ];
    for name in ["f1", "f2", "f3", "d1/f4", "d2/f 5", "é6", "p1/f7"] {
        let absent = random.chance(20);
        if !absent && random.chance(20) {
            continue;
        }
        let keys = if absent {
            "state = \"absent\"".to_owned()
        } else {
            // In a folder of another user a file gets another owner with its content alone; with that
            // alone one is parted from its other names, and hands give one to f2.
            let of = if name.contains('/') || name == "f2" {
                &CONTENTS[..CONTENTS.len() - 1]
            } else {
                &CONTENTS
            };
            let mut keys = format!("{}\n", random.one(of));
            if random.chance(4) {
                "source = \"files/large\"\n".clone_into(&mut keys);
            }
            keys.push_str(&access(random, &MODES, owners));
            keys.push_str(random.maybe(20, "validate = \"test -e {{ candidate }}\"\n"));
            keys.push_str(random.maybe(15, "sensitive = true\n"));
            keys.push_str(if name == "f2" { "break_hardlinks = true\n" } else { "" });
            keys
        };
        draft.declare(("file", &path(name)), &keys, &[file(name)]);
    }
    if random.chance(40) {
        let each = format!("{ROOT}/e-{{{{ each.key }}}}");
        let list = random.one(&["[\"x\"]", "[\"x\", \"y z\"]", "{ x = 1, v = 2 }"]);
        let keys = format!("for_each = {list}\ncontent = \"{{{{ each.value }}}}\\n\"\n");
        draft.declare(("file", &each), &keys, &[]);
        for key in ["x", "y z", "v"] {
            let name = format!("e-{key}");
            draft.about.insert(format!("m/file[{}]", path(&name)), vec![file(&name)]);
        }
    }
}

fn links(random: &mut Random, draft: &mut Draft) {
    for name in ["l1", "l2"] {
        let target = random.one(&["f1", "/etc/hostname", "nowhere", "d1"]);
        let keys = match random.below(4) {
            0 => "state = \"absent\"".to_owned(),
            _ => format!("target = \"{target}\""),
        };
        draft.declare(("symlink", &path(name)), &keys, &[file(name)]);
    }
}

/// Where something new goes.
fn anchor(random: &mut Random) -> &'static str {
    random.one(&[
        "",
        "insert_at = \"start\"\n",
        "insert_at = \"end\"\n",
        "insert_after = '^k[01] '\n",
        "insert_before = '^k'\n",
        "insert_before = '^no such line'\n",
    ])
}

/// Texts that somebody else made, of which only lines and blocks are said.
fn texts(random: &mut Random, draft: &mut Draft) {
    for name in ["t1", "t2"] {
        // Without a content it is made where it is missing, and stays as it is.
        draft.declare(("file", &path(name)), "", &[file(name)]);
        for line in 0..3 {
            if !random.chance(70) {
                continue;
            }
            let keys = match random.below(4) {
                0 => format!(
                    "line = \"k{line} = {}\"\nmatch = '^k{line} '\n{}",
                    random.below(3),
                    anchor(random)
                ),
                1 => format!("match = '^k{line} '\nstate = \"absent\""),
                2 => format!("line = \"k{line} = 1\"\nstate = \"absent\""),
                _ => format!("line = \"k{line} = 1\"\n{}", anchor(random)),
            };
            let keys = format!("path = \"{}\"\n{keys}", path(name));
            draft.declare(("line", &format!("{name}-{line}")), &keys, &[file(name)]);
        }
        for (block, comment) in [
            ("b", ""),
            ("c", "comment = \"<!--\"\ncomment_end = \"-->\"\n"),
            ("d", "comment = \";\"\n"),
        ] {
            if !random.chance(50) {
                continue;
            }
            let keys = match random.below(4) {
                0 => "state = \"absent\"\n".to_owned(),
                _ => format!(
                    "{}\n{}",
                    random.one(&[
                        "content = \"\"",
                        "content = \"x\\n\"",
                        "content = \"y\\n\\nz\"",
                        "template = \"t.tera\"",
                    ]),
                    anchor(random)
                ),
            };
            let keys = format!("path = \"{}\"\n{comment}{keys}", path(name));
            draft.declare(("block", &format!("{name}-{block}")), &keys, &[file(name)]);
        }
    }
}
