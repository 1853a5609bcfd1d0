//! A user of the host's user database: number, groups, home, shell, lock and password. The password is
//! a hash that no screen, argument or environment sees; a home directory goes only where the files say so.

use std::collections::BTreeSet;

use super::able::{self, Lacks};
use super::access;
use super::account::{self, Database, Entry, Password, Shadow};
use super::input::Presence;
use super::record::absent;
use super::{About, Claim, Input, Inverse, Parting, Record, Resource, Subject, Verdict, Work};
use crate::model::{Action, Attribute, Change, Diagnostic, Secret, WayIn};
use crate::shell::{Script, Step};

mod back;
mod removal;
mod table;
mod work;

/// `[user.NAME]`
#[derive(Debug)]
pub(super) struct User {
    name: String,
    state: Presence,
    uid: Option<u32>,
    /// The primary group, by name.
    group: Option<String>,
    groups: Groups,
    home: Option<String>,
    shell: Option<String>,
    comment: Option<String>,
    system: bool,
    create_home: bool,
    remove_home: bool,
    locked: Option<bool>,
    password: Option<Hash>,
}

/// Supplementary groups that it must be in, and whether it may be in no others.
#[derive(Debug)]
struct Groups {
    names: BTreeSet<String>,
    exclusive: bool,
}

/// A password's hash, and the SHA-256 by which two are told apart.
#[derive(Debug)]
struct Hash {
    value: Secret,
    digest: String,
}

/// The user's entry, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    entry: Option<Entry>,
    /// Who has the wanted number.
    taken: Option<String>,
    lacks: Lacks,
}

