//! A command. With a probe (`creates`, `unless`, `only_if`) it plans exactly; with `run_on` alone it
//! runs only when something changes; with neither it runs every time and says so.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::input::absolute_path;
use super::{About, Input, Resource, STEP_SECONDS, Subject, Trigger, Verdict, Work};
use crate::model::change::TriggerKind;
use crate::model::{Action, Attribute, Change, Diagnostic};
use crate::shell::{Script, Step};

/// Seconds that a probe of the user's may take.
const PROBE_SECONDS: &str = "60";

/// `[command.NAME]`
#[derive(Debug)]
pub(super) struct Command {
    name: String,
    /// Text for sh(1).
    text: String,
    /// A path: it runs only while nothing is there.
    creates: Option<String>,
    /// Text for sh(1): it runs only while this fails.
    unless: Option<String>,
    /// Text for sh(1): it runs only while this succeeds.
    only_if: Option<String>,
    /// The folder in which it and its probes run; `/` if none is given.
    cwd: String,
    run_on: Vec<Trigger>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Text for sh(1); its umask is 022, and it may take 300 s unless `timeout` says otherwise.
    #[schemars(with = "String")]
    command: Spanned<String>,
    /// A path: it runs only while nothing is there.
    #[schemars(with = "Option<String>")]
    creates: Option<Spanned<String>>,
    /// Text for sh(1) that changes nothing: it runs only while this fails; it may take 60 s.
    unless: Option<String>,
    /// Text for sh(1) that changes nothing: it runs only while this succeeds; it may take 60 s.
    only_if: Option<String>,
    /// The folder in which it and its probes run.
    #[schemars(with = "Option<String>", extend("default" = "/"))]
    cwd: Option<Spanned<String>>,
    /// Addresses: it runs too when one of them changes.
    #[serde(default)]
    #[schemars(with = "Vec<Trigger>")]
    run_on: Vec<Spanned<String>>,
}

/// What the probes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    /// It has no probe.
    NoProbe,
    /// It need not run, and why.
    Satisfied(String),
    /// It must run, and why.
    Needed(String),
}

/// Shell functions of its probe and steps.
const FUNCTIONS: &str = r#"
# holds DIR TEXT: whether TEXT succeeds in DIR; its status, with a timeout as 124. Nothing that it
# prints is kept, and nothing of the wire is open in it.
holds() {
command -v timeout >/dev/null 2>&1 || timeout() { shift 3; "$@"; }
home
timeout -k 5 60 /bin/sh -c 'cd -- "$1" && eval "$2"' sh "$1" "$2" >/dev/null 2>&1 3<&- 4>&-
r=$?
! late "$r" || r=124
return "$r"
}
# command SECONDS DIR TEXT
command_in() {
home
run "$1" /bin/sh -c 'cd -- "$1" && eval "$2"' sh "$2" "$3" || { [ ! -s "${D:-/}/status" ] || M="exit status $r${M:+:
$M}"; return 1; }
}
"#;

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    r#"[command.migrate]
command = "./migrate up"
unless = "./migrate status --quiet"
cwd = "/srv/app"
timeout = "10m"
"#,
    r#"[file."/etc/aliases"]
content = "root: ops@shop.example\n"

[command.newaliases]
command = "newaliases"
run_on = ["file[/etc/aliases]"]
"#,
];

