//! A user of the host's user database: number, groups, home and shell. It never sets a password and
//! never removes a home directory.

use std::collections::{BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::input::{Presence, absolute_path, account_name};
use super::{About, Input, Needs, Resource, STEP_SECONDS, Subject, Verdict, Work};
use crate::model::{Action, Attribute, Change, Diagnostic};
use crate::shell::{Script, Step};

/// `[user.NAME]`
#[derive(Debug)]
pub(super) struct User {
    name: String,
    state: Presence,
    uid: Option<u32>,
    /// The primary group, by name.
    group: Option<String>,
    /// Supplementary groups that it must be in; it may be in others.
    groups: BTreeSet<String>,
    home: Option<String>,
    shell: Option<String>,
    comment: Option<String>,
    system: bool,
    create_home: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it is there; the home directory of an absent one stays.
    #[serde(default)]
    state: Presence,
    /// Its number; a new user without one gets the next free.
    uid: Option<u32>,
    /// The primary group, by name; a new user without one gets a group of its own name.
    #[schemars(with = "Option<String>")]
    group: Option<Spanned<String>>,
    /// Groups that it must be in; it may be in others.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    groups: Vec<Spanned<String>>,
    /// The home directory, an absolute path; it is not moved.
    #[schemars(with = "Option<String>")]
    home: Option<Spanned<String>>,
    /// The login shell, an absolute path.
    #[schemars(with = "Option<String>")]
    shell: Option<Spanned<String>>,
    /// The comment field of passwd(5), such as a full name.
    #[schemars(with = "Option<String>")]
    comment: Option<Spanned<String>>,
    /// Whether a new user gets a number for system users, and no home unless `create_home` says so.
    #[serde(default)]
    system: bool,
    /// Whether a new user's home directory is made; if absent, it is made unless `system` is true.
    create_home: Option<bool>,
}

/// The user's entry, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    Absent,
    User {
        uid: u32,
        group: String,
        groups: BTreeSet<String>,
        home: String,
        shell: String,
        comment: String,
    },
}

/// Shell functions of its steps.
const FUNCTIONS: &str = r#"
# new_user SECONDS NAME OPTION…: useradd makes a group of the user's name unless there is one already.
new_user() {
a=$1 b=$2
shift 2
case " $* " in
*' --gid '*) ;;
*) case "
$(database group "$b")" in *"
$b:"*) set -- --gid "$b" "$@" ;; esac ;;
esac
try "$a" useradd "$@" -- "$b"
}
"#;

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    r#"[user.deploy]
groups = ["www-data"]
home = "/srv/deploy"
shell = "/bin/bash"
"#,
    r#"[user.former]
state = "absent"
"#,
];

