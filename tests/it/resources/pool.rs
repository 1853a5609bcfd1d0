//! Random tables and answers of a type, put together from what its cases hold.

use std::collections::{BTreeMap, BTreeSet};

use trueup::resources::{Erased, ResourceType};

use super::case::{Case, cases, parse};

/// What the cases of a type are made of.
pub struct Pool {
    pub kind: &'static dyn ResourceType,
    names: Vec<String>,
    bodies: BTreeMap<String, String>,
    /// Each value that some case gives to a key.
    values: BTreeMap<String, Vec<toml::Value>>,
    /// Each answer with the subject that it is about.
    answers: BTreeSet<(String, String)>,
    /// The desired states of all cases without a mistake.
    pub desired: Vec<Erased>,
}

impl Pool {
    /// The pool of a type. Cases with mistakes are left out.
    pub fn of(kind: &'static dyn ResourceType) -> Self {
        let mut pool = Self {
            kind,
            names: Vec::new(),
            bodies: BTreeMap::new(),
            values: BTreeMap::new(),
            answers: BTreeSet::new(),
            desired: Vec::new(),
        };
        for case in cases(kind.name()) {
            if let Ok(desired) = case.parse(kind) {
                pool.add(case, desired);
            }
        }
        pool
    }

    fn add(&mut self, case: Case, desired: Erased) {
        for (key, value) in case.desired {
            let values = self.values.entry(key).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
        self.answers.insert((self.kind.subject(&desired).to_owned(), case.answer));
        self.names.push(case.name);
        self.bodies.extend(case.bodies);
        self.desired.push(desired);
    }

    /// A resource that `picks` choose; `None` when such a table is a mistake. One choice in three
    /// leaves a key out.
    pub fn resource(&self, picks: &[usize]) -> Option<Erased> {
        let mut picks = picks.iter().copied().cycle();
        let name = &self.names[picks.next()? % self.names.len()];
        let mut table = toml::Table::new();
        for (key, values) in &self.values {
            let (there, which) = (picks.next()?, picks.next()?);
            if there % 3 != 0 {
                table.insert(key.clone(), values[which % values.len()].clone());
            }
        }
        parse(self.kind, name, &table, &self.bodies).ok()
    }

    /// An answer of some case, said of `desired`.
    pub fn answer(&self, pick: usize, desired: &Erased) -> String {
        let (subject, answer) =
            self.answers.iter().nth(pick % self.answers.len()).expect("a type has answers");
        answer.replace(subject, self.kind.subject(desired))
    }

    /// All answers, said of `desired`.
    pub fn all_answers(&self, desired: &Erased) -> impl Iterator<Item = String> {
        (0..self.answers.len()).map(|pick| self.answer(pick, desired))
    }
}

/// An answer with some of its lines left out, doubled, cut or moved, as `picks` say.
pub fn disturbed(answer: &str, picks: &[usize]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = answer.split('\n').map(|line| line.as_bytes().to_vec()).collect();
    for pair in picks.chunks_exact(2) {
        let at = pair[0] % lines.len();
        match pair[1] % 6 {
            0 if lines.len() > 1 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => lines[at].truncate(pair[1] / 6 % 80),
            3 => lines.swap(at, 0),
            4 => lines[at].push(u8::try_from(pair[1] / 6 % 256).expect("a byte")),
            _ => {}
        }
    }
    lines.join(&b'\n')
}
