//! A command. With a probe (`creates`, `unless`, `only_if`) it plans exactly; with `run_on` alone it
//! runs only when something changes; with neither it runs every time and says so. `until` waits for what
//! it brings about, or for anything at all where there is no command.

use std::collections::BTreeMap;

use super::{
    About, Back, Input, Inverse, Parting, Resource, STEP_SECONDS, Subject, Trigger, Verdict, Work,
};
use crate::model::{Action, Attribute, Change, Diagnostic, Value};
use crate::shell::{Script, Step};

mod table;

/// Seconds that a probe of the user's may take.
const PROBE_SECONDS: &str = "60";

/// `[command.NAME]`
#[derive(Debug)]
pub(super) struct Command {
    name: String,
    /// Text for sh(1); empty where there is only something to wait for.
    text: String,
    /// A path: it runs only while nothing is there.
    creates: Option<String>,
    /// Text for sh(1): it runs only while this fails.
    unless: Option<String>,
    /// Text for sh(1): it runs only while this succeeds.
    only_if: Option<String>,
    /// Text for sh(1): tried until it succeeds, after the command.
    until: Option<String>,
    /// The folder in which it and its probes run; `/` if none is given.
    cwd: String,
    /// Whose it is; the login's if none is given.
    as_user: Option<String>,
    environment: BTreeMap<String, String>,
    /// What it reads.
    stdin: String,
    /// Bytes of what it prints that are kept; the host's usual number if none is given.
    max_output: Option<u32>,
    run_on: Vec<Trigger>,
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
    /// Its probes cannot run, and why: something is missing, such as `need`.
    Unready { need: Option<Subject>, why: String },
}

/// Shell functions of its probe and steps.
const FUNCTIONS: &str = include_str!("command.sh");

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
    r#"[params]
token = { type = "string", sensitive = true, default = "none" }

[command.register]
command = "app register --token-from-stdin"
stdin = "{{ params.token }}"
environment = { APP_HOME = "/srv/app" }
as_user = "www-data"
cwd = "/srv"
creates = "/srv/app/registered"
retries = 3
"#,
    r#"[service.nginx]
state = "running"

[command.answers]
until = "curl -fsS -o /dev/null http://localhost/"
requires = ["service[nginx]"]
timeout = "1m"
"#,
];

