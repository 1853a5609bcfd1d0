//! The params of a module for one use of it: default < `with`, typed and bounded.

use std::collections::BTreeMap;

use super::template::{Engine, Scope};
use crate::config::{Module, ModuleUse, Param, ParamType, TomlValue, to_value};
use crate::model::{Diagnostic, FileId, Span, Value, a};

/// The values of a module's params, or `None` when they have mistakes (which are in `found`).
pub(super) fn evaluate(
    module: &Module,
    used: &ModuleUse,
    engine: &Engine,
    scope: &Scope,
    found: &mut Vec<Diagnostic>,
) -> Option<Value> {
    let before = found.len();
    for (name, _) in &used.with {
        if !module.params.contains_key(&name.value) {
            let names: Vec<&str> = module.params.keys().map(String::as_str).collect();
            found.push(
                Diagnostic::at(
                    name.span,
                    format!("module `{}` has no param `{}`", module.name, name.value),
                )
                .suggest(&name.value, names.iter().copied())
                .help(if names.is_empty() {
                    "it has no params at all".to_owned()
                } else {
                    format!("its params are {}", names.join(", "))
                }),
            );
        }
    }
    let mut values = BTreeMap::new();
    for (name, param) in &module.params {
        let given = used.with.iter().find(|(given, _)| given.value == *name);
        let value = match (given, &param.default) {
            (Some((given, value)), _) => {
                let span = Span::new(given.span.file, value.span());
                engine.value(given.span.file, value, scope).map(|value| (value, span))
            }
            (None, Some(default)) => Ok(plain(module.file, default)),
            (None, None) => Err(Diagnostic::at(
                used.module.span,
                format!("module `{}` needs the param `{name}`", module.name),
            )
            .label(format!("with = {{ {name} = … }} is missing"))
            .related(param.span, "declared here without a default")),
        };
        match value {
            Ok((value, span)) => {
                check(name, param, &value, span, found);
                values.insert(name.clone(), value);
            }
            Err(mistake) => found.push(mistake),
        }
    }
    (found.len() == before).then_some(Value::Table(values))
}

/// A default, which holds no expressions.
fn plain(file: FileId, value: &TomlValue) -> (Value, Span) {
    (to_value(value.get_ref()), Span::new(file, value.span()))
}

/// Checks a value against the param's type and bounds.
fn check(name: &str, param: &Param, value: &Value, span: Span, found: &mut Vec<Diagnostic>) {
    let mut wrong = |message: String| {
        found.push(Diagnostic::at(span, message).related(param.span, "the param is declared here"));
    };
    if !param.kind.admits(value) {
        wrong(format!(
            "param `{name}` takes {}, not {}",
            a(type_name(param.kind)),
            a(value.kind())
        ));
        return;
    }
    if let (Some(of), Value::List(items)) = (param.of, value)
        && let Some(item) = items.iter().find(|item| !of.admits(item))
    {
        wrong(format!(
            "param `{name}` takes a list of {}s; {item} is {}",
            type_name(of),
            a(item.kind())
        ));
    }
    if let Some(number) = number(value) {
        for (bound, below, word) in [(&param.min, true, "least"), (&param.max, false, "most")] {
            if let Some(bound) = bound
                && let Some(limit) = self::number(&bound.value)
                && (if below { number < limit } else { number > limit })
            {
                wrong(format!("param `{name}` is at {word} {}, and this is {value}", bound.value));
            }
        }
    }
    if let (Some(pattern), Some(text)) = (&param.pattern, value.as_str())
        && let Ok(regex) = regex::Regex::new(&pattern.value)
        && !regex.is_match(text)
    {
        wrong(format!("param `{name}` must match `{}`, and {value} does not", pattern.value));
    }
}

fn type_name(kind: ParamType) -> &'static str {
    ParamType::NAMES.iter().find(|(_, named)| *named == kind).map_or("value", |(name, _)| name)
}

#[expect(clippy::cast_precision_loss, reason = "bounds of params are far below 2⁵²")]
const fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}
