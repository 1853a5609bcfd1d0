//! `[rollback]` of trueup.toml: how much hosts keep for the way back.

use toml::de::DeValue;

use super::table::{Fields, Shape, TomlValue, to_value, wrong_type};
use crate::model::{Diagnostic, FileId, Span};

/// How much a host keeps of what runs replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollback {
    /// Runs, the newest.
    pub keep_runs: u32,
    /// All of them together; the newest stays whatever its size.
    pub keep_bytes: u64,
}

impl Default for Rollback {
    fn default() -> Self {
        Self { keep_runs: 10, keep_bytes: 1 << 30 }
    }
}

const SHAPE: Shape = Shape {
    what: "[rollback]",
    is: "`rollback` takes",
    write: "[rollback], and below it keep_runs = 10",
};

/// The most runs that can be asked for.
const RUNS_MOST: i64 = 10_000;

/// Reads `[rollback]`.
pub(super) fn read(file: FileId, value: &TomlValue, found: &mut Vec<Diagnostic>) -> Rollback {
    let mut rollback = Rollback::default();
    let Some(mut fields) = Fields::of(&SHAPE, file, value, found) else { return rollback };
    if let Some(value) = fields.take("keep_runs") {
        let runs = number(value).filter(|runs| (1..=RUNS_MOST).contains(runs));
        match runs.and_then(|runs| u32::try_from(runs).ok()) {
            Some(runs) => rollback.keep_runs = runs,
            None => found.push(wrong(file, "keep_runs", "a number from 1 to 10,000", value)),
        }
    }
    if let Some(value) = fields.take("keep_bytes") {
        match number(value).and_then(|bytes| u64::try_from(bytes).ok()).or_else(|| size(value)) {
            Some(bytes) => rollback.keep_bytes = bytes,
            None => found.push(
                wrong(file, "keep_bytes", "a size", value)
                    .help("write a number of bytes, or a text such as \"512MiB\" or \"1GiB\""),
            ),
        }
    }
    fields.finish(found);
    rollback
}

fn wrong(file: FileId, key: &str, wanted: &str, value: &TomlValue) -> Diagnostic {
    if matches!(value.get_ref(), DeValue::Integer(_) | DeValue::String(_)) {
        let given = to_value(value.get_ref());
        let message = format!("`{key}` takes {wanted}, not {given}");
        return Diagnostic::at(Span::new(file, value.span()), message).code("wrong-type");
    }
    wrong_type(file, key, wanted, value)
}

fn number(value: &TomlValue) -> Option<i64> {
    match value.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

/// `512MiB`
fn size(value: &TomlValue) -> Option<u64> {
    let text = value.get_ref().as_str()?;
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let (count, shift) = units
        .into_iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?.trim_end(), shift)))?;
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    count.parse::<u64>().ok().filter(|_| digits)?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &'static str) -> (Rollback, Vec<String>) {
        let table = toml::de::DeTable::parse(text).expect("TOML").into_inner();
        let mut found = Vec::new();
        let rollback = read(FileId(0), table.get("rollback").expect("a table"), &mut found);
        (rollback, found.into_iter().map(|mistake| mistake.message).collect())
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in [
            ("rollback = { keep_bytes = 5 }", 5),
            ("rollback = { keep_bytes = \"3KiB\" }", 3 << 10),
            ("rollback = { keep_bytes = \"2 GiB\" }", 2 << 30),
            ("rollback = {}", 1 << 30),
        ] {
            assert_eq!(
                read_text(text),
                (Rollback { keep_bytes: bytes, ..Rollback::default() }, Vec::new())
            );
        }
        for text in [
            "rollback = { keep_bytes = \"1GB\" }",
            "rollback = { keep_bytes = \"-1KiB\" }",
            "rollback = { keep_bytes = \"99999999999TiB\" }",
            "rollback = { keep_bytes = -1 }",
            "rollback = { keep_bytes = true }",
            "rollback = { keep_runs = 0 }",
            "rollback = { keep_runs = \"10\" }",
            "rollback = 5",
        ] {
            assert_eq!(read_text(text).1.len(), 1, "{text}");
        }
    }
}