impl Resource for Command {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "command";
    const ABOUT: About = About::of::<table::Table>("A shell command, with a probe that tells whether it must run", "free and stands in addresses alone")
        .notes("It and its probes run as the login (after `become`) or as `as_user`, with PATH, HOME, LC_ALL=C and `environment`; nothing but `stdin` is on its standard input. What it is told comes on a pipe and stands in no argument. Without `creates`, `unless`, `only_if` and `run_on` it runs every time, and the plan says so. Right before it runs its probes are asked once more: where they ask for it no longer, it does not run, and the report says so. A probe that ends with status 126 or 127 could not be run, which is a mistake and no answer. Of what it prints `max_output` bytes are kept, the first and the last half, with how much was left out between them. A rollback does not undo it, and says so; one that `run_on` set off runs again once what set it off is back.")
        .examples(EXAMPLES);
    const OPAQUE: bool = true;
    const REPEATABLE: bool = true;
    const LIBRARY: &'static [&'static str] = &[FUNCTIONS];

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        table::parse(input)
    }

    fn subject(desired: &Self) -> &str {
        &desired.name
    }

    fn identity(_desired: &Self) -> Vec<String> {
        Vec::new()
    }

    fn provides(desired: &Self) -> Vec<Subject> {
        desired.creates.iter().cloned().map(Subject::Path).collect()
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        let user = desired.as_user.iter().cloned().map(Subject::User);
        user.chain([Subject::Path(desired.cwd.clone())]).collect()
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
            let texts = command.probes();
            if !texts.is_empty() {
                script.text("ready").args([command.user(), &command.cwd]).text(" && {\n");
                for (word, text) in texts {
                    script.text("held").arg(PROBE_SECONDS).arg(command.program(text));
                    script.text("\necho").arg(word).text(" $?\n");
                }
                script.text("}\n");
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
        let lines: Vec<&str> = text.lines().collect();
        let mut blocks = lines.split(|line| *line == ".");
        let each = items.iter().map(|command| command.judge(blocks.next().unwrap_or_default()));
        each.collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        let run = || Change::new(Action::Run, desired.attributes());
        let verb = if desired.text.is_empty() { "wait" } else { "run" };
        match observed {
            Observed::NoProbe if desired.run_on.is_empty() => {
                Verdict::Change(run().note("will run (no probe)"))
            }
            Observed::NoProbe => {
                Verdict::Same("runs only when something that it names changes".into())
            }
            Observed::Satisfied(why) => Verdict::Same(why.clone()),
            Observed::Needed(why) => {
                Verdict::Change(run().note(format!("will {verb}, because {why}")))
            }
            Observed::Unready { need, why } => Verdict::Blocked {
                need: need.clone(),
                message: why.clone(),
                then: run().note(format!("will {verb} where its probes ask for it")),
            },
        }
    }

    fn verifiable(desired: &Self) -> bool {
        desired.creates.is_some() || !desired.probes().is_empty()
    }

    fn runs(desired: &Self) -> Vec<Attribute> {
        desired.attributes()
    }

    fn parting(_desired: &Self) -> Parting {
        Parting::Stays("what a command did cannot be undone")
    }

    /// What something that changed set off runs again once that is back; what another one did is not known.
    fn inverse(desired: &Self, _observed: &Observed, change: &Change) -> Inverse {
        if desired.text.is_empty() {
            Inverse::default()
        } else if change.fired.is_some() {
            let back = Back::to(Self::NAME, &desired.name, desired.keys());
            Inverse::of(back.leaving(Vec::new()).again())
        } else {
            Inverse::cannot("what a command did is not known")
        }
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
    /// Whose it is, as command.sh is told.
    fn user(&self) -> &str {
        self.as_user.as_deref().unwrap_or("-")
    }

    /// The texts that tell whether it must run. What is only waited for must be waited for while it fails.
    fn probes(&self) -> Vec<(&'static str, &str)> {
        let until = self.until.as_ref().filter(|_| self.text.is_empty());
        let all = [("unless", self.unless.as_ref()), ("only_if", self.only_if.as_ref())];
        let all = all.into_iter().chain([("until", until)]);
        all.filter_map(|(word, text)| Some((word, text?.as_str()))).collect()
    }

    /// What the shell that runs `text` reads first.
    fn program(&self, text: &str) -> Vec<u8> {
        let mut script = Script::new();
        script.text("umask 022; cd --").arg(&self.cwd).text(" || exit 126\n");
        for (name, value) in &self.environment {
            script.text("export").arg(format!("{name}={value}")).text("\n");
        }
        script.text("eval").arg(text);
        script.bytes().to_vec()
    }

    /// What it runs, and how, as keys of its table.
    fn keys(&self) -> Vec<(&'static str, Value)> {
        let text = |value: &String| Some(Value::String(value.clone()));
        let environment = self.environment.iter();
        let environment =
            environment.filter_map(|(name, value)| Some((name.clone(), text(value)?)));
        let environment: BTreeMap<String, Value> = environment.collect();
        let all = [
            ("command", text(&self.text)),
            ("cwd", text(&self.cwd)),
            ("as_user", self.as_user.as_ref().and_then(text)),
            ("environment", Some(Value::Table(environment))),
            ("stdin", text(&self.stdin).filter(|_| !self.stdin.is_empty())),
            ("until", self.until.as_ref().and_then(text)),
            ("max_output", self.max_output.map(|bytes| Value::Integer(bytes.into()))),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// What it runs, and how.
    fn attributes(&self) -> Vec<Attribute> {
        let names: Vec<&str> = self.environment.keys().map(String::as_str).collect();
        let cwd = (self.cwd != "/").then_some(&self.cwd);
        let size = self.stdin.len();
        let facts = [
            ("command", Some(&self.text).filter(|text| !text.is_empty()).cloned()),
            ("as_user", self.as_user.clone()),
            ("cwd", cwd.cloned()),
            ("environment", (!names.is_empty()).then(|| names.join(", "))),
            (
                "stdin",
                (size > 0).then(|| format!("{size} {}", if size == 1 { "byte" } else { "bytes" })),
            ),
            ("until", self.until.clone()),
        ];
        let facts = facts.into_iter().filter(|(_, value)| value.is_some());
        facts.map(|(name, value)| Attribute::value(name, None::<&str>, value)).collect()
    }

    /// What the answers of its probes mean together: all of them must ask for the run.
    fn judge(&self, block: &[&str]) -> Result<Observed, String> {
        let line = |word: &str| block.iter().find_map(|line| line.strip_prefix(word));
        let status = |word: &str| {
            let status = line(word).and_then(|status| status.trim().parse::<u32>().ok());
            status.ok_or_else(|| format!("the host did not answer `{word}`"))
        };
        let mut needed = Vec::new();
        if let Some(path) = &self.creates {
            if status("creates")? == 0 {
                return Ok(Observed::Satisfied(format!("{path} is there")));
            }
            needed.push(format!("{path} is not there"));
        }
        if let Some(why) = line("user ") {
            let need = self.as_user.clone().map(Subject::User);
            return Ok(Observed::Unready { need, why: why.to_owned() });
        }
        if line("dir").is_some() {
            let why = format!("its folder {} does not exist: declare it too", self.cwd);
            let need = Some(Subject::Path(self.cwd.clone()));
            return Ok(Observed::Unready { need, why });
        }
        for (word, _) in self.probes() {
            let status = status(word)?;
            match status {
                124 => return Err(format!("`{word}` took longer than {PROBE_SECONDS} s")),
                126 | 127 => {
                    let why = format!(
                        "`{word}` cannot run: exit status {status}, a program in it is not there or not executable"
                    );
                    return Ok(Observed::Unready { need: None, why });
                }
                _ => {}
            }
            let asks = (status == 0) == (word == "only_if");
            let says = if status == 0 { "succeeds" } else { "fails" };
            if !asks {
                return Ok(Observed::Satisfied(format!("`{word}` {says}")));
            }
            needed.push(format!("`{word}` {says}"));
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
    let program =
        |text: &Option<String>| text.as_ref().map(|text| command.program(text)).unwrap_or_default();
    let text = Some(&command.text).filter(|text| !text.is_empty()).cloned();
    let mut script = Script::new();
    if let Some(bytes) = command.max_output {
        script.text("most=").number(bytes).text("\n");
    }
    script.text("command_to").args([seconds.as_str(), command.user(), &command.cwd]);
    script.arg(program(&text)).arg(&command.stdin).arg(program(&command.until));
    // A trigger that goes off is meant, whatever the probes say.
    if work.change.fired.is_some() {
        script.args(["", "", ""]);
    } else {
        script.arg(command.creates.as_deref().unwrap_or_default());
        script.arg(program(&command.unless)).arg(program(&command.only_if));
    }
    Step::new(script)
}
