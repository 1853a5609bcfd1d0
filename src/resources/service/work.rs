//! What is done to a unit, by systemctl.

use super::super::inverse::differs;
use super::super::record::text;
use super::super::{Back, Inverse, Resource as _, STEP_SECONDS, Work};
use super::unit::{Load, Unit};
use super::{Service, State};
use crate::model::change::TriggerKind;
use crate::model::{Change, Value};
use crate::shell::{Joint, Script, Step};

/// What systemctl is to do, in its order.
fn verbs(work: &Work<'_, Service>) -> Vec<&'static str> {
    let (service, unit) = (work.desired, &work.observed.unit);
    let differs = |name| work.change.attributes.iter().any(|attribute| attribute.name == name);
    let mut verbs = Vec::new();
    let acts = service.state == Some(State::Running) || service.enabled == Some(true);
    if matches!(unit.load, Load::Masked { .. }) && acts {
        verbs.push("unmask");
    }
    if differs("enabled") {
        verbs.push(match (service.enabled, unit.boots()) {
            (Some(true), _) => "enable",
            (_, "runtime") => "disable-runtime",
            _ => "disable",
        });
    }
    match service.state.filter(|_| differs("state")) {
        Some(State::Running) if unit.runs() == "failing" => verbs.push("restart"),
        Some(State::Running) => verbs.push("start"),
        Some(State::Stopped) => verbs.push("stop"),
        Some(State::Masked) => verbs.extend(["stop", "mask"]),
        None => verbs.extend(work.change.fired.as_ref().map(|fired| match fired.kind {
            TriggerKind::Reload => "reload",
            TriggerKind::Restart | TriggerKind::Run => "restart",
        })),
    }
    verbs
}

pub(super) fn step(work: &Work<'_, Service>, first: bool) -> Step {
    let (service, unit) = (work.desired, &work.observed.unit);
    let differs = |name| work.change.attributes.iter().any(|attribute| attribute.name == name);
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    let known = !matches!(unit.load, Load::NotFound | Load::Bad(_));
    let runs = known && (differs("state") || work.change.fired.is_some());
    let boots = known && differs("enabled");
    let boot = service.enabled.map_or("-", |wanted| if wanted { "on" } else { "off" });
    let mut script = Script::new();
    if first {
        script.text("reread").arg(&seconds).text(" &&\n");
    }
    let id = if unit.id.is_empty() { &service.unit } else { &unit.id };
    let was = [if runs { unit.runs() } else { "-" }, if boots { unit.boots() } else { "-" }];
    let verbs = verbs(work);
    script.text("unit").args([&seconds, id]).args(was);
    script.args([service.leaves(unit).unwrap_or("-"), boot]).args(&verbs);
    let up = verbs.join(" ");
    let words = [id.as_str(), was[0], was[1], if first { "y" } else { "-" }];
    let joint = ["enable", "start", "enable start"].contains(&up.as_str()).then(|| Joint {
        call: "upunits",
        shared: vec![seconds, up],
        words: words.map(|word| word.as_bytes().to_vec()).into(),
    });
    Step { joint, ..Step::new(script) }
}

/// How it ran and whether it started at boot. One that was not there is stopped, and starts no more.
pub(super) fn inverse(service: &Service, unit: &Unit, change: &Change) -> Inverse {
    let (mut keys, mut lost) = (Vec::new(), Vec::new());
    if differs(change, "state") {
        match unit.runs() {
            "running" => keys.push(("state", text("running"))),
            "stopped" | "failed" | "deactivating" | "" => keys.push(("state", text("stopped"))),
            "masked" => keys.push(("state", text("masked"))),
            other => lost.push(format!("it stays as it runs: before it was {other}")),
        }
    }
    let masks = unit.runs() == "masked" && differs(change, "state");
    if differs(change, "enabled") && !masks {
        match unit.boots() {
            "on" => keys.push(("enabled", Value::Boolean(true))),
            "off" => keys.push(("enabled", Value::Boolean(false))),
            "runtime" => lost.push(
                "whether it starts at boot stays: before it did until the next one".to_owned(),
            ),
            _ => lost.push("whether it starts at boot stays: before it was masked".to_owned()),
        }
    }
    if keys.is_empty() {
        return Inverse { back: Vec::new(), lost };
    }
    let name = service.unit.strip_suffix(".service").unwrap_or(&service.unit);
    Inverse { back: vec![Back::to(Service::NAME, name, keys).leaving_all(change)], lost }
}

/// A unit that was not there before the run goes down before what brought it goes, and starts at boot no more.
pub(super) fn came(service: &Service, first: &Unit, change: &Change) -> Option<Back> {
    let enabled = service.enabled == Some(true);
    let keys = std::iter::once(("state", text("stopped")));
    let keys = keys.chain(enabled.then_some(("enabled", Value::Boolean(false))));
    let name = service.unit.strip_suffix(".service").unwrap_or(&service.unit);
    let there = !matches!(first.load, Load::NotFound);
    (!there).then(|| Back::to(Service::NAME, name, keys).leaving_all(change))
}
