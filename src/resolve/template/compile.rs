//! Compiles the templates of a module and every string of it that has an expression, all at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tera::{ErrorKind, Tera};
use toml::de::DeValue;

use super::call::circle;
use super::functions::{Peers, bare, builtins};
use super::mistake::{in_file, in_string, plain, reported, within};
use super::names::names;
use super::scope::Needs;
use super::{Engine, File, Form, Text};
use crate::config::{FileSet, Module, Sources, TomlTable, TomlValue};
use crate::model::{Diagnostic, FileId, Span};

/// What is compiled, until all of it is handed to tera together: tera looks at all its templates
/// whenever one is added.
pub(in crate::resolve) struct Compiler<'f> {
    engine: Engine,
    /// Takes one text at a time, to see whether it is right.
    probe: Tera,
    waiting: Vec<(String, String)>,
    found: &'f mut Vec<Diagnostic>,
}

impl<'f> Compiler<'f> {
    /// `source` is the text of the file that the strings are written in.
    pub(in crate::resolve) fn new(
        peers: &Arc<Peers>,
        source: &'static str,
        found: &'f mut Vec<Diagnostic>,
    ) -> Self {
        let (texts, files) = (HashMap::new(), BTreeMap::new());
        let engine = Engine { tera: bare(peers), source, texts, files };
        Self { engine, probe: bare(peers), waiting: Vec::new(), found }
    }

    /// Takes in the templates of a module and every string of its resources.
    pub(in crate::resolve) fn module(&mut self, module: &Module, sources: &Sources) {
        for (name, &file) in &module.templates {
            self.file(name, file, sources.get(file).text);
        }
        self.check_files();
        for used in &module.uses {
            for (_, value) in &used.with {
                self.value(module.file, value);
            }
        }
        for (_, value) in module.locals.values() {
            self.value(module.file, value);
        }
        for text in module.sets.iter().flat_map(FileSet::texts) {
            self.text(&text.value, text.span);
        }
        for declaration in &module.resources {
            self.text(&declaration.name.value, declaration.name.span);
            for key in ["when", "for_each"] {
                if let Some(value) = declaration.table.get(key)
                    && let Some(text) = value.get_ref().as_str()
                {
                    self.expression(text, Span::new(module.file, value.span()));
                }
            }
            self.table(module.file, &declaration.table);
        }
    }

    /// Takes in a template; a syntax error is told with its own place and hides no other.
    fn file(&mut self, name: &str, id: FileId, text: &'static str) {
        let names = names(text);
        let mut file = File { id, text, needs: Needs::of(&names), names, broken: None };
        match Tera::new().add_raw_template(name, text) {
            Err(error) if matches!(error.kind(), ErrorKind::SyntaxError(_)) => {
                let mistake = in_file(&error, id, text);
                self.found.push(mistake.clone());
                file.broken = Some(Box::new(mistake));
            }
            _ => {}
        }
        self.engine.files.insert(name.to_owned(), file);
    }

    /// Adds the templates together; those that name what is not there are told and left out.
    fn check_files(&mut self) {
        loop {
            let good = self.engine.files.iter().filter(|(_, file)| file.broken.is_none());
            let good: Vec<(&str, &str)> =
                good.map(|(name, file)| (name.as_str(), file.text)).collect();
            let Err(error) = self.engine.tera.add_raw_templates(good) else { break };
            let mut broken: Vec<(String, Diagnostic)> = Vec::new();
            for report in reported(&error.to_string()) {
                if let Some(file) = self.engine.files.get(&report.file) {
                    let span = Span::new(file.id, report.range(file.text));
                    let mistake = report.unknown().and_then(|unknown| self.told(unknown));
                    let mistake = mistake.unwrap_or_else(|| self.unknown(span, &report));
                    broken.push((report.file.clone(), mistake));
                }
            }
            if broken.is_empty() {
                broken.extend(self.chain(&error));
            }
            if broken.is_empty() {
                break;
            }
            for (name, mistake) in broken {
                if !self.found.contains(&mistake) {
                    self.found.push(mistake.clone());
                }
                let file = self.engine.files.get_mut(&name).expect("a file that is known");
                file.broken = Some(Box::new(mistake));
            }
        }
        self.spread_needs();
    }

    /// What is wrong with a template that is there and was left out.
    fn told(&self, (what, name): (&str, &str)) -> Option<Diagnostic> {
        let file = self.engine.files.get(name).filter(|_| what == "template")?;
        file.broken.as_deref().cloned()
    }

