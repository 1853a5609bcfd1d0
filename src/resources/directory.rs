//! A directory: its owner, group and mode, and with `purge` that nothing is in it which nobody declares.
//! It never follows a link, never enters a mount, and removes nothing that the plan did not list.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::answers::Answers;
use super::entries::{Entries, read};
use super::input::{Mode, Presence, parent};
use super::inverse::{Left, unlike};
use super::path::{self, Access, FileKind, Meta};
use super::record::{absent, at_path};
use super::several::{self, New};
use super::{
    About, Back, Claim, Input, Inverse, Parting, Record, Resource, Subject, Verdict, Work, access,
};
use crate::model::{Action, Attribute, Change, Diagnostic, WayIn};
use crate::shell::{Script, Step};

/// The mode of a new directory when none is given.
const NEW_MODE: Mode = Mode(0o755);

/// Entries in one command of a step: 500 of the longest stay under the limit for arguments.
const CHUNK: usize = 500;

/// `[directory."/path"]`
#[derive(Debug, Clone)]
pub(super) struct Directory {
    path: String,
    state: Presence,
    access: Access,
    purge: bool,
    /// Patterns of find(1) for entries that stay.
    keep: Vec<String>,
    /// Entries in or below which another resource has something.
    declared: BTreeSet<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it is there; an absent one is removed if nothing is in it, or with all that is in it by `purge`.
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
    /// Whether entries go that no resource of the host declares, with all below them; the plan lists each.
    #[serde(default)]
    purge: bool,
    /// With `purge`: names of entries that stay, with `*`, `?` and `[…]` as in a shell.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    keep: Vec<Spanned<String>>,
}

/// What stands at the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    Absent {
        parent: bool,
    },
    /// With what is in it that nobody declares, where that was asked.
    Directory(Meta, Entries),
    Other(FileKind),
}

/// Shell functions of its probe and steps.
pub(super) const FUNCTIONS: &str = include_str!("directory.sh");

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    r#"[directory."/srv/app"]
mode = "0750"
owner = "www-data"
"#,
    r#"[directory."/etc/nginx/conf.d"]
purge = true
keep = ["*.local"]
"#,
];