impl Resource for User {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "user";
    const ABOUT: About = About::of::<Table>("A user of the host's user database", "the user")
        .notes("It never sets a password and never removes a home directory.")
        .examples(EXAMPLES);
    const LIBRARY: &'static [&'static str] = &[super::group::DATABASE, FUNCTIONS];
    const NEEDS: Needs = Needs::Root;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a user resource")?;
        let mut found = Vec::new();
        let name = input.name.value.clone();
        if !account_name(&name) || name.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{}` is not a name for a user", name.escape_debug());
            found.push(Diagnostic::at(input.name.span, message));
        }
        for group in table.group.iter().chain(&table.groups) {
            input.account("group", Some(group), &mut found);
            if group.get_ref().bytes().all(|byte| byte.is_ascii_digit()) {
                let message = "a user's groups are named, not numbered";
                found.push(Diagnostic::at(input.span(group), message));
            }
        }
        for path in [&table.home, &table.shell].into_iter().flatten() {
            if let Err(why) = absolute_path(path.get_ref()) {
                found.push(Diagnostic::at(input.span(path), why));
            }
            if path.get_ref().contains(':') {
                found.push(Diagnostic::at(input.span(path), "passwd(5) has no room for `:`"));
            }
        }
        if let Some(comment) = &table.comment
            && comment.get_ref().contains([':', '\n'])
        {
            found.push(Diagnostic::at(
                input.span(comment),
                "passwd(5) has no room for `:` and line breaks",
            ));
        }
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self {
            name,
            state: table.state,
            uid: table.uid,
            group: table.group.map(Spanned::into_inner),
            groups: table.groups.into_iter().map(Spanned::into_inner).collect(),
            home: table.home.map(Spanned::into_inner),
            shell: table.shell.map(Spanned::into_inner),
            comment: table.comment.map(Spanned::into_inner),
            system: table.system,
            create_home: table.create_home.unwrap_or(!table.system),
        })
    }

    fn subject(desired: &Self) -> &str {
        &desired.name
    }

    fn provides(desired: &Self) -> Vec<Subject> {
        // useradd makes a group of the user's name where no other is asked for.
        let mut made = vec![Subject::User(desired.name.clone())];
        if desired.group.is_none() {
            made.push(Subject::Group(desired.name.clone()));
        }
        made.extend(desired.home.clone().map(Subject::Path));
        made
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        desired.group.iter().chain(&desired.groups).cloned().map(Subject::Group).collect()
    }

    fn probe(items: &[&Self], script: &mut Script) {
        script
            .text("database passwd")
            .args(items.iter().map(|user| &user.name))
            .text("\necho @groups\ndatabase group\n");
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let text = String::from_utf8_lossy(answer);
        let Some((users, groups)) = text.split_once("@groups\n") else {
            return items.iter().map(|_| Err("the host did not list its groups".into())).collect();
        };
        let groups: Vec<Vec<&str>> = groups.lines().map(|line| line.split(':').collect()).collect();
        let names: HashMap<&str, &str> =
            groups.iter().filter_map(|fields| Some((*fields.get(2)?, *fields.first()?))).collect();
        let entries: HashMap<&str, Vec<&str>> = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<&str>>())
            .filter(|fields| fields.len() == 7)
            .map(|fields| (fields[0], fields))
            .collect();
        items
            .iter()
            .map(|user| {
                let Some(fields) = entries.get(user.name.as_str()) else {
                    return Ok(Observed::Absent);
                };
                let member = |list: &&Vec<&str>| {
                    list.get(3).is_some_and(|all| all.split(',').any(|name| name == user.name))
                };
                Ok(Observed::User {
                    uid: fields[2].parse().map_err(|_| "its number is not one".to_owned())?,
                    group: names.get(fields[3]).unwrap_or(&fields[3]).to_string(),
                    groups: groups.iter().filter(member).map(|list| list[0].to_owned()).collect(),
                    comment: fields[4].to_owned(),
                    home: fields[5].to_owned(),
                    shell: fields[6].to_owned(),
                })
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        match (desired.state, observed) {
            (Presence::Absent, Observed::Absent) => Verdict::Same("not there".into()),
            (Presence::Absent, Observed::User { uid, .. }) => {
                let uid = Attribute::value("uid", Some(uid), None::<u32>);
                Verdict::Change(Change::new(Action::Delete, vec![uid]).note("its home stays"))
            }
            (Presence::Present, Observed::Absent) => {
                Verdict::Change(Change::new(Action::Create, desired.differences(observed)))
            }
            (Presence::Present, Observed::User { .. }) => {
                let attributes = desired.differences(observed);
                if attributes.is_empty() {
                    return Verdict::Same("as wanted".into());
                }
                Verdict::Change(Change::new(Action::Update, attributes))
            }
        }
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        if desired.state == Presence::Absent {
            return Observed::Absent;
        }
        let name = &desired.name;
        let (uid, group, groups, home, shell, comment) = match observed.clone() {
            Observed::User { uid, group, groups, home, shell, comment } => {
                (uid, group, groups, home, shell, comment)
            }
            Observed::Absent => {
                let home = format!("/home/{name}");
                (u32::MAX, name.clone(), BTreeSet::new(), home, "/bin/sh".into(), String::new())
            }
        };
        Observed::User {
            uid: desired.uid.unwrap_or(uid),
            group: desired.group.clone().unwrap_or(group),
            groups: groups.union(&desired.groups).cloned().collect(),
            home: desired.home.clone().unwrap_or(home),
            shell: desired.shell.clone().unwrap_or(shell),
            comment: desired.comment.clone().unwrap_or(comment),
        }
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], step(work))).collect()
    }
}

impl User {
    /// What differs; for a user that is not there, all that is asked for.
    fn differences(&self, observed: &Observed) -> Vec<Attribute> {
        let none = BTreeSet::new();
        let (now, groups) = match observed {
            Observed::Absent => ([None, None, None, None, None], &none),
            Observed::User { uid, group, groups, home, shell, comment } => (
                [
                    Some(uid.to_string()),
                    Some(group.clone()),
                    Some(home.clone()),
                    Some(shell.clone()),
                    Some(comment.clone()),
                ],
                groups,
            ),
        };
        let uid = self.uid.map(|uid| uid.to_string());
        let wanted = [&uid, &self.group, &self.home, &self.shell, &self.comment];
        let keys = ["uid", "group", "home", "shell", "comment"];
        let mut found: Vec<Attribute> = keys
            .into_iter()
            .zip(wanted)
            .zip(now)
            .filter(|((_, wanted), now)| wanted.is_some() && *wanted != now)
            .map(|((key, wanted), now)| Attribute::value(key, now, wanted.clone()))
            .collect();
        if !self.groups.is_subset(groups) {
            let list = |groups: &mut dyn Iterator<Item = &String>| {
                groups.map(String::as_str).collect::<Vec<_>>().join(",")
            };
            let before = (!groups.is_empty()).then(|| list(&mut groups.iter()));
            let after = list(&mut groups.union(&self.groups));
            found.push(Attribute::value("groups", before, Some(after)));
        }
        found
    }
}

fn step(work: &Work<'_, User>) -> Step {
    let user = work.desired;
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    let mut script = Script::new();
    if work.change.action == Action::Delete {
        script.text("try").args([&seconds, "userdel", "--", &user.name]);
        return Step::new(script);
    }
    let new = work.change.action == Action::Create;
    let differs = |name| work.change.attributes.iter().any(|attribute| attribute.name == name);
    if new {
        script.text("new_user").args([&seconds, &user.name]);
    } else {
        script.text("try").args([&seconds, "usermod"]);
    }
    if new && user.system {
        script.arg("--system");
    }
    if new {
        script.arg(if user.create_home { "--create-home" } else { "--no-create-home" });
    }
    let uid = user.uid.map(|uid| uid.to_string());
    let home = if new { "--home-dir" } else { "--home" };
    let options = [
        ("uid", "--uid", &uid),
        ("group", "--gid", &user.group),
        ("home", home, &user.home),
        ("shell", "--shell", &user.shell),
        ("comment", "--comment", &user.comment),
    ];
    for (key, option, value) in options {
        if let Some(value) = value
            && differs(key)
        {
            script.args([option, value]);
        }
    }
    if differs("groups") {
        let groups: Vec<&str> = user.groups.iter().map(String::as_str).collect();
        if !new {
            script.arg("--append");
        }
        script.args(["--groups", &groups.join(",")]);
    }
    if !new {
        script.args(["--", &user.name]);
    }
    Step::new(script)
}
