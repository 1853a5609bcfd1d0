//! Which run it is, who began it and when: what records, ledgers and locks name it by.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use ulid::Ulid;

/// Names a run: a ULID, so that ids sort by the time at which their runs began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// Letters and digits of an id.
    pub const LENGTH: usize = 26;

    /// The id of a run that begins so many milliseconds after 1970, with 80 random bits.
    #[must_use]
    pub fn new(milliseconds: u64, random: u128) -> Self {
        Self(Ulid::from_parts(milliseconds, random).to_string())
    }

    /// An id as it is written, in small letters too; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ulid = Ulid::from_string(text).ok()?;
        Some(Self(ulid.to_string()))
    }

    /// The id as it is written: capital letters and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it begins so, in small letters too, with the dots that stand for the rest.
    #[must_use]
    pub fn begins(&self, start: &str) -> bool {
        let wanted = start.trim_end_matches('…').to_ascii_uppercase();
        !wanted.is_empty() && self.0.starts_with(&wanted)
    }

    /// Letters that name it among runs that did not begin in the same second.
    pub const SHORT: usize = 8;

    /// So many of its first letters as name it among others: [`Self::SHORT`] where these do.
    #[must_use]
    pub fn short<'o>(&self, others: impl Iterator<Item = &'o Self>) -> &str {
        let shared = |other: &Self| {
            let pairs = self.0.bytes().zip(other.0.bytes());
            pairs.take_while(|(one, other)| one == other).count() + 1
        };
        let most = others.filter(|other| *other != self).map(shared).max().unwrap_or(0);
        &self.0[..most.clamp(Self::SHORT, Self::LENGTH)]
    }

    /// When its run began: RFC 3339, UTC, to the second.
    #[must_use]
    pub fn since(&self) -> String {
        // A host may say any id; RFC 3339 ends with the year 9999.
        let begun = UNIX_EPOCH + Duration::from_millis(self.milliseconds().min(LAST));
        humantime::format_rfc3339_seconds(begun).to_string()
    }

    /// The day on which its run began: RFC 3339, UTC.
    #[must_use]
    pub fn day(&self) -> String {
        self.since().chars().take(10).collect()
    }

    /// When its run began, in milliseconds after 1970.
    #[must_use]
    pub fn milliseconds(&self) -> u64 {
        Ulid::from_string(&self.0).map_or(0, |ulid| ulid.timestamp_ms())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The last millisecond that RFC 3339 can say.
const LAST: u64 = 253_402_300_799_999;

/// A run as others are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMark {
    pub id: RunId,
    /// The user of the controller who began it.
    pub user: String,
    /// The controller's name.
    pub controller: String,
}

impl RunMark {
    /// `user@controller`.
    #[must_use]
    pub fn who(&self) -> String {
        format!("{}@{}", self.user, self.controller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_are_read_in_any_case() {
        let (one, two) = (RunId::new(1, u128::MAX), RunId::new(2, 0));
        assert!(one < two);
        assert_eq!(one.as_str().len(), RunId::LENGTH);
        assert_eq!(RunId::parse(&two.as_str().to_lowercase()), Some(two.clone()));
        assert_eq!(one.short(std::iter::once(&one)), "00000000");
        assert!(one.begins("0000") && one.begins("00000000…") && one.begins(one.as_str()));
        assert!(!one.begins("") && !one.begins("…") && !one.begins("01"));
        let three = RunId::new(2, 1);
        assert_eq!(two.short([&one, &two, &three].into_iter()), two.as_str());
        assert_eq!((one.milliseconds(), two.milliseconds()), (1, 2));
        assert_eq!(one.since(), "1970-01-01T00:00:00Z");
        assert_eq!(RunId::new(u64::MAX, 0).since(), "9999-12-31T23:59:59Z");
        for wrong in ["", "01", "../../../../etc/passwd0000", "01ARZ3NDEKTSV4RRFFQ69G5FAVX"] {
            assert_eq!(RunId::parse(wrong), None, "{wrong}");
        }
    }
}
