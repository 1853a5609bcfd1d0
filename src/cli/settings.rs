//! What the arguments and the environment mean together.
#![expect(clippy::disallowed_methods, reason = "the one reader of the environment")]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::args::{Common, Hosts};
use crate::config::HostPattern;
use crate::execute;
use crate::model::{Diagnostic, Value};
use crate::report::{Style, Switch, stdout_is_terminal};
use crate::shell::Limits;
use crate::transport::{self, Control};

/// Seconds that a probe may take.
const PROBE_SECONDS: u32 = 60;

/// Set, to the shell's name, when a shell asks what a line could go on with.
pub(super) const COMPLETE_VARIABLE: &str = "TRUEUP_COMPLETE";

/// The shell that asks, if one does.
pub(super) fn completing() -> Option<String> {
    std::env::var(COMPLETE_VARIABLE).ok().filter(|shell| !shell.is_empty())
}

/// How text is drawn for this reader.
pub(super) fn style(common: &Common, full: bool) -> Style {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let color = match common.color.as_str() {
        "always" => true,
        "never" => false,
        _ => {
            stdout_is_terminal()
                && !set("NO_COLOR")
                && std::env::var("TERM").as_deref() != Ok("dumb")
        }
    };
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    // Without any locale (cron, CI) UTF-8 is what nearly every reader has; a locale that says
    // otherwise is heeded.
    let unicode = locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    Style { color: Switch::when(color), unicode: Switch::when(unicode), full: Switch::when(full) }
}

/// How hosts are worked on.
pub(super) fn execution(hosts: &Hosts) -> execute::Settings {
    execute::Settings {
        transport: transport::Settings {
            connect_timeout: hosts.connect_timeout,
            ssh_config: hosts.ssh_config.clone(),
            control: Arc::new(Control::default()),
        },
        parallel: usize::from(hosts.parallel),
        probe_timeout: PROBE_SECONDS,
        limits: Limits::default(),
    }
}

/// The hosts that `--limit` selects.
pub(super) fn limit(common: &Common) -> Result<Option<HostPattern>, Diagnostic> {
    let Some(text) = &common.limit else { return Ok(None) };
    HostPattern::parse(text).map(Some).map_err(|error| {
        Diagnostic::error(format!("--limit \"{text}\": {error}"))
            .help(format!("at character {}", text[..error.at.start].chars().count() + 1))
    })
}

/// The vars of the command line.
pub(super) fn vars(common: &Common) -> Result<BTreeMap<String, Value>, Diagnostic> {
    let mut vars = BTreeMap::new();
    for text in &common.vars {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Diagnostic::error(format!("--var {text}: this is not NAME=VALUE")));
        };
        let value = toml::de::DeValue::parse(value).map_or_else(
            |_| Value::String(value.to_owned()),
            |value| crate::config::to_value(value.get_ref()),
        );
        vars.insert(name.to_owned(), value);
    }
    Ok(vars)
}
