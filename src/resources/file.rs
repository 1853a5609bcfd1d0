//! A regular file: content, owner, group and mode. It follows no symlink, never writes in place, breaks no hard link unasked.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::answers::Answers;
use super::content::{Given, new_content};
use super::input::{Mode, Presence, parent};
use super::inverse::{Left, differs, unlike};
use super::path::{self, Access, FileKind, Meta};
use super::record::{absent, at_path};
use super::set::{self, Member};
use super::several::{self, New};
use super::{
    About, Back, Claim, Copy, Input, Inverse, Parting, Record, Resource, STEP_SECONDS, Subject,
    Verdict, Work, access,
};
use crate::model::{Action, Attribute, Body, Change, Diagnostic, WayIn};
use crate::shell::{Script, Step};

/// The mode of a new file when none is given.
const NEW_MODE: Mode = Mode(0o644);

/// `[file."/path"]`
#[derive(Debug, Clone)]
pub(super) struct File {
    path: String,
    state: Presence,
    body: Option<Body>,
    access: Access,
    /// Shell text that must succeed before the new content goes in; `$candidate` is the new file.
    validate: Option<String>,
    break_hardlinks: bool,
    /// The copy on the host that its content comes from, below the folder of all copies.
    copy: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it is there.
    #[serde(default)]
    state: Presence,
    /// Its text; with none of `content`, `template` and `source` an empty file is made, and a content that is there stays.
    #[schemars(with = "Option<String>")]
    content: Option<Spanned<String>>,
    /// A template of the module, by its path below templates/: its rendered text is the content.
    #[schemars(with = "Option<String>")]
    template: Option<Spanned<String>>,
    /// A file of the module, such as `files/logo.png`: its bytes are the content.
    #[schemars(with = "Option<String>")]
    source: Option<Spanned<String>>,
    /// Permissions as a quoted octal string; a new file without one gets "0644", one that is there keeps its own.
    mode: Option<Mode>,
    /// The owner, by name or by a quoted number; as it is if absent.
    #[schemars(with = "Option<String>")]
    owner: Option<Spanned<String>>,
    /// The group, by name or by a quoted number; as it is if absent.
    #[schemars(with = "Option<String>")]
    group: Option<Spanned<String>>,
    /// Text for sh(1) that must succeed before a new content goes in; `{{ candidate }}` is the new file.
    validate: Option<String>,
    /// Whether a file that has other names too (hard links) may be changed: it is parted from them. Else it is refused.
    #[serde(default)]
    break_hardlinks: bool,
}

/// What stands at the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    Absent {
        parent: bool,
    },
    /// `body` is there when it is another than the one wanted.
    Regular {
        meta: Meta,
        body: Option<Body>,
    },
    Other(FileKind),
}

/// Shell functions of steps that bring kept contents back.
const REGAIN: &str = include_str!("regain.sh");

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    r#"[file."/etc/app.conf"]
content = "workers = {{ facts.cpus }}\n"
mode = "0640"
group = "adm"
"#,
    r#"[file."/etc/ssh/sshd_config.d/keys.conf"]
content = "PasswordAuthentication no\n"
validate = "sshd -t -f {{ candidate }}"
"#,
];

