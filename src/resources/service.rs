//! A systemd service: running or stopped, enabled at boot or not, reloaded or restarted when
//! something that it names changes. It never writes a unit file.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{About, Input, Needs, Resource, STEP_SECONDS, Subject, Trigger, Verdict, Work};
use crate::model::change::TriggerKind;
use crate::model::{Action, Attribute, Change, Diagnostic};
use crate::shell::{Script, Step};

/// `[service.NAME]`
#[derive(Debug)]
pub(super) struct Service {
    /// With its suffix: `nginx.service`.
    unit: String,
    state: Option<State>,
    enabled: Option<bool>,
    triggers: Vec<Trigger>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    Running,
    Stopped,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it runs; as it is if absent.
    state: Option<State>,
    /// Whether it starts at boot; as it is if absent.
    enabled: Option<bool>,
    /// Addresses: when one of them changes, the running unit is reloaded, once, at its turn.
    #[serde(default)]
    #[schemars(with = "Vec<Trigger>")]
    reload_on: Vec<Spanned<String>>,
    /// Addresses: when one of them changes, the running unit is restarted, once, at its turn.
    #[serde(default)]
    #[schemars(with = "Vec<Trigger>")]
    restart_on: Vec<Spanned<String>>,
}

/// What `systemctl show` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Observed {
    /// There is no such unit.
    NotFound,
    Masked,
    Loaded {
        /// `active`, `inactive`, `failed`, `activating` …
        active: String,
        /// `enabled`, `disabled`, `static`, `generated` …; empty where systemd says none.
        unit_file: String,
    },
}

/// Shell functions of its probe and steps.
const FUNCTIONS: &str = r#"
units() {
command -v systemctl >/dev/null 2>&1 || { echo '!'; return; }
systemctl show -p Id,Names,LoadState,ActiveState,UnitFileState -- "$@" 2>&1
}
# unit SECONDS UNIT VERB…: one systemctl for each verb; what it says on failure is completed by
# the unit's own last words.
unit() {
a=$1 b=$2
shift 2
systemctl daemon-reload >/dev/null 2>&1
for c do
try "$a" systemctl --no-ask-password "$c" -- "$b" && continue
M="systemctl $c: $M
$(systemctl status --no-pager --lines=8 -- "$b" 2>&1 | tail -n 12)"
return 1
done
}
"#;

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    r#"[service.cron]
state = "running"
enabled = true
"#,
    r#"[file."/etc/nginx/conf.d/app.conf"]
content = "client_max_body_size 20m;\n"

[service.nginx]
reload_on = ["file[/etc/nginx/**]"]
"#,
];

