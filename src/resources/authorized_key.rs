//! Keys that may log in as a user: lines of `~/.ssh/authorized_keys`. Keys are the same by their type and
//! base64. It never touches other keys unless it is exclusive.

use std::collections::{BTreeSet, HashMap};

use super::access;
use super::answers::Answers;
use super::input::{Presence, absolute_path};
use super::key_table::Table;
use super::path::{self, FileKind, Meta};
use super::public_key::PublicKey;
use super::record::{absent, text as text_of};
use super::text::{self, Lines, bare};
use super::{About, Claim, Input, Inverse, Parting, Resource, Subject, Verdict, Work};
use crate::model::{Action, Attribute, Body, Change, Diagnostic, Difference, Value, WayIn};
use crate::shell::{Script, Step};

mod back;
mod work;

/// `[authorized_key.NAME]`
#[derive(Debug, Clone)]
pub(super) struct AuthorizedKey {
    user: String,
    state: Presence,
    keys: Vec<PublicKey>,
    /// Whether their comments are said on purpose.
    commented: bool,
    exclusive: bool,
    /// Keys of the same user that other resources declare.
    beside: BTreeSet<String>,
}

/// Where a user's keys are, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    NoUser,
    NoHome(String),
    /// It cannot be used as it is.
    Wrong(String),
    User {
        /// `None` where the user is about to be made.
        home: Option<String>,
        /// What stat(1) said of ~/.ssh: `None` if it is not there, empty if it is about to be made.
        folder: Option<String>,
        /// What it said of the file, and its content.
        file: Option<(String, Body)>,
    },
}

/// Shell functions of its probe and steps.
const FUNCTIONS: &str = include_str!("authorized_key.sh");

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    r#"[authorized_key.deploy]
keys = ["""
ssh-ed25519 \
  AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB9 me"""]
"#,
    r#"[authorized_key.backup]
user = "root"
keys = ["""
ssh-ed25519 \
  AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB9"""]
options = ["restrict", 'command="/usr/local/bin/backup"']
exclusive = true
"#,
];