    /// A filter, function, test or template that is not there.
    fn unknown(&self, span: Span, report: &super::mistake::Reported) -> Diagnostic {
        let Some((what, name)) = report.unknown() else {
            return Diagnostic::at(span, plain(&report.message)).code("template");
        };
        if what == "template" {
            return Diagnostic::at(span, format!("there is no template `{name}`"))
                .code("missing")
                .suggest(name, self.engine.files.keys().map(String::as_str))
                .help("templates are files below the module's templates/ folder");
        }
        Diagnostic::at(span, format!("there is no {what} `{name}`"))
            .code("template")
            .suggest(name, builtins(what).iter().copied())
    }

    /// Templates that extend or include themselves or what is not there.
    fn chain(&self, error: &tera::Error) -> Vec<(String, Diagnostic)> {
        let (name, message) = match error.kind() {
            ErrorKind::CircularExtend { tpl, inheritance_chain } => {
                (tpl, format!("template `{tpl}` extends itself{}", by(tpl, inheritance_chain)))
            }
            ErrorKind::CircularInclude { tpl, include_chain } => {
                (tpl, format!("template `{tpl}` includes itself{}", by(tpl, include_chain)))
            }
            ErrorKind::MissingParent { current, parent } => {
                if let Some(told) = self.told(("template", parent)) {
                    return vec![(current.clone(), told)];
                }
                (current, format!("there is no template `{parent}`"))
            }
            _ => {
                let message = plain(&error.to_string());
                let first = self.engine.files.iter().find(|(_, file)| file.broken.is_none());
                return first
                    .map(|(name, file)| {
                        let span = Span::new(file.id, 0..0);
                        (name.clone(), Diagnostic::at(span, message).code("template"))
                    })
                    .into_iter()
                    .collect();
            }
        };
        let code = if message.contains("itself") { "cycle" } else { "missing" };
        if code == "cycle"
            && let Some(mistake) = self.circle(name, &message)
        {
            return vec![(name.clone(), mistake)];
        }
        let Some(file) = self.engine.files.get(name) else { return Vec::new() };
        let quoted = file.names.templates.iter().find_map(|(target, _)| {
            ['"', '\''].iter().find_map(|quote| {
                let text = format!("{quote}{target}{quote}");
                file.text.find(&text).map(|start| start..start + text.len())
            })
        });
        let span = Span::new(file.id, quoted.unwrap_or(0..0));
        let mut mistake = Diagnostic::at(span, message).code(code);
        if let ErrorKind::MissingParent { parent, .. } = error.kind() {
            mistake = mistake.suggest(parent, self.engine.files.keys().map(String::as_str));
        }
        vec![(name.clone(), mistake)]
    }

    /// A template that comes back to itself, with every place on the way.
    fn circle(&self, name: &str, message: &str) -> Option<Diagnostic> {
        let files = &self.engine.files;
        let way = circle(name, |name| files.get(name).map(|file| file.text));
        let mut places = way.iter().map(|(at, verb, range)| {
            let verb = if *verb == "include" { "includes" } else { "extends" };
            (verb, Span::new(files[at].id, range.clone()))
        });
        let mut mistake = Diagnostic::at(places.next()?.1, message).code("cycle");
        for ((verb, span), next) in places.zip(2..) {
            mistake = match way.get(next) {
                Some((next, ..)) => mistake.related(span, format!("this {verb} `{next}`")),
                None => mistake.related(span, format!("and this {verb} `{name}` again")),
            };
        }
        Some(mistake)
    }

    /// A template needs what those need that it includes and extends.
    fn spread_needs(&mut self) {
        let own: BTreeMap<String, (Needs, Vec<String>)> = self
            .engine
            .files
            .iter()
            .map(|(name, file)| {
                let others = file.names.templates.iter().map(|(other, _)| other.clone());
                (name.clone(), (file.needs.clone(), others.collect()))
            })
            .collect();
        for (name, file) in &mut self.engine.files {
            let mut seen = vec![name.as_str()];
            let mut next = 0;
            while let Some(name) = seen.get(next) {
                next += 1;
                let Some((needs, others)) = own.get(*name) else { continue };
                file.needs.add(needs);
                for other in others.iter().map(String::as_str) {
                    if !seen.contains(&other) {
                        seen.push(other);
                    }
                }
            }
            if !seen_through(&self.engine.tera, name, &file.needs) {
                file.needs = Needs::everything();
            }
        }
    }

    fn table(&mut self, file: FileId, table: &TomlTable) {
        for value in table.values() {
            self.value(file, value);
        }
    }

    /// Takes in every string of a value.
    pub(in crate::resolve) fn value(&mut self, file: FileId, value: &TomlValue) {
        match value.get_ref() {
            DeValue::String(text) => self.text(text, Span::new(file, value.span())),
            DeValue::Array(items) => {
                for item in items {
                    self.value(file, item);
                }
            }
            DeValue::Table(table) => self.table(file, table),
            _ => {}
        }
    }

