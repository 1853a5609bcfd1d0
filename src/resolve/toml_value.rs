//! Evaluated values back into TOML's own form, which the typed parse of resources reads.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use toml::Spanned;
use toml::de::{DeString, DeValue};

use crate::config::TomlValue;
use crate::model::Value;

/// The text of a number that lives as long as the program. toml's numbers borrow their text and have
/// no other constructor than its parser; each distinct number is kept once.
fn interned(text: String) -> &'static str {
    static NUMBERS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = numbers.get(text.as_str()) {
        return known;
    }
    let text: &'static str = text.leak();
    numbers.insert(text);
    text
}

/// A value as TOML holds it, at `range`.
pub(super) fn to_toml(value: &Value, range: &std::ops::Range<usize>) -> Result<TomlValue, String> {
    let scalar = |text: String| {
        let text = interned(text);
        DeValue::parse(text)
            .map(Spanned::into_inner)
            .map_err(|_| format!("`{text}` cannot be written in TOML"))
    };
    let new = match value {
        Value::String(text) if text.contains('\0') => {
            return Err("a value holds a NUL byte, which no shell can carry".into());
        }
        Value::String(text) => DeValue::String(text.clone().into()),
        Value::List(items) => {
            DeValue::Array(items.iter().map(|item| to_toml(item, range)).collect::<Result<_, _>>()?)
        }
        Value::Table(entries) => DeValue::Table(
            entries
                .iter()
                .map(|(key, value)| {
                    let key: DeString<'static> = key.clone().into();
                    Ok((Spanned::new(range.clone(), key), to_toml(value, range)?))
                })
                .collect::<Result<_, String>>()?,
        ),
        Value::Float(number) if number.is_nan() => scalar("nan".into())?,
        other => scalar(other.to_string())?,
    };
    Ok(Spanned::new(range.clone(), new))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::to_value;

    #[test]
    fn values_keep_their_types_on_the_way_into_toml() {
        let value = Value::Table(BTreeMap::from([
            ("a".into(), Value::List(vec![Value::Integer(-3), Value::Float(1.0)])),
            ("b".into(), Value::Boolean(true)),
            ("c".into(), Value::String("1".into())),
        ]));
        assert_eq!(to_value(to_toml(&value, &(0..1)).unwrap().get_ref()), value);
    }
}