impl Resource for Command {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "command";
    const ABOUT: About = About::of::<Table>("A shell command, with a probe that tells whether it must run", "free and stands in addresses alone")
        .notes("It and its probes run as the login (after `become`), with PATH, HOME and LC_ALL=C and nothing on their standard input. Without `creates`, `unless`, `only_if` and `run_on` it runs every time, and the plan says so.")
        .examples(EXAMPLES);
    const OPAQUE: bool = true;
    const LIBRARY: &'static [&'static str] = &[FUNCTIONS];

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a command resource")?;
        let mut found = Vec::new();
        if table.command.get_ref().trim().is_empty() {
            found.push(Diagnostic::at(input.span(&table.command), "this command is empty"));
        }
        for path in [&table.creates, &table.cwd].into_iter().flatten() {
            if let Err(why) = absolute_path(path.get_ref())
                && path.get_ref() != "/"
            {
                found.push(Diagnostic::at(input.span(path), why));
            }
        }
        let run_on = input.triggers(TriggerKind::Run, &table.run_on, &mut found);
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self {
            name: input.name.value.clone(),
            text: table.command.into_inner(),
            creates: table.creates.map(Spanned::into_inner),
            unless: table.unless,
            only_if: table.only_if,
            cwd: table.cwd.map_or_else(|| "/".into(), Spanned::into_inner),
            run_on,
        })
    }

    fn subject(desired: &Self) -> &str {
        &desired.name
    }

    fn provides(desired: &Self) -> Vec<Subject> {
        desired.creates.iter().cloned().map(Subject::Path).collect()
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        vec![Subject::Path(desired.cwd.clone())]
    }

    fn triggers(desired: &Self) -> &[Trigger] {
        &desired.run_on
    }

    fn probe(items: &[&Self], script: &mut Script) {
        for command in items {
            if let Some(path) = &command.creates {
                script.text("[ -e").arg(path).text(" ] || [ -L").arg(path).text(" ]\n");
                script.text("echo creates $?\n");
            }
            for (word, text) in [("unless", &command.unless), ("only_if", &command.only_if)] {
                if let Some(text) = text {
                    script.text("holds").args([&command.cwd, text]).text("\necho");
                    script.arg(word).text(" $?\n");
                }
            }
            script.text("echo .\n");
        }
    }

    fn probe_seconds(desired: &Self) -> u32 {
        // Five more until timeout(1) sends the signal that nothing catches.
        65 * u32::from(desired.unless.is_some()) + 65 * u32::from(desired.only_if.is_some())
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let text = String::from_utf8_lossy(answer);
        let mut blocks = text.split('.').map(str::trim);
        items
            .iter()
            .map(|command| {
                let block = blocks.next().unwrap_or_default();
                let status = |word: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(word));
                    let status = line.and_then(|status| status.trim().parse::<u32>().ok());
                    match status {
                        None => Err(format!("the host did not answer `{word}`")),
                        Some(124) => Err(format!("`{word}` took longer than {PROBE_SECONDS} s")),
                        Some(status) => Ok(status == 0),
                    }
                };
                command.judge(status)
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        let run = || {
            let text = Attribute::value("command", None::<&str>, Some(&desired.text));
            Change::new(Action::Run, vec![text])
        };
        match observed {
            Observed::NoProbe if desired.run_on.is_empty() => {
                Verdict::Change(run().note("will run (no probe)"))
            }
            Observed::NoProbe => {
                Verdict::Same("runs only when something that it names changes".into())
            }
            Observed::Satisfied(why) => Verdict::Same(why.clone()),
            Observed::Needed(why) => {
                Verdict::Change(run().note(format!("will run, because {why}")))
            }
        }
    }

    fn verifiable(desired: &Self) -> bool {
        desired.creates.is_some() || desired.unless.is_some() || desired.only_if.is_some()
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        match observed {
            Observed::NoProbe if !desired.run_on.is_empty() => Observed::NoProbe,
            _ => Observed::Satisfied("it has run".into()),
        }
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], step(work))).collect()
    }
}

impl Command {
    /// What the answers of its probes mean together: all of them must ask for the run.
    fn judge(&self, status: impl Fn(&str) -> Result<bool, String>) -> Result<Observed, String> {
        let mut needed = Vec::new();
        if let Some(path) = &self.creates {
            if status("creates")? {
                return Ok(Observed::Satisfied(format!("{path} is there")));
            }
            needed.push(format!("{path} is not there"));
        }
        if self.unless.is_some() {
            if status("unless")? {
                return Ok(Observed::Satisfied("`unless` succeeds".into()));
            }
            needed.push("`unless` fails".into());
        }
        if self.only_if.is_some() {
            if !status("only_if")? {
                return Ok(Observed::Satisfied("`only_if` fails".into()));
            }
            needed.push("`only_if` succeeds".into());
        }
        if needed.is_empty() {
            return Ok(Observed::NoProbe);
        }
        Ok(Observed::Needed(needed.join(" and ")))
    }
}

fn step(work: &Work<'_, Command>) -> Step {
    let command = work.desired;
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    let mut script = Script::new();
    script.text("command_in").args([&seconds, &command.cwd, &command.text]);
    Step::new(script)
}
