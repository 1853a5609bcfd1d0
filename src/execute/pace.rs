//! How fast the line to a host is, and whether what goes over it is worth being made smaller.

use std::time::Duration;

/// Bytes of a content that are sent before the line is timed, and again while it is: both more than is under way at once
/// (a pipe and ssh's window of 2 MiB), so that what a host did before it read them does not count.
const TRIED: u64 = 4 << 20;
/// The time that [`TRIED`] bytes take on a line that is slow: 4 MiB a second.
const SLOW: Duration = Duration::from_secs(1);
/// Bytes that are made small at once.
pub(super) const SQUEEZED: usize = 1 << 20;
/// Parts that are made small, or are to be, until the line is timed again: it may have been slow for a moment only.
const TRUSTED: u32 = 256;
/// Parts that go as they are after one that making it small was not worth it.
const SPARED: u32 = 15;

/// What is known of the line to a host while a session lasts.
#[derive(Debug, Default)]
pub(super) struct Pace {
    stage: Stage,
    /// Parts that are not tried to be made small.
    spared: u32,
    /// Parts until the line is timed again.
    trusted: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing large was sent yet.
    #[default]
    New,
    /// The part goes out that nobody times.
    Leading,
    /// The part goes out that is timed.
    Timing,
    Fast,
    /// So long do [`TRIED`] bytes take.
    Slow(Duration),
}

impl Pace {
    /// How many of the next `left` bytes of a content go as they are, in one part; none: they are to be made small.
    pub(super) const fn plain(&mut self, left: u64) -> u64 {
        match self.stage {
            Stage::New | Stage::Slow(_) if left >= 2 * TRIED && self.trusted == 0 => {
                self.stage = Stage::Leading;
                TRIED
            }
            Stage::Leading if left >= TRIED => {
                self.stage = Stage::Timing;
                TRIED
            }
            Stage::Slow(_) if self.spared == 0 => 0,
            Stage::Slow(_) => {
                self.spared -= 1;
                if left < SQUEEZED as u64 { left } else { SQUEEZED as u64 }
            }
            _ => left,
        }
    }

    /// A part went out as it is, in so much time.
    pub(super) fn went(&mut self, spent: Duration) {
        self.stage = match self.stage {
            Stage::Timing if spent < SLOW => Stage::Fast,
            Stage::Timing => {
                self.trusted = TRUSTED;
                Stage::Slow(spent)
            }
            stage => stage,
        };
    }

    /// Whether of so many bytes these fewer, which took so long to make, are what should be sent: it is to save a quarter
    /// of the time.
    pub(super) fn pays(&mut self, bytes: usize, fewer: usize, making: Duration) -> bool {
        let Stage::Slow(tried) = self.stage else { return false };
        self.trusted = self.trusted.saturating_sub(1);
        let takes = |bytes: usize| tried.as_nanos() * bytes as u128 / u128::from(TRIED);
        let pays = making.as_nanos() + takes(fewer) < takes(bytes) * 3 / 4;
        if !pays {
            self.spared = SPARED;
        }
        pays
    }
}

#[cfg(test)]
impl Pace {
    /// Of a line on which 4 MiB take so long.
    pub(super) const fn slow(takes: Duration) -> Self {
        Self { stage: Stage::Slow(takes), spared: 0, trusted: TRUSTED }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts in which a content of so many bytes goes, if each takes `spent`; none stands for one that is made small.
    fn parts(pace: &mut Pace, mut left: u64, spent: Duration) -> Vec<u64> {
        let mut parts = Vec::new();
        while left > 0 {
            let plain = pace.plain(left);
            if plain > 0 {
                pace.went(spent);
            }
            parts.push(plain);
            left -= if plain > 0 { plain } else { left.min(SQUEEZED as u64) };
        }
        parts
    }

    #[test]
    fn the_line_is_timed_by_the_first_content_that_is_large_enough() {
        const MIB: u64 = 1 << 20;
        for (spent, behind) in [(10, vec![24 * MIB]), (999, vec![24 * MIB]), (1000, vec![0; 24])] {
            let mut pace = Pace::default();
            let spent = Duration::from_millis(spent);
            assert_eq!(parts(&mut pace, 2 * TRIED - 1, spent), [2 * TRIED - 1]);
            let timed = parts(&mut pace, 32 * MIB, spent);
            assert_eq!(timed, [&[TRIED, TRIED][..], &behind].concat());
            // What is known holds for the contents behind it, whatever they take.
            let later = parts(&mut pace, 2 * MIB, Duration::from_secs(5));
            assert_eq!(later, if behind.len() == 1 { vec![2 * MIB] } else { vec![0; 2] });
        }
    }

    #[test]
    fn a_slow_line_is_timed_again_behind_many_parts() {
        let mut pace = Pace::slow(Duration::from_secs(4));
        let (quick, many) = (Duration::from_millis(1), u64::from(TRUSTED) << 20);
        for _ in 0..TRUSTED {
            assert_eq!(pace.plain(many), 0);
            assert!(pace.pays(SQUEEZED, SQUEEZED / 2, quick));
        }
        assert_eq!(pace.plain(2 * TRIED - 1), 0, "too little");
        assert_eq!(parts(&mut pace, 64 << 20, quick), [TRIED, TRIED, (64 << 20) - 2 * TRIED]);
    }

    #[test]
    fn what_does_not_pay_is_not_tried_again_at_once() {
        let mut pace = Pace::slow(Duration::from_secs(4));
        let quick = Duration::from_millis(10);
        assert!(pace.pays(SQUEEZED, SQUEEZED / 2, quick));
        assert_eq!(pace.plain(5), 0);
        // A second for each MiB: too slow to make, and hardly smaller.
        for (fewer, making) in [(SQUEEZED / 2, 300), (SQUEEZED * 4 / 5, 10), (SQUEEZED + 5, 0)] {
            assert!(!pace.pays(SQUEEZED, fewer, Duration::from_millis(making)));
            let parts = parts(&mut pace, 18 << 20, quick);
            let spared = SPARED as usize;
            assert_eq!(parts[..spared], vec![1 << 20; spared]);
            assert_eq!(parts[spared..], [0, 0, 0]);
        }
    }
}
