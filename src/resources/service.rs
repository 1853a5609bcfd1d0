//! A systemd unit: running, stopped or masked, enabled at boot or not, reloaded or restarted when
//! something that it names changes. It never writes a unit file.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::able::{self, Lacks};
use super::{
    About, Back, Claim, Input, Inverse, Parting, Record, Resource, Subject, Trigger, Verdict, Work,
    access,
};
use crate::model::change::TriggerKind;
use crate::model::{Action, Attribute, Change, Diagnostic, WayIn};
use crate::shell::{Script, Step};

mod unit;
mod work;

use unit::{Load, Unit};

/// `[service.NAME]`
#[derive(Debug, Clone)]
pub(super) struct Service {
    /// With its suffix: `nginx.service`.
    unit: String,
    state: Option<State>,
    enabled: Option<bool>,
    triggers: Vec<Trigger>,
    /// Paths that resources of its host manage: its unit's file may be one of those.
    managed: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    Running,
    Stopped,
    Masked,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Masked => "masked",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it runs; "masked" is stopped, and nothing can start it. As it is if absent.
    state: Option<State>,
    /// Whether it starts at boot; as it is if absent. A masked one does not.
    #[schemars(with = "Option<bool>")]
    enabled: Option<Spanned<bool>>,
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
pub(super) struct Observed {
    unit: Unit,
    lacks: Lacks,
}

/// Shell functions of its probe and steps.
const FUNCTIONS: &str = include_str!("service.sh");

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
    r#"[service."fstrim.timer"]
state = "running"
enabled = true

[service.avahi-daemon]
state = "masked"
"#,
];