impl Resource for Directory {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "directory";
    const ABOUT: About =
        About::of::<Table>("A directory, and with `purge` what is inside", "its path on the host, absolute")
            .notes(
                "The folder that it is in must be there or be declared. `purge` is about its own entries: one \
                 in which something is declared stays, with all else in it. 10,000 files are purged at most. \
                 A rollback does not bring back what was purged.",
            )
            .examples(EXAMPLES);
    const LIBRARY: &'static [&'static str] =
        &[path::LIBRARY, super::account::LIBRARY, FUNCTIONS, several::LIBRARY];
    const IN_FOLDER: bool = true;
    const RETURNS: bool = true;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a directory resource")?;
        let mut found = Vec::new();
        input.path(&mut found);
        let access = Access::read(input, table.mode, (table.owner, table.group), &mut found);
        if let Some(first) = table.keep.first().filter(|_| !table.purge) {
            let mistake = Diagnostic::at(input.span(first), "`keep` is of no use without `purge`");
            found.push(mistake.help("an entry goes only where `purge = true`"));
        }
        for name in &table.keep {
            let text = name.get_ref();
            if text.is_empty() || text.contains('/') || text.chars().any(char::is_control) {
                let message = "a name in `keep` is that of an entry, without `/`";
                found.push(Diagnostic::at(input.span(name), message));
            }
        }
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self {
            path: input.name.value.clone(),
            state: table.state,
            access,
            purge: table.purge,
            keep: table.keep.into_iter().map(Spanned::into_inner).collect(),
            declared: BTreeSet::new(),
        })
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

    fn identity(desired: &Self) -> Vec<String> {
        at_path(&desired.path)
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        let folder = Subject::Path(parent(&desired.path).to_owned());
        std::iter::once(folder).chain(desired.access.wants()).collect()
    }

    fn claims(desired: &Self) -> Vec<Claim> {
        vec![Claim::Whole(desired.path.clone())]
    }

    fn among(desired: &Self, claims: &dyn Fn() -> Vec<Claim>) -> Option<Self> {
        if !desired.lists() {
            return None;
        }
        let declared = claims().iter().filter_map(|claim| desired.holds(claim)).collect();
        Some(Self { declared, ..desired.clone() })
    }

    fn exposed(desired: &Self) -> Option<&'static str> {
        let purges = desired.purge && desired.state == Presence::Present;
        purges.then_some("what comes into it until then and nobody declares goes too")
    }

    fn paths<'d>(items: &[&'d Self]) -> Vec<&'d str> {
        items.iter().map(|directory| directory.path.as_str()).collect()
    }

    fn probe(items: &[&Self], script: &mut Script) {
        for directory in items.iter().filter(|directory| directory.lists()) {
            script.text("entries").arg(&directory.path).args(directory.staying()).text("\n");
        }
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let (stats, listings) = read(answer);
        let answers = Answers::read(&stats);
        items
            .iter()
            .map(|directory| {
                Ok(match answers.meta(&directory.path)? {
                    None => Observed::Absent { parent: answers.has_parent(&directory.path) },
                    Some(meta) if meta.kind == FileKind::Directory => {
                        let entries = match listings.get(directory.path.as_bytes()) {
                            _ if !directory.lists() => Entries::default(),
                            Some(entries) => entries.clone()?,
                            None => return Err("the host did not say what is in it".into()),
                        };
                        Observed::Directory(meta.clone(), entries)
                    }
                    Some(meta) => Observed::Other(meta.kind),
                })
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        let (meta, entries) = match (desired.state, observed) {
            (Presence::Absent, Observed::Absent { .. }) => {
                return Verdict::Same("not there".into());
            }
            (_, Observed::Other(kind)) => {
                let message = format!("{} is {}, not a directory", desired.path, kind.word());
                return Verdict::Refused(message);
            }
            (Presence::Present, Observed::Absent { parent: folder }) => {
                let then = Change::new(Action::Create, desired.access.all(NEW_MODE));
                return path::making(&desired.path, *folder, then);
            }
            (_, Observed::Directory(meta, entries)) => (meta, entries),
        };
        if let Some(why) = entries.refused().filter(|_| desired.purge) {
            return Verdict::Refused(format!("{}: {why}", desired.path));
        }
        let gone: Vec<Attribute> = entries
            .said()
            .map(|entry| Attribute::value("entry", Some(entry), None::<&str>))
            .collect();
        if desired.state == Presence::Absent {
            if entries.mounted {
                let message =
                    format!("{} is a mount point, which is not removed: unmount it", desired.path);
                let then = Change::new(Action::Delete, gone);
                return Verdict::Blocked { need: None, message, then };
            }
            if gone.is_empty() || desired.purge {
                return Verdict::Change(Change::new(Action::Delete, gone));
            }
            let message = format!(
                "{} is not empty: {}. `purge = true` removes that too",
                desired.path,
                entries.summary()
            );
            let then = Change::new(Action::Delete, Vec::new()).note("only if it is empty then");
            return Verdict::Blocked { need: None, message, then };
        }
        let mut attributes = desired.access.differences(meta);
        attributes.extend(gone);
        if attributes.is_empty() {
            let also = if desired.purge { ", and nothing else is in it" } else { "" };
            return Verdict::Same(format!("owner and mode are as wanted{also}"));
        }
        Verdict::Change(Change::new(Action::Update, attributes))
    }

    fn cuts(desired: &Self, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        access::path(&desired.path, change, way_in)
    }

    fn record(desired: &Self) -> Record {
        desired.access.record()
    }

    fn parting(desired: &Self) -> Parting {
        match desired.state {
            Presence::Absent => Parting::Nothing,
            Presence::Present => Parting::GoesIfMade(absent([])),
        }
    }

    fn inverse(desired: &Self, observed: &Observed, change: &Change) -> Inverse {
        let name = desired.path.as_str();
        let Observed::Directory(meta, entries) = observed else {
            return Inverse::of(Back::gone(Self::NAME, name).leaving_all(change));
        };
        let deletes = change.action == Action::Delete;
        let back = Back::to(Self::NAME, name, meta.keys(Some(change).filter(|_| !deletes)));
        let inverse = match deletes {
            true => Inverse::of(back),
            false if back.table.is_empty() => Inverse::default(),
            false => Inverse::of(back.leaving_all(change)),
        };
        if desired.purge && !entries.is_empty() {
            inverse.but("entries that `purge` took away do not come back")
        } else {
            inverse
        }
    }

    fn unlike(desired: &Self, observed: &Observed, left: &Left) -> Option<&'static str> {
        let Observed::Directory(meta, _) = observed else { return None };
        unlike(meta, left).filter(|_| desired.state == Presence::Absent)
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        if desired.state == Presence::Absent {
            return Observed::Absent { parent: true };
        }
        let meta = match observed {
            Observed::Directory(meta, _) => meta.clone(),
            _ => path::fresh(FileKind::Directory, NEW_MODE),
        };
        Observed::Directory(desired.access.applied(meta), Entries::default())
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], step(work))).collect()
    }
}

