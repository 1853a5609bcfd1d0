//! Expressions and templates: the only room that knows tera.
//!
//! One [`Engine`] holds everything that one module may render, compiled once: its templates by name,
//! and each string with an expression. Facts enter as values and are never compiled. `names` sees what
//! a text depends on, and `shared` numbers values, so that what is made of equal values is made once.

mod call;
mod compile;
mod functions;
mod mistake;
mod names;
mod scope;
mod shared;
mod token;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tera::{ErrorKind, Kwargs, State, Tera};
use toml::de::DeValue;

use crate::config::{TomlValue, to_value};
use crate::model::{Diagnostic, FileId, Span, Value};
use mistake::{in_file, in_string, plain};
use scope::from_tera;

pub(super) use compile::Compiler;
pub(super) use functions::{PeerFacts, Peers, arguments, usage};
pub(super) use mistake::within;
pub(super) use names::{Argument, Names, ROOTS, Use, names};
pub(super) use scope::{Needs, Root, Scope, host_value};
pub(super) use shared::{Pool, Shared, Space};

/// How a string with an expression is evaluated.
#[derive(Debug, Clone)]
enum Form {
    /// It is one expression alone and keeps its type.
    Whole { keep: String, plain: String },
    /// Text with expressions in it.
    Mixed(String),
    /// It is not right, which was told.
    Broken(Box<Diagnostic>),
}

/// A compiled string.
#[derive(Debug)]
struct Text {
    form: Form,
    needs: Needs,
    names: Arc<Names>,
}

/// A compiled template.
#[derive(Debug)]
pub(super) struct File {
    pub(super) id: FileId,
    pub(super) text: &'static str,
    /// What it and those that it includes depend on.
    pub(super) needs: Needs,
    pub(super) names: Names,
    /// What is wrong with it, which was told.
    broken: Option<Box<Diagnostic>>,
}

impl File {
    /// How far it can be read: behind a mistake of syntax nobody knows what is a name.
    pub(super) fn readable(&self) -> usize {
        let broken = self.broken.as_ref().filter(|mistake| mistake.code == "syntax");
        let place = broken.and_then(|mistake| mistake.primary.as_ref()).map(|label| label.span);
        place.filter(|span| span.file == self.id).map_or(usize::MAX, |span| span.start)
    }
}

/// Compiled templates and strings.
pub(super) struct Engine {
    tera: Tera,
    /// The text of the file that the strings are written in.
    pub(super) source: &'static str,
    texts: HashMap<String, Text>,
    pub(super) files: BTreeMap<String, File>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("texts", &self.texts.len()).finish_non_exhaustive()
    }
}

thread_local! {
    /// The value of the expression that `keep` saw last.
    static KEPT: RefCell<Option<tera::Value>> = const { RefCell::new(None) };
}