impl Resource for User {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "user";
    const ABOUT: About = About::of::<table::Table>("A user of the host's user database", "the user")
        .notes("A password is only ever a hash. It reaches the host on the standard input of chpasswd(8), and a plan shows a keyed digest of it; what is behind a `!` that locks it is compared, and the lock stays. A user that runs something is not removed: stop its service first. userdel(8) takes the group of the user's name away too where nobody else has it, and the plan says so. A rollback brings neither a password back nor a user that was removed, and a home that was made stays.")
        .examples(table::EXAMPLES);
    const REPEATABLE: bool = true;
    const SECRET: &'static [&'static str] = &["password"];
    const LIBRARY: &'static [&'static str] = &[account::LIBRARY];

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        table::parse(input)
    }

    fn subject(desired: &Self) -> &str {
        &desired.name
    }

    fn provides(desired: &Self) -> Vec<Subject> {
        // A group that goes comes after the users that go and had it.
        let own = Subject::Group(desired.name.clone());
        if desired.state == Presence::Absent {
            return desired.group.iter().cloned().map(Subject::Group).chain([own]).collect();
        }
        // useradd makes a group of the user's name where no other is asked for.
        let mut made = vec![Subject::User(desired.name.clone())];
        if desired.group.is_none() {
            made.push(own);
        }
        made.extend(desired.home.clone().map(Subject::Path));
        made
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        if desired.state == Presence::Absent {
            return Vec::new();
        }
        desired.group.iter().chain(&desired.groups.names).cloned().map(Subject::Group).collect()
    }

    fn frees(desired: &Self, observed: &Observed) -> Option<Subject> {
        let uid = observed.entry.as_ref()?.uid;
        let kept = desired.uid.unwrap_or(uid) == uid && desired.state == Presence::Present;
        (!kept).then_some(Subject::FreeUid(uid))
    }

    fn claims(desired: &Self) -> Vec<Claim> {
        let home = || desired.home.clone().unwrap_or_else(|| format!("/home/{}", desired.name));
        let there = desired.state == Presence::Present;
        there.then(home).map(Claim::Stays).into_iter().collect()
    }

    fn probe(items: &[&Self], script: &mut Script) {
        let names = |wanted: fn(&Self) -> bool| {
            items.iter().filter(move |user| wanted(user)).map(|user| &user.name)
        };
        let homes = names(Self::removes_home).next().is_some();
        script.text(if homes { "users=$(database passwd" } else { "database passwd" });
        script.args(names(|_| true));
        script.args(items.iter().filter_map(|user| Some(user.uid?.to_string())));
        if homes {
            script.text(")\nprintf '%s\\n' \"$users\"");
        }
        script.text("\necho @groups\n");
        if items.iter().any(|user| user.asks_groups()) {
            script.text("database group\n");
        }
        if names(|user| user.state == Presence::Absent).next().is_some() {
            script.text("usergroups\n");
        }
        if homes {
            script.text("homes \"$users\"").args(names(Self::removes_home)).text("\n");
        }
        if names(Self::asks_shadow).next().is_some() {
            script.text("shadows");
            for user in items.iter().filter(|user| user.asks_shadow()) {
                script.arg(&user.name).arg(user.hash());
            }
            script.text("\n");
        }
        script.text("tools useradd usermod userdel");
        if items.iter().any(|user| user.password.is_some()) {
            script.text(" chpasswd");
        }
        script.text("\n").text(able::ROOT);
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let text = String::from_utf8_lossy(answer);
        let Some(database) = Database::read(&text) else {
            return items.iter().map(|_| Err("the host did not list its groups".into())).collect();
        };
        let lacks = Lacks::read(&text);
        let observed = |user: &&Self| {
            let entry = database.entry(&user.name, user.asks_shadow())?;
            let users = text.split("@groups\n").next().unwrap_or_default();
            let taken = account::holder(users, (&user.name, user.uid));
            Ok(Observed { entry, taken, lacks: lacks.clone() })
        };
        items.iter().map(observed).collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        let verdict = observed.lacks.stop(match (desired.state, &observed.entry) {
            (Presence::Absent, None) => Verdict::Same("not there".into()),
            (Presence::Absent, Some(entry)) => desired.removal(entry),
            (Presence::Present, None) => {
                Verdict::Change(Change::new(Action::Create, desired.differences(None)))
            }
            (Presence::Present, Some(entry)) => {
                let attributes = desired.differences(Some(entry));
                if attributes.is_empty() {
                    return Verdict::Same("as wanted".into());
                }
                let change = Change::new(Action::Update, attributes);
                Verdict::Change(match desired.renumbered(entry) {
                    Some(note) => change.note(note),
                    None => change,
                })
            }
        });
        match (verdict, &observed.taken, desired.uid) {
            (Verdict::Change(change), Some(holder), Some(uid)) => {
                account::taken(change, Subject::FreeUid(uid), holder)
            }
            (verdict, ..) => verdict,
        }
    }

    fn record(desired: &Self) -> Record {
        let texts = [
            ("uid", desired.uid.map(|uid| uid.to_string())),
            ("group", desired.group.clone()),
            ("home", desired.home.clone()),
            ("shell", desired.shell.clone()),
            ("comment", desired.comment.clone()),
            ("locked", desired.locked.map(|locked| locked.to_string())),
            ("password", desired.password.as_ref().map(|hash| hash.digest.clone())),
        ];
        texts.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    fn cuts(desired: &Self, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        let held = ["shell", "locked", "password", "uid", "group", "groups", "home"];
        let mut all = change.attributes.iter();
        let held =
            change.action == Action::Update && all.any(|attribute| held.contains(&attribute.name));
        access::user(&desired.name, (change, held), way_in)
    }

    fn parting(desired: &Self) -> Parting {
        match desired.state {
            Presence::Absent => Parting::Nothing,
            Presence::Present => Parting::GoesIfAsked(absent([])),
        }
    }

    fn inverse(desired: &Self, observed: &Observed, change: &Change) -> Inverse {
        back::inverse(desired, observed.entry.as_ref(), change)
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        let lacks = observed.lacks.clone();
        if desired.state == Presence::Absent {
            return Observed { entry: None, taken: None, lacks };
        }
        let new = || Entry {
            uid: u32::MAX,
            group: desired.name.clone(),
            home: format!("/home/{}", desired.name),
            shell: "/bin/sh".into(),
            shadow: desired.asks_shadow().then(Shadow::default),
            ..Entry::default()
        };
        let mut entry = observed.entry.clone().unwrap_or_else(new);
        entry.uid = desired.uid.unwrap_or(entry.uid);
        let texts = [
            (&desired.group, &mut entry.group),
            (&desired.home, &mut entry.home),
            (&desired.shell, &mut entry.shell),
            (&desired.comment, &mut entry.comment),
        ];
        for (wanted, field) in texts {
            if let Some(wanted) = wanted {
                wanted.clone_into(field);
            }
        }
        entry.groups = desired.groups_after(&entry.groups);
        if let Some(shadow) = &mut entry.shadow {
            desired.set_shadow(shadow);
        }
        Observed { entry: Some(entry), taken: None, lacks }
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], work::step(work))).collect()
    }
}

