//! What the arguments and the environment mean together.
#![expect(clippy::disallowed_methods, reason = "the one reader of the environment")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Semaphore;

use super::args::{Common, Hosts, Pruning, Reach, Select, Shown};
use crate::config::HostPattern;
use crate::execute::{self, Keep, Password, Prune};
use crate::model::{AddressPattern, Diagnostic, RunId, RunMark, Secret, Value};
use crate::report::{Style, Switch, Zoom, stdout_is_terminal};
use crate::resolve::Selection;
use crate::shell::Limits;
use crate::transport::{self, Control};

/// Set, to the shell's name, when a shell asks what a line could go on with.
pub(super) const COMPLETE_VARIABLE: &str = "TRUEUP_COMPLETE";

/// The shell that asks, if one does.
pub(super) fn completing() -> Option<String> {
    std::env::var(COMPLETE_VARIABLE).ok().filter(|shell| !shell.is_empty())
}

/// Holds a project's key, 64 hex digits, where there is no state folder that lasts (CI).
pub(super) const KEY_VARIABLE: &str = "TRUEUP_KEY";

/// What [`KEY_VARIABLE`] holds.
pub(super) fn key_variable() -> Option<String> {
    std::env::var(KEY_VARIABLE).ok().filter(|text| !text.is_empty())
}

/// The folder for what outlives a run, for this user alone.
pub(super) fn state_folder() -> PathBuf {
    own_folder("XDG_STATE_HOME", ".local/state")
}

/// The folder for what can be found again, for this user alone.
pub(super) fn cache_folder() -> PathBuf {
    own_folder("XDG_CACHE_HOME", ".cache")
}

/// A folder of ours in the one that a variable names, or else in one of the user's home (XDG Base Directory
/// Specification).
fn own_folder(name: &str, below_home: &str) -> PathBuf {
    let variable =
        |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = variable(name).filter(|path| path.is_absolute());
    let home = || variable("HOME").unwrap_or_else(|| "/".into()).join(below_home);
    base.unwrap_or_else(home).join("trueup")
}

/// How text is drawn for this reader.
pub(super) fn style(common: &Common, zoom: Zoom) -> Style {
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
    Style { color: Switch::when(color), unicode: Switch::when(unicode), zoom }
}

/// How much of a plan the reader wants.
pub(super) const fn zoom(shown: &Shown) -> Zoom {
    match (shown.summary, shown.full) {
        (true, _) => Zoom::Summary,
        (_, true) => Zoom::Full,
        _ => Zoom::Plain,
    }
}

/// How hosts are connected to.
pub(super) fn transport(connect_timeout: u16, ssh_config: Option<&PathBuf>) -> transport::Settings {
    let control = Arc::new(Control::default());
    transport::Settings { connect_timeout, persist: 0, ssh_config: ssh_config.cloned(), control }
}

/// Holds the password for sudo.
const PASSWORD_VARIABLE: &str = "TRUEUP_BECOME_PASSWORD";

/// The password for sudo that was given without being asked for: a file's, else the variable's.
///
/// # Errors
/// When the file cannot be read or others can read it, or what was given is no password.
pub(super) fn password(hosts: &Reach) -> Result<Option<Secret>, Diagnostic> {
    if let Some(path) = &hosts.become_password_file {
        let wrong = |why: String| {
            Diagnostic::error(format!("--become-password-file {}: {why}", path.display()))
        };
        let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
        let metadata = file.metadata().map_err(|error| wrong(error.to_string()))?;
        if metadata.is_file() && metadata.mode() & 0o077 != 0 {
            return Err(wrong("others may read it".into())
                .help("chmod 600 it, and change the password if somebody did read it"));
        }
        let mut bytes = Vec::new();
        file.take(PASSWORD_MAX)
            .read_to_end(&mut bytes)
            .map_err(|error| wrong(error.to_string()))?;
        while bytes.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            bytes.pop();
        }
        return one_line(&bytes).map(Some).map_err(|why| wrong(why.to_owned()));
    }
    let Some(value) = std::env::var_os(PASSWORD_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    one_line(value.as_encoded_bytes())
        .map(Some)
        .map_err(|why| Diagnostic::error(format!("{PASSWORD_VARIABLE}: {why}")))
}

/// The longest password that is read from a file, in bytes.
const PASSWORD_MAX: u64 = 4096;

/// A password as sudo reads it: one line. More would be read by what comes after sudo.
fn one_line(bytes: &[u8]) -> Result<Secret, &'static str> {
    if bytes.is_empty() {
        return Err("it is empty");
    }
    if bytes.iter().any(|byte| b"\n\0".contains(byte)) {
        return Err("a password is one line");
    }
    Ok(Secret::new(bytes))
}

/// Names the folder on hosts below which they keep what they remember, instead of /var/lib/trueup and the
/// login's own folder of state.
const STATE_VARIABLE: &str = "TRUEUP_HOST_STATE";

