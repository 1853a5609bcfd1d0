//! The table of `[authorized_key.NAME]`: whose keys, and which.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Input;
use super::input::{Presence, account_name};
use super::public_key::{self, PublicKey};
use crate::model::Diagnostic;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// Whether the keys are there.
    #[serde(default)]
    pub(super) state: Presence,
    /// The user; the name of the resource if absent.
    #[schemars(with = "Option<String>")]
    user: Option<Spanned<String>>,
    /// Public keys, each as a line of `authorized_keys`; one text may hold several, each in a line.
    #[schemars(with = "Vec<String>")]
    keys: Vec<Spanned<String>>,
    /// Options of all its keys, such as `["restrict", "from=\"10.0.0.0/8\""]`: what the host has besides goes.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    options: Vec<Spanned<String>>,
    /// The comment behind its keys; that of the key, or what the host has, if absent.
    #[schemars(with = "Option<String>")]
    pub(super) comment: Option<Spanned<String>>,
    /// Whether all keys of the user go that no resource of the host declares.
    #[serde(default)]
    pub(super) exclusive: bool,
}

impl Table {
    /// The user whose keys they are.
    pub(super) fn user(&self, input: &Input<'_>, found: &mut Vec<Diagnostic>) -> String {
        let (user, span) = match &self.user {
            Some(user) => (user.get_ref().clone(), input.span(user)),
            None => (input.name.value.clone(), input.name.span),
        };
        if !account_name(&user) || user.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{}` is not a name for a user", user.escape_debug());
            let mistake = Diagnostic::at(span, message);
            found.push(if self.user.is_none() {
                mistake.help("`user` says which, where the name is another")
            } else {
                mistake
            });
        }
        user
    }

    /// All keys with their options and comment.
    pub(super) fn keys(&self, input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Vec<PublicKey> {
        self.check_words(input, found);
        let mut keys: Vec<PublicKey> = Vec::new();
        for text in &self.keys {
            let all = text.get_ref().lines().map(str::trim).enumerate();
            let lines = all.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
            let lines: Vec<(usize, &str)> = lines.collect();
            if lines.is_empty() {
                found.push(Diagnostic::at(input.span(text), "there is no key in it"));
            }
            for (at, line) in lines {
                match self.key(line) {
                    Ok(key) if keys.iter().all(|other| other.identity() != key.identity()) => {
                        keys.push(key);
                    }
                    Ok(_) => {}
                    Err(why) => {
                        let place = if text.get_ref().trim().contains('\n') {
                            format!("line {} of it is no public key", at + 1)
                        } else {
                            "this is no public key".to_owned()
                        };
                        found.push(Diagnostic::at(input.span(text), format!("{place}: {why}")));
                    }
                }
            }
        }
        if self.keys.is_empty() {
            let mistake = Diagnostic::at(input.header, "an authorized_key needs a key");
            found.push(mistake.label("`keys` is empty"));
        }
        keys
    }

    /// One key.
    fn key(&self, line: &str) -> Result<PublicKey, String> {
        if line.chars().any(|char| char.is_control() && char != '\t') {
            return Err("it has a control character".into());
        }
        let mut key = PublicKey::parse(line)?;
        if !self.options.is_empty() {
            if !key.options.is_empty() {
                return Err("its options stand in `options` or in front of it, not in both".into());
            }
            let all: Vec<&str> = self.options.iter().map(|text| text.get_ref().as_str()).collect();
            key.options = all.join(",");
        }
        if let Some(comment) = &self.comment {
            key.comment.clone_from(comment.get_ref());
        }
        Ok(key)
    }

    /// Whether options and comment can stand in a line.
    fn check_words(&self, input: &Input<'_>, found: &mut Vec<Diagnostic>) {
        for option in &self.options {
            let text = option.get_ref();
            let control = text.chars().any(char::is_control);
            if text.is_empty() || control || public_key::word(text) != Ok((text.as_str(), "")) {
                let message = "an option is a word of sshd(8), its value in double quotes";
                found.push(Diagnostic::at(input.span(option), message));
            }
        }
        if let Some(comment) = &self.comment
            && comment.get_ref().chars().any(char::is_control)
        {
            let message = "a comment is one line without control characters";
            found.push(Diagnostic::at(input.span(comment), message));
        }
    }
}