impl Resource for Service {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "service";
    const ABOUT: About = About::of::<Table>("A systemd unit: running, enabled, reloaded when something changes", "the unit; `.service` is added where there is no suffix")
        .notes("A unit file is a `file` in /etc/systemd/system: systemd reads its units again before a service is changed.")
        .examples(EXAMPLES);
    const AFTER: &'static [&'static str] =
        &["package", "file", "line", "symlink", "directory", "user", "group"];
    const LIBRARY: &'static [&'static str] = &[FUNCTIONS];
    const NEEDS: Needs = Needs::Root;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a service resource")?;
        let mut found = Vec::new();
        let name = &input.name.value;
        if !unit_name(name) {
            found.push(Diagnostic::at(
                input.name.span,
                format!("`{}` is not the name of a service", name.escape_debug()),
            ));
        }
        let mut triggers = input.triggers(TriggerKind::Restart, &table.restart_on, &mut found);
        triggers.extend(input.triggers(TriggerKind::Reload, &table.reload_on, &mut found));
        let triggered = !table.reload_on.is_empty() || !table.restart_on.is_empty();
        if table.state.is_none() && table.enabled.is_none() && !triggered {
            found.push(
                Diagnostic::at(input.header, "this service says nothing")
                    .help("set `state`, `enabled`, `restart_on` or `reload_on`"),
            );
        }
        if !found.is_empty() {
            return Err(found);
        }
        let unit = if name.contains('.') { name.clone() } else { format!("{name}.service") };
        Ok(Self { unit, state: table.state, enabled: table.enabled, triggers })
    }

    fn subject(desired: &Self) -> &str {
        &desired.unit
    }

    fn wants(desired: &Self) -> Vec<Subject> {
        vec![Subject::Unit(desired.unit.clone())]
    }

    fn triggers(desired: &Self) -> &[Trigger] {
        &desired.triggers
    }

    fn probe(items: &[&Self], script: &mut Script) {
        script.text("units").args(items.iter().map(|service| &service.unit)).text("\n");
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let text = String::from_utf8_lossy(answer);
        if text.starts_with('!') {
            let why = "this host has no systemctl; services of other systems are not managed yet";
            return items.iter().map(|_| Err(why.to_owned())).collect();
        }
        let mut units: HashMap<&str, Observed> = HashMap::new();
        for block in text.split("\n\n") {
            let keys: HashMap<&str, &str> =
                block.lines().filter_map(|line| line.split_once('=')).collect();
            let get = |key| keys.get(key).copied().unwrap_or_default();
            let observed = match get("LoadState") {
                "" => continue,
                "not-found" => Observed::NotFound,
                "masked" => Observed::Masked,
                _ => Observed::Loaded {
                    active: get("ActiveState").to_owned(),
                    unit_file: get("UnitFileState").to_owned(),
                },
            };
            for name in get("Names").split(' ').chain([get("Id")]) {
                units.insert(name, observed.clone());
            }
        }
        items
            .iter()
            .map(|service| {
                let said = || text.lines().next().unwrap_or_default();
                let unit = units.get(service.unit.as_str()).cloned();
                unit.ok_or_else(|| {
                    format!("systemctl did not answer for {}: {}", service.unit, said())
                })
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        match observed {
            Observed::NotFound => {
                let state = desired
                    .state
                    .map(|state| Attribute::value("state", None::<&str>, Some(state.word())));
                let enabled = desired
                    .enabled
                    .map(|enabled| Attribute::value("enabled", None::<&str>, Some(enabled)));
                let then = Change::new(Action::Update, state.into_iter().chain(enabled).collect());
                if desired.state != Some(State::Running) && desired.enabled != Some(true) {
                    return Verdict::Same("there is no such unit".into());
                }
                let message = format!(
                    "there is no unit {} on this host; declare the package or the file that brings it",
                    desired.unit
                );
                Verdict::Blocked { need: Some(Subject::Unit(desired.unit.clone())), message, then }
            }
            Observed::Masked => {
                if desired.state != Some(State::Running) && desired.enabled != Some(true) {
                    return Verdict::Same("masked".into());
                }
                Verdict::Refused(format!(
                    "{} is masked; unmask it by hand if you mean it",
                    desired.unit
                ))
            }
            Observed::Loaded { active, unit_file } => desired.compare(active, unit_file),
        }
    }

    /// A unit that does not run has nothing to reload, and one that is being started reads its files
    /// anyway. What a package will bring may be running when its turn comes.
    fn heeds(desired: &Self, observed: &Observed, change: Option<&Change>) -> bool {
        let starts = change.is_some_and(|change| {
            change.attributes.iter().any(|attribute| attribute.name == "state")
        });
        match observed {
            _ if desired.state == Some(State::Stopped) => false,
            Observed::Loaded { active, .. } => {
                active != "inactive" && active != "failed" && !starts
            }
            Observed::NotFound => true,
            Observed::Masked => false,
        }
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        let (mut active, mut unit_file) = match observed {
            Observed::Loaded { active, unit_file } => (active.clone(), unit_file.clone()),
            other if desired.state.is_none() && desired.enabled.is_none() => return other.clone(),
            _ => ("inactive".to_owned(), "disabled".to_owned()),
        };
        match desired.state {
            Some(State::Running) => "active".clone_into(&mut active),
            Some(State::Stopped) => "inactive".clone_into(&mut active),
            None => {}
        }
        if let Some(enabled) = desired.enabled {
            if enabled { "enabled" } else { "disabled" }.clone_into(&mut unit_file);
        }
        Observed::Loaded { active, unit_file }
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work.iter().enumerate().map(|(index, work)| (vec![index], step(work))).collect()
    }
}

impl Service {
    /// What differs on a unit that is loaded.
    fn compare(&self, active: &str, unit_file: &str) -> Verdict {
        let mut attributes = Vec::new();
        let runs = matches!(active, "active" | "reloading" | "activating");
        if let Some(state) = self.state
            && runs != (state == State::Running)
        {
            let now = if active == "inactive" { "stopped" } else { active };
            let now = if runs { "running" } else { now };
            attributes.push(Attribute::value("state", Some(now), Some(state.word())));
        }
        let enabled = matches!(unit_file, "enabled" | "enabled-runtime" | "alias");
        if let Some(wanted) = self.enabled
            && wanted != enabled
        {
            if matches!(unit_file, "static" | "generated" | "transient" | "indirect") && wanted {
                return Verdict::Refused(format!(
                    "{} cannot be enabled: its unit file is {unit_file}",
                    self.unit
                ));
            }
            if enabled || wanted {
                attributes.push(Attribute::value("enabled", Some(enabled), Some(wanted)));
            }
        }
        if attributes.is_empty() {
            return Verdict::Same(format!(
                "{active}, {}",
                if enabled { "enabled" } else { "not enabled" }
            ));
        }
        Verdict::Change(Change::new(Action::Update, attributes))
    }
}

/// systemd.unit(5): a unit's name.
fn unit_name(name: &str) -> bool {
    let right = |char: char| {
        char.is_ascii_alphanumeric() || matches!(char, ':' | '-' | '_' | '.' | '\\' | '@')
    };
    !name.is_empty() && name.len() < 256 && !name.starts_with(['-', '.']) && name.chars().all(right)
}

fn step(work: &Work<'_, Service>) -> Step {
    let service = work.desired;
    let differs = |name| work.change.attributes.iter().any(|attribute| attribute.name == name);
    let mut verbs = Vec::new();
    if differs("enabled") {
        verbs.push(if service.enabled == Some(true) { "enable" } else { "disable" });
    }
    if differs("state") {
        verbs.push(if service.state == Some(State::Running) { "start" } else { "stop" });
    } else if let Some(fired) = &work.change.fired {
        verbs.push(match fired.kind {
            TriggerKind::Reload => "reload",
            TriggerKind::Restart | TriggerKind::Run => "restart",
        });
    }
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    let mut script = Script::new();
    script.text("unit").args([&seconds, &service.unit]).args(verbs);
    Step::new(script)
}
