//! What a step's answer says of the resources that it is about.

use super::apply::Emit;
use super::failpoint::failpoint;
use super::host::HostRun;
use super::reason::of_step;
use crate::model::Event;
use crate::model::event::Stepped;
use crate::shell::{Answer, AnswerKind};

/// A resource that the plan named and that was as wanted when its turn came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needless {
    pub resource: usize,
    pub why: String,
    /// Its own step found that out, and said so then.
    pub stepped: bool,
}

/// How the step of a command begins its remark when what asked for the run asks no more: command.sh.
const NOT_RUN: &str = "not run: ";

/// What the program of a step prints, unless a sensitive value went into what it is about.
pub(super) fn emit_said(
    run: &HostRun,
    items: Option<&Vec<usize>>,
    (answer, emit): (&Answer, Emit<'_>),
) {
    let all = items.into_iter().flatten().map(|&item| &run.desired.resources[item]);
    if all.clone().any(|instance| instance.sensitive) {
        return;
    }
    if let Some(first) = all.map(|instance| instance.address.clone()).next() {
        let text = String::from_utf8_lossy(&answer.payload).into_owned();
        emit(Event::Said { host: run.target, address: first, text });
    }
}

/// Why a step that did its work had none, if that is what it says.
pub(super) fn not_run(answer: &Answer) -> Option<String> {
    let said = String::from_utf8_lossy(&answer.payload);
    let remark = said.lines().next().filter(|_| answer.status > 0)?;
    remark.strip_prefix(NOT_RUN).map(ToOwned::to_owned)
}

/// What a step's answer says of the resources that it is about.
pub(super) fn stepped(run: &HostRun, items: Option<&Vec<usize>>, answer: &Answer) -> Event {
    if items.is_none_or(Vec::is_empty) {
        failpoint!("acknowledged");
    } else {
        failpoint!("stepped");
    }
    let instances = || items.into_iter().flatten().map(|&item| &run.desired.resources[item]);
    let sensitive = instances().any(|instance| instance.sensitive);
    let host = run.target;
    let how = match answer.kind {
        AnswerKind::Done => match (not_run(answer), instances().next()) {
            (Some(why), Some(instance)) => {
                let why = (!sensitive).then_some(why);
                return Event::Needless { host, address: instance.address.clone(), why };
            }
            _ => Stepped::Done,
        },
        AnswerKind::Failed => {
            let said = String::from_utf8_lossy(&answer.payload);
            Stepped::Failed(of_step(None, &said, answer.status).told(sensitive))
        }
        _ => Stepped::Skipped,
    };
    let addresses = instances().map(|instance| instance.address.clone());
    Event::Stepped { host, addresses: addresses.collect(), how }
}
