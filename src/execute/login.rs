//! From a link to a shell: sudo's password where one is wanted, and what a login that gives no shell
//! says about the reason.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::password::{NoPassword, Password, Taken};
use super::reading::last_line;
use super::session::random_word;
use super::session_error::SessionError;
use crate::model::{Become, Host, Secret};
use crate::shell::{Login, prompt, ready};
use crate::transport::{Link, Wire};

/// Seconds for sudo to ask, and again to say what it makes of the answer: PAM may wait some seconds
/// before it tells that a password was wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most that is read before the shell is there, of each stream.
const SAID_MAX: usize = 1 << 20;

/// Starts the shell of a host; where it becomes root, by a sudo that asks nothing.
pub(super) async fn start(link: &Link, host: &Host) -> Result<Wire, SessionError> {
    let login = match host.connection.r#become {
        Some(Become::Sudo) => Login::Sudo,
        Some(Become::No) | None => Login::Plain,
    };
    Ok(link.start(login).await?)
}

/// Starts the shell of a host whose sudo wants a password.
pub(super) async fn start_with_password(
    link: &Link,
    host: &Host,
    password: &Password,
) -> Result<Wire, SessionError> {
    let user = host.connection.user.as_deref();
    let tried = password.try_on(&host.name, user, async |secret| {
        let talk = match Talk::begin(link).await {
            Ok(talk) => talk,
            Err(error) => return (Taken::Unsaid, Err(error)),
        };
        talk.give(&secret, host).await
    });
    match tried.await {
        Ok(Ok(wire)) => Ok(wire),
        Ok(Err(error)) => Err(error),
        Err(why) => Err(no_password(why, host)),
    }
}

/// Why no password was sent.
fn no_password(why: NoPassword, host: &Host) -> SessionError {
    let message = match why {
        NoPassword::RefusedBy(other) => {
            return refused(
                "sudo wants a password".into(),
                Some(format!("not tried here, because sudo on {other} did not take it")),
            );
        }
        NoPassword::NotGiven => "sudo wants a password, and none was given",
        NoPassword::NoSource => "sudo wants a password",
    };
    refused(
        message.into(),
        Some(format!(
            "run trueup where it can ask on a terminal, or give --become-password-file FILE or\n\
             TRUEUP_BECOME_PASSWORD; or let {} use sudo without one (NOPASSWD)",
            who(host)
        )),
    )
}

/// A sudo that asks, while it and we talk.
struct Talk {
    wire: Wire,
    mark: String,
    output: Vec<u8>,
    errors: Vec<u8>,
}

/// What came of waiting.
#[derive(PartialEq, Eq)]
enum Heard {
    /// sudo asks.
    Prompt,
    /// The mark on standard output: the shell is there.
    Ready,
    /// The streams have ended.
    End,
    /// Nothing, or too much of something else.
    Nothing,
}

impl Talk {
    async fn begin(link: &Link) -> Result<Self, SessionError> {
        let mark = random_word();
        let wire = link.start(Login::SudoAsking { mark: &mark }).await?;
        Ok(Self { wire, mark, output: Vec::new(), errors: Vec::new() })
    }

    /// Sends the password once, when sudo has asked with our mark, and gives the shell behind it.
    async fn give(mut self, secret: &Secret, host: &Host) -> (Taken, Result<Wire, SessionError>) {
        match self.hear(1).await {
            Heard::Prompt => {}
            // What it remembers does not count (-k), so nobody asked for a password: it changed its mind.
            Heard::Ready => return (Taken::Unsaid, Ok(self.wire)),
            Heard::End => return (Taken::Unsaid, Err(explain(&self.said(), host))),
            Heard::Nothing => return (Taken::Unsaid, Err(self.silent("did not ask for it"))),
        }
        let mut line = secret.reveal().to_vec();
        line.push(b'\n');
        let sent = self.wire.input.write_all(&line).await;
        line.fill(0);
        if sent.is_err() || self.wire.input.flush().await.is_err() {
            return (Taken::Unsaid, Err(explain(&self.said(), host)));
        }
        match self.hear(2).await {
            Heard::Ready => (Taken::Yes, Ok(self.wire)),
            // It asks again: once is enough, so that no account is locked.
            Heard::Prompt => (Taken::No, Err(wrong(host))),
            Heard::End => {
                let said = self.said();
                let error = explain(&said, host);
                let taken = if said.contains("incorrect password") {
                    Taken::No
                } else if said.contains("sudoers file") || said.contains("not allowed to") {
                    Taken::Yes
                } else {
                    Taken::Unsaid
                };
                (taken, Err(error))
            }
            Heard::Nothing => (Taken::Unsaid, Err(self.silent("did not say what it makes of it"))),
        }
    }

