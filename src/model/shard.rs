//! A part of a fleet: hosts are dealt by their names, so that several controllers share them without a word.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The part `index` of `of` parts; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    pub index: u32,
    pub of: u32,
}

impl Shard {
    /// `2/3`; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // parse() alone would take a sign too.
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| digits)
        };
        let (index, of) = text.split_once('/')?;
        let (index, of) = (number(index)?, number(of)?);
        (1..=of).contains(&index).then_some(Self { index, of })
    }

    /// Whether a host of this name is in it. The first eight bytes of the name's SHA-256 are a number, most
    /// significant byte first; its remainder by `of` says the part, counted from 0. So nothing but its name and
    /// the number of parts says where a host is.
    #[must_use]
    pub fn holds(self, name: &str) -> bool {
        let digest = Sha256::digest(name.as_bytes());
        let number = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        number % u64::from(self.of) == u64::from(self.index - 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// [`Shard::parse`] of an argument.
///
/// # Errors
/// What it should be.
pub fn shard_argument(text: &str) -> Result<Shard, String> {
    let wrong = "K/N is the part K of N parts, from 1/N to N/N, such as 2/3";
    Shard::parse(text).ok_or_else(|| wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_one_of_so_many_counted_from_one() {
        let shard = Shard::parse("2/3").expect("a shard");
        assert_eq!((shard.index, shard.of, shard.to_string().as_str()), (2, 3, "2/3"));
        for wrong in
            ["", "/", "2", "0/3", "4/3", "1/0", "a", "a/b", "+1/3", "1/3/5", " 1/3", "1/4294967296"]
        {
            assert_eq!(Shard::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_host_is_in_one_part_and_stays_there() {
        // Written down, since hosts would move if they came out otherwise.
        let part = |name: &str, of| {
            let parts = (1..=of).filter(|index| Shard { index: *index, of }.holds(name));
            let parts: Vec<u32> = parts.collect();
            assert_eq!(parts.len(), 1, "{name}: {parts:?}");
            parts[0]
        };
        let names = ["web1", "web2", "web3", "db1.shop.example", "ä"];
        assert_eq!(names.map(|name| part(name, 3)), [3, 3, 3, 2, 2]);
        assert_eq!(names.map(|name| part(name, 16)), [15, 2, 16, 9, 13]);
        assert_eq!(names.map(|name| part(name, 1)), [1; 5]);
    }

    #[test]
    fn parts_are_of_nearly_one_size() {
        for of in [2, 7, 16] {
            let mut sizes = vec![0_u32; of as usize];
            for host in 0..8_000 {
                let name = format!("web{host:04}.shop.example");
                for index in 1..=of {
                    sizes[index as usize - 1] += u32::from(Shard { index, of }.holds(&name));
                }
            }
            let mean = 8_000 / of;
            assert!(sizes.iter().all(|size| size.abs_diff(mean) < mean / 5), "{sizes:?}");
        }
    }
}