impl User {
    const fn asks_shadow(&self) -> bool {
        self.locked.is_some() || self.password.is_some()
    }

    /// Whether anything hangs on the groups that there are.
    fn asks_groups(&self) -> bool {
        let groups = self.group.is_some() || !self.groups.names.is_empty();
        groups || self.groups.exclusive || self.state == Presence::Absent
    }

    const fn removes_home(&self) -> bool {
        self.remove_home
    }

    /// The password's hash; empty where none is said.
    fn hash(&self) -> &[u8] {
        self.password.as_ref().map_or(b"", |hash| hash.value.reveal())
    }

    /// The groups that it will be in.
    fn groups_after(&self, now: &BTreeSet<String>) -> BTreeSet<String> {
        if self.groups.exclusive {
            self.groups.names.clone()
        } else {
            now.union(&self.groups.names).cloned().collect()
        }
    }

    /// What usermod(8) does to files where the user gets another number or primary group.
    fn renumbered(&self, entry: &Entry) -> Option<String> {
        let uid = self.uid.filter(|uid| *uid != entry.uid).map(|_| "its own");
        let group = self.group.as_ref().filter(|group| **group != entry.group);
        let both = [uid, group.map(|_| "its group's")];
        let whose = both.into_iter().flatten().collect::<Vec<_>>().join(" or ");
        let home = self.home.as_ref().unwrap_or(&entry.home);
        let note = format!("what is {whose} in {home} is given to the new one");
        (!whose.is_empty()).then_some(note)
    }

    /// How its line of shadow(5) will be.
    fn set_shadow(&self, shadow: &mut Shadow) {
        if self.password.is_some() {
            (shadow.same, shadow.digest) = (true, None);
            if shadow.password == Password::None {
                shadow.password = Password::Open;
            }
        }
        if let Some(locked) = self.locked {
            shadow.expired = locked;
            shadow.password = match (shadow.password, locked) {
                (Password::None, _) => Password::None,
                (_, true) => Password::Locked,
                (_, false) => Password::Open,
            };
        }
    }

    /// What differs; for a user that is not there, all that is asked for.
    fn differences(&self, entry: Option<&Entry>) -> Vec<Attribute> {
        let uid = self.uid.map(|uid| uid.to_string());
        let now = entry.map(|entry| {
            let Entry { uid, group, home, shell, comment, .. } = entry.clone();
            [uid.to_string(), group, home, shell, comment].map(Some)
        });
        let wanted = [&uid, &self.group, &self.home, &self.shell, &self.comment];
        let keys = ["uid", "group", "home", "shell", "comment"];
        let mut found: Vec<Attribute> = keys
            .into_iter()
            .zip(wanted)
            .zip(now.unwrap_or_default())
            .filter(|((_, wanted), now)| wanted.is_some() && *wanted != now)
            .map(|((key, wanted), now)| Attribute::value(key, now, wanted.clone()))
            .collect();
        let none = BTreeSet::new();
        let groups = entry.map_or(&none, |entry| &entry.groups);
        let after = self.groups_after(groups);
        if after != *groups {
            let list = |groups: &BTreeSet<String>| {
                let names: Vec<&str> = groups.iter().map(String::as_str).collect();
                (!names.is_empty()).then(|| names.join(","))
            };
            found.push(Attribute::value("groups", list(groups), list(&after)));
        }
        self.shadow_differences(entry.and_then(|entry| entry.shadow.as_ref()), &mut found);
        found
    }

    fn shadow_differences(&self, now: Option<&Shadow>, found: &mut Vec<Attribute>) {
        if let Some(wanted) = self.locked {
            let wanted = if wanted { "true" } else { "false" };
            let now = now.map(Shadow::locked);
            if now != Some(wanted) {
                found.push(Attribute::value("locked", now, Some(wanted)));
            }
        }
        if let Some(hash) = &self.password
            && !now.is_some_and(|now| now.same)
        {
            let secret = |digest: &String| Secret::new(digest.clone().into_bytes());
            let before = now.and_then(|now| now.digest.as_ref()).map(secret);
            found.push(Attribute::secret("password", before, Some(secret(&hash.digest))));
        }
    }
}
