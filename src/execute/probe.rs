//! The probe of a host: one question for each resource type, and what the answers say.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use super::program::{Program, Questions};
use super::session::Session;
use super::standing::Standing;
use crate::model::Host;
use crate::resolve::Desired;
use crate::resources::{Erased, REGISTRY, ResourceType, Stats};
use crate::shell::{Answer, Script};

/// The questions about all resources of a host: one for each type.
pub(super) struct Probe {
    /// The number of the question about all paths.
    paths: Option<u64>,
    /// For each question: its number, its type and the resources that it is about.
    pub(super) asked: Vec<(u64, &'static dyn ResourceType, Vec<usize>)>,
    /// Of those whose answers may be kept, by number.
    standing: HashMap<u64, Standing>,
    /// Seconds that programs of the user's may take in it.
    pub(super) seconds: u32,
}

impl Probe {
    /// Adds the questions to a program, and nothing else.
    pub(super) fn alone(desired: &Desired, session: &mut Session, program: &mut Program) -> Self {
        let mut questions = Questions::default();
        let probe = Self::ask(desired, session, (program, &mut questions), None);
        program.ask_all(&questions);
        probe
    }

    /// Adds the question about paths to a program, and to `questions` those that come behind it. In a folder answers of
    /// this host may be kept.
    pub(super) fn ask(
        desired: &Desired,
        session: &mut Session,
        (program, questions): (&mut Program, &mut Questions),
        keeps: Option<(&Path, &Host)>,
    ) -> Self {
        let (mut asked, mut seconds) = (Vec::new(), 0_u32);
        let mut standing = HashMap::new();
        let kinds = by_kind(desired);
        let wanted = |these: &[usize]| -> Vec<&Erased> {
            these.iter().map(|&index| &desired.resources[index].desired).collect()
        };
        let all = kinds.iter().flat_map(|(kind, these)| kind.paths(&wanted(these)));
        let paths = Self::paths(all.collect(), session, program);
        for (kind, these) in kinds {
            let wanted = wanted(&these);
            let slow = wanted.iter().map(|item| kind.probe_seconds(item));
            seconds = slow.fold(seconds, u32::saturating_add);
            let mut inner = Script::new();
            kind.rest(&wanted, &mut inner);
            let seq = session.seq();
            if let Some((folder, host)) = keeps.filter(|_| kind.stands()) {
                let functions = kind.library().concat();
                let question = [functions.as_bytes(), inner.bytes()].concat();
                let answer = Standing::of(folder, host, &question);
                let mut told = Script::new();
                told.text("since").arg(answer.state()).text("\n").script(&inner);
                inner = told;
                standing.insert(seq, answer);
            }
            questions.ask(seq, inner);
            asked.push((seq, kind, these));
        }
        Self { paths, asked, standing, seconds }
    }

    /// Adds the question about paths, if there are any.
    fn paths(paths: Vec<&str>, session: &mut Session, program: &mut Program) -> Option<u64> {
        if paths.is_empty() {
            return None;
        }
        let (seq, mut inner) = (session.seq(), Script::new());
        Stats::ask(paths.into_iter(), &mut inner);
        program.ask(seq, &inner);
        program.script.text(Stats::ODD);
        Some(seq)
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
        let said = self.paths.and_then(|seq| by_seq.get(&seq));
        let said = said.map(|answer| (answer.payload.as_slice(), answer.status));
        let (said, ended) = said.unwrap_or_default();
        let paths = Stats::read(said, ended);
        for (seq, kind, these) in &self.asked {
            let wanted: Vec<&Erased> =
                these.iter().map(|&index| &desired.resources[index].desired).collect();
            let said = by_seq.get(seq).map(|answer| Cow::Borrowed(answer.payload.as_slice()));
            let said = match self.standing.get(seq) {
                Some(kept) => said.and_then(|said| kept.whole(&said).map(Cow::Owned)),
                None => said,
            };
            let states = match said {
                Some(said) => match kind.paths(&wanted).as_slice() {
                    [] => kind.observe(&wanted, &said),
                    these => kind.observe(&wanted, &paths.with(these, &said)),
                },
                None => these.iter().map(|_| Err("the host did not answer".to_owned())).collect(),
            };
            for (&index, state) in these.iter().zip(states) {
                observed[index] = state;
            }
        }
        observed
    }
}

/// The resources of each type that there are any of, in the order of the registry.
fn by_kind(desired: &Desired) -> Vec<(&'static dyn ResourceType, Vec<usize>)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut kinds: Vec<(&'static dyn ResourceType, Vec<usize>)> = REGISTRY
        .iter()
        .enumerate()
        .map(|(at, kind)| {
            places.insert(kind.name(), at);
            (*kind, Vec::new())
        })
        .collect();
    for (index, instance) in desired.resources.iter().enumerate() {
        kinds[places[instance.kind.name()]].1.push(index);
    }
    kinds.retain(|(_, these)| !these.is_empty());
    kinds
}
