//! What work on hosts costs: connections, exchanges, bytes, and where the time of each host went.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a session cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub connections: u32,
    pub exchanges: u32,
    pub bytes_out: u64,
    pub bytes_in: u64,
    pub times: Times,
}

/// Where the time of a host went, by the clock of the controller. What is left of its time it waited: for its turn, for
/// other hosts, for an answer to a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Until there was a shell.
    pub connect: Duration,
    pub facts: Duration,
    pub probe: Duration,
    /// On the controller: answers read, differences found.
    pub compare: Duration,
    pub steps: Duration,
}

impl Times {
    /// Both together.
    fn plus(self, other: Self) -> Self {
        Self {
            connect: self.connect + other.connect,
            facts: self.facts + other.facts,
            probe: self.probe + other.probe,
            compare: self.compare + other.compare,
            steps: self.steps + other.steps,
        }
    }
}

impl Counts {
    /// With the time since `begun` in one of its parts.
    pub(super) fn and_since(
        mut self,
        begun: Instant,
        part: fn(&mut Times) -> &mut Duration,
    ) -> Self {
        *part(&mut self.times) += begun.elapsed();
        self
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            exchanges: self.exchanges + other.exchanges,
            bytes_out: self.bytes_out + other.bytes_out,
            bytes_in: self.bytes_in + other.bytes_in,
            times: self.times.plus(other.times),
        }
    }
}

/// What a run cost, by host.
#[derive(Debug, Clone, Default)]
pub struct Cost(BTreeMap<usize, Counts>);

impl Cost {
    /// Adds what work on a host cost.
    pub fn add(&mut self, host: usize, counts: Counts) {
        let all = self.0.entry(host).or_default();
        *all = all.plus(counts);
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        other.0.into_iter().for_each(|(host, counts)| self.add(host, counts));
        self
    }

    /// All hosts together.
    #[must_use]
    pub fn total(&self) -> Counts {
        self.0.values().copied().fold(Counts::default(), Counts::plus)
    }

    /// The hosts, by their index in the run.
    pub fn hosts(&self) -> impl Iterator<Item = (usize, &Counts)> {
        self.0.iter().map(|(host, counts)| (*host, counts))
    }
}

impl FromIterator<(usize, Counts)> for Cost {
    fn from_iter<I: IntoIterator<Item = (usize, Counts)>>(all: I) -> Self {
        let mut cost = Self::default();
        all.into_iter().for_each(|(host, counts)| cost.add(host, counts));
        cost
    }
}
