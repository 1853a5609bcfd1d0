//! The probe of a host: one question for each resource type, and what the answers say.

use std::collections::HashMap;

use super::session::{Program, Session};
use crate::resolve::Desired;
use crate::resources::{Erased, REGISTRY, ResourceType};
use crate::shell::{Answer, Script};

/// The questions about all resources of a host: one for each type.
pub(super) struct Probe {
    /// For each question: its number, its type and the resources that it is about.
    pub(super) asked: Vec<(u64, &'static dyn ResourceType, Vec<usize>)>,
    /// Seconds that programs of the user's may take in it.
    pub(super) seconds: u32,
}

impl Probe {
    /// Adds the questions to a program.
    pub(super) fn ask(desired: &Desired, session: &mut Session, program: &mut Program) -> Self {
        let (mut asked, mut seconds) = (Vec::new(), 0_u32);
        for &kind in REGISTRY {
            let items = desired.resources.iter().enumerate();
            let these: Vec<usize> = items
                .filter(|(_, instance)| instance.kind.name() == kind.name())
                .map(|(index, _)| index)
                .collect();
            if these.is_empty() {
                continue;
            }
            let wanted: Vec<&Erased> =
                these.iter().map(|&index| &desired.resources[index].desired).collect();
            let slow = wanted.iter().map(|item| kind.probe_seconds(item));
            seconds = slow.fold(seconds, u32::saturating_add);
            let mut inner = Script::new();
            kind.probe(&wanted, &mut inner);
            let seq = session.seq();
            program.ask(seq, &inner);
            asked.push((seq, kind, these));
        }
        Self { asked, seconds }
    }

    /// What the answers say of each resource.
    pub(super) fn read(
        &self,
        desired: &Desired,
        answers: &[Answer],
    ) -> Vec<Result<Erased, String>> {
        let by_seq: HashMap<u64, &Answer> =
            answers.iter().map(|answer| (answer.seq, answer)).collect();
        let mut observed: Vec<Result<Erased, String>> =
            desired.resources.iter().map(|_| Err("the host was not asked".to_owned())).collect();
        for (seq, kind, these) in &self.asked {
            let wanted: Vec<&Erased> =
                these.iter().map(|&index| &desired.resources[index].desired).collect();
            let states = match by_seq.get(seq) {
                Some(answer) => kind.observe(&wanted, &answer.payload),
                None => these.iter().map(|_| Err("the host did not answer".to_owned())).collect(),
            };
            for (&index, state) in these.iter().zip(states) {
                observed[index] = state;
            }
        }
        observed
    }
}
