//! A group of the host's user database. It never touches who is in it; users say that.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::input::{Presence, account_name};
use super::{About, Input, Needs, Resource, STEP_SECONDS, Subject, Verdict, Work};
use crate::model::{Action, Attribute, Change, Diagnostic};
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
}

/// Asks the user database; a host without getent(1) has only its files.
pub(super) const DATABASE: &str = r#"
database() {
if command -v getent >/dev/null 2>&1; then getent "$@"; else cat "/etc/$1"; fi 2>&1
case $? in 0 | 2) return ;; esac
shift
for p do echo "$p:x:?:?:::"; done
}
"#;

/// Shown by the manual.
const EXAMPLES: &[&str] = &["[group.deploy]\nsystem = true\n"];

impl Resource for Group {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "group";
    const ABOUT: About = About::of::<Table>("A group of the host's user database", "the group")
        .notes("Who is in it is said by its users.")
        .examples(EXAMPLES);
    const LIBRARY: &'static [&'static str] = &[DATABASE];
    const NEEDS: Needs = Needs::Root;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a group resource")?;
        let name = input.name.value.clone();
        if !account_name(&name) {
            let message = format!("`{}` is not a name for a group", name.escape_debug());
            return Err(vec![Diagnostic::at(input.name.span, message)]);
        }
        Ok(Self { name, state: table.state, gid: table.gid, system: table.system })
    }

    fn subject(desired: &Self) -> &str {
        &desired.name
    }

    fn provides(desired: &Self) -> Vec<Subject> {
        vec![Subject::Group(desired.name.clone())]
    }

    fn probe(items: &[&Self], script: &mut Script) {
        script.text("database group").args(items.iter().map(|group| &group.name)).text("\n");
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let text = String::from_utf8_lossy(answer);
        let groups: HashMap<&str, &str> = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                Some((fields.next()?, fields.nth(1)?))
            })
            .collect();
        items
            .iter()
            .map(|group| match groups.get(group.name.as_str()) {
                None => Ok(Observed { gid: None }),
                Some(gid) => gid.parse().map(|gid| Observed { gid: Some(gid) }).map_err(|_| {
                    format!("the user database has a group {} without a number", group.name)
                }),
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        match (desired.state, observed.gid) {
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
        }
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        match desired.state {
            Presence::Absent => Observed { gid: None },
            Presence::Present => Observed { gid: desired.gid.or(observed.gid).or(Some(u32::MAX)) },
        }
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], step(work))).collect()
    }
}

fn step(work: &Work<'_, Group>) -> Step {
    let group = work.desired;
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    let mut script = Script::new();
    script.text("try").arg(seconds);
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
