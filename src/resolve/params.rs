//! The params of a module for one use of it: default < `with`, typed and bounded.

use std::collections::{BTreeMap, BTreeSet};

use super::template::{Engine, Scope, Space, is_template};
use crate::config::{Module, ModuleUse, Param, ParamType, to_value};
use crate::model::{Diagnostic, Located, Span, Value, a};

/// What can be seen of a module's params without a use of it: defaults that are none.
pub(super) fn check_defaults(module: &Module, found: &mut Vec<Diagnostic>) {
    for (name, param) in &module.params {
        let Some(default) = &param.default else { continue };
        let span = Span::new(module.file, default.span());
        let value = to_value(default.get_ref());
        if holds_template(&value) {
            found.push(
                Diagnostic::at(span, format!("the default of param `{name}` holds an expression"))
                    .label("a default is a value as it is")
                    .help("compute it in [locals], which can name params, vars and facts"),
            );
            continue;
        }
        check(name, param, (&value, span), found);
    }
}

fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::List(items) => items.iter().any(holds_template),
        Value::Table(entries) => entries.values().any(holds_template),
        _ => false,
    }
}

/// What can be seen of a use without a host: params that are not there, and those that are missing.
pub(super) fn check_use(module: &Module, used: &ModuleUse, found: &mut Vec<Diagnostic>) {
    let names: Vec<&str> = module.params.keys().map(String::as_str).collect();
    for (name, _) in &used.with {
        let declared =
            module.params.contains_key(&name.value) || module.unread.contains(&name.value);
        if !declared {
            found.push(
                Diagnostic::at(
                    name.span,
                    format!("module `{}` has no param `{}`", module.name, name.value),
                )
                .code("unknown-param")
                .suggest_free(&name.value, names.iter().copied(), |known| {
                    used.with.iter().any(|(given, _)| given.value == known)
                })
                .help(if names.is_empty() {
                    "it has no params at all".to_owned()
                } else {
                    format!("its params are {}", names.join(", "))
                }),
            );
        }
    }
    // What is missing may be what could not be read.
    if !used.doubtful {
        found.extend(needs(module, used));
    }
}

/// The params that a use must give and does not, as one mistake.
fn needs(module: &Module, used: &ModuleUse) -> Option<Diagnostic> {
    let missing: Vec<(&String, &Param)> = left_out(module, used).collect();
    let names: Vec<String> = missing.iter().map(|(name, _)| format!("`{name}`")).collect();
    let word = if names.len() == 1 { "param" } else { "params" };
    missing.first()?;
    let message = format!("module `{}` needs the {word} {}", module.name, names.join(", "));
    let with: Vec<String> = missing.iter().map(|(name, _)| format!("{name} = …")).collect();
    let with = with.join(", ");
    let write = if used.with.is_empty() {
        format!("write {{ use = \"{}\", with = {{ {with} }} }}", module.name)
    } else {
        format!("{with} is missing in its `with`")
    };
    let mistake = Diagnostic::at(used.module.span, message).code("missing").label(write);
    Some(missing.iter().fold(mistake, |mistake, (_, param)| {
        mistake.related(param.span, "declared here without a default")
    }))
}

/// Params that a use must give and does not.
fn left_out<'m>(
    module: &'m Module,
    used: &'m ModuleUse,
) -> impl Iterator<Item = (&'m String, &'m Param)> {
    let given: BTreeSet<&str> = used.with.iter().map(|(name, _)| name.value.as_str()).collect();
    module.params.iter().filter(move |(name, param)| {
        param.required && param.default.is_none() && !given.contains(name.as_str())
    })
}

/// Params of a use that should have a value and have none: what names them cannot be looked at.
pub(super) fn broken(module: &Module, used: &ModuleUse, values: &Space) -> Vec<String> {
    let given = |name: &str| used.with.iter().any(|(given, _)| given.value == name);
    let missing = module
        .params
        .iter()
        .filter(|(name, param)| values.get(name).is_none() && (param.required || given(name)));
    missing.map(|(name, _)| name).chain(&module.unread).cloned().collect()
}

