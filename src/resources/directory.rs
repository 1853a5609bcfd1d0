//! A directory: its owner, group and mode. It never touches what is inside; a directory that is not
//! empty is not removed.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::input::{Mode, Presence, parent};
use super::path::{self, Access, Answers, FileKind, Meta};
use super::{About, Input, Needs, Resource, Subject, Verdict, Work};
use crate::model::{Action, Change, Diagnostic};
use crate::shell::{Script, Step};

/// The mode of a new directory when none is given.
const NEW_MODE: Mode = Mode(0o755);

/// `[directory."/path"]`
#[derive(Debug)]
pub(super) struct Directory {
    path: String,
    state: Presence,
    access: Access,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it is there; an absent one is removed only if it is empty.
    #[serde(default)]
    state: Presence,
    /// Permissions as a quoted octal string; a new directory without one gets "0755", one that is there keeps its own.
    mode: Option<Mode>,
    /// The owner, by name or by a quoted number; as it is if absent.
    #[schemars(with = "Option<String>")]
    owner: Option<Spanned<String>>,
    /// The group, by name or by a quoted number; as it is if absent.
    #[schemars(with = "Option<String>")]
    group: Option<Spanned<String>>,
}

/// What stands at the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    Absent { parent: bool },
    Directory(Meta),
    Other(FileKind),
}

/// Shell functions of its probe and steps.
const FUNCTIONS: &str = r#"
# folder PATH MODE OWNER: makes a directory; the mode is set last, when the owner is right.
folder() {
same "$1" absent - || return
M=$(mkdir -- "$1" 2>&1) || return
if [ -n "$3" ]; then M=$(chown -h -- "$3" "$1" 2>&1) || return; fi
M=$(chmod -- "$2" "$1" 2>&1)
}
# empty PATH META: removes an empty directory.
empty() {
same "$1" "$2" - || return
M=$(rmdir -- "$1" 2>&1)
}
"#;

/// Shown by the manual.
const EXAMPLES: &[&str] = &[r#"[directory."/srv/app"]
mode = "0750"
owner = "www-data"
"#];

impl Resource for Directory {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "directory";
    const ABOUT: About =
        About::of::<Table>("A directory, not what is inside", "its path on the host, absolute")
            .notes("The folder that it is in must be there or be declared.")
            .examples(EXAMPLES);
    const LIBRARY: &'static [&'static str] = &[path::LIBRARY, FUNCTIONS];
    const NEEDS: Needs = Needs::Folder;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a directory resource")?;
        let mut found = Vec::new();
        input.path(&mut found);
        let access = Access::read(input, table.mode, (table.owner, table.group), &mut found);
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self { path: input.name.value.clone(), state: table.state, access })
    }

    fn subject(desired: &Self) -> &str {
        &desired.path
    }

    fn provides(desired: &Self) -> Vec<Subject> {
        path::made(&desired.path, desired.state)
    }

    fn removes(desired: &Self) -> Option<&str> {
        (desired.state == Presence::Absent).then_some(&desired.path)
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        let folder = Subject::Path(parent(&desired.path).to_owned());
        std::iter::once(folder).chain(desired.access.wants()).collect()
    }

    fn probe(items: &[&Self], script: &mut Script) {
        path::ask_stat(items.iter().map(|directory| directory.path.as_str()), script);
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let answers = Answers::read(answer);
        items
            .iter()
            .map(|directory| {
                Ok(match answers.meta(&directory.path)? {
                    None => Observed::Absent { parent: answers.has_parent(&directory.path) },
                    Some(meta) if meta.kind == FileKind::Directory => {
                        Observed::Directory(meta.clone())
                    }
                    Some(meta) => Observed::Other(meta.kind),
                })
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        match (desired.state, observed) {
            (Presence::Absent, Observed::Absent { .. }) => Verdict::Same("not there".into()),
            (_, Observed::Other(kind)) => {
                Verdict::Refused(format!("{} is {}, not a directory", desired.path, kind.word()))
            }
            (Presence::Absent, Observed::Directory(_)) => {
                Verdict::Change(Change::new(Action::Delete, Vec::new()).note("only if it is empty"))
            }
            (Presence::Present, Observed::Absent { parent: folder }) => {
                let then = Change::new(Action::Create, desired.access.all(NEW_MODE));
                path::making(&desired.path, *folder, then)
            }
            (Presence::Present, Observed::Directory(meta)) => {
                let attributes = desired.access.differences(meta);
                if attributes.is_empty() {
                    return Verdict::Same("owner and mode are as wanted".into());
                }
                Verdict::Change(Change::new(Action::Update, attributes))
            }
        }
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        if desired.state == Presence::Absent {
            return Observed::Absent { parent: true };
        }
        let meta = match observed {
            Observed::Directory(meta) => meta.clone(),
            _ => path::fresh(FileKind::Directory, NEW_MODE),
        };
        Observed::Directory(desired.access.applied(meta))
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], step(work))).collect()
    }
}

fn step(work: &Work<'_, Directory>) -> Step {
    let directory = work.desired;
    let owner = directory.access.chown();
    let mut script = Script::new();
    match work.observed {
        Observed::Directory(meta) if work.change.action == Action::Delete => {
            script.text("empty").args([&directory.path, &meta.seen]);
        }
        Observed::Directory(meta) => {
            let mode = directory.access.mode.map_or_else(|| "-".into(), Mode::octal);
            script.text("access").args([&directory.path, &meta.seen]).args(["-", &mode, &owner]);
        }
        _ => {
            let mode = directory.access.mode.unwrap_or(NEW_MODE).octal();
            script.text("folder").args([&directory.path, &mode, &owner]);
        }
    }
    Step::inside(script, parent(&directory.path))
}