/// Hosts that may send more than a few MiB at once.
const LARGE_AT_ONCE: usize = 4;

/// How hosts are worked on.
pub(super) fn execution(hosts: &Hosts, password: Password) -> execute::Settings {
    let parallel = usize::from(hosts.parallel);
    execute::Settings { parallel, live: hosts.verbose, ..reaching(&hosts.reach, password) }
}

/// What is to go of what nobody declares any more.
pub(super) const fn prune(pruning: &Pruning) -> Prune {
    match pruning {
        Pruning { prune_accounts: true, .. } => Prune::Accounts,
        Pruning { prune: true, .. } => Prune::Things,
        Pruning { .. } => Prune::Nothing,
    }
}

/// How one host is worked on.
pub(super) fn reaching(hosts: &Reach, password: Password) -> execute::Settings {
    let transport = transport(hosts.connect_timeout, hosts.ssh_config.as_ref());
    execute::Settings {
        transport: transport::Settings { persist: hosts.persist, ..transport },
        parallel: 1,
        probe_timeout: hosts.probe_timeout,
        host_timeout: hosts.host_timeout,
        password: Arc::new(password),
        places: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        limits: Limits::default(),
        live: false,
        spend: None,
        run: None,
        keep: Keep { runs: 10, bytes: 1 << 30 },
        prune: Prune::Nothing,
        lock_timeout: 0,
        confirm: None,
        answers: Some(cache_folder()),
        state: std::env::var(STATE_VARIABLE).ok().filter(|path| path.starts_with('/')),
    }
}

/// A run that begins now, by whoever runs this program.
pub(super) fn mark() -> RunMark {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).expect("the system has randomness");
    let milliseconds = u64::try_from(since.as_millis()).unwrap_or(0);
    let name = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let uid = rustix::process::geteuid().as_raw();
    let user = name("LOGNAME").or_else(|| name("USER"));
    let user = user.or_else(|| user_of(&std::fs::read_to_string("/etc/passwd").ok()?, uid));
    RunMark {
        id: RunId::new(milliseconds, u128::from_le_bytes(random)),
        user: user.unwrap_or_else(|| format!("uid-{uid}")),
        controller: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}

/// The name of a user in a text as passwd(5) is: where the environment says none, as under cron.
fn user_of(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// The hosts that `--limit` selects.
pub(super) fn limit(common: &Common) -> Result<Option<HostPattern>, Diagnostic> {
    let Some(text) = &common.limit else { return Ok(None) };
    HostPattern::parse(text).map(Some).map_err(|error| {
        Diagnostic::error(format!("--limit \"{text}\": {error}"))
            .help(format!("at character {}", text[..error.at.start].chars().count() + 1))
    })
}

/// The resources that the command line selects; `None` for all.
pub(super) fn selection(select: &Select) -> Result<Option<Selection>, Vec<Diagnostic>> {
    let (mut targets, mut found) = (Vec::new(), Vec::new());
    for text in &select.targets {
        match AddressPattern::parse(text) {
            Ok(target) => targets.push(target),
            Err(error) => found.push(Diagnostic::error(format!("--target {text}: {error}"))),
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    Ok(Selection::new(select.tags.clone(), select.skip_tags.clone(), targets))
}

/// The vars of the command line: TOML values, and what is no TOML is a string as it stands.
pub(super) fn vars(common: &Common) -> Result<BTreeMap<String, Value>, Vec<Diagnostic>> {
    let (mut vars, mut found) = (BTreeMap::new(), Vec::new());
    for text in &common.vars {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            found.push(Diagnostic::error(format!("--var {text}: this is not NAME=VALUE")));
            continue;
        };
        let value = match toml::de::DeValue::parse(value) {
            Ok(value) => crate::config::to_value(value.get_ref()),
            // What begins as a list, a table or a quoted string is meant as one.
            Err(error) if value.trim_start().starts_with(['[', '{', '"', '\'']) => {
                let why = error.message().lines().next().unwrap_or_default().to_owned();
                found.push(
                    Diagnostic::error(format!("--var {text}: the value is not TOML: {why}"))
                        .code("syntax")
                        .help("a string that begins so is quoted: --var 'name=\"[text\"'"),
                );
                continue;
            }
            Err(_) => Value::String(value.to_owned()),
        };
        vars.insert(name.to_owned(), value);
    }
    if found.is_empty() { Ok(vars) } else { Err(found) }
}

#[cfg(test)]
mod tests {
    use super::user_of;

    #[test]
    fn a_user_has_the_name_that_the_database_gives() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7::\nops:x:1000:1000::/home/ops:/bin/sh\n";
        assert_eq!(user_of(passwd, 0).as_deref(), Some("root"));
        assert_eq!(user_of(passwd, 1000).as_deref(), Some("ops"));
        assert_eq!(user_of(passwd, 7), None);
        assert_eq!(user_of(passwd, 100), None);
    }
}
