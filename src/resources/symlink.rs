//! A symlink and what it points to. It never touches the target, and never replaces anything that is
//! not a symlink.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::answers::Answers;
use super::input::{Presence, absolute_path, parent};
use super::path::{self, FileKind};
use super::record::{absent, at_path, text};
use super::set::Member;
use super::several::{self, New};
use super::{
    About, Back, Claim, Input, Inverse, Parting, Record, Resource, Subject, Verdict, Work, access,
};
use crate::model::{Action, Attribute, Change, Diagnostic, WayIn};
use crate::shell::{Script, Step};

/// `[symlink."/path"]`
#[derive(Debug)]
pub(super) struct Symlink {
    path: String,
    state: Presence,
    /// As it is written into the link; may be relative to the link's folder.
    target: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it is there.
    #[serde(default)]
    state: Presence,
    /// What it points to, as it is written into the link; needed unless the link is absent.
    #[schemars(with = "Option<String>")]
    target: Option<Spanned<String>>,
}

/// What stands at the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    Absent { parent: bool },
    Symlink { target: String },
    Other(FileKind),
}

/// Shell functions of its probe and steps.
const FUNCTIONS: &str = r#"
# links PATH…: a line `l` and one with the target of each PATH that is a link, in their order.
links() {
a=$#
while [ "$a" -gt 0 ]; do
if [ -L "$1" ]; then set -- "$@" "$1"; fi
shift
a=$((a - 1))
done
[ $# -eq 0 ] && return
readlink -- "$@" 2>/dev/null || for p do readlink -- "$p"; done
}
# The rest is for steps.
# link PATH TARGET WAS: makes a link, or replaces the one to WAS, in one rename.
link() {
at "$1" || return
if [ "$3" = absent ]; then
same "$T" absent - || return
elif [ "$(readlink -- "$T" 2>&1)" != "${3#=}" ]; then
fail 'it does not point to where it did when this was planned'; return
fi
before "$T" && fresh "$T" || return
M=$(ln -sT -- "$2" "$X" 2>&1) || return
over
}
# unlinked PATH WAS: removes the link to WAS.
unlinked() {
at "$1" || return
[ "$(readlink -- "$T" 2>&1)" = "${2#=}" ] || { fail 'it does not point to where it did when this was planned'; return; }
before "$T" && M=$(rm -f -- "$T" 2>&1)
}
"#;

/// Shown by the manual.
const EXAMPLES: &[&str] = &[r#"[symlink."/etc/localtime"]
target = "/usr/share/zoneinfo/Etc/UTC"
"#];

impl Resource for Symlink {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "symlink";
    const ABOUT: About = About::of::<Table>(
        "A symlink and what it points to",
        "its path on the host, absolute",
    )
    .notes("What is there and is no symlink is never replaced. A rollback brings the target back.")
    .examples(EXAMPLES);
    const LIBRARY: &'static [&'static str] =
        &[path::LIBRARY, super::account::LIBRARY, FUNCTIONS, several::LIBRARY];
    const IN_FOLDER: bool = true;
    const RETURNS: bool = true;
    const IN_SETS: bool = true;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a symlink resource")?;
        let mut found = Vec::new();
        input.path(&mut found);
        match &table.target {
            None if table.state == Presence::Present => found.push(
                Diagnostic::at(input.header, "a symlink needs `target`")
                    .label("`target` is missing here"),
            ),
            Some(target) if target.get_ref().is_empty() || target.get_ref().contains('\n') => {
                found.push(Diagnostic::at(input.span(target), "this cannot be a link's target"));
            }
            _ => {}
        }
        if !found.is_empty() {
            return Err(found);
        }
        let target = table.target.map(Spanned::into_inner).unwrap_or_default();
        Ok(Self { path: input.name.value.clone(), state: table.state, target })
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
        let target =
            absolute_path(&desired.target).is_ok().then(|| Subject::Path(desired.target.clone()));
        std::iter::once(folder).chain(target).collect()
    }

    fn claims(desired: &Self) -> Vec<Claim> {
        vec![Claim::Whole(desired.path.clone())]
    }

    fn paths<'d>(items: &[&'d Self]) -> Vec<&'d str> {
        items.iter().map(|link| link.path.as_str()).collect()
    }

    fn probe(items: &[&Self], script: &mut Script) {
        script.text("echo @links\n");
        for paths in Self::paths(items).chunks(path::CHUNK) {
            script.text("links").args(paths).text("\n");
        }
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        // A line of its own: paths hold no line break, so no path can be taken for it.
        let mark = b"\n@links";
        let at = answer.windows(mark.len()).position(|window| window == mark);
        let (stats, links) = at.map_or((answer, &answer[..0]), |at| {
            let rest = &answer[at + mark.len()..];
            if matches!(rest.first(), None | Some(b'\n')) {
                (&answer[..at], rest)
            } else {
                (answer, &answer[..0])
            }
        });
        let answers = Answers::read(stats);
        let mut targets = links.split(|&byte| byte == b'\n').skip(1);
        items
            .iter()
            .map(|link| {
                Ok(match answers.meta(&link.path)? {
                    None => Observed::Absent { parent: answers.has_parent(&link.path) },
                    Some(meta) if meta.kind == FileKind::Symlink => {
                        let target = targets.next().ok_or("the host did not say its target")?;
                        let target = String::from_utf8_lossy(target).into_owned();
                        if target.len() as u64 != meta.size {
                            return Err("the host did not say its target in one line".into());
                        }
                        Observed::Symlink { target }
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
                Verdict::Refused(format!("{} is {}, not a symlink", desired.path, kind.word()))
            }
            (Presence::Absent, Observed::Symlink { target }) => {
                let gone = Attribute::value("target", Some(target), None::<&str>);
                Verdict::Change(Change::new(Action::Delete, vec![gone]))
            }
            (Presence::Present, Observed::Absent { parent: folder }) => {
                let target = Attribute::value("target", None::<&str>, Some(&desired.target));
                let then = Change::new(Action::Create, vec![target]);
                path::making(&desired.path, *folder, then)
            }
            (Presence::Present, Observed::Symlink { target }) => {
                if *target == desired.target {
                    return Verdict::Same("points to its target".into());
                }
                let target = Attribute::value("target", Some(target), Some(&desired.target));
                Verdict::Change(Change::new(Action::Update, vec![target]))
            }
        }
    }

    fn cuts(desired: &Self, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        access::path(&desired.path, change, way_in)
    }

    fn record(desired: &Self) -> Record {
        let present = desired.state == Presence::Present;
        present.then(|| ("target", desired.target.clone())).into_iter().collect()
    }

    fn parting(desired: &Self) -> Parting {
        match desired.state {
            Presence::Absent => Parting::Nothing,
            Presence::Present => Parting::Goes(absent([])),
        }
    }

    fn inverse(desired: &Self, observed: &Observed, change: &Change) -> Inverse {
        let name = desired.path.as_str();
        let Observed::Symlink { target } = observed else {
            return Inverse::of(Back::gone(Self::NAME, name).leaving_all(change));
        };
        let back = Back::to(Self::NAME, name, [("target", text(target))]);
        let deletes = change.action == Action::Delete;
        Inverse::of(if deletes { back } else { back.leaving_all(change) })
    }

    fn predict(desired: &Self, _observed: &Observed) -> Observed {
        match desired.state {
            Presence::Absent => Observed::Absent { parent: true },
            Presence::Present => Observed::Symlink { target: desired.target.clone() },
        }
    }

    fn member(work: &Work<'_, Self>) -> Option<Member> {
        let (link, was) = (work.desired, was(work.observed));
        Some(match work.change.action {
            Action::Delete => Member::other("unlinked", &link.path, vec![was]),
            _ => Member::other("link", &link.path, vec![was, link.target.clone()]),
        })
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], step(work))).collect()
    }
}

/// What a step finds there: `=TARGET`, or `absent`.
fn was(observed: &Observed) -> String {
    match observed {
        Observed::Symlink { target } => format!("={target}"),
        _ => "absent".to_owned(),
    }
}

fn step(work: &Work<'_, Symlink>) -> Step {
    let link = work.desired;
    let mut script = Script::new();
    let was = was(work.observed);
    if work.change.action == Action::Delete {
        script.text("unlinked").args([&link.path, &was]);
    } else {
        script.text("link").args([&link.path, &link.target, &was]);
    }
    let step = Step::inside(script, parent(&link.path));
    if was == "absent" && link.state == Presence::Present {
        return several::joint(step, &link.path, New::Link(&link.target), ("-", ""));
    }
    step
}