    /// Reads until the mark stood so often on standard error, or once on standard output.
    async fn hear(&mut self, prompts: usize) -> Heard {
        let deadline = Instant::now() + PATIENCE;
        let (mut one, mut other) = (vec![0_u8; 4096], vec![0_u8; 4096]);
        let (mut output_open, mut errors_open) = (true, true);
        loop {
            if count(&self.output, ready(&self.mark).as_bytes()) > 0 {
                return Heard::Ready;
            }
            if count(&self.errors, prompt(&self.mark).as_bytes()) >= prompts {
                return Heard::Prompt;
            }
            if !output_open && !errors_open {
                return Heard::End;
            }
            if self.output.len() > SAID_MAX || self.errors.len() > SAID_MAX {
                return Heard::Nothing;
            }
            let Wire { output, errors, .. } = &mut self.wire;
            let read = async {
                tokio::select! {
                    read = output.read(&mut one), if output_open => (true, read),
                    read = errors.read(&mut other), if errors_open => (false, read),
                }
            };
            let Ok((first, read)) = timeout_at(deadline, read).await else { return Heard::Nothing };
            match (first, read.unwrap_or(0)) {
                (true, 0) => output_open = false,
                (false, 0) => errors_open = false,
                (true, read) => self.output.extend_from_slice(&one[..read]),
                (false, read) => self.errors.extend_from_slice(&other[..read]),
            }
        }
    }

    /// What was said, without our own mark.
    fn said(&self) -> String {
        let said = [self.errors.as_slice(), b"\n", &self.output].concat();
        let said = String::from_utf8_lossy(&said);
        said.replace(&prompt(&self.mark), "\n").replace(&self.mark, "\n")
    }

    fn silent(&self, what: &str) -> SessionError {
        let said = self.said();
        let line = last_line(&said).map(|line| format!("; it said: {line}")).unwrap_or_default();
        refused(
            format!("sudo wants a password and {what} within {} s{line}", PATIENCE.as_secs()),
            Some("a second factor or another question cannot be answered; allow this login sudo without it".into()),
        )
    }
}

/// How often `mark` stands in `text`.
fn count(text: &[u8], mark: &[u8]) -> usize {
    text.windows(mark.len()).filter(|window| *window == mark).count()
}

/// Why no shell greeted, from what was printed instead.
pub(super) fn explain(said: &str, host: &Host) -> SessionError {
    if host.connection.r#become == Some(Become::Sudo)
        && let Some(error) = sudo(said, host)
    {
        return error;
    }
    let user = who(host);
    let place = host.connection.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let has = |text: &str| said.contains(text);
    let (message, help) = if has("Password change required") || has("password has expired") {
        (
            format!("the password of {user} has expired there"),
            format!("change it once on a terminal: ssh -t {place}{}", host.address),
        )
    } else if has("account is currently not available") {
        (
            format!("{user} may not log in there (nologin)"),
            "set another `user`, or give it a shell: usermod -s /bin/sh USER".into(),
        )
    } else if has("exec: restricted") || has("restricted: cannot") {
        (
            format!("{user} has a restricted shell there, which starts no other"),
            "set another `user`, or give it a shell: usermod -s /bin/sh USER".into(),
        )
    } else if has("allows sftp connections only") {
        (format!("{user} may only copy files there (sftp)"), "set another `user`".into())
    } else if has("'/bin/sh': No such file") || has("/bin/sh: not found") {
        ("there is no /bin/sh on it".into(), "a managed host needs a POSIX shell there".into())
    } else {
        let message = last_line(said).map_or_else(
            || "the login ended without starting a shell".to_owned(),
            |line| format!("no shell could be started: {line}"),
        );
        return refused(message, None);
    };
    refused(message, Some(help))
}

