//! Users and groups that resources name and no resource makes: whether the host has them is asked beside
//! the probe, and what would be given to one that is not there is refused in the plan.

use std::collections::{BTreeSet, HashSet};

use super::program::Questions;
use super::session::Session;
use crate::model::Action;
use crate::plan::{Plan, Status, missing};
use crate::resolve::Desired;
use crate::resources::Subject;
use crate::shell::{Answer, Script};

/// A question about the accounts that must be there. Nothing is asked where none must.
pub(super) struct Accounts {
    seq: u64,
    asked: BTreeSet<Subject>,
}

/// The user that every host has, and its group.
const ROOT: &str = "root";

impl Accounts {
    /// Adds the question: one process for all users, one for all groups.
    pub(super) fn ask(
        desired: &Desired,
        session: &mut Session,
        questions: &mut Questions,
    ) -> Option<Self> {
        let asked = asked(desired);
        if asked.is_empty() {
            return None;
        }
        let mut inner = Script::new();
        for (database, names) in [("passwd", users(&asked)), ("group", groups(&asked))] {
            if !names.is_empty() {
                inner.text("echo @").text(database).text("\ndatabase ").text(database);
                inner.args(names).text("\n");
            }
        }
        let seq = session.seq();
        questions.ask(seq, inner);
        Some(Self { seq, asked })
    }

    /// Refuses what is to belong to an account that is not there when its turn comes.
    pub(super) fn refuse(&self, plan: &mut Plan, desired: &Desired, answers: &[Answer]) {
        let answer = answers.iter().find(|answer| answer.seq == self.seq);
        let text = answer.map(|answer| String::from_utf8_lossy(&answer.payload).into_owned());
        let there = read(&text.unwrap_or_default());
        let gone: BTreeSet<&Subject> =
            self.asked.iter().filter(|want| !there.contains(want)).collect();
        if !gone.is_empty() {
            refuse(plan, desired, &gone);
        }
    }
}

/// The accounts that resources want by name and that none of them makes.
fn asked(desired: &Desired) -> BTreeSet<Subject> {
    let all = desired.resources.iter();
    let made: HashSet<Subject> =
        all.clone().flat_map(|instance| instance.kind.provides(&instance.desired)).collect();
    let wanted = all.flat_map(|instance| instance.kind.wants(&instance.desired));
    wanted.filter(|want| name(want).is_some() && !made.contains(want)).collect()
}

/// The name of an account that must be there; one that is a number need not be.
fn name(want: &Subject) -> Option<&str> {
    let (Subject::User(name) | Subject::Group(name)) = want else { return None };
    let number = name.bytes().all(|byte| byte.is_ascii_digit());
    (!number && name != ROOT).then_some(name)
}

fn users(asked: &BTreeSet<Subject>) -> Vec<&str> {
    asked.iter().filter(|want| matches!(want, Subject::User(_))).filter_map(name).collect()
}

fn groups(asked: &BTreeSet<Subject>) -> Vec<&str> {
    asked.iter().filter(|want| matches!(want, Subject::Group(_))).filter_map(name).collect()
}

/// The accounts of an answer.
fn read(text: &str) -> HashSet<Subject> {
    let mut there = HashSet::new();
    let mut account: Option<fn(String) -> Subject> = None;
    for line in text.lines() {
        match (line, account) {
            ("@passwd", _) => account = Some(Subject::User),
            ("@group", _) => account = Some(Subject::Group),
            (line, Some(account)) => {
                if let Some((name, _)) = line.split_once(':') {
                    there.insert(account(name.to_owned()));
                }
            }
            _ => {}
        }
    }
    there
}

/// Refuses each change that wants an account which is `gone`, unless an opaque one before may make it.
fn refuse(plan: &mut Plan, desired: &Desired, gone: &BTreeSet<&Subject>) {
    for (index, item) in plan.items.iter_mut().enumerate() {
        let Status::Change(change) = &item.status else { continue };
        let instance = &desired.resources[index];
        let wants = instance.kind.wants(&instance.desired);
        let lacks = wants.iter().find(|want| gone.contains(want));
        if let Some(lacks) = lacks.filter(|_| change.action != Action::Delete) {
            item.status = Status::Problem(missing(desired, lacks, "declare it, or name another"));
        } else if instance.kind.opaque() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_users_and_groups_apart() {
        let there = read("noise:\n@passwd\napp:x:5:5::/:/bin/sh\n@group\nweb:x:7:\nodd:x:?:?:::\n");
        let user = |name: &str| Subject::User(name.to_owned());
        let group = |name: &str| Subject::Group(name.to_owned());
        assert_eq!(there, HashSet::from([user("app"), group("web"), group("odd")]));
    }

    #[test]
    fn numbers_and_root_are_not_asked() {
        assert_eq!(name(&Subject::User("1000".to_owned())), None);
        assert_eq!(name(&Subject::Group("root".to_owned())), None);
        assert_eq!(name(&Subject::Path("/x".to_owned())), None);
        assert_eq!(name(&Subject::User("app".to_owned())), Some("app"));
    }
}