    /// Takes in a string, if it has an expression in it.
    fn text(&mut self, text: &str, span: Span) {
        if !super::is_template(text) || self.engine.texts.contains_key(text) {
            return;
        }
        let form = match super::alone(text) {
            Some(inner) => self.whole(text, inner, span),
            None => None,
        };
        let form = form.unwrap_or_else(|| {
            let name = format!(" {}", self.engine.texts.len());
            match self.right(text, span) {
                Ok(()) => {
                    self.waiting.push((name.clone(), text.to_owned()));
                    Form::Mixed(name)
                }
                Err(mistake) => Form::Broken(mistake),
            }
        });
        self.insert(text.to_owned(), text, form);
    }

    /// Takes in an expression that may stand without braces.
    fn expression(&mut self, text: &str, span: Span) {
        let text = super::without_braces(text);
        let key = super::expression_key(text);
        if self.engine.texts.contains_key(&key) {
            return;
        }
        let written = format!("{{{{ {text} }}}}");
        let form = self.whole(&written, text, span).unwrap_or_else(|| {
            let mistake = Diagnostic::at(span, "this is not an expression").code("syntax");
            self.found.push(mistake.clone());
            Form::Broken(Box::new(mistake))
        });
        self.insert(key, &written, form);
    }

    fn insert(&mut self, key: String, text: &str, form: Form) {
        let names = names(text);
        let mut needs = Needs::of(&names);
        for (template, _) in &names.templates {
            match self.engine.files.get(template) {
                Some(file) => needs.add(&file.needs),
                None => needs = Needs::everything(),
            }
        }
        self.engine.texts.insert(key, Text { form, needs, names: Arc::new(names) });
    }

    /// An expression whose value can be kept; `None` when it is no expression by itself.
    fn whole(&mut self, written: &str, inner: &str, span: Span) -> Option<Form> {
        if let Err(mistake) = self.right(written, span) {
            return Some(Form::Broken(mistake));
        }
        let kept = format!("{{{{ __keep(v=({inner})) }}}}");
        self.probe.add_raw_template(" ", &kept).ok()?;
        let number = self.engine.texts.len();
        let (keep, plain) = (format!(" {number}k"), format!(" {number}p"));
        self.waiting.push((keep.clone(), kept));
        self.waiting.push((plain.clone(), written.to_owned()));
        Some(Form::Whole { keep, plain })
    }

    /// Whether tera takes a text; what is wrong with it is told.
    fn right(&mut self, text: &str, span: Span) -> Result<(), Box<Diagnostic>> {
        let Err(error) = self.probe.add_raw_template(" ", text) else { return Ok(()) };
        let mut mistakes = Vec::new();
        for report in reported(&error.to_string()) {
            if matches!(report.unknown(), Some(("template", name)) if self.engine.files.contains_key(name))
            {
                continue;
            }
            let at = within(self.engine.source, span, text, report.range(text));
            mistakes.push(self.unknown(at, &report));
        }
        if matches!(error.kind(), ErrorKind::SyntaxError(_)) {
            mistakes = vec![in_string(&error, self.engine.source, text, span)];
        }
        // The probe keeps a text that it did not take.
        self.probe = Tera::new();
        self.probe.register_from(&self.engine.tera);
        self.found.extend(mistakes.iter().cloned());
        mistakes.into_iter().next().map_or(Ok(()), |first| Err(Box::new(first)))
    }

    /// Hands everything to tera.
    pub(in crate::resolve) fn finish(mut self) -> Engine {
        let waiting = std::mem::take(&mut self.waiting);
        if let Err(error) = self.engine.tera.add_raw_templates(waiting) {
            self.found.push(Diagnostic::error(plain(&error.to_string())).code("template"));
        }
        let Engine { tera, texts, .. } = &mut self.engine;
        for text in texts.values_mut() {
            let name = match &text.form {
                Form::Whole { plain, .. } => plain,
                Form::Mixed(name) => name,
                Form::Broken(_) => continue,
            };
            if !seen_through(tera, name, &text.needs) {
                text.needs = Needs::everything();
            }
        }
        self.engine
    }
}

/// The templates by way of which one comes back to itself.
fn by(name: &str, chain: &[String]) -> String {
    let others = chain.iter().filter(|other| *other != name).map(|other| format!("`{other}`"));
    let others = others.collect::<Vec<_>>().join(" and ");
    if others.is_empty() { others } else { format!(", by way of {others}") }
}

/// Whether every prefix that tera sees in a template was seen by us too.
fn seen_through(tera: &Tera, name: &str, needs: &Needs) -> bool {
    tera.get_template_variables(name).is_ok_and(|seen| needs.cover(&seen))
}
