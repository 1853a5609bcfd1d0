//! A value that is shown is TOML for the same value.

use proptest::prelude::*;
use toml::de::DeTable;
use trueup::config::to_value;
use trueup::model::Value;

use super::memory::runner;

/// `value` written and read again.
fn again(value: &Value) -> Result<Value, String> {
    let text = format!("x = {value}");
    let table = DeTable::parse(&text).map_err(|error| format!("{text}: {error}"))?;
    Ok(to_value(table.get_ref()["x"].get_ref()))
}

fn value() -> impl Strategy<Value = Value> {
    let text = || prop_oneof![any::<String>(), "[\\x00-\\x7f]{0,8}", "[a-z_-]{0,4}"];
    let datetime =
        prop::sample::select(vec!["1979-05-27", "07:32:00", "1979-05-27T07:32:00.5-07:00"]);
    // Of all that are no number TOML knows one, with either sign.
    let float = any::<f64>()
        .prop_map(|float| if float.is_nan() { f64::NAN.copysign(float) } else { float });
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        float.prop_map(Value::Float),
        prop::num::f64::ANY.prop_map(|float| Value::Float(if float.is_nan() {
            f64::NAN
        } else {
            float
        })),
        text().prop_map(Value::String),
        datetime.prop_map(|text| Value::Datetime(text.to_owned())),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(Value::Table),
        ]
    })
}

#[test]
fn a_shown_value_reads_as_itself() {
    runner(2000)
        .run(&value(), |value| {
            prop_assert_eq!(again(&value).map_err(TestCaseError::fail)?, value);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn odd_values_read_as_themselves() {
    let texts = ["\0", "\u{7f}", "\u{1b}[1m", "\u{202e}", "\u{e000}", "'\"\\", "\r\n\t\u{8}\u{c}"];
    for text in texts {
        let value = Value::String(text.to_owned());
        assert_eq!(again(&value).unwrap(), value);
    }
    for float in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 1e-300] {
        assert_eq!(again(&Value::Float(float)).unwrap(), Value::Float(float));
    }
}