impl Resource for Service {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "service";
    const ABOUT: About = About::of::<Table>("A systemd unit: running, enabled, reloaded when something changes", "the unit; `.service` is added where there is no suffix")
        .notes("A unit file is a `file` in /etc/systemd/system: systemd reads its units again before a service is changed. A restart does the work of a reload that is due too, and what is started anyway is neither. One that ends right after its start is a failure, told with its last log lines: it is looked at 0.3 s later, and once more behind all steps. Masking stands for the administrator's: what a package masks for good cannot run. A rollback brings back how it ran and whether it starts at boot.")
        .examples(EXAMPLES);
    const AFTER: &'static [&'static str] =
        &["package", "file", "line", "block", "symlink", "directory", "user", "group"];
    const REPEATABLE: bool = true;
    const RETURNS: bool = true;
    const LIBRARY: &'static [&'static str] = &[FUNCTIONS];

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a service resource")?;
        let mut found = Vec::new();
        let name = &input.name.value;
        if !unit::is_name(name) {
            found.push(Diagnostic::at(
                input.name.span,
                format!("`{}` is not the name of a service", name.escape_debug()),
            ));
        } else if unit::is_template(name) {
            found.push(
                Diagnostic::at(input.name.span, format!("`{name}` is a template of services"))
                    .help(format!("name an instance, such as `{}`", name.replacen('@', "@1", 1))),
            );
        }
        if let Some(enabled) = &table.enabled
            && table.state == Some(State::Masked)
        {
            let message = "a masked service does not start at boot: leave `enabled` out";
            found.push(Diagnostic::at(input.span(enabled), message));
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
        let enabled = table.enabled.map(Spanned::into_inner);
        let (unit, managed) = (unit::with_suffix(name), Vec::new());
        Ok(Self { unit, state: table.state, enabled, triggers, managed })
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

    fn among(desired: &Self, claims: &dyn Fn() -> Vec<Claim>) -> Option<Self> {
        if desired.state != Some(State::Masked) {
            return None;
        }
        let managed = claims().iter().filter_map(|claim| claim.path().map(str::to_owned)).collect();
        Some(Self { managed, ..desired.clone() })
    }

    fn probe(items: &[&Self], script: &mut Script) {
        let (quick, slow): (Vec<&Self>, Vec<&Self>) =
            items.iter().partition(|service| service.is_up_where_true());
        let all = if quick.is_empty() {
            "units"
        } else {
            script.text("quick").args(quick.iter().map(|service| &service.unit)).text("\n");
            "units $slow"
        };
        script.text(all).args(slow.iter().map(|service| &service.unit)).text("\n");
        script.text(able::ROOT);
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let text = String::from_utf8_lossy(answer);
        if text.starts_with('!') {
            let why = "this host has no systemctl; services of other systems are not managed yet";
            return items.iter().map(|_| Err(why.to_owned())).collect();
        }
        let lacks = Lacks::read(&text);
        let mut units: HashMap<&str, Unit> = HashMap::new();
        for block in text.split("\n\n") {
            let keys: HashMap<&str, &str> =
                block.lines().filter_map(|line| line.split_once('=')).collect();
            let Some(unit) = unit::read(&keys) else { continue };
            let names = keys.get("Names").copied().unwrap_or_default().split(' ');
            for name in names.chain(keys.get("Id").copied()) {
                units.insert(name, unit.clone());
            }
        }
        items
            .iter()
            .map(|service| {
                let said = || unit::beside(&text);
                let unit = units.get(service.unit.as_str()).cloned();
                let unit = unit.ok_or_else(|| {
                    format!("systemctl did not answer for {}: {}", service.unit, said())
                })?;
                Ok(Observed { unit, lacks: lacks.clone() })
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        let unit = &observed.unit;
        let acts = matches!(desired.state, Some(State::Running)) || desired.enabled == Some(true);
        let missing = match &unit.load {
            Load::NotFound if !acts => return Verdict::Same("there is no such unit".into()),
            Load::NotFound => format!(
                "there is no unit {} on this host; declare the package or the file that brings it",
                desired.unit
            ),
            Load::Bad(why) if acts => format!("systemd cannot load {}: {why}", desired.unit),
            Load::Masked { by_package: true } if acts => {
                let unit = &desired.unit;
                return Verdict::Refused(format!(
                    "{unit} is masked for good by the package that brings it, and cannot run"
                ));
            }
            _ => return observed.lacks.stop(desired.compare(unit)),
        };
        let state = desired.state.map(State::word);
        let state = state.map(|state| Attribute::value("state", None::<&str>, Some(state)));
        let enabled = desired.enabled;
        let enabled =
            enabled.map(|enabled| Attribute::value("enabled", None::<&str>, Some(enabled)));
        let then = Change::new(Action::Update, state.into_iter().chain(enabled).collect());
        let need = Some(Subject::Unit(desired.unit.clone()));
        Verdict::Blocked { need, message: missing, then }
    }

    /// A unit that does not run has nothing to reload, and one that is being started reads its files
    /// anyway. What a package will bring may be running when its turn comes.
    fn heeds(desired: &Self, observed: &Observed, change: Option<&Change>) -> bool {
        let starts = change.is_some_and(|change| {
            change.attributes.iter().any(|attribute| attribute.name == "state")
        });
        let runs = !matches!(observed.unit.active.as_str(), "inactive" | "failed");
        match observed.unit.load {
            _ if matches!(desired.state, Some(State::Stopped | State::Masked)) => false,
            Load::NotFound | Load::Bad(_) => true,
            Load::Masked { .. } => false,
            Load::Loaded => runs && !starts,
        }
    }

    fn record(desired: &Self) -> Record {
        let state = desired.state.map(|state| ("state", state.word().to_owned()));
        let enabled = desired.enabled.map(|enabled| ("enabled", enabled.to_string()));
        state.into_iter().chain(enabled).collect()
    }

    fn cuts(desired: &Self, change: &Change, _way_in: &WayIn) -> Option<&'static str> {
        // A trigger that reloads is what a careful change does.
        let starts = change.after("state") == Some("running") && change.fired.is_none();
        (!starts).then(|| access::name(&desired.unit))?
    }

    fn parting(_desired: &Self) -> Parting {
        Parting::Stays("a unit is the package's or a file's that brings it")
    }

    fn inverse(desired: &Self, observed: &Observed, change: &Change) -> Inverse {
        work::inverse(desired, &observed.unit, change)
    }

    fn came(desired: &Self, first: &Observed, change: &Change) -> Option<Back> {
        work::came(desired, &first.unit, change)
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        let mut after = observed.clone();
        let unit = &mut after.unit;
        if desired.state.is_none() && desired.enabled.is_none() {
            return after;
        }
        if !matches!(unit.load, Load::Loaded) {
            let masked = matches!(unit.load, Load::Masked { .. });
            if !masked || desired.state != Some(State::Stopped) {
                unit.load = Load::Loaded;
                unit.file_state = "disabled".into();
            }
            if !masked {
                unit.id.clone_from(&desired.unit);
                unit.active = "inactive".into();
            }
        }
        if let Some(state) = desired.state {
            let active = if state == State::Running { "active" } else { "inactive" };
            active.clone_into(&mut unit.active);
            unit.sub.clear();
        }
        if desired.state == Some(State::Masked) {
            unit.load = Load::Masked { by_package: false };
            unit.file_state = "masked".into();
        }
        if let Some(enabled) = desired.enabled {
            if enabled { "enabled" } else { "disabled" }.clone_into(&mut unit.file_state);
        }
        after
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        let steps = work.iter().enumerate();
        steps.map(|(index, work)| (vec![index], work::step(work, index == 0))).collect()
    }
}

impl Service {
    /// Whether a host that is as this says has the unit up and starts it at boot, so that no more need be asked about it
    /// (service.sh, `quick`).
    fn is_up_where_true(&self) -> bool {
        self.state.is_none_or(|state| state == State::Running)
            && self.enabled != Some(false)
            && !self.unit.contains(['@', '\\'])
    }

    /// How a unit will run: behind a mask that stays it is stopped too.
    fn leaves(&self, unit: &Unit) -> Option<&'static str> {
        let state = self.state?;
        let masked = matches!(unit.load, Load::Masked { .. }) && self.enabled != Some(true);
        Some(if masked && state == State::Stopped { State::Masked } else { state }.word())
    }

    /// What differs on a unit that is there.
    fn compare(&self, unit: &Unit) -> Verdict {
        let mut attributes = Vec::new();
        if let Some(state) = self.state
            && !unit.is(state)
        {
            if state == State::Running && unit.passing {
                return Verdict::Refused(format!(
                    "{} is a oneshot that ends by itself: nothing keeps it running; set `enabled` alone, or use a command",
                    self.unit
                ));
            }
            if state == State::Masked
                && let Some(file) =
                    unit.in_the_way.as_ref().filter(|file| !self.managed.contains(file))
            {
                return Verdict::Refused(format!(
                    "{} cannot be masked: its unit file {file} stands where the mask goes; declare it absent, as \
                     [file.{file:?}], or set `state = \"stopped\"` and `enabled = false`",
                    self.unit
                ));
            }
            attributes.push(Attribute::value("state", Some(unit.runs()), self.leaves(unit)));
        }
        if let Some(wanted) = self.enabled {
            let now = unit.boots();
            let cannot = match unit.file_state.as_str() {
                "generated" => true,
                "static" | "transient" => wanted,
                _ => false,
            };
            if cannot {
                let (name, file) = (&self.unit, &unit.file_state);
                let word = if wanted { "enabled" } else { "disabled" };
                return Verdict::Refused(format!(
                    "{name} cannot be {word}: its unit file is {file}"
                ));
            }
            // Behind a mask that goes nobody sees whether it starts at boot.
            let masked = unit.boots() == "masked" && !wanted && self.state != Some(State::Running);
            if now != if wanted { "on" } else { "off" } && !masked {
                let now = match now {
                    "on" => "true",
                    "off" => "false",
                    "runtime" => "until the next boot",
                    other => other,
                };
                attributes.push(Attribute::value("enabled", Some(now), Some(wanted)));
            }
        }
        if attributes.is_empty() {
            return Verdict::Same(unit.said());
        }
        Verdict::Change(Change::new(Action::Update, attributes))
    }
}