/// The values of a module's params; mistakes go into `found`, and what has one is left out.
pub(super) fn evaluate(
    module: &Module,
    used: &ModuleUse,
    engine: &Engine,
    scope: &Scope,
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (name, param) in &module.params {
        let given = used.with.iter().find(|(given, _)| given.value == *name);
        match (given, &param.default) {
            (Some((given, value)), _) => {
                let span = Span::new(given.span.file, value.span());
                match engine.value(given.span.file, value, scope) {
                    Ok(value) => {
                        let before = found.len();
                        check(name, param, (&value, span), found);
                        if found.len() == before {
                            values.insert(name.clone(), value);
                        }
                    }
                    Err(mistake) => found.push(mistake),
                }
            }
            // Checked once for all uses.
            (None, Some(default)) => drop(values.insert(name.clone(), to_value(default.get_ref()))),
            (None, None) => {}
        }
    }
    values
}

/// Whether the param's bounds leave anything: if not, that was told.
fn possible(param: &Param) -> bool {
    let number = |bound: &Option<Located<Value>>| bound.as_ref().and_then(|b| b.value.number());
    number(&param.min).zip(number(&param.max)).is_none_or(|(min, max)| min <= max)
}

/// Checks a value against the param's type and bounds.
fn check(name: &str, param: &Param, (value, span): (&Value, Span), found: &mut Vec<Diagnostic>) {
    let mut wrong = |code: &'static str, message: String| {
        let mistake = Diagnostic::at(span, message).code(code);
        let mistake = mistake.related(param.span, "the param is declared here");
        found.push(if param.sensitive { mistake.masked(&[]) } else { mistake });
    };
    // A sensitive value is not shown in a message either.
    let shown =
        if param.sensitive { "the value (sensitive)".to_owned() } else { value.to_string() };
    if !param.kind.admits(value) {
        let wanted = match param.kind {
            ParamType::Enum => "a string",
            kind => &a(kind.name()),
        };
        wrong("wrong-type", format!("param `{name}` takes {wanted}, not {}", a(value.kind())));
        return;
    }
    if let Some(of) = param.of {
        let (what, items) = match value {
            Value::List(items) => ("list", items.iter().collect::<Vec<_>>()),
            Value::Table(entries) => ("table", entries.values().collect()),
            _ => ("list", Vec::new()),
        };
        if let Some(item) = items.iter().find(|item| !of.admits(item)) {
            let item = if param.sensitive { "one item".to_owned() } else { item.to_string() };
            let kind = items.iter().find(|item| !of.admits(item)).map_or("", |item| item.kind());
            wrong(
                "wrong-type",
                format!("param `{name}` takes a {what} of {}s; {item} is {}", of.name(), a(kind)),
            );
        }
    }
    if param.kind == ParamType::Enum && !param.values.is_empty() {
        found.extend(not_among(name, param, (value, span)));
        return;
    }
    if let Some(number) = value.number().filter(|_| possible(param)) {
        for (bound, below, word) in [(&param.min, true, "least"), (&param.max, false, "most")] {
            if let Some(bound) = bound
                && let Some(limit) = bound.value.number()
                && (if below { number < limit } else { number > limit })
            {
                let message =
                    format!("param `{name}` is at {word} {}, and this is {shown}", bound.value);
                wrong("invalid", message);
            }
        }
    }
    if let (Some(pattern), Some(text)) = (&param.pattern, value.as_str())
        && let Ok(regex) = regex::Regex::new(&pattern.value)
        && !regex.is_match(text)
    {
        let message =
            format!("param `{name}` must match `{}`, and {shown} does not", pattern.value);
        wrong("invalid", message);
    }
}

/// A value that is none of an enum's.
fn not_among(name: &str, param: &Param, (value, span): (&Value, Span)) -> Option<Diagnostic> {
    let text = value.as_str()?;
    let known: Vec<&str> = param.values.iter().map(|known| known.value.as_str()).collect();
    if known.contains(&text) {
        return None;
    }
    let list: Vec<String> = known.iter().map(|known| format!("\"{known}\"")).collect();
    let shown = if param.sensitive { "another value" } else { &value.to_string() };
    let message = format!("param `{name}` is one of {}, and this is {shown}", list.join(", "));
    let mistake = Diagnostic::at(span, message).related(param.span, "the param is declared here");
    Some(if param.sensitive { mistake.masked(&[]) } else { mistake.suggest(text, known) })
}
