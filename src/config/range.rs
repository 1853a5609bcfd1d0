//! Host names with ranges, as Ansible writes them: `web[01:03]`, `db-[a:c]`, `n[1:9:2]`.

/// Why a name with ranges is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RangeError {
    #[error("`[` and `]` do not pair")]
    Brackets,
    #[error("a range is written `[first:last]` or `[first:last:step]`")]
    Shape,
    #[error("the range ends before it begins")]
    Backwards,
    #[error("it stands for more than {MAX} hosts")]
    TooMany,
    #[error("a host's name has at most {NAME_MAX} characters")]
    TooLong,
}

/// The most hosts that one written name may stand for.
const MAX: usize = 100_000;

/// The longest name that a host can have in the DNS.
const NAME_MAX: usize = 253;

/// All names that `text` stands for, in order.
pub(super) fn expand(text: &str) -> Result<Vec<String>, RangeError> {
    let Some((before, rest)) = text.split_once('[') else {
        return if text.contains(']') { Err(RangeError::Brackets) } else { Ok(vec![text.into()]) };
    };
    let (range, after) = rest.split_once(']').ok_or(RangeError::Brackets)?;
    let items = items(range)?;
    let tails = expand(after)?;
    if items.len().saturating_mul(tails.len()) > MAX {
        return Err(RangeError::TooMany);
    }
    Ok(items
        .iter()
        .flat_map(|item| tails.iter().map(move |tail| format!("{before}{item}{tail}")))
        .collect())
}

/// The items of one range.
fn items(range: &str) -> Result<Vec<String>, RangeError> {
    let parts: Vec<&str> = range.split(':').collect();
    let (first, last, step) = match parts[..] {
        [first, last] => (first, last, 1),
        [first, last, step] => (first, last, step.parse().map_err(|_| RangeError::Shape)?),
        _ => return Err(RangeError::Shape),
    };
    if step == 0 {
        return Err(RangeError::Shape);
    }
    if let ([from @ b'a'..=b'z'], [to @ b'a'..=b'z']) = (first.as_bytes(), last.as_bytes()) {
        return bounded(u64::from(*from), u64::from(*to), step, |n| {
            char::from(u8::try_from(n).unwrap_or(b'?')).to_string()
        });
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Err(RangeError::Shape);
    }
    if first.len() > NAME_MAX {
        return Err(RangeError::TooLong);
    }
    let width = if first.starts_with('0') { first.len() } else { 1 };
    let from = first.parse().map_err(|_| RangeError::TooMany)?;
    let to = last.parse().map_err(|_| RangeError::TooMany)?;
    bounded(from, to, step, |n| format!("{n:0width$}"))
}

fn bounded(
    from: u64,
    to: u64,
    step: usize,
    name: impl Fn(u64) -> String,
) -> Result<Vec<String>, RangeError> {
    if to < from {
        return Err(RangeError::Backwards);
    }
    if usize::try_from(to - from).map_or(true, |span| span / step >= MAX) {
        return Err(RangeError::TooMany);
    }
    Ok((from..=to).step_by(step).map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_numbers_letters_steps_and_products() {
        assert_eq!(expand("web").unwrap(), ["web"]);
        assert_eq!(expand("web[01:03].x").unwrap(), ["web01.x", "web02.x", "web03.x"]);
        assert_eq!(expand("db-[a:c]").unwrap(), ["db-a", "db-b", "db-c"]);
        assert_eq!(expand("n[1:9:4]").unwrap(), ["n1", "n5", "n9"]);
        assert_eq!(expand("r[1:2]n[1:2]").unwrap(), ["r1n1", "r1n2", "r2n1", "r2n2"]);
        assert_eq!(expand("n[8:11]").unwrap(), ["n8", "n9", "n10", "n11"]);
    }

    #[test]
    fn refuses_what_is_no_range() {
        assert_eq!(expand("web[1:2"), Err(RangeError::Brackets));
        assert_eq!(expand("web1]"), Err(RangeError::Brackets));
        assert_eq!(expand("web[1]"), Err(RangeError::Shape));
        assert_eq!(expand("web[1:x]"), Err(RangeError::Shape));
        assert_eq!(expand("web[3:1]"), Err(RangeError::Backwards));
        assert_eq!(expand("web[1:9:0]"), Err(RangeError::Shape));
        assert_eq!(expand("web[1:99999999999999999999]"), Err(RangeError::TooMany));
        assert_eq!(expand("w[1:999]x[1:999]"), Err(RangeError::TooMany));
        assert_eq!(expand(&format!("w[{}:1]", "0".repeat(1 << 16))), Err(RangeError::TooLong));
    }
}
