//! The time in which a change must be confirmed, as files and arguments say it.

use super::Value;

/// Seconds from which and up to which a time may be said: a new connection takes some, and who waits for hours
/// is not there any more.
const BOUNDS: std::ops::RangeInclusive<u32> = 5..=3600;

/// `90s`, `5m`, `1h` in seconds.
#[must_use]
pub fn duration(text: &str) -> Option<u32> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(factor)
}

/// Seconds in which a change must be confirmed; 0 for `false`, which says that it need not be.
#[must_use]
pub fn window(value: &Value) -> Option<u32> {
    let seconds = match value {
        Value::Boolean(false) => return Some(0),
        Value::Integer(seconds) => u32::try_from(*seconds).ok(),
        Value::String(text) => duration(text),
        _ => None,
    };
    seconds.filter(|seconds| BOUNDS.contains(seconds))
}

/// [`window`] of an argument.
///
/// # Errors
/// What it should be.
pub fn window_argument(text: &str) -> Result<u32, String> {
    let value = match text.parse() {
        Ok(seconds) => Value::Integer(seconds),
        Err(_) if text == "false" => Value::Boolean(false),
        Err(_) => Value::String(text.to_owned()),
    };
    let wrong = "seconds, or 90s, 5m; from 5 s to one hour; false: nothing need be confirmed";
    window(&value).ok_or_else(|| wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(duration("5m"), Some(300));
        assert_eq!(duration("m"), None);
        assert_eq!(duration(""), None);
        assert_eq!(duration("é"), None);
        assert_eq!(window_argument("60s"), Ok(60));
        assert_eq!(window_argument("90"), Ok(90));
        assert_eq!(window_argument("false"), Ok(0));
        for wrong in ["true", "0", "4s", "2h", "", "60 s", "-5"] {
            assert!(window_argument(wrong).is_err(), "{wrong}");
        }
    }
}