impl Resource for AuthorizedKey {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "authorized_key";
    const ABOUT: About = About::of::<Table>(
        "Public keys that may log in as a user",
        "the user, unless `user` says another",
    )
    .notes(
        "They stand in ~/.ssh/authorized_keys; folder (0700) and file (0600) are made where they are \
         missing and belong to the user then. A link in the way is refused. \
         A rollback brings the whole file back.",
    )
    .examples(EXAMPLES);
    const RETURNS: bool = true;
    const LIBRARY: &'static [&'static str] =
        &[path::LIBRARY, super::account::LIBRARY, super::directory::FUNCTIONS, FUNCTIONS];

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("an authorized_key resource")?;
        let mut found = Vec::new();
        let user = table.user(input, &mut found);
        let commented = table.comment.is_some();
        let keys = table.keys(input, &mut found);
        if table.exclusive && table.state == Presence::Absent {
            let message = "keys that are absent are not exclusive";
            found.push(Diagnostic::at(input.header, message));
        }
        if !found.is_empty() {
            return Err(found);
        }
        let (state, exclusive) = (table.state, table.exclusive);
        Ok(Self { user, state, keys, commented, exclusive, beside: BTreeSet::new() })
    }

    fn subject(desired: &Self) -> &str {
        &desired.user
    }

    fn identity(desired: &Self) -> Vec<String> {
        let key = |key: &PublicKey| format!("key {} {}", desired.user, key.identity());
        desired.keys.iter().map(key).collect()
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        vec![Subject::User(desired.user.clone())]
    }

    fn claims(desired: &Self) -> Vec<Claim> {
        let keys = desired.keys.iter().filter(|_| desired.state == Presence::Present);
        let claim =
            |key: &PublicKey| Claim::Key { user: desired.user.clone(), key: key.identity() };
        keys.map(claim).collect()
    }

    fn among(desired: &Self, claims: &dyn Fn() -> Vec<Claim>) -> Option<Self> {
        if !desired.exclusive {
            return None;
        }
        let keys = claims().into_iter().filter_map(|claim| match claim {
            Claim::Key { user, key } if user == desired.user => Some(key),
            _ => None,
        });
        Some(Self { beside: keys.collect(), ..desired.clone() })
    }

    fn probe(items: &[&Self], script: &mut Script) {
        let users: BTreeSet<&str> = items.iter().map(|item| item.user.as_str()).collect();
        script.text("keyfiles").args(users).text("\n");
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let mut homes: HashMap<String, (String, String)> = HashMap::new();
        let mut rest = answer;
        let mut whole = false;
        while let Some((line, after)) = text::next_line(rest) {
            rest = after;
            if line == b"@files" {
                whole = true;
                break;
            }
            let line = String::from_utf8_lossy(line).into_owned();
            let parts = line.strip_prefix("h ").and_then(|line| line.split_once(' '));
            if let Some((uid, (home, user))) =
                parts.and_then(|(uid, rest)| Some((uid, rest.rsplit_once(' ')?)))
            {
                homes.insert(user.to_owned(), (uid.to_owned(), home.to_owned()));
            }
        }
        let answers = Answers::read(rest);
        items
            .iter()
            .map(|item| match homes.get(&item.user) {
                _ if !whole => Err("the host did not say where its keys are".to_owned()),
                None => Ok(Observed::NoUser),
                Some((uid, home)) => observed(&answers, (&item.user, uid), home),
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        let present = desired.state == Presence::Present;
        let (home, folder, file) = match observed {
            Observed::Wrong(why) => return Verdict::Refused(why.clone()),
            Observed::NoUser | Observed::NoHome(_) if !present => {
                return Verdict::Same("the keys are not there".into());
            }
            Observed::NoUser | Observed::NoHome(_) => (None, &None, &None),
            Observed::User { home, folder, file } => (home.as_deref(), folder, file),
        };
        let empty = Body::of([]);
        let (_, mut attributes) = desired.edited(file.as_ref().map_or(&empty, |(_, body)| body));
        let had = file.as_ref().is_some_and(|(_, body)| desired.some_in(body));
        if attributes.is_empty() && (file.is_some() || !present) {
            let not = if present { "" } else { "not " };
            return Verdict::Same(format!("the keys are {not}there"));
        }
        let ssh =
            home.map_or_else(|| format!("~{}/.ssh", desired.user), |home| format!("{home}/.ssh"));
        if file.is_none() {
            let new = format!("{ssh}/authorized_keys, mode 0600");
            attributes.insert(0, Attribute::value("file", None::<&str>, Some(new)));
        }
        if folder.is_none() {
            let new = format!("{ssh}, mode 0700");
            attributes.insert(0, Attribute::value("folder", None::<&str>, Some(new)));
        }
        let action = match present {
            true if !had && !attributes.iter().any(removes) => Action::Create,
            true => Action::Update,
            false => Action::Delete,
        };
        let change = Change::new(action, attributes).note(format!("in {ssh}/authorized_keys"));
        let user = &desired.user;
        match observed {
            Observed::NoUser => Verdict::Blocked {
                need: Some(Subject::User(user.clone())),
                message: format!("the host has no user {user}: declare it too, as [user.{user}]"),
                then: change,
            },
            Observed::NoHome(home) => Verdict::Blocked {
                need: Some(Subject::Path(home.clone())),
                message: format!(
                    "the home of {user}, {home}, does not exist: declare it too, as [directory.{home:?}]"
                ),
                then: change,
            },
            _ => Verdict::Change(change),
        }
    }

    fn cuts(desired: &Self, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        let ours = change.action != Action::Create && way_in.needs_login(&desired.user);
        ours.then(|| access::whose(&desired.user, way_in))
    }

    fn parting(desired: &Self) -> Parting {
        let keys = desired.keys.iter().map(|key| text_of(&key.identity())).collect();
        let table = [("user", text_of(&desired.user)), ("keys", Value::List(keys))];
        let present = desired.state == Presence::Present;
        if present { Parting::Goes(absent(table)) } else { Parting::Nothing }
    }

    fn inverse(desired: &Self, observed: &Observed, _change: &Change) -> Inverse {
        back::inverse(desired, observed)
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        let (home, folder, file) = match observed {
            Observed::User { home, folder, file } => (home.clone(), folder.clone(), file.clone()),
            other if desired.state == Presence::Absent => return other.clone(),
            Observed::NoUser => (None, None, None),
            Observed::NoHome(home) => (Some(home.clone()), None, None),
            Observed::Wrong(_) => return observed.clone(),
        };
        if file.is_none() && desired.state == Presence::Absent {
            return Observed::User { home, folder, file };
        }
        let (seen, body) = file.unwrap_or_else(|| (String::new(), Body::of([])));
        let (body, _) = desired.edited(&body);
        Observed::User { home, folder: Some(folder.unwrap_or_default()), file: Some((seen, body)) }
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], work::step(work))).collect()
    }
}

