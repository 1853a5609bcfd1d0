//! What a host's user database says of users and groups, and what its answers mean.

use std::collections::{BTreeSet, HashMap};

use super::{Subject, Verdict};
use crate::model::Change;

/// Shell functions of users and groups.
pub(super) const LIBRARY: &str = include_str!("account.sh");

/// Who has a number that another account is to get: asked with the names, since both are keys of one database.
pub(super) fn holder(text: &str, (name, number): (&str, Option<u32>)) -> Option<String> {
    let number = number?.to_string();
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<&str>>());
    let taken = |fields: &Vec<&str>| {
        fields.len() >= 4 && fields[2] == number && !fields[0].is_empty() && fields[0] != name
    };
    lines.find(taken).map(|fields| fields[0].to_owned())
}

/// A change that needs a number which somebody else has.
pub(super) fn taken(then: Change, need: Subject, holder: &str) -> Verdict {
    let (what, number) = match need {
        Subject::FreeGid(number) => ("group", number),
        Subject::FreeUid(number) => ("user", number),
        _ => unreachable!("a number is what is taken"),
    };
    let message = format!(
        "the number {number} belongs to the {what} `{holder}` on this host; \
         choose another, or declare `{holder}` absent or with another number before"
    );
    Verdict::Blocked { need: Some(need), message, then }
}

/// A user's entry in passwd(5), the groups that list it, and its line of shadow(5) where that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) uid: u32,
    /// By name, or the number where it has none, or where nobody asked.
    pub(super) group: String,
    pub(super) groups: BTreeSet<String>,
    pub(super) comment: String,
    pub(super) home: String,
    pub(super) shell: String,
    pub(super) shadow: Option<Shadow>,
    /// The number of its home directory's owner, where that is there; asked where it is to be removed.
    pub(super) home_owner: Option<String>,
    /// Whether userdel takes the group of its name away with it.
    pub(super) own_group: bool,
}

/// Whether a password can be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Password {
    Open,
    Locked,
    /// There is none: nobody logs in with one.
    #[default]
    None,
}

/// A user's line of shadow(5), without the password itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shadow {
    pub(super) password: Password,
    /// The day on which the account ends, as it stands there.
    pub(super) expires: String,
    pub(super) expired: bool,
    /// Whether the password is the wanted one.
    pub(super) same: bool,
    /// SHA-256 of the password's hash, where it is another one.
    pub(super) digest: Option<String>,
    /// As the host said it, to tell later whether it is still so.
    pub(super) said: String,
}

impl Shadow {
    /// `STATE:EXPIRES:WORD`, on day `today`.
    fn parse(text: &str, today: i64) -> Option<Self> {
        let mut fields = text.splitn(3, ':');
        let (state, expires, word) = (fields.next()?, fields.next()?, fields.next()?);
        let password = match state {
            "open" => Password::Open,
            "locked" => Password::Locked,
            "none" => Password::None,
            _ => return None,
        };
        Some(Self {
            password,
            expires: expires.to_owned(),
            expired: expires.parse::<i64>().is_ok_and(|day| day <= today),
            same: word == "same",
            digest: (!matches!(word, "same" | "none")).then(|| word.to_owned()),
            said: text.to_owned(),
        })
    }

    /// Whether nobody can log in, whether all can, or what is between.
    pub(super) const fn locked(&self) -> &'static str {
        match (self.password, self.expired) {
            (Password::Open | Password::None, false) => "false",
            (Password::Locked | Password::None, true) => "true",
            (Password::Locked, false) => "its password alone",
            (Password::Open, true) => "its account alone",
        }
    }
}

/// A group's line of group(5).
#[derive(Debug)]
struct Group<'a> {
    name: &'a str,
    gid: &'a str,
    members: Vec<&'a str>,
}

/// An answer about users, in its parts.
#[derive(Debug)]
pub(super) struct Database<'a> {
    users: HashMap<&'a str, Vec<&'a str>>,
    groups: Vec<Group<'a>>,
    /// `None` where it cannot be read.
    shadow: Option<HashMap<&'a str, &'a str>>,
    today: i64,
    homes: HashMap<&'a str, &'a str>,
    usergroups: bool,
    /// Name and primary group of all local users, where that was asked.
    local: Vec<(&'a str, &'a str)>,
}

