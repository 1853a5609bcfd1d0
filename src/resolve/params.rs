//! The params of a module for one use of it: default < `with`, typed and bounded.

use std::collections::{BTreeMap, BTreeSet};

use super::template::{Engine, Needs, Root, Scope, Space, is_alone, is_template, named};
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
        let (value, default, alone, by_facts) = (&value, true, false, false);
        check(&Given { name, param, value, span, default, alone, by_facts }, found);
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
                let alone = value.get_ref().as_str().is_some_and(is_alone);
                let mut needs = Needs::default();
                engine.needs_of(value, &mut needs);
                let by_facts = needs.names(Root::Facts);
                match engine.value(given.span.file, value, scope) {
                    Ok(value) => {
                        let (before, default) = (found.len(), false);
                        let given = &value;
                        check(
                            &Given { name, param, value: given, span, default, alone, by_facts },
                            found,
                        );
                        if found.len() == before {
                            values.insert(name.clone(), value);
                        }
                    }
                    Err(mistake) => found.push(named(mistake, &format!("param `{name}`"))),
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

/// A value that a param is to have.
struct Given<'g> {
    name: &'g str,
    param: &'g Param,
    value: &'g Value,
    span: Span,
    /// Whether it is the param's default.
    default: bool,
    /// Whether it came out of an expression that stands alone.
    alone: bool,
    /// Whether it hangs on facts, which for a check only stand in.
    by_facts: bool,
}

impl Given<'_> {
    /// The param, as messages name it.
    fn what(&self) -> String {
        let of = if self.default { "the default of " } else { "" };
        format!("{of}param `{}`", self.name)
    }

    fn mistake(&self, message: String) -> Diagnostic {
        Diagnostic::at(self.span, message)
    }

    /// What is wrong, with the part of the declaration that says so.
    fn against(&self, mistake: Diagnostic, (span, text): (Span, &str)) -> Diagnostic {
        let mistake = mistake.related(span, text);
        if self.param.sensitive { mistake.masked(&[]) } else { mistake }
    }

    /// A value as it is shown: a sensitive one is not.
    fn shown(&self, value: &Value) -> String {
        if self.param.sensitive {
            "the value given (sensitive)".to_owned()
        } else {
            value.to_string()
        }
    }

    fn described(&self, value: &Value) -> String {
        let hidden = self.param.sensitive || self.by_facts;
        if hidden { a(value.kind()) } else { value.described() }
    }

    /// A value of another type.
    fn wrong_type(&self) -> Diagnostic {
        let wanted = match self.param.kind {
            ParamType::Enum => "a string",
            kind => &a(kind.name()),
        };
        let (what, given) = (self.what(), self.described(self.value));
        let mistake = if self.alone {
            self.mistake(format!("{what} takes {wanted}, not {}", a(self.value.kind())))
                .label(format!("an expression alone keeps its type: this is {given}"))
        } else {
            self.mistake(format!("{what} takes {wanted}, not {given}"))
        };
        let mistake = mistake.code("wrong-type");
        self.against(mistake, (self.param.span, "the param is declared here"))
    }

    /// An item of a list or a table that is of another type.
    fn wrong_item(&self) -> Option<Diagnostic> {
        let of = self.param.of?;
        let (what, items) = match self.value {
            Value::List(items) => ("list", items.iter().collect::<Vec<_>>()),
            Value::Table(entries) => ("table", entries.values().collect()),
            _ => return None,
        };
        let item = items.into_iter().find(|item| !of.admits(item))?;
        let (what, item) = (format!("a {what} of {}s", of.name()), self.described(item));
        let message = format!("{} takes {what}; one item is {item}", self.what());
        let mistake = self.mistake(message).code("wrong-type");
        Some(self.against(mistake, (self.param.span, "the param is declared here")))
    }

    /// A number below the least or above the most.
    fn out_of_bounds(&self) -> Option<Diagnostic> {
        let number = self.value.number().filter(|_| possible(self.param))?;
        let bounds = [(&self.param.min, "least"), (&self.param.max, "most")];
        bounds.into_iter().find_map(|(bound, word)| {
            let bound = bound.as_ref()?;
            let limit = bound.value.number()?;
            let out = if word == "least" { number < limit } else { number > limit };
            let (what, shown) = (self.what(), self.shown(self.value));
            let message = format!("{what} must be at {word} {}, not {shown}", bound.value);
            out.then(|| self.against(self.mistake(message), (bound.span, "declared here")))
        })
    }

    /// A string that does not match.
    fn off_pattern(&self) -> Option<Diagnostic> {
        let (pattern, text) = (self.param.pattern.as_ref()?, self.value.as_str()?);
        let regex = regex::Regex::new(&pattern.value).ok()?;
        let (what, shown) = (self.what(), self.shown(self.value));
        let message = format!("{what} must match `{}`, and {shown} does not", pattern.value);
        let mistake = self.mistake(message);
        (!regex.is_match(text)).then(|| self.against(mistake, (pattern.span, "declared here")))
    }

    /// A value that is none of an enum's.
    fn not_among(&self) -> Option<Diagnostic> {
        let values = &self.param.values;
        let (text, first, last) = (self.value.as_str()?, values.first()?, values.last()?);
        let known: Vec<&str> = values.iter().map(|known| known.value.as_str()).collect();
        if known.contains(&text) {
            return None;
        }
        let quoted: Vec<String> = known.iter().map(|known| format!("\"{known}\"")).collect();
        let (what, shown) = (self.what(), self.shown(self.value));
        let message = format!("{what} must be one of {}, not {shown}", quoted.join(", "));
        let mistake = self.mistake(message);
        let mistake = if self.param.sensitive { mistake } else { mistake.suggest(text, known) };
        let declared = Span { end: last.span.end, ..first.span };
        Some(self.against(mistake, (declared, "declared here")))
    }
}

/// Checks a value against the param's type and bounds.
fn check(given: &Given<'_>, found: &mut Vec<Diagnostic>) {
    let kind = given.param.kind;
    if !kind.admits(given.value) {
        found.push(given.wrong_type());
        return;
    }
    found.extend(given.wrong_item());
    found.extend(if kind == ParamType::Enum { given.not_among() } else { None });
    found.extend(given.out_of_bounds());
    found.extend(given.off_pattern());
}
