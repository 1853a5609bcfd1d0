//! A user's table: its keys, and what is wrong with their values.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::super::Input;
use super::super::input::{Presence, absolute_path, account_name};
use super::{Groups, Hash, User};
use crate::model::change::sha256_hex;
use crate::model::{Diagnostic, Secret};

/// Shown by the manual.
pub(super) const EXAMPLES: &[&str] = &[
    r#"[user.deploy]
groups = ["www-data"]
home = "/srv/deploy"
shell = "/bin/bash"
"#,
    r#"[params.hash]
type = "string"
sensitive = true
default = "$5$saltsalt$5i1qBpoG1r2lckbKSq1CnT.UGPp8XJNqM5AYlEGzft6"

[user.admin]
groups = ["sudo"]
exclusive_groups = true
password = "{{ params.hash }}"
"#,
    r#"[user.former]
state = "absent"
remove_home = true

[user.guest]
locked = true
"#,
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// Whether it is there; the home directory of an absent one stays unless `remove_home` says otherwise.
    #[serde(default)]
    state: Presence,
    /// Its number; a new user without one gets the next free.
    uid: Option<u32>,
    /// The primary group, by name; a new user without one gets a group of its own name.
    #[schemars(with = "Option<String>")]
    group: Option<Spanned<String>>,
    /// Groups that it must be in; it may be in others, unless `exclusive_groups` says otherwise.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    groups: Vec<Spanned<String>>,
    /// Whether it must be in no other groups than `groups` and its primary one.
    #[serde(default)]
    exclusive_groups: bool,
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
    /// With `state = "absent"`: whether its home directory and mail go with it. A home of
    /// which another user is the owner is refused.
    #[schemars(with = "Option<bool>", extend("default" = false))]
    remove_home: Option<Spanned<bool>>,
    /// Whether nobody can log in with it, by password or key: its password is locked and its account expired; as it is if absent.
    locked: Option<bool>,
    /// The hash of its password as crypt(5) has it (`$y$…`, `$6$…`), such as `mkpasswd` prints; always sensitive. As it is if absent.
    #[schemars(with = "Option<String>")]
    password: Option<Spanned<String>>,
}

/// Reads a user's table.
pub(super) fn parse(input: &Input<'_>) -> Result<User, Vec<Diagnostic>> {
    let table: Table = input.read("a user resource")?;
    let mut found = Vec::new();
    let name = input.name.value.clone();
    if !account_name(&name) || name.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("`{}` is not a name for a user", name.escape_debug());
        found.push(Diagnostic::at(input.name.span, message));
    }
    accounts(input, &table, &mut found);
    texts(input, &table, &mut found);
    if !found.is_empty() {
        return Err(found);
    }
    let hash = |hash: Spanned<String>| {
        let hash = hash.into_inner();
        Hash { digest: sha256_hex(hash.as_bytes()), value: Secret::new(hash.into_bytes()) }
    };
    Ok(User {
        name,
        state: table.state,
        uid: table.uid,
        group: table.group.map(Spanned::into_inner),
        groups: Groups {
            names: table.groups.into_iter().map(Spanned::into_inner).collect(),
            exclusive: table.exclusive_groups,
        },
        home: table.home.map(Spanned::into_inner),
        shell: table.shell.map(Spanned::into_inner),
        comment: table.comment.map(Spanned::into_inner),
        system: table.system,
        create_home: table.create_home.unwrap_or(!table.system),
        remove_home: table.remove_home.is_some_and(Spanned::into_inner),
        locked: table.locked,
        password: table.password.map(hash),
    })
}

/// Its groups.
fn accounts(input: &Input<'_>, table: &Table, found: &mut Vec<Diagnostic>) {
    for group in table.group.iter().chain(&table.groups) {
        input.account("group", Some(group), found);
        if group.get_ref().bytes().all(|byte| byte.is_ascii_digit()) {
            let message = "a user's groups are named, not numbered";
            found.push(Diagnostic::at(input.span(group), message));
        }
    }
}

/// Paths, the comment, the password, and what does not fit together.
fn texts(input: &Input<'_>, table: &Table, found: &mut Vec<Diagnostic>) {
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
    if let Some(hash) = table.password.as_ref().filter(|hash| !is_hash(hash.get_ref())) {
        let message = "a password is written as its crypt(5) hash, never as it is";
        found.push(
            Diagnostic::at(input.span(hash), message)
                .label("`mkpasswd` or `openssl passwd -6` makes one, as $y$… or $6$…")
                .help("a param with `sensitive = true`, or a var of an inventory, keeps it out of the module")
                .masked(&[]),
        );
    }
    if let Some(remove) = &table.remove_home
        && table.state == Presence::Present
    {
        let message = "`remove_home` is for a user that is absent";
        found.push(Diagnostic::at(input.span(remove), message));
    }
}

/// A crypt(5) hash of a method that is not broken.
fn is_hash(text: &str) -> bool {
    let methods = ["$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$", "$6$", "$5$"];
    let right = |char: char| char.is_ascii_alphanumeric() || "./$,=+-".contains(char);
    let Some(method) = methods.iter().find(|method| text.starts_with(**method)) else {
        return false;
    };
    // A salt and a hash stand behind the method.
    let rest = text[method.len()..].rsplit('$').next().unwrap_or_default();
    text.len() < 512 && rest.len() >= 22 && text.chars().all(right)
}
