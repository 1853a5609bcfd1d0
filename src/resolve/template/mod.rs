//! Expressions and templates: the only room that knows tera.
//!
//! One [`Engine`] holds everything that one module may render, compiled once: its templates by name,
//! and each string with an expression. Facts enter as values and are never compiled.

mod mistake;
mod scope;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use tera::{ErrorKind, Kwargs, State, Tera};
use toml::de::DeValue;

use super::Target;
use crate::config::{Module, Sources, TomlTable, TomlValue, to_value};
use crate::model::{Diagnostic, FileId, Span, Value};
use mistake::{in_file, in_string, lower};
use scope::{from_tera, host_value, into_tera};

pub(super) use scope::Scope;

/// The hosts that `hosts(group=…)` can return.
pub(in crate::resolve) type Peers = Arc<Vec<(Vec<String>, tera::Value)>>;

/// All hosts as `hosts(group=…)` gives them: name, address, groups and vars.
pub(in crate::resolve) fn peers(targets: &[Target]) -> Peers {
    let peer = |target: &Target| {
        let Value::Table(mut table) = host_value(&target.host) else {
            unreachable!("a host is a table")
        };
        table.insert("vars".into(), target.vars.clone());
        (target.host.groups.clone(), into_tera(&Value::Table(table)))
    };
    Arc::new(targets.iter().map(peer).collect())
}

/// How a string with an expression is evaluated.
#[derive(Debug, Clone)]
enum Text {
    /// It is one expression alone and keeps its type.
    Whole { keep: String, plain: String },
    /// Text with expressions in it.
    Mixed(String),
}

/// Compiled templates and strings.
pub(in crate::resolve) struct Engine {
    tera: Tera,
    texts: HashMap<String, Text>,
    /// The file behind each template, by tera's name for it.
    files: HashMap<String, (FileId, &'static str)>,
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
    pub(in crate::resolve) fn new(peers: &Peers) -> Self {
        let mut tera = Tera::new();
        tera.autoescape_on(Vec::<&str>::new());
        tera.register_function("__keep", keep);
        let hosts = Arc::clone(peers);
        tera.register_function("hosts", move |kwargs: Kwargs, _: &State<'_>| {
            let group: String = kwargs.must_get::<&str>("group")?.to_owned();
            let found: Vec<tera::Value> = hosts
                .iter()
                .filter(|(groups, _)| group == "all" || groups.contains(&group))
                .map(|(_, value)| value.clone())
                .collect();
            if found.is_empty() {
                return Err(tera::Error::message(format!("no host is in a group `{group}`")));
            }
            Ok(tera::Value::from(found))
        });
        Self { tera, texts: HashMap::new(), files: HashMap::new() }
    }

