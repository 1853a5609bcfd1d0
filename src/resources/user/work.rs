//! What is done to a user: useradd, usermod, userdel, and chpasswd for its password.

use super::super::account::{Entry, Password};
use super::super::{STEP_SECONDS, Work};
use super::User;
use crate::model::Action;
use crate::shell::{Joint, Script, Step};

/// A day in the past, after which an account is expired.
const PAST: &str = "1970-01-02";

pub(super) fn step(work: &Work<'_, User>) -> Step {
    let user = work.desired;
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    let mut script = Script::new();
    unchanged(work, &mut script);
    script.text(" &&\naccount").args([&seconds, &user.name]);
    let differs = |name: &str| work.change.attributes.iter().any(|it| it.name == name);
    match work.change.action {
        Action::Delete => {
            script.arg("userdel");
            if user.remove_home {
                script.arg("--remove");
            }
            return Step::new(script);
        }
        Action::Create => {
            script.arg("useradd");
            if user.system {
                script.arg("--system");
            }
            script.arg(if user.create_home { "--create-home" } else { "--no-create-home" });
            if user.locked == Some(true) && !user.system {
                script.args(["--expiredate", PAST]);
            }
        }
        _ if work.change.attributes.iter().all(|attribute| attribute.name == "password") => {
            script = Script::new();
            unchanged(work, &mut script);
        }
        _ => {
            script.arg("usermod");
            if differs("locked") {
                lock(work, &mut script);
            }
        }
    }
    fields(work, &differs, &mut script);
    if work.change.action == Action::Create && user.system && user.locked == Some(true) {
        // useradd(8) heeds no day of a system account.
        script.text(" &&\naccount").args([&seconds, &user.name]);
        script.args(["usermod", "--expiredate", PAST]);
    }
    if differs("password") {
        script.text(" &&\npassword").args([&seconds, &user.name]).arg(new_password(work));
    }
    let joint = (work.change.action == Action::Create).then(|| Joint {
        call: "newcomers",
        shared: Vec::new(),
        words: vec![user.name.clone().into_bytes(), script.bytes().to_vec()],
    });
    Step { joint, ..Step::new(script) }
}

/// Whether the user is as it was when this was planned.
fn unchanged(work: &Work<'_, User>, script: &mut Script) {
    let user = work.desired;
    let differs = |name: &str| work.change.attributes.iter().any(|it| it.name == name);
    let entry = work.observed.entry.as_ref();
    let line = entry.map_or_else(
        || "absent".to_owned(),
        |Entry { uid, group, comment, home, shell, .. }| {
            // Its group may get another number in this run.
            let group = if user.asks_groups() { group } else { "-" };
            format!("{uid}:{group}:{comment}:{home}:{shell}")
        },
    );
    let groups = entry.filter(|_| differs("groups")).map(|entry| {
        let names: Vec<&str> = entry.groups.iter().map(String::as_str).collect();
        format!(",{},", names.join(","))
    });
    let shadow = entry.and_then(|entry| entry.shadow.as_ref());
    let shadow = shadow.filter(|_| differs("locked") || differs("password"));
    let asked = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    script.text("user_is").args([&user.name, &line, &asked(groups)]);
    script.arg(asked(shadow.map(|shadow| shadow.said.clone()))).arg(user.hash());
}

/// The options that lock an account or unlock it.
fn lock(work: &Work<'_, User>, script: &mut Script) {
    let shadow = work.observed.entry.as_ref().and_then(|entry| entry.shadow.clone());
    let shadow = shadow.unwrap_or_default();
    if work.desired.locked == Some(true) {
        if shadow.password == Password::Open {
            script.arg("--lock");
        }
        if !shadow.expired {
            script.args(["--expiredate", PAST]);
        }
    } else {
        if shadow.password == Password::Locked {
            script.arg("--unlock");
        }
        if shadow.expired {
            script.args(["--expiredate", ""]);
        }
    }
}

/// The options for the fields of passwd(5) that differ, and for the groups.
fn fields(work: &Work<'_, User>, differs: &dyn Fn(&str) -> bool, script: &mut Script) {
    let user = work.desired;
    let new = work.change.action == Action::Create;
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
        let groups: Vec<&str> = user.groups.names.iter().map(String::as_str).collect();
        if !new && !user.groups.exclusive {
            script.arg("--append");
        }
        script.args(["--groups", &groups.join(",")]);
    }
}

/// The hash, with the mark of a locked one where it is to stay locked.
fn new_password(work: &Work<'_, User>) -> Vec<u8> {
    let user = work.desired;
    let shadow = work.observed.entry.as_ref().and_then(|entry| entry.shadow.as_ref());
    let was = shadow.is_some_and(|shadow| shadow.password == Password::Locked);
    let mark: &[u8] = if user.locked.unwrap_or(was) { b"!" } else { b"" };
    [mark, user.hash()].concat()
}
