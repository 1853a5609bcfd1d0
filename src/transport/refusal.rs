//! What ssh's words mean when no connection came about. Pure: text in, reason out.
//!
//! ssh runs with `LC_ALL=C` and says why on standard error; among it stand banners of the host, which can
//! garble what is said of this host and nothing else.

use super::TransportError;
use crate::model::Host;

/// The most of a line that a message takes over, in characters: a banner may have any length.
const LINE_MAX: usize = 200;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Said(TransportError),
    /// The host's key is not known, or another one: it is to be looked at.
    HostKey,
}

/// Reads what ssh said. `way` is what somebody types to try the same by hand.
pub(super) fn read<'s>(said: &'s str, host: &Host, seconds: u16, way: &str) -> Read {
    let short = |line: &'s str| match line.char_indices().nth(LINE_MAX) {
        Some((end, _)) => &line[..end],
        None => line,
    };
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && !noise(line));
    let lines: Vec<&str> = lines.map(short).collect();
    let last = lines.last().copied().unwrap_or("ssh ended and did not say why");
    let has = |text: &str| said.contains(text);
    let line = |text: &str| lines.iter().rev().find(|line| line.contains(text)).copied();
    if has("Host key verification failed") {
        if has(BEHIND) {
            return Read::Said(jump(line("host key is known for"), host, way));
        }
        return Read::HostKey;
    }
    if has("REVOKED HOST KEY") {
        return Read::Said(refused(
            "its host key is marked as revoked".into(),
            "give the host a new key; nothing goes to it until then".into(),
        ));
    }
    if let Some(line) =
        line("Permission denied (").or_else(|| line("Too many authentication failures"))
    {
        return Read::Said(login(line, &lines, host, way));
    }
    if has("Your account has expired") {
        return Read::Said(refused(
            format!("the account of {} has expired there", user(None, host)),
            "let it live on with chage -E -1 on the host, or set another `user`".into(),
        ));
    }
    if let Some(line) = line("Unable to negotiate with") {
        return Read::Said(refused(
            format!("it and this machine's ssh have nothing in common: {}", after(line, ": ")),
            format!("allow it for this host in ssh's config, or mend its sshd: {way}"),
        ));
    }
    if let Some(line) = [
        "Bad configuration option",
        "Bad owner or permissions",
        "percent_expand",
        "too long for Unix domain socket",
    ]
    .into_iter()
    .find_map(line)
    {
        return Read::Said(TransportError::Ours(format!(
            "ssh cannot work as it is configured: {line}"
        )));
    }
    Read::Said(TransportError::Unreachable(unreachable(last, &lines, seconds)))
}

/// What ssh says of a host that it reaches through another one: port 65535 of nobody.
const BEHIND: &str = "UNKNOWN port 65535";

/// A jump host whose key ssh does not take; the line may name it.
fn jump(line: Option<&str>, host: &Host, way: &str) -> TransportError {
    let name = line.map(|line| after(line, " host key is known for "));
    let name = name.and_then(|rest| rest.split(' ').next()).or(host.connection.jump.as_deref());
    let name = name.unwrap_or("a jump host");
    refused(
        format!("the host key of `{name}`, on the way to it, is not known or is another one"),
        format!("look at it with ssh first: {way}"),
    )
}

/// Why nobody was reached.
fn unreachable(last: &str, lines: &[&str], seconds: u16) -> String {
    let line = |text: &str| lines.iter().find(|line| line.contains(text));
    if let Some(line) = line("Could not resolve hostname ") {
        let rest = after(line, "Could not resolve hostname ");
        let (name, why) = rest.split_once(": ").unwrap_or((rest, "no such name"));
        return format!("`{name}` leads to no address: {}", why.to_lowercase());
    }
    if line("during banner exchange").or_else(|| line("timed out waiting for")).is_some() {
        // The connection was made: something takes it, and no sshd speaks.
        let silent = line("during banner exchange").is_some();
        let what = if silent {
            format!("it takes connections and says nothing for {seconds} s")
        } else {
            format!("connection timed out after {seconds} s")
        };
        let mut places = lines.iter().filter_map(|line| {
            line.trim().strip_prefix("Connection to ")?.strip_suffix(" timed out")
        });
        return match places.next() {
            Some(place) => format!("{what} ({place})"),
            None => what,
        };
    }
    if let Some(line) = line("connect to host ") {
        let rest = after(line, "connect to host ");
        let (place, why) = rest.split_once(": ").unwrap_or((rest, "no connection"));
        return match why {
            "Connection refused" => format!("nobody listens there: connection refused ({place})"),
            "Connection timed out" | "Operation timed out" => {
                format!("connection timed out after {seconds} s ({place})")
            }
            why => format!("{} ({place})", why.to_lowercase()),
        };
    }
    if line("kex_exchange_identification").is_some()
        || line("Connection closed by").is_some()
        || line("Connection reset by").is_some()
    {
        return format!("it ended the connection before anybody could log in: {last}");
    }
    last.strip_prefix("ssh: ").unwrap_or(last).to_owned()
}