/// What sudo said.
fn sudo(said: &str, host: &Host) -> Option<SessionError> {
    let user = who(host);
    let has = |text: &str| said.contains(text);
    if has("sudo: a password is required") {
        return Some(SessionError::PasswordWanted);
    }
    let root = "or log in as root: user = \"root\" without `become`";
    let (message, help) = if has("you must have a tty") {
        (
            "sudo wants a terminal there (requiretty)".to_owned(),
            format!("add `Defaults:USER !requiretty` to its sudoers for {user}, {root}"),
        )
    } else if has("is not in the sudoers file")
        || has("may not run sudo")
        || has("is not allowed to")
    {
        (
            format!("sudo does not let {user} become root there"),
            format!("add it to the host's sudoers, {root}"),
        )
    } else if has("incorrect password attempt") {
        return Some(wrong(host));
    } else if has("Account expired") || has("account validation failure") {
        (
            format!("sudo says that the account of {user} has expired there"),
            "let it live on: chage -E -1 USER".into(),
        )
    } else if has("password is expired") || has("password expired") {
        (
            format!("sudo says that the password of {user} has expired there"),
            format!("change it once on a terminal: ssh -t {}", host.address),
        )
    } else if has("'sudo': No such file") || has("sudo: not found") || has("can't execute 'sudo'") {
        ("there is no sudo on it".to_owned(), format!("install it, {root}"))
    } else {
        let line = said.lines().map(str::trim).rfind(|line| line.starts_with("sudo: "))?;
        let line = last_line(line)?;
        (
            format!("sudo does not work there: {}", line.trim_start_matches("sudo: ")),
            format!("mend it on the host, {root}"),
        )
    };
    Some(refused(message, Some(help)))
}

fn wrong(host: &Host) -> SessionError {
    refused(
        format!("sudo did not take the password of {}", who(host)),
        Some("it was tried once; nothing was changed".into()),
    )
}

/// The login, for messages.
fn who(host: &Host) -> String {
    host.connection.user.as_ref().map_or_else(|| "the login".to_owned(), |user| format!("`{user}`"))
}

const fn refused(message: String, help: Option<String>) -> SessionError {
    SessionError::NoShell { message, help }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Connection;

    fn told(said: &str) -> String {
        let connection = Connection {
            user: Some("deploy".into()),
            r#become: Some(Become::Sudo),
            ..Connection::default()
        };
        let host =
            Host { name: "web1".into(), address: "web1".into(), groups: Vec::new(), connection };
        explain(said, &host).to_string()
    }

    #[test]
    fn each_reason_is_told_apart() {
        let cases = [
            ("sudo: a password is required\n", "sudo wants a password"),
            (
                "sudo: sorry, you must have a tty to run sudo\n",
                "sudo wants a terminal there (requiretty)",
            ),
            (
                "deploy is not in the sudoers file.\n",
                "sudo does not let `deploy` become root there",
            ),
            ("/usr/bin/env: 'sudo': No such file or directory\n", "there is no sudo on it"),
            (
                "sudo: /etc/sudoers is world writable\nsudo: no valid sudoers sources found, quitting\n",
                "sudo does not work there: no valid sudoers sources found, quitting",
            ),
            (
                "WARNING: Your password has expired.\nPassword change required but no TTY available.\n",
                "the password of `deploy` has expired there",
            ),
            (
                "This account is currently not available.\n",
                "`deploy` may not log in there (nologin)",
            ),
            (
                "rbash: line 1: exec: restricted\n",
                "`deploy` has a restricted shell there, which starts no other",
            ),
            ("/usr/bin/env: '/bin/sh': No such file or directory\n", "there is no /bin/sh on it"),
            (
                "Welcome\nfish: Unknown command: exec\n",
                "no shell could be started: fish: Unknown command: exec",
            ),
            ("\n", "the login ended without starting a shell"),
        ];
        for (said, expected) in cases {
            assert_eq!(told(said), expected, "{said}");
        }
    }

    #[test]
    fn marks_are_counted() {
        assert_eq!(count(b"abab", b"ab"), 2);
        assert_eq!(count(b"", b"aa"), 0);
    }
}