impl Resource for File {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "file";
    const ABOUT: About = About::of::<Table>("A regular file: content, owner and permissions", "its path on the host, absolute")
        .notes("It is written beside its target and moved over it, so that it is the old one or the new one at any time; ACLs and extended attributes of the old one are kept. A rollback brings content, owner, mode and time back; hard links that it was parted from stay parted.")
        .examples(EXAMPLES);
    const LIBRARY: &'static [&'static str] =
        &[path::LIBRARY, super::account::LIBRARY, set::LIBRARY, REGAIN, several::LIBRARY];
    const IN_FOLDER: bool = true;
    const RETURNS: bool = true;
    const IN_SETS: bool = true;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a file resource")?;
        let mut found = Vec::new();
        input.path(&mut found);
        let given =
            Given { content: &table.content, template: &table.template, source: &table.source };
        let body = given.read(input, ("a file", table.state), &mut found);
        let access = Access::read(input, table.mode, (table.owner, table.group), &mut found);
        if !found.is_empty() {
            return Err(found);
        }
        let path = input.name.value.clone();
        Ok(Self {
            path,
            state: table.state,
            body,
            access,
            validate: table.validate,
            break_hardlinks: table.break_hardlinks,
            copy: None,
        })
    }

    fn subject(desired: &Self) -> &str {
        &desired.path
    }

    fn body(desired: &Self) -> Option<&Body> {
        desired.body.as_ref()
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
        let path = desired.path.clone();
        let framed = desired.body.is_none() && desired.state == Presence::Present;
        vec![if framed { Claim::Frame(path) } else { Claim::Whole(path) }]
    }

    fn paths<'d>(items: &[&'d Self]) -> Vec<&'d str> {
        items.iter().map(|file| file.path.as_str()).collect()
    }

    fn probe(items: &[&Self], script: &mut Script) {
        let asked = items.iter().filter_map(|file| Some((file.path.as_str(), file.asked()?)));
        path::ask_contents(asked, script);
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let answers = Answers::read(answer);
        items
            .iter()
            .map(|file| {
                let Some(meta) = answers.meta(&file.path)? else {
                    return Ok(Observed::Absent { parent: answers.has_parent(&file.path) });
                };
                Ok(match meta.kind {
                    FileKind::Regular => Observed::Regular {
                        meta: meta.clone(),
                        body: answers.content(&file.path, meta.size)?,
                    },
                    other => Observed::Other(other),
                })
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        match (desired.state, observed) {
            (Presence::Absent, Observed::Absent { .. }) => Verdict::Same("not there".into()),
            (_, Observed::Other(kind)) => {
                Verdict::Refused(format!("{} is {}, not a file", desired.path, kind.word()))
            }
            (Presence::Absent, Observed::Regular { body, .. }) => {
                let content = body.clone().map(|body| Attribute::content(Some(body), None));
                Verdict::Change(Change::new(Action::Delete, content.into_iter().collect()))
            }
            (Presence::Present, Observed::Absent { parent: folder }) => {
                let mut attributes = desired.access.all(NEW_MODE);
                // Empty where the files say nothing of its content.
                let body = desired.body.clone().unwrap_or_else(|| Body::of([]));
                attributes.push(Attribute::content(None, Some(body)));
                let then = Change::new(Action::Create, attributes);
                path::making(&desired.path, *folder, then)
            }
            (Presence::Present, Observed::Regular { meta, body }) => {
                let mut attributes = desired.access.differences(meta);
                if let (Some(wanted), Some(found)) = (&desired.body, body)
                    && wanted.digest() != found.digest()
                {
                    attributes.push(Attribute::content(Some(found.clone()), Some(wanted.clone())));
                }
                if attributes.is_empty() {
                    return Verdict::Same("content, owner and mode are as wanted".into());
                }
                if meta.links > 1 {
                    if !desired.break_hardlinks || desired.body.is_none() {
                        return Verdict::Refused(desired.linked(meta.links));
                    }
                    attributes.push(Attribute::value("hard links", Some(meta.links), Some(1)));
                }
                Verdict::Change(Change::new(Action::Update, attributes))
            }
        }
    }

    fn cuts(desired: &Self, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        access::path(&desired.path, change, way_in)
    }

    fn record(desired: &Self) -> Record {
        let content = desired.body.as_ref().map(|body| ("content", body.digest().to_owned()));
        desired.access.record().into_iter().chain(content).collect()
    }

    fn parting(desired: &Self) -> Parting {
        match (desired.state, &desired.body) {
            (Presence::Absent, _) => Parting::Nothing,
            (Presence::Present, Some(_)) => Parting::Goes(absent([])),
            (Presence::Present, None) => Parting::GoesIfMade(absent([])),
        }
    }

    fn inverse(desired: &Self, observed: &Observed, change: &Change) -> Inverse {
        let name = desired.path.as_str();
        let Observed::Regular { meta, body } = observed else {
            return Inverse::of(Back::gone(Self::NAME, name).leaving_all(change));
        };
        let was = body.as_ref();
        if change.action == Action::Delete {
            return Inverse::of(Back::to(Self::NAME, name, meta.keys(None)).kept(was));
        }
        let back = Back::to(Self::NAME, name, meta.keys(Some(change))).leaving_all(change);
        let parted = differs(change, "hard links");
        let whole = parted || differs(change, "content");
        let inverse = Inverse::of(if whole { back.kept(was) } else { back });
        if parted { inverse.but("it stays parted from its other hard links") } else { inverse }
    }

    fn unlike(desired: &Self, observed: &Observed, left: &Left) -> Option<&'static str> {
        let Observed::Regular { meta, .. } = observed else { return None };
        unlike(meta, left).filter(|_| desired.state == Presence::Absent)
    }

    fn restoring(desired: &Self, copy: &Copy) -> Option<Self> {
        let (body, copy) = (Some(copy.body.clone()), Some(copy.place.clone()));
        Some(Self { body, copy, ..desired.clone() })
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        if desired.state == Presence::Absent {
            return Observed::Absent { parent: true };
        }
        let meta = match observed {
            Observed::Regular { meta, .. } => Meta { links: 1, ..meta.clone() },
            _ => path::fresh(FileKind::Regular, NEW_MODE),
        };
        Observed::Regular { meta: desired.access.applied(meta), body: desired.body.clone() }
    }

    fn member(work: &Work<'_, Self>) -> Option<Member> {
        let file = work.desired;
        let (meta, digest) = guard(file, work.observed);
        if work.change.action == Action::Delete {
            return Some(Member::other("gone", &file.path, vec![meta, digest]));
        }
        let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
        let validate = file.validate.clone().unwrap_or_default();
        let mode = mode_after(work);
        let words = [meta, digest, mode, file.access.chown(), validate, seconds];
        Some(Member::put(&file.path, &words, new_content(work.change)))
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        // Each distinct content is sent once; files with the same one copy it from the first.
        let mut first: HashMap<&str, &str> = HashMap::new();
        let mut steps = Vec::with_capacity(work.len());
        for (index, work) in work.iter().enumerate() {
            let parted = matches!(work.observed, Observed::Regular { meta, .. } if meta.links > 1);
            let present = work.desired.state == Presence::Present;
            let whole = work.desired.body.as_ref().filter(|_| parted && present);
            let body = new_content(work.change).or(whole);
            let from = body.and_then(|body| first.get(body.digest()).copied());
            if let Some(body) = body.filter(|_| work.desired.copy.is_none()) {
                first.entry(body.digest()).or_insert(&work.desired.path);
            }
            steps.push((vec![index], step(work, body, from)));
        }
        steps
    }
}