/// A login that was refused.
fn login(line: &str, lines: &[&str], host: &Host, way: &str) -> TransportError {
    let user = user(line.split_once('@').map(|(user, _)| user), host);
    let tried = line.rsplit_once('(').map(|(_, rest)| rest.trim_end_matches(['.', ')', ' ']));
    let tried =
        tried.map(|tried| format!(" (it takes: {})", tried.replace(',', ", "))).unwrap_or_default();
    let mut help = format!("try the same by hand: {way}");
    // What is wrong on this side already.
    for line in lines {
        let unreadable = line.contains("not accessible") || line.starts_with("Load key ");
        if unreadable || line.contains("UNPROTECTED PRIVATE KEY FILE") {
            help = format!("{}\n{help}", line.trim_matches(['@', ' ']));
        }
    }
    if line.contains("Too many authentication failures") {
        return refused(
            format!("the login as {user} was refused: ssh offered too many keys"),
            format!("name the right one with `identity`\n{help}"),
        );
    }
    refused(
        format!("the login as {user} was refused{tried}"),
        format!("is it the right user, and is its key on the host?\n{help}"),
    )
}

/// The user whose login it is, for messages.
fn user(said: Option<&str>, host: &Host) -> String {
    let named = host.connection.user.as_deref().or(said);
    named.map_or_else(|| "the user of ssh's config".to_owned(), |user| format!("`{user}`"))
}

/// Lines that say nothing about the reason.
fn noise(line: &str) -> bool {
    line.starts_with("Warning: Permanently added")
        || line.starts_with("Pseudo-terminal will not")
        || line.starts_with("@@@")
}

fn after<'l>(line: &'l str, text: &str) -> &'l str {
    line.split_once(text).map_or(line, |(_, rest)| rest)
}

const fn refused(message: String, help: String) -> TransportError {
    TransportError::Refused { message, help: Some(help) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Connection;

    fn host(user: Option<&str>) -> Host {
        let connection = Connection { user: user.map(ToOwned::to_owned), ..Connection::default() };
        Host { name: "web1".into(), address: "web1".into(), groups: Vec::new(), connection }
    }

    fn told(said: &str, user: Option<&str>) -> String {
        match read(said, &host(user), 10, "ssh web1 true") {
            Read::Said(error @ TransportError::Unreachable(_)) => format!("unreachable: {error}"),
            Read::Said(error @ TransportError::Refused { .. }) => format!("refused: {error}"),
            Read::Said(error) => format!("ours: {error}"),
            Read::HostKey => "host key".into(),
        }
    }

    #[test]
    fn each_reason_is_told_apart() {
        let cases = [
            (
                "ssh: Could not resolve hostname web1: Name or service not known\n",
                "unreachable: `web1` leads to no address: name or service not known",
            ),
            (
                "*** banner ***\nssh: connect to host web1 port 22: Connection refused\r\n",
                "unreachable: nobody listens there: connection refused (web1 port 22)",
            ),
            (
                "ssh: connect to host 10.0.0.9 port 22: Connection timed out",
                "unreachable: connection timed out after 10 s (10.0.0.9 port 22)",
            ),
            (
                "ssh: connect to host 10.0.0.9 port 22: No route to host",
                "unreachable: no route to host (10.0.0.9 port 22)",
            ),
            (
                "Connection timed out during banner exchange\nConnection to 10.0.0.9 port 22 timed out",
                "unreachable: it takes connections and says nothing for 10 s (10.0.0.9 port 22)",
            ),
            (
                "kex_exchange_identification: Connection closed by remote host\nConnection closed by 10.0.0.9 port 22",
                "unreachable: it ended the connection before anybody could log in: Connection closed by 10.0.0.9 port 22",
            ),
            (
                "deploy@10.0.0.9: Permission denied (publickey,password).",
                "refused: the login as `deploy` was refused (it takes: publickey, password)",
            ),
            (
                "Received disconnect from 10.0.0.9 port 22:2: Too many authentication failures",
                "refused: the login as the user of ssh's config was refused: ssh offered too many keys",
            ),
            (
                "Your account has expired; please contact your system administrator.\nConnection closed by 10.0.0.9 port 22",
                "refused: the account of the user of ssh's config has expired there",
            ),
            (
                "No ED25519 host key is known for web1 and you have requested strict checking.\nHost key verification failed.",
                "host key",
            ),
            (
                "No ED25519 host key is known for gate and you have requested strict checking.\nHost key verification failed.\nkex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535",
                "refused: the host key of `gate`, on the way to it, is not known or is another one",
            ),
            (
                "Unable to negotiate with 10.0.0.9 port 22: no matching host key type found. Their offer: ssh-dss",
                "refused: it and this machine's ssh have nothing in common: no matching host key type found. Their offer: ssh-dss",
            ),
            (
                "/home/a/.ssh/config: line 3: Bad configuration option: hots\n/home/a/.ssh/config: terminating, 1 bad configuration options",
                "ours: ssh cannot work as it is configured: /home/a/.ssh/config: line 3: Bad configuration option: hots",
            ),
            ("", "unreachable: ssh ended and did not say why"),
        ];
        for (said, expected) in cases {
            assert_eq!(told(said, None), expected, "{said}");
        }
        assert!(told("x@h: Permission denied (publickey).", Some("deploy")).contains("`deploy`"));
    }

    #[test]
    fn a_key_that_cannot_be_read_is_named() {
        let said = "Warning: Identity file /k not accessible: No such file or directory.\nx@h: Permission denied (publickey).";
        let Read::Said(TransportError::Refused { help: Some(help), .. }) =
            read(said, &host(None), 10, "ssh web1 true")
        else {
            panic!("it is refused");
        };
        assert!(help.contains("Identity file /k not accessible"), "{help}");
        assert!(help.ends_with("try the same by hand: ssh web1 true"), "{help}");
    }
}
