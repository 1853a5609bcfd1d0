//! A group of the host's user database. It never touches who is in it; users say that.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::able::{self, Lacks};
use super::access;
use super::account;
use super::input::{Presence, account_name};
use super::record::absent;
use super::{
    About, Back, Input, Inverse, Parting, Record, Resource, STEP_SECONDS, Subject, Verdict, Work,
};
use crate::model::{Action, Attribute, Change, Diagnostic, Value, WayIn};
use crate::shell::{Script, Step};

/// `[group.NAME]`
#[derive(Debug)]
pub(super) struct Group {
    name: String,
    state: Presence,
    gid: Option<u32>,
    system: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it is there.
    #[serde(default)]
    state: Presence,
    /// Its number; a new group without one gets the next free.
    gid: Option<u32>,
    /// Whether a new group gets a number for system groups.
    #[serde(default)]
    system: bool,
}

/// The group's number, if there is such a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    gid: Option<u32>,
    /// Who has the wanted number.
    taken: Option<String>,
    lacks: Lacks,
}

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    "[group.deploy]\nsystem = true\n",
    r#"[user.former]
state = "absent"

[group.former]
state = "absent"
"#,
];

impl Resource for Group {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "group";
    const ABOUT: About = About::of::<Table>("A group of the host's user database", "the group")
        .notes("Who is in it is said by its users. A group that is some user's primary one cannot be removed: that user comes first, with another group or absent too. A rollback does not make a group again that was removed.")
        .examples(EXAMPLES);
    const REPEATABLE: bool = true;
    const LIBRARY: &'static [&'static str] = &[account::LIBRARY];

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a group resource")?;
        let name = input.name.value.clone();
        if !account_name(&name) || name.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{}` is not a name for a group", name.escape_debug());
            return Err(vec![Diagnostic::at(input.name.span, message)]);
        }
        Ok(Self { name, state: table.state, gid: table.gid, system: table.system })
    }

    fn subject(desired: &Self) -> &str {
        &desired.name
    }

    fn provides(desired: &Self) -> Vec<Subject> {
        match desired.state {
            Presence::Present => vec![Subject::Group(desired.name.clone())],
            Presence::Absent => Vec::new(),
        }
    }

    /// It goes after the users that go and had it.
    fn wants(desired: &Self) -> Vec<Subject> {
        match desired.state {
            Presence::Present => Vec::new(),
            Presence::Absent => vec![Subject::Group(desired.name.clone())],
        }
    }

    fn frees(desired: &Self, observed: &Observed) -> Option<Subject> {
        let kept = (desired.state == Presence::Present).then_some(desired.gid.or(observed.gid));
        observed.gid.filter(|gid| kept.flatten() != Some(*gid)).map(Subject::FreeGid)
    }

    fn probe(items: &[&Self], script: &mut Script) {
        script.text("database group").args(items.iter().map(|group| &group.name));
        script.args(items.iter().filter_map(|group| Some(group.gid?.to_string())));
        script.text("\ntools groupadd groupmod groupdel\n").text(able::ROOT);
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let text = String::from_utf8_lossy(answer);
        let lacks = Lacks::read(&text);
        let groups: HashMap<&str, &str> = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                Some((fields.next()?, fields.nth(1)?))
            })
            .collect();
        items
            .iter()
            .map(|group| {
                let gid = groups.get(group.name.as_str()).map(|gid| {
                    gid.parse().map_err(|_| {
                        format!("the user database has a group {} without a number", group.name)
                    })
                });
                let taken = account::holder(&text, (&group.name, group.gid));
                Ok(Observed { gid: gid.transpose()?, taken, lacks: lacks.clone() })
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        let verdict = observed.lacks.stop(match (desired.state, observed.gid) {
            (Presence::Absent, None) => Verdict::Same("not there".into()),
            (Presence::Absent, Some(gid)) => {
                let gid = Attribute::value("gid", Some(gid), None::<u32>);
                Verdict::Change(Change::new(Action::Delete, vec![gid]))
            }
            (Presence::Present, None) => {
                let gid = desired.gid.map(|gid| Attribute::value("gid", None::<u32>, Some(gid)));
                Verdict::Change(Change::new(Action::Create, gid.into_iter().collect()))
            }
            (Presence::Present, Some(gid)) => match desired.gid {
                Some(wanted) if wanted != gid => {
                    let gid = Attribute::value("gid", Some(gid), Some(wanted));
                    Verdict::Change(Change::new(Action::Update, vec![gid]))
                }
                _ => Verdict::Same("as wanted".into()),
            },
        });
        match (verdict, &observed.taken, desired.gid) {
            (Verdict::Change(change), Some(holder), Some(gid)) => {
                account::taken(change, Subject::FreeGid(gid), holder)
            }
            (verdict, ..) => verdict,
        }
    }

    fn record(desired: &Self) -> Record {
        desired.gid.map(|gid| ("gid", gid.to_string())).into_iter().collect()
    }

    fn cuts(desired: &Self, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        access::group(&desired.name, change, way_in)
    }

    fn parting(desired: &Self) -> Parting {
        match desired.state {
            Presence::Absent => Parting::Nothing,
            Presence::Present => Parting::GoesIfAsked(absent([])),
        }
    }

    fn inverse(desired: &Self, observed: &Observed, change: &Change) -> Inverse {
        let name = desired.name.as_str();
        let Some(gid) = observed.gid else {
            return Inverse::of(Back::gone(Self::NAME, name).leaving_all(change));
        };
        if change.action == Action::Delete {
            return Inverse::cannot(
                "a group that was removed is not made again: who was in it is not known",
            );
        }
        let gid = Value::Integer(gid.into());
        Inverse::of(Back::to(Self::NAME, name, [("gid", gid)]).leaving_all(change))
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        let gid = match desired.state {
            Presence::Absent => None,
            Presence::Present => desired.gid.or(observed.gid).or(Some(u32::MAX)),
        };
        Observed { gid, taken: None, lacks: observed.lacks.clone() }
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], step(work))).collect()
    }
}

fn step(work: &Work<'_, Group>) -> Step {
    let group = work.desired;
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    let number = |gid: Option<u32>| gid.map_or_else(|| "absent".to_owned(), |gid| gid.to_string());
    let after = match (work.change.action, group.gid) {
        (Action::Delete, _) => "absent".to_owned(),
        (_, None) => "any".to_owned(),
        (_, gid) => number(gid),
    };
    let mut script = Script::new();
    script.text("group_to").args([&seconds, &group.name, &number(work.observed.gid), &after]);
    match work.change.action {
        Action::Delete => script.arg("groupdel"),
        Action::Create => script.arg("groupadd"),
        _ => script.arg("groupmod"),
    };
    if work.change.action == Action::Create && group.system {
        script.arg("--system");
    }
    if let Some(gid) = group.gid.filter(|_| work.change.action != Action::Delete) {
        script.arg("--gid").arg(gid.to_string());
    }
    script.arg("--").arg(&group.name);
    Step::new(script)
}