impl File {
    /// The digest that the host is asked for: what goes is shown, and goes only while it is still that.
    fn asked(&self) -> Option<&str> {
        let goes = self.state == Presence::Absent;
        self.body.as_ref().map(Body::digest).or_else(|| goes.then_some(Body::NO_DIGEST))
    }

    /// Why a file with several names is left alone, and what to do.
    fn linked(&self, links: u64) -> String {
        let why = format!(
            "{} has {links} hard links, and a change would be one of all of them",
            self.path
        );
        match self.body {
            None => {
                format!("{why}: give its content and `break_hardlinks = true` to part it from them")
            }
            Some(_) => format!("{why}: `break_hardlinks = true` parts it from them"),
        }
    }
}

/// The guard of a step: what `stat` said and the digest, as the planned change saw them.
fn guard(file: &File, observed: &Observed) -> (String, String) {
    let or_not_asked = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    match observed {
        Observed::Absent { .. } | Observed::Other(_) => ("absent".into(), "-".into()),
        Observed::Regular { meta, body } => (
            or_not_asked(&meta.seen),
            // A content that was not sent is the one wanted.
            body.as_ref()
                .or(file.body.as_ref())
                .map_or_else(|| "-".into(), |body| body.digest().to_owned()),
        ),
    }
}

/// The mode that a change sets, `-` for none.
fn mode_after(work: &Work<'_, File>) -> String {
    match work.desired.access.mode {
        Some(mode) => mode.octal(),
        None if matches!(work.observed, Observed::Absent { .. }) => NEW_MODE.octal(),
        None => "-".into(),
    }
}

fn step(work: &Work<'_, File>, body: Option<&Body>, from: Option<&str>) -> Step {
    let file = work.desired;
    let (meta, digest) = guard(file, work.observed);
    let mut script = Script::new();
    if work.change.action == Action::Delete {
        script.text("gone").args([&file.path, &meta, &digest]);
        return Step::inside(script, parent(&file.path));
    }
    let (mode, owner) = (mode_after(work), file.access.chown());
    let Some(body) = body else {
        script.text("access").args([&file.path, &meta, &digest, &mode, &owner]);
        script.args(file.body.as_ref().map(Body::digest));
        return Step::inside(script, parent(&file.path));
    };
    if let Some(copy) = &file.copy {
        script.text("regain").args([&file.path, &meta, &digest, &mode, &owner, copy]);
        script.arg(body.digest());
        return Step::inside(script, parent(&file.path));
    }
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    let validate = file.validate.as_deref().unwrap_or_default();
    script
        .text("put")
        .args([&file.path, &meta, &digest, &mode, &owner])
        .args([validate, &seconds])
        .arg(from.map_or_else(String::new, |from| format!("{} {from}", body.digest())));
    let sent = (from.is_none() && body.is_here()).then(|| body.clone());
    let step = Step::inside(script, parent(&file.path)).reading(sent);
    let fresh = meta == "absent" && file.validate.is_none();
    match several::small(body, from.is_some()).filter(|_| fresh) {
        Some(bytes) => several::joint(step, &file.path, New::File(bytes), (&mode, &owner)),
        None => step,
    }
}
