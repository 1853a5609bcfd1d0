//! Versions of packages and their order: Debian policy 5.6.12.

use std::cmp::Ordering;

/// Whether a text can be a version.
pub(super) fn is_version(text: &str) -> bool {
    let right = |char: char| char.is_ascii_alphanumeric() || ".+-~:".contains(char);
    text.starts_with(|char: char| char.is_ascii_alphanumeric()) && text.chars().all(right)
}

/// Which of two versions is the higher one.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let parts = |version: &str| {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (epoch.parse::<u64>().unwrap_or(0), upstream.to_owned(), revision.to_owned())
    };
    let (one, other) = (parts(one), parts(other));
    one.0
        .cmp(&other.0)
        .then_with(|| by_parts(&one.1, &other.1))
        .then_with(|| by_parts(&one.2, &other.2))
}

/// Turn by turn what is no number, letters before all else and `~` before the end, then a number.
fn by_parts(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        let order = by_signs(
            take(&mut one, |byte| !byte.is_ascii_digit()),
            take(&mut other, |byte| !byte.is_ascii_digit()),
        );
        let numbers = (
            take(&mut one, |byte| byte.is_ascii_digit()),
            take(&mut other, |byte| byte.is_ascii_digit()),
        );
        let order = order.then_with(|| by_number(numbers.0, numbers.1));
        if order != Ordering::Equal || one.is_empty() && other.is_empty() {
            return order;
        }
    }
}

/// The bytes in front for which `is` holds.
fn take<'b>(bytes: &mut &'b [u8], is: impl Fn(u8) -> bool) -> &'b [u8] {
    let end = bytes.iter().position(|byte| !is(*byte)).unwrap_or(bytes.len());
    let (front, rest) = bytes.split_at(end);
    *bytes = rest;
    front
}

fn by_signs(one: &[u8], other: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let longest = one.len().max(other.len());
    (0..longest)
        .map(|at| weight(one.get(at)).cmp(&weight(other.get(at))))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

/// Of any length.
fn by_number(one: &[u8], other: &[u8]) -> Ordering {
    let short = |digits: &[u8]| {
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits[zeros..].to_vec()
    };
    let (one, other) = (short(one), short(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        // Each is lower than the next: dpkg --compare-versions says so too.
        let rising = [
            "0.9",
            "1.0~~",
            "1.0~~a",
            "1.0~rc1",
            "1.0",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0a",
            "1.0+x",
            "1.0.1",
            "1.2",
            "1.10",
            "1.99999999999999999999",
            "2",
            "1:0.1",
            "2:0",
        ];
        for (at, one) in rising.iter().enumerate() {
            for (place, other) in rising.iter().enumerate() {
                assert_eq!(compare(one, other), at.cmp(&place), "{one} and {other}");
            }
        }
        assert_eq!(compare("1.0", "1.0-0"), Ordering::Equal);
        assert_eq!(compare("1.00", "0:1.0"), Ordering::Equal);
    }
}