/// The function behind expressions that stand alone: it keeps the value before it becomes text.
#[expect(clippy::needless_pass_by_value, reason = "the form of tera's functions")]
fn keep(kwargs: Kwargs, _: &State<'_>) -> &'static str {
    KEPT.with_borrow_mut(|kept| *kept = kwargs.iter().next().map(|(_, value)| value.clone()));
    ""
}

impl Engine {
    /// What the value of a string depends on.
    pub(super) fn needs_of(&self, value: &TomlValue, needs: &mut Needs) {
        match value.get_ref() {
            DeValue::String(text) => self.needs_of_text(text, needs),
            DeValue::Array(items) => items.iter().for_each(|item| self.needs_of(item, needs)),
            DeValue::Table(table) => table.values().for_each(|value| self.needs_of(value, needs)),
            _ => {}
        }
    }

    pub(super) fn needs_of_text(&self, text: &str, needs: &mut Needs) {
        if let Some(text) = self.texts.get(text) {
            needs.add(&text.needs);
        }
    }

    /// What an expression without braces depends on.
    pub(super) fn needs_of_expression(&self, text: &str) -> Needs {
        let text = self.texts.get(&expression_key(without_braces(text)));
        text.map_or_else(Needs::default, |text| text.needs.clone())
    }

    /// The names in a string; `None` where it has no expression.
    pub(super) fn names_of(&self, text: &str) -> Option<Arc<Names>> {
        self.texts.get(text).map(|text| Arc::clone(&text.names))
    }

    /// The names in an expression that may stand without braces, and the text that they are in.
    pub(super) fn names_of_expression(&self, text: &str) -> Option<(Arc<Names>, String)> {
        let text = without_braces(text);
        let known = self.texts.get(&expression_key(text))?;
        Some((Arc::clone(&known.names), format!("{{{{ {text} }}}}")))
    }

    /// Whether anything compiled here names a fact.
    pub(super) fn names_facts(&self) -> bool {
        let texts = self.texts.values().map(|text| &text.needs);
        texts
            .chain(self.files.values().map(|file| &file.needs))
            .any(|needs| needs.names(Root::Facts))
    }

    /// All texts that are compiled here.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &Names> {
        let texts = self.texts.values().map(|text| &*text.names);
        texts.chain(self.files.values().map(|file| &file.names))
    }

    /// The value of a string, its expressions evaluated.
    pub(super) fn text(&self, text: &str, span: Span, scope: &Scope) -> Result<Value, Diagnostic> {
        if is_template(text) {
            self.compiled(text, text, span, scope)
        } else {
            Ok(Value::String(text.to_owned()))
        }
    }

    /// The value of an expression that stands without braces (with them it is one too).
    pub(super) fn expression(
        &self,
        text: &str,
        span: Span,
        scope: &Scope,
    ) -> Result<Value, Diagnostic> {
        let text = without_braces(text);
        // The place inside the string as it is written, which may have no braces.
        let written = format!("{{{{ {text} }}}}");
        self.compiled(&expression_key(text), &written, span, scope)
    }

    fn compiled(
        &self,
        key: &str,
        written: &str,
        span: Span,
        scope: &Scope,
    ) -> Result<Value, Diagnostic> {
        let text = self.texts.get(key).expect("every string is compiled before it is evaluated");
        let render = |name: &str| self.tera.render(name, scope.context());
        let mistake = |error: tera::Error| {
            self.in_template(&error)
                .unwrap_or_else(|| in_string(&error, self.source, written, span))
        };
        match &text.form {
            Form::Broken(mistake) => Err((**mistake).clone()),
            Form::Mixed(name) => render(name).map(Value::String).map_err(mistake),
            Form::Whole { keep, plain } => {
                let kept = render(keep).map(|_| KEPT.take());
                match kept {
                    Ok(Some(value)) if !value.is_undefined() => from_tera(&value).map_err(|what| {
                        Diagnostic::at(
                            span,
                            match what {
                                "undefined" => "something in this value is not defined".to_owned(),
                                _ => NO_VALUE.to_owned(),
                            },
                        )
                        .code("undefined")
                        .help("take it out, or say what it is instead: `| default(value=…, boolean=true)`")
                    }),
                    // The plain form points into the string as it is written.
                    _ => match render(plain) {
                        Err(error) => Err(mistake(error)),
                        Ok(_) => Err(Diagnostic::at(span, "this expression has no value")),
                    },
                }
            }
        }
    }

    /// A value with every string in it evaluated.
    pub(super) fn value(
        &self,
        file: FileId,
        value: &TomlValue,
        scope: &Scope,
    ) -> Result<Value, Diagnostic> {
        match value.get_ref() {
            DeValue::String(text) => self.text(text, Span::new(file, value.span()), scope),
            DeValue::Array(items) => {
                let items = items.iter().map(|item| self.value(file, item, scope));
                items.collect::<Result<_, _>>().map(Value::List)
            }
            DeValue::Table(table) => {
                let entries = table.iter().map(|(key, value)| {
                    Ok((key.get_ref().to_string(), self.value(file, value, scope)?))
                });
                entries.collect::<Result<_, _>>().map(Value::Table)
            }
            other => Ok(to_value(other)),
        }
    }

    /// Why there is no template `name`, if there is none.
    pub(super) fn missing_file(&self, name: &str, span: Span) -> Option<Diagnostic> {
        if self.files.contains_key(name) {
            return None;
        }
        let known = self.files.keys().map(String::as_str);
        let mistake =
            Diagnostic::at(span, format!("there is no template `{name}`")).code("missing");
        let inside = name.strip_prefix("templates/").filter(|name| self.files.contains_key(*name));
        let mistake = match inside {
            Some(inside) => mistake.label(format!("did you mean `{inside}`?")),
            None => mistake.suggest(name, known),
        };
        Some(mistake.help("templates are named by their path below the module's templates/ folder"))
    }

    /// The template `name`, rendered.
    pub(super) fn file(&self, name: &str, span: Span, scope: &Scope) -> Result<String, Diagnostic> {
        if let Some(missing) = self.missing_file(name, span) {
            return Err(missing);
        }
        if let Some(broken) = &self.files[name].broken {
            return Err((**broken).clone());
        }
        self.tera.render(name, scope.context()).map_err(|error| {
            self.in_template(&error).map_or_else(
                || Diagnostic::at(span, plain(&error.to_string())).code("template"),
                |mistake| mistake.related(span, "rendered for this"),
            )
        })
    }

    /// An error inside a template file, at its place there.
    fn in_template(&self, error: &tera::Error) -> Option<Diagnostic> {
        let (ErrorKind::RenderingError(report) | ErrorKind::SyntaxError(report)) = error.kind()
        else {
            return None;
        };
        let file = self.files.get(report.filename())?;
        Some(in_file(error, file.id, file.text))
    }
}

