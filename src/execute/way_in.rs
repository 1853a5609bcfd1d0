//! How we get in to a host: who logs in there, and who would put changes back at a boot. Asked beside the probe; it
//! decides which changes must be confirmed.

use super::program::Questions;
use super::session::Session;
use crate::model::{Login, WayIn};
use crate::shell::{Answer, Script};

/// The longest name, home or shell that an account is taken to have.
const MOST: usize = 4096;

/// A question about the way in.
pub(super) struct WayInQuestion {
    seq: u64,
    becomes: bool,
}

impl WayInQuestion {
    /// Adds the question.
    pub(super) fn ask(session: &mut Session, questions: &mut Questions) -> Self {
        let becomes = session.becomes();
        let mut inner = Script::new();
        inner.text(if becomes { "wayin sudo" } else { "wayin no" });
        let seq = session.seq();
        questions.ask(seq, inner);
        Self { seq, becomes }
    }

    /// What the host says.
    pub(super) fn read(&self, answers: &[Answer]) -> WayIn {
        let answer = answers.iter().find(|answer| answer.seq == self.seq);
        let text = answer.map(|answer| String::from_utf8_lossy(&answer.payload).into_owned());
        read(&text.unwrap_or_default(), self.becomes)
    }
}

/// Reads `@machine`, `@boot`, then `@login NAME:HOME:SHELL` and a line of groups; what is not said is not known.
fn read(text: &str, becomes: bool) -> WayIn {
    let mut lines = text.lines().peekable();
    let machine = lines.next_if(|line| line.starts_with("@machine "));
    // Without a boot's number it is not told from others.
    let machine = machine.filter(|line| line.len() < MOST && !line.contains(" unknown "));
    let machine = machine.map(ToOwned::to_owned);
    let outlives_boot = lines.next_if_eq(&"@boot").is_some();
    let login = lines.find_map(|line| line.strip_prefix("@login "));
    let login = login.filter(|login| login.len() < MOST).and_then(|login| {
        let mut fields = login.splitn(3, ':').map(ToOwned::to_owned);
        let (name, home, shell) = (fields.next()?, fields.next()?, fields.next()?);
        let groups = lines.next().unwrap_or_default().split_ascii_whitespace();
        let groups = groups.map(ToOwned::to_owned).collect();
        Some(Login { name, home, shell, groups }).filter(|login| !login.name.is_empty())
    });
    WayIn { login, becomes, machine, outlives_boot }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_logs_in_is_read_and_what_is_not_said_is_not_known() {
        let way = read(
            "@machine b 1 m web1\n@boot\n@login deploy:/home/deploy:/bin/bash\ndeploy sudo\n",
            true,
        );
        let login = way.login.as_ref().expect("a login");
        assert_eq!((login.name.as_str(), login.home.as_str()), ("deploy", "/home/deploy"));
        assert_eq!(login.shell, "/bin/bash");
        assert!(way.needs_group("sudo") && !way.needs_group("www-data"));
        assert!(way.needs_user("deploy") && way.needs_user("root") && !way.needs_user("app"));
        assert!(way.outlives_boot);
        assert_eq!(way.machine.as_deref(), Some("@machine b 1 m web1"));
        assert_eq!(read("@machine unknown 1 m web1\n@boot\n", true).machine, None);
        for unknown in ["", "noise\n", "@login \n", "@login deploy\n", "@login :/:/bin/sh\n"] {
            let way = read(unknown, false);
            assert_eq!((&way.login, way.outlives_boot), (&None, false), "{unknown}");
            assert!(way.needs_user("anybody"), "it may be anybody");
        }
    }
}