/// What stands where a user's keys are.
fn observed(
    answers: &Answers<'_>,
    (user, uid): (&str, &str),
    home: &str,
) -> Result<Observed, String> {
    let uid: u32 = uid.parse().map_err(|_| "the user database did not answer".to_owned())?;
    if let Err(why) = absolute_path(home) {
        return Ok(Observed::Wrong(format!("the home of {user} is {home:?}, and {why}")));
    }
    let (ssh, keys) = (format!("{home}/.ssh"), format!("{home}/.ssh/authorized_keys"));
    let wrong = |path: &str, what: &str| Ok(Observed::Wrong(format!("{path} {what}")));
    let strange = |meta: &Meta| meta.uid != uid && meta.uid != 0;
    if answers.meta(home)?.is_none() {
        return Ok(Observed::NoHome(home.to_owned()));
    }
    let Some(folder) = answers.meta(&ssh)? else {
        return Ok(Observed::User { home: Some(home.to_owned()), folder: None, file: None });
    };
    if folder.kind != FileKind::Directory {
        return wrong(&ssh, &format!("is {}, not a directory", folder.kind.word()));
    }
    if strange(folder) {
        return wrong(&ssh, &format!("belongs to {}, neither to {user} nor to root", folder.owner));
    }
    let file = match text::file(answers, &keys)? {
        text::Observed::Absent => None,
        text::Observed::Other(kind) => {
            return wrong(&keys, &format!("is {}, not a file", kind.word()));
        }
        text::Observed::File { meta, .. } if strange(&meta) => {
            return wrong(
                &keys,
                &format!("belongs to {}, neither to {user} nor to root", meta.owner),
            );
        }
        text::Observed::File { meta, .. } if meta.links > 1 => {
            return Ok(Observed::Wrong(path::hard_links(&keys, meta.links)));
        }
        text::Observed::File { meta, body } => Some((meta.seen, body)),
    };
    let (home, folder) = (Some(home.to_owned()), Some(folder.seen.clone()));
    Ok(Observed::User { home, folder, file })
}

impl AuthorizedKey {
    /// The file after the change, and each key that is another then.
    fn edited(&self, body: &Body) -> (Body, Vec<Attribute>) {
        let lines = Lines::of(body);
        let mut open: Vec<&PublicKey> = self.keys.iter().collect();
        let mut facts = Vec::new();
        let mut whole: Vec<u8> = Vec::new();
        for line in &lines.all {
            let text = String::from_utf8_lossy(bare(line)).into_owned();
            let key = PublicKey::parse(&text);
            let said = match &key {
                Ok(key) => key.shown(),
                Err(_) => text.trim().chars().take(100).collect(),
            };
            let identity = key.as_ref().map(PublicKey::identity).ok();
            let own = self.keys.iter().find(|own| Some(own.identity()) == identity);
            let at = open.iter().position(|own| Some(own.identity()) == identity);
            let is_key = !text.trim().is_empty() && !text.trim_start().starts_with('#');
            let foreign = is_key && identity.is_none_or(|key| !self.beside.contains(&key));
            match (own, at) {
                (None, _) if self.exclusive && foreign => {
                    facts.push(Attribute::value("key", Some(said), None::<&str>));
                }
                (None, _) => whole.extend_from_slice(line),
                (Some(wanted), Some(at)) if self.state == Presence::Present => {
                    open.remove(at);
                    let (new, end) =
                        (self.merged(wanted, key.as_ref().ok()), &line[bare(line).len()..]);
                    if new.shown() == said {
                        whole.extend_from_slice(line);
                    } else {
                        facts.extend(
                            key.as_ref().map(|old| turned(old, &new)).into_iter().flatten(),
                        );
                        whole.extend_from_slice(new.line().as_bytes());
                        whole.extend_from_slice(end);
                    }
                }
                (Some(_), _) => facts.push(Attribute::value("key", Some(said), None::<&str>)),
            }
        }
        for key in open.into_iter().filter(|_| self.state == Presence::Present) {
            facts.push(Attribute::value("key", None::<&str>, Some(key.shown())));
            if !whole.is_empty() && !whole.ends_with(b"\n") {
                whole.extend_from_slice(lines.end.as_bytes());
            }
            whole.extend(format!("{}{}", key.line(), lines.end).into_bytes());
        }
        (Body::of(whole), facts)
    }

    /// A wanted key, with the host's comment where none is said on purpose.
    fn merged(&self, wanted: &PublicKey, there: Option<&PublicKey>) -> PublicKey {
        let mut key = wanted.clone();
        if let Some(there) = there.filter(|_| !self.commented) {
            key.comment.clone_from(&there.comment);
        }
        key
    }

    /// Whether some of its keys are in the file.
    fn some_in(&self, body: &Body) -> bool {
        let lines = Lines::of(body);
        let mut keys = lines.all.iter().filter_map(|line| {
            PublicKey::parse(&String::from_utf8_lossy(bare(line))).ok().map(|key| key.identity())
        });
        keys.any(|key| self.keys.iter().any(|own| own.identity() == key))
    }
}

/// Whether a fact is that something goes.
const fn removes(fact: &Attribute) -> bool {
    matches!(fact.difference, Difference::Value { before: Some(_), .. })
}

/// What is another about a key that was there.
fn turned(old: &PublicKey, new: &PublicKey) -> Vec<Attribute> {
    let bare = PublicKey { options: String::new(), comment: String::new(), ..new.clone() }.shown();
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let texts = [("options", &old.options, &new.options), ("comment", &old.comment, &new.comment)];
    let differ = texts.into_iter().filter(|(_, old, new)| old != new);
    let fact = |(name, old, new): (&'static str, &String, &String)| {
        let after = format!("{}, of {bare}", or_none(new));
        Attribute::value(name, Some(or_none(old)), Some(after))
    };
    differ.map(fact).collect()
}
