//! Where a login that is not root cannot write: found out with the probe, refused in the plan. What only
//! root can change at all the types themselves refuse.

use std::collections::BTreeSet;

use super::program::Questions;
use super::session::{Remote, Session};
use crate::plan::{Plan, Status};
use crate::resolve::{Desired, Instance};
use crate::resources::Subject;
use crate::shell::{Answer, Script};

/// A question about the login, for a host whose shell may not be root's.
pub(super) struct Login {
    seq: u64,
    /// The folders that changes would write in.
    folders: Vec<String>,
}

/// Says who the login is, and by its number each folder that it cannot write in; of one that is not
/// there the nearest above it counts. Starts nothing where the shell is root's.
const ASK: &str = r#"
[ "$U" -eq 0 ] || {
id -un
id -Gn
n=0
for p do
while [ ! -e "$p" ] && [ -n "$p" ]; do p=${p%/*}; done
p=${p:-/}
[ -w "$p" ] && [ -x "$p" ] || echo "$n"
n=$((n + 1))
done
}
"#;

impl Login {
    /// Adds the question.
    pub(super) fn ask(desired: &Desired, session: &mut Session, questions: &mut Questions) -> Self {
        let folders: BTreeSet<String> = desired
            .resources
            .iter()
            .filter(|instance| instance.kind.in_folder())
            .map(|instance| folder(instance).to_owned())
            .collect();
        let folders: Vec<String> = folders.into_iter().collect();
        let mut inner = Script::new();
        inner.text("set --").args(&folders).text(ASK);
        let seq = session.seq();
        questions.ask(seq, inner);
        Self { seq, folders }
    }

    /// Refuses what `remote` cannot do.
    pub(super) fn refuse(
        &self,
        plan: &mut Plan,
        desired: &Desired,
        (remote, answers): (Remote, &[Answer]),
    ) {
        if remote.user == 0 {
            return;
        }
        let answer = answers.iter().find(|answer| answer.seq == self.seq);
        let text = answer.map(|answer| String::from_utf8_lossy(&answer.payload).into_owned());
        let text = text.unwrap_or_default();
        let mut lines = text.lines();
        let name: String = lines.next().unwrap_or_default().chars().take(64).collect();
        let groups: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let closed: BTreeSet<&str> = lines
            .filter_map(|line| self.folders.get(line.parse::<usize>().ok()?))
            .map(String::as_str)
            .collect();
        for (index, item) in plan.items.iter_mut().enumerate() {
            let instance = &desired.resources[index];
            if matches!(item.status, Status::Change(_))
                && let Some(why) = lacks(instance, &name, &groups, &closed)
            {
                item.status = Status::Problem(format!(
                    "{why}\nlog in as root, or set become = \"sudo\" under [connection]"
                ));
            }
        }
    }
}

/// Why a login of this name cannot do it.
fn lacks(
    instance: &Instance,
    name: &str,
    groups: &[&str],
    closed: &BTreeSet<&str>,
) -> Option<String> {
    if !instance.kind.in_folder() {
        return None;
    }
    let folder = folder(instance);
    if closed.contains(folder) {
        return Some(format!("the login `{name}` cannot write in {folder}"));
    }
    instance.kind.wants(&instance.desired).into_iter().find_map(|want| match want {
        Subject::User(owner) if owner != name => {
            Some(format!("only root can give it to the user `{owner}`, and the login is `{name}`"))
        }
        Subject::Group(group) if !groups.contains(&group.as_str()) => Some(format!(
            "the login `{name}` is not in the group `{group}`, to which it is to belong"
        )),
        _ => None,
    })
}

/// The folder in which a path's entry is changed.
fn folder(instance: &Instance) -> &str {
    let path = instance.kind.subject(&instance.desired);
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}
