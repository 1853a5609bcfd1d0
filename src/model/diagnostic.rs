//! What is told about a mistake in the user's files: data only; `report` draws it.

use super::Value;

/// Which loaded file a place is in: an index into the files that `config::source` owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A place in a loaded file, in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// The place `range` of `file`.
    #[must_use]
    pub const fn new(file: FileId, range: std::ops::Range<usize>) -> Self {
        Self { file, start: range.start, end: range.end }
    }

    /// The bytes `start..end` counted from the start of this place.
    #[must_use]
    pub const fn within(self, start: usize, end: usize) -> Self {
        Self { file: self.file, start: self.start + start, end: self.start + end }
    }
}

/// A value with the place where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub span: Span,
}

/// How bad it is: only an error stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Error,
    Warning,
}

/// How the help begins that names the keys of all resources: for people once is enough.
pub const LIKE_EVERY_RESOURCE: &str = "and, like every resource: ";

/// The code of a mistake that has no kind of its own.
const INVALID: &str = "invalid";

/// Every kind of mistake, with what it means: the codes of `check --json` and the rules of SARIF.
pub const CODES: [(&str, &str); 20] = [
    ("access", "others than the owner can change the project's files"),
    ("cycle", "something waits for, uses or holds itself"),
    ("conflict", "two places say different things about one thing"),
    (INVALID, "a value or a shape that is not allowed"),
    ("missing", "something that must be there is not"),
    ("no-host", "a stage has no host"),
    ("outside", "a path leads out of the project"),
    ("selector", "a selector names nothing"),
    ("syntax", "the text is not TOML, or not a template"),
    ("template", "a template or expression that cannot be evaluated"),
    ("undefined", "a name that is not defined"),
    ("unknown-group", "a group that is not there"),
    ("unknown-key", "a key that is not known"),
    ("unknown-module", "a module that is not there"),
    ("unknown-param", "a param that the module does not have"),
    ("unknown-tag", "a tag that nothing has"),
    ("unknown-type", "a resource type that is not there"),
    ("unreadable", "a file that cannot be read"),
    ("unused", "something that nothing uses"),
    ("wrong-type", "a value of another type than the one wanted"),
];

/// A place and what stands there, said in a few words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One mistake: what is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    pub severity: Severity,
    /// What kind of mistake it is, for machines: a word of [`CODES`].
    pub code: &'static str,
    /// A lowercase fragment with names in backticks.
    pub message: String,
    /// The place of the mistake; `None` only where no file is involved (arguments, whole folders).
    pub primary: Option<Label>,
    /// Other places that belong to it: the first declaration, the sibling that disagrees.
    pub related: Vec<Label>,
    /// What to do, one sentence each.
    pub help: Vec<String>,
    /// What else there is to know: on which hosts it is.
    pub notes: Vec<String>,
    /// Whether the text at its places holds a sensitive value, so that it is not shown.
    pub sensitive: bool,
}

impl Diagnostic {
    /// An error with no place yet.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: INVALID,
            message: message.into(),
            primary: None,
            related: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
            sensitive: false,
        }
    }

    /// As `self`, without these texts and without what stands at its places.
    #[must_use]
    pub fn masked(mut self, secrets: &[String]) -> Self {
        let mask = |text: &mut String| {
            for secret in secrets {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), "(sensitive)");
                }
            }
        };
        mask(&mut self.message);
        let labels = self.primary.iter_mut().chain(&mut self.related);
        labels.for_each(|label| mask(&mut label.text));
        self.help.iter_mut().for_each(mask);
        self.sensitive = true;
        self
    }

    /// A warning at `span`: it stops nothing, unless the reader asks for that.
    #[must_use]
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        let mut warning = Self::at(span, message).code(code);
        warning.severity = Severity::Warning;
        warning
    }

    /// Sets what kind of mistake it is: a word of [`CODES`].
    #[must_use]
    pub const fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// An error at `span`.
    #[must_use]
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        Self::error(message).primary(span, "")
    }

    /// `key` holds another kind of value than `wanted`.
    #[must_use]
    pub fn wrong_type(span: Span, key: &str, wanted: &str, given: &Value) -> Self {
        let message = format!("`{key}` takes {wanted}, not {}", given.described());
        let mistake = Self::at(span, message).code("wrong-type");
        match given {
            Value::String(text) => mistake.write_as(wanted, text),
            Value::List(items) => match items.as_slice() {
                [Value::String(text)] if wanted == "a string" => {
                    mistake.label(format!("write {}", Value::String(text.clone())))
                }
                _ => mistake,
            },
            _ => mistake,
        }
    }

    /// Says under the place how what a string was to say is written, where that is clear.
    #[must_use]
    pub fn write_as(self, wanted: &str, text: &str) -> Self {
        let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let shown = Value::String(text.to_owned()).to_string();
        let list = wanted.starts_with("a list of") && wanted != "a list of tables";
        if list && shown.chars().count() <= 40 {
            return self.label(format!("write [{shown}]"));
        }
        match (wanted, text) {
            ("true or false", "true" | "yes" | "on") => self.label("write true"),
            ("true or false", "false" | "no" | "off") => self.label("write false"),
            ("a number" | "a whole number", _) if number => self.label(format!("write {text}")),
            _ => self,
        }
    }

    /// A key that `what` does not have, with all that there are.
    #[must_use]
    pub fn unknown_key(span: Span, name: &str, what: &str, known: &[&str]) -> Self {
        let list: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
        Self::at(span, format!("unknown key `{name}` in {what}"))
            .code("unknown-key")
            .help(format!("{what} has {}", list.join(", ")))
    }

    /// Sets the place and what is said under it.
    #[must_use]
    pub fn primary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }

    /// Sets what is said under the place that was already given.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.text = text.into();
        }
        self
    }

    /// Adds another place that belongs to the mistake.
    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label { span, text: text.into() });
        self
    }

    /// Adds what else there is to know.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Says under the place what of a name is wrong ([`super::suggest::wrong_character`]), and what
    /// names are made of.
    #[must_use]
    pub fn wrong_name(self, wrong: Option<String>, made_of: &str) -> Self {
        match wrong {
            Some(wrong) => self.label(format!("{wrong}: {made_of}")),
            None => self.label(made_of),
        }
    }

    /// As [`Self::suggest`], where what was meant may be there already.
    #[must_use]
    pub fn suggest_free<'a>(
        self,
        given: &str,
        candidates: impl IntoIterator<Item = &'a str>,
        taken: impl Fn(&str) -> bool,
    ) -> Self {
        match super::suggest::nearest(given, candidates) {
            Some(near) if taken(near) => self.label(format!("`{near}` is there already")),
            Some(near) => self.label(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// Whether it asks if `name` was meant.
    #[must_use]
    pub fn means(&self, name: &str) -> bool {
        self.primary.as_ref().is_some_and(|label| label.text == format!("did you mean `{name}`?"))
    }

    /// Adds "did you mean" under the place when a candidate is near `given`.
    #[must_use]
    pub fn suggest<'a>(self, given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match super::suggest::nearest(given, candidates) {
            Some(near) => self.label(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}