    /// Compiles the templates of a module and every string of its resources.
    pub(in crate::resolve) fn add_module(
        &mut self,
        module: &Module,
        sources: &Sources,
        found: &mut Vec<Diagnostic>,
    ) {
        let texts = module
            .templates
            .iter()
            .map(|(name, file)| (name.clone(), *file, sources.get(*file).text));
        let mut good: Vec<(String, &str)> = Vec::new();
        for (name, file, text) in texts {
            self.files.insert(name.clone(), (file, text));
            // Alone first: a syntax error is told with its own place, and does not hide the others.
            match Tera::new().add_raw_template(&name, text) {
                Err(error) if matches!(error.kind(), ErrorKind::SyntaxError(_)) => {
                    found.push(in_file(&error, file, text));
                }
                _ => good.push((name, text)),
            }
        }
        let good: Vec<(&str, &str)> = good.iter().map(|(name, text)| (&**name, *text)).collect();
        if let Err(error) = self.tera.add_raw_templates(good) {
            let mistake = match error.kind() {
                ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
                    let file = self.files.get(report.filename()).copied();
                    file.map(|(file, text)| in_file(&error, file, text))
                }
                _ => None,
            };
            found.push(mistake.unwrap_or_else(|| {
                Diagnostic::at(Span::new(module.file, 0..0), lower(&error.to_string()))
            }));
        }
        for declaration in &module.resources {
            self.add_text(&declaration.name.value, declaration.name.span, found);
            for key in ["when", "for_each"] {
                if let Some(value) = declaration.table.get(key)
                    && let Some(text) = value.get_ref().as_str()
                {
                    let span = Span::new(module.file, value.span());
                    self.add_expression(&bare(text), span, found);
                }
            }
            self.add_table(module.file, &declaration.table, found);
        }
    }

    fn add_table(&mut self, file: FileId, table: &TomlTable, found: &mut Vec<Diagnostic>) {
        for value in table.values() {
            self.add_value(file, value, found);
        }
    }

    /// Compiles every string in a value.
    pub(in crate::resolve) fn add_value(
        &mut self,
        file: FileId,
        value: &TomlValue,
        found: &mut Vec<Diagnostic>,
    ) {
        match value.get_ref() {
            DeValue::String(text) => self.add_text(text, Span::new(file, value.span()), found),
            DeValue::Array(items) => {
                for item in items {
                    self.add_value(file, item, found);
                }
            }
            DeValue::Table(table) => self.add_table(file, table, found),
            _ => {}
        }
    }

    /// Compiles a string, if it has an expression in it.
    fn add_text(&mut self, text: &str, span: Span, found: &mut Vec<Diagnostic>) {
        if !is_template(text) || self.texts.contains_key(text) {
            return;
        }
        if let Some(inner) = alone(text) {
            let inner = inner.to_owned();
            if self.add_whole(text, text, &inner, span, found) {
                return;
            }
        }
        let name = format!(" {}", self.texts.len());
        match self.tera.add_raw_template(&name, text) {
            Ok(()) => drop(self.texts.insert(text.to_owned(), Text::Mixed(name))),
            Err(error) => found.push(in_string(&error, text, span)),
        }
    }

    /// Compiles an expression that stands without braces.
    fn add_expression(&mut self, text: &str, span: Span, found: &mut Vec<Diagnostic>) {
        let key = expression_key(text);
        if !self.texts.contains_key(&key) {
            self.add_whole(&key, &format!("{{{{ {text} }}}}"), text, span, found);
        }
    }

    /// Compiles `inner` so that its value can be kept; false when it is no expression by itself.
    fn add_whole(
        &mut self,
        key: &str,
        plain_text: &str,
        inner: &str,
        span: Span,
        found: &mut Vec<Diagnostic>,
    ) -> bool {
        let number = self.texts.len();
        let (keep, plain) = (format!(" {number}k"), format!(" {number}p"));
        if let Err(error) = self.tera.add_raw_template(&plain, plain_text) {
            found.push(in_string(&error, plain_text, span));
            return true;
        }
        let kept = self.tera.add_raw_template(&keep, &format!("{{{{ __keep(v=({inner})) }}}}"));
        if kept.is_ok() {
            self.texts.insert(key.to_owned(), Text::Whole { keep, plain });
        }
        kept.is_ok()
    }

    /// Whether anything compiled here names a fact.
    pub(in crate::resolve) fn names_facts(&self) -> bool {
        self.tera.get_template_names().any(|name| {
            self.tera.get_template_variables(name).is_ok_and(|names| names.contains("facts"))
        })
    }

    /// The value of a string, its expressions evaluated.
    pub(in crate::resolve) fn text(
        &self,
        text: &str,
        span: Span,
        scope: &Scope,
    ) -> Result<Value, Diagnostic> {
        if is_template(text) {
            self.compiled(text, text, span, scope)
        } else {
            Ok(Value::String(text.to_owned()))
        }
    }

    /// The value of an expression that stands without braces (with them it is one too).
    pub(in crate::resolve) fn expression(
        &self,
        text: &str,
        span: Span,
        scope: &Scope,
    ) -> Result<Value, Diagnostic> {
        let text = bare(text);
        self.compiled(&expression_key(&text), &format!("{{{{ {text} }}}}"), span, scope)
    }

    fn compiled(
        &self,
        key: &str,
        written: &str,
        span: Span,
        scope: &Scope,
    ) -> Result<Value, Diagnostic> {
        let text = self.texts.get(key).expect("every string is compiled before it is evaluated");
        let render = |name: &str| self.tera.render(name, &scope.context);
        let mistake = |error: tera::Error| {
            self.in_template(&error).unwrap_or_else(|| in_string(&error, written, span))
        };
        match text {
            Text::Mixed(name) => render(name).map(Value::String).map_err(mistake),
            Text::Whole { keep, plain } => {
                let kept = render(keep).map(|_| KEPT.take());
                match kept {
                    Ok(Some(value)) if !value.is_undefined() => from_tera(&value).map_err(|what| {
                        Diagnostic::at(
                            span,
                            match what {
                                "undefined" => "something in this value is not defined".to_owned(),
                                what => format!("the value is {what}, which TOML has no name for"),
                            },
                        )
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
    pub(in crate::resolve) fn value(
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

    /// The template `name`, rendered.
    pub(in crate::resolve) fn file(
        &self,
        name: &str,
        span: Span,
        scope: &Scope,
    ) -> Result<String, Diagnostic> {
        if !self.files.contains_key(name) {
            let names =
                self.files.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>();
            return Err(Diagnostic::at(span, format!("there is no template `{name}`"))
                .suggest(name, names)
                .help("templates are files below the module's templates/ folder"));
        }
        self.tera.render(name, &scope.context).map_err(|error| {
            let mistake = self.in_template(&error);
            mistake
                .unwrap_or_else(|| Diagnostic::at(span, lower(&error.to_string())))
                .related(span, "rendered for this")
        })
    }

    /// An error inside a template file, at its place there.
    fn in_template(&self, error: &tera::Error) -> Option<Diagnostic> {
        let (ErrorKind::RenderingError(report) | ErrorKind::SyntaxError(report)) = error.kind()
        else {
            return None;
        };
        let (file, text) = self.files.get(report.filename())?;
        Some(in_file(error, *file, text))
    }
}

/// The name under which an expression without braces is kept.
fn expression_key(text: &str) -> String {
    format!("\u{0}{text}")
}

/// An expression without the braces that it may have.
fn bare(text: &str) -> String {
    alone(text).unwrap_or(text).trim().to_owned()
}

/// Whether a string has anything for tera in it.
fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// What is between the braces of a string that is one `{{ … }}` alone.
fn alone(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
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
        assert_eq!(alone(" {{- '}}' ~ a -}}\n"), Some(" '}}' ~ a "));
        assert_eq!(alone("{{ a }} and {{ b }}"), None);
        assert_eq!(alone("x {{ a }}"), None);
        assert_eq!(alone("{{ {'a': 1} }}"), Some(" {'a': 1} "));
    }
}