impl Directory {
    /// Whether it must be known what is in it.
    fn lists(&self) -> bool {
        self.purge || self.state == Presence::Absent
    }

    /// The entry that a claim is in or below.
    fn holds(&self, claim: &Claim) -> Option<String> {
        let below = match claim {
            // Where a home is nobody knows here: what could be this file stays.
            Claim::Key { .. } => match self.path.rsplit_once('/') {
                Some((_, ".ssh")) => "authorized_keys",
                _ => ".ssh",
            },
            _ => claim.path()?.strip_prefix(&self.path)?.strip_prefix('/')?,
        };
        Some(below.split('/').next().unwrap_or(below).to_owned())
    }

    /// Patterns of find(1) for all entries that stay.
    fn staying(&self) -> Vec<String> {
        let escaped = |name: &String| {
            name.chars().fold(String::with_capacity(name.len()), |mut text, char| {
                if matches!(char, '*' | '?' | '[' | ']' | '\\') {
                    text.push('\\');
                }
                text.push(char);
                text
            })
        };
        self.declared.iter().map(escaped).chain(self.keep.iter().cloned()).collect()
    }
}

fn step(work: &Work<'_, Directory>) -> Step {
    let directory = work.desired;
    let path = directory.path.as_str();
    let owner = directory.access.chown();
    let mut script = Script::new();
    let Observed::Directory(meta, entries) = work.observed else {
        let mode = directory.access.mode.unwrap_or(NEW_MODE).octal();
        script.text("folder").args([path, &mode, &owner]);
        let step = Step::inside(script, parent(path));
        return several::joint(step, path, New::Folder, (&mode, &owner));
    };
    let seen = if meta.seen.is_empty() { "-" } else { &meta.seen };
    let goes = work.change.action == Action::Delete;
    if directory.purge && !entries.is_empty() {
        script.text("unmoved").args([path, seen, entries.digest()]).args(directory.staying());
        let names: Vec<Vec<u8>> = entries.names().map(|name| [b"./", name].concat()).collect();
        for chunk in names.chunks(CHUNK) {
            script.text(" &&\ncleared").arg(path).args(chunk);
        }
        script.text(" &&\n");
    }
    if goes {
        script.text("empty").args([path, seen]);
        return Step::inside(script, parent(path));
    }
    let mode = directory.access.mode.map_or_else(|| "-".into(), Mode::octal);
    script.text("access").args([path, seen]).args(["-", &mode, &owner]);
    Step::inside(script, if entries.is_empty() { parent(path) } else { path })
}
