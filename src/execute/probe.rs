//! The probe of a host: one question for each resource type, and what the answers say.

use std::borrow::Cow;
use std::collections::HashMap;

use super::program::{Program, Questions};
use super::session::Session;
use super::standing::{Keeps, NOW, Said, Standing};
use crate::resolve::Desired;
use crate::resources::{Erased, REGISTRY, ResourceType, Stats};
use crate::shell::{Answer, Script};

/// The questions about all resources of a host: one for each type.
pub(super) struct Probe {
    /// The number of the question about all paths, and how many of them other answers hang on.
    paths: Option<(u64, usize)>,
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
        let probe = Self::ask(desired, session, (program, &mut questions), (None, None));
        program.ask_all(&questions);
        probe
    }

    /// Adds the question about paths to a program, and to `questions` those that come behind it. Answers of this host may be
    /// kept where `keeps` says; then `beside` is one that hangs on files too.
    pub(super) fn ask(
        desired: &Desired,
        session: &mut Session,
        (program, questions): (&mut Program, &mut Questions),
        (keeps, beside): (Option<Keeps<'_>>, Option<&Standing>),
    ) -> Self {
        let (mut asked, mut seconds) = (Vec::new(), 0_u32);
        let mut standing = HashMap::new();
        let kinds = by_kind(desired);
        let wanted = |these: &[usize]| -> Vec<&Erased> {
            these.iter().map(|&index| &desired.resources[index].desired).collect()
        };
        let all: Vec<&str> =
            kinds.iter().flat_map(|(kind, these)| kind.paths(&wanted(these))).collect();
        let paths = session.seq();
        for (kind, these) in kinds {
            let wanted = wanted(&these);
            let slow = wanted.iter().map(|item| kind.probe_seconds(item));
            seconds = slow.fold(seconds, u32::saturating_add);
            let mut inner = Script::new();
            kind.rest(&wanted, &mut inner);
            let seq = session.seq();
            if let Some(keeps) = keeps.filter(|_| !kind.grounds().is_empty()) {
                let functions = kind.library().concat();
                let question = [functions.as_bytes(), inner.bytes()].concat();
                let answer = Standing::on(keeps, &question, kind.grounds());
                let mut told = Script::new();
                told.text("since").args(answer.told()).text("\n").script(&inner);
                inner = told;
                standing.insert(seq, answer);
            }
            questions.ask(seq, inner);
            asked.push((seq, kind, these));
        }
        // Where stat(1) is not asked anyway, it would be a process for a process.
        let beside = beside.filter(|_| !(all.is_empty() && standing.is_empty()));
        let grounds = standing.values().chain(beside).flat_map(Standing::grounds);
        let grounds = Self::paths(&all, grounds.collect(), (paths, program));
        Self { paths: grounds.map(|count| (paths, count)), asked, standing, seconds }
    }

    /// Adds the question about paths, if there are any: first about those that answers hang on, and what time it is there.
    /// How many these are.
    fn paths(
        all: &[&str],
        mut grounds: Vec<&str>,
        (seq, program): (u64, &mut Program),
    ) -> Option<usize> {
        if !grounds.is_empty() {
            grounds.push(NOW);
        } else if all.is_empty() {
            return None;
        }
        let mut inner = Script::new();
        Stats::ask(all.iter().copied(), &grounds, &mut inner);
        program.ask_stat(seq, &inner, !grounds.is_empty());
        if !all.is_empty() {
            program.script.text(Stats::ODD);
        }
        Some(grounds.len())
    }

    /// What the answers say of that on which others hang.
    pub(super) fn said<'a>(&self, answers: &'a [Answer]) -> Option<Said<'a>> {
        self.stats(answers)?.0
    }

    /// The answer about paths: what others hang on, if any does; the lines of stat(1), and the status with which it ended.
    fn stats<'a>(&self, answers: &'a [Answer]) -> Option<(Option<Said<'a>>, &'a [u8], u32)> {
        let (seq, count) = self.paths?;
        let answer = answers.iter().find(|answer| answer.seq == seq)?;
        let (said, lines) = if count == 0 {
            (None, answer.payload.as_slice())
        } else {
            let (said, lines) = Said::read(&answer.payload, count);
            (Some(said), lines)
        };
        Some((said, lines, answer.status))
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
        let (said, lines, ended) = self.stats(answers).unwrap_or_default();
        let paths = Stats::read(lines, ended);
        for (seq, kind, these) in &self.asked {
            let wanted: Vec<&Erased> =
                these.iter().map(|&index| &desired.resources[index].desired).collect();
            let answer = by_seq.get(seq).map(|answer| Cow::Borrowed(answer.payload.as_slice()));
            let answer = match self.standing.get(seq) {
                Some(kept) => answer.and_then(|answer| {
                    kept.keep(&answer, said.as_ref(), |_| true);
                    kept.whole(&answer).map(Cow::Owned)
                }),
                None => answer,
            };
            let states = match answer {
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