/// What is said of an expression that gives `none`: what it is for may be put before it.
const NO_VALUE: &str = "this expression got no value (`none`)";

/// A mistake of an expression, with what the expression is for: `` `owner` ``.
pub(super) fn named(mut mistake: Diagnostic, what: &str) -> Diagnostic {
    if mistake.message == NO_VALUE {
        mistake.message = NO_VALUE.replace("this expression", what);
    }
    mistake
}

/// Whether a string is one expression alone, which keeps its type.
pub(super) fn is_alone(text: &str) -> bool {
    alone(text).is_some()
}

/// The name under which an expression without braces is kept.
fn expression_key(text: &str) -> String {
    format!("\u{0}{text}")
}

/// An expression without the braces that it may have.
fn without_braces(text: &str) -> &str {
    let text = text.trim();
    alone(text).unwrap_or(text).trim()
}

/// Whether a string has anything for tera in it.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// What is between the braces of a string that is one `{{ … }}` alone: with so much as a line break
/// behind it, it is text.
fn alone(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner);
    let mut quote = None;
    let mut before = ' ';
    for char in inner.chars() {
        let braces =
            (before == '{' && matches!(char, '{' | '%' | '#')) || (before == '}' && char == '}');
        if quote == Some(char) {
            quote = None;
        } else if quote.is_none() && matches!(char, '"' | '\'' | '`') {
            quote = Some(char);
        } else if quote.is_none() && braces {
            return None;
        }
        before = char;
    }
    Some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_an_expression_that_stands_alone() {
        assert_eq!(alone("{{ vars.x }}"), Some(" vars.x "));
        assert_eq!(alone("{{- '}}' ~ a -}}"), Some(" '}}' ~ a "));
        assert_eq!(alone("{{ a }}\n"), None);
        assert_eq!(alone("{{ a }} and {{ b }}"), None);
        assert_eq!(alone("x {{ a }}"), None);
        assert_eq!(alone("{{ {'a': 1} }}"), Some(" {'a': 1} "));
    }
}