impl<'a> Database<'a> {
    /// Reads an answer; `None` where the groups are missing.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        // Nothing stands behind that line, not even its end, where neither groups nor passwords were asked.
        let at = text.find("@groups\n").or_else(|| text.strip_suffix("@groups").map(str::len))?;
        let (users, rest) = (&text[..at], &text[at + "@groups".len()..]);
        let mut sections = rest.split("\n@");
        let first = sections.next().unwrap_or_default();
        let mut found = Self {
            users: users
                .lines()
                .map(|line| line.split(':').collect::<Vec<&str>>())
                .filter(|fields| fields.len() == 7)
                .map(|fields| (fields[0], fields))
                .collect(),
            groups: first.lines().filter_map(group).collect(),
            shadow: Some(HashMap::new()),
            today: 0,
            homes: HashMap::new(),
            usergroups: false,
            local: Vec::new(),
        };
        for section in sections {
            let (head, lines) = section.split_once('\n').unwrap_or((section, ""));
            match head.split_once(' ') {
                Some(("shadow", today)) => {
                    found.today = today.parse().unwrap_or_default();
                    let lines = lines.lines().filter_map(|line| line.split_once(':'));
                    found.shadow = (section.lines().nth(1) != Some("!")).then(|| lines.collect());
                }
                Some(("home", home)) => found.homes.extend(home.split_once(' ')),
                Some(("usergroups", word)) => {
                    found.usergroups = word == "yes";
                    found.local = lines.lines().filter_map(|line| line.split_once(':')).collect();
                }
                _ => {}
            }
        }
        Some(found)
    }

    /// A user's entry, if there is one; `asks` whether shadow(5) was asked for it.
    ///
    /// # Errors
    /// With what is not known of it.
    pub(super) fn entry(&self, name: &str, asks: bool) -> Result<Option<Entry>, String> {
        let Some(fields) = self.users.get(name) else { return Ok(None) };
        let uid = fields[2].parse().map_err(|_| "its number is not one".to_owned())?;
        let group = self.groups.iter().find(|group| group.gid == fields[3]);
        let group = group.map_or(fields[3], |group| group.name);
        let shadow = if asks { Some(self.shadow(name)?) } else { None };
        Ok(Some(Entry {
            uid,
            group: group.to_owned(),
            groups: self
                .groups
                .iter()
                .filter(|group| group.members.contains(&name))
                .map(|group| group.name.to_owned())
                .collect(),
            comment: fields[4].to_owned(),
            home: fields[5].to_owned(),
            shell: fields[6].to_owned(),
            shadow,
            home_owner: self.homes.get(name).map(|&owner| owner.to_owned()),
            own_group: group == name && self.goes(name, fields[3]),
        }))
    }

    fn shadow(&self, name: &str) -> Result<Shadow, String> {
        let unreadable = "its password cannot be read: only root can; set `become = \"sudo\"`";
        let lines = self.shadow.as_ref().ok_or(unreadable)?;
        let line =
            lines.get(name).ok_or("the host keeps its password elsewhere than in shadow(5)")?;
        Shadow::parse(line, self.today).ok_or_else(|| "its password was not told".to_owned())
    }

    /// Whether userdel takes the group of the user's own name away: nobody else has it.
    fn goes(&self, name: &str, gid: &str) -> bool {
        let group = self.groups.iter().find(|group| group.name == name);
        self.usergroups
            && group.is_some_and(|group| group.members.iter().all(|member| *member == name))
            && !self.local.iter().any(|(other, primary)| *other != name && *primary == gid)
    }
}

fn group(line: &str) -> Option<Group<'_>> {
    let mut fields = line.split(':');
    let (name, gid) = (fields.next()?, fields.nth(1)?);
    let members = fields.next().unwrap_or_default().split(',').filter(|name| !name.is_empty());
    Some(Group { name, gid, members: members.collect() })
}
