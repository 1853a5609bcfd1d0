//! Taking a user away: what goes with it, what stays, and what is not done.

use super::super::Verdict;
use super::super::account::Entry;
use super::User;
use crate::model::{Action, Attribute, Change};

impl User {
    /// Taking it away: what goes with it and what stays.
    pub(super) fn removal(&self, entry: &Entry) -> Verdict {
        let mut attributes = vec![Attribute::value("uid", Some(entry.uid), None::<u32>)];
        if entry.own_group {
            attributes.push(Attribute::value("group", Some(&entry.group), None::<&str>));
        }
        if !self.remove_home {
            let change = Change::new(Action::Delete, attributes);
            return Verdict::Change(change.note("its home stays"));
        }
        if is_of_the_system(&entry.home) {
            return Verdict::Refused(format!(
                "its home {} is not one to remove: leave `remove_home` out",
                entry.home
            ));
        }
        if let Some(owner) = &entry.home_owner {
            if *owner != entry.uid.to_string() {
                // userdel(8) finds it out when the user is gone already.
                return Verdict::Refused(format!(
                    "its home {} belongs to number {owner}, not to it: leave `remove_home` out, and say of the \
                     directory itself what becomes of it",
                    entry.home
                ));
            }
            attributes.push(Attribute::value("home", Some(&entry.home), None::<&str>));
        }
        let change = Change::new(Action::Delete, attributes);
        Verdict::Change(change.note("with all that is in its home, and its mail"))
    }
}

/// Whether a path is one that more than a user needs.
fn is_of_the_system(path: &str) -> bool {
    const OURS: [&str; 12] =
        ["bin", "boot", "dev", "etc", "lib", "proc", "root", "run", "sbin", "sys", "tmp", "usr"];
    let mut parts = path.split('/').skip(1);
    let first = parts.next().unwrap_or_default();
    OURS.contains(&first) || parts.all(str::is_empty) || path.split('/').any(|part| part == "..")
}
