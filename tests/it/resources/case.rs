//! A case: a desired table, what a host answers, and what must come of it. Data in `tests/cases/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use toml::de::DeTable;
use trueup::model::{Body, Diagnostic, FileId, Located, Span};
use trueup::resources::{Bodies, Erased, Input, ResourceType};

/// One file of `tests/cases/<type>/`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The file's name without `.toml`.
    #[serde(skip)]
    pub file: String,
    /// The resource's name.
    pub name: String,
    pub desired: toml::Table,
    /// Templates and sources, by name.
    #[serde(default)]
    pub bodies: BTreeMap<String, String>,
    /// What the host prints when it is asked.
    #[serde(default)]
    pub answer: String,
    /// The seconds that the user allows for a step.
    pub timeout: Option<u32>,
    /// A trigger that goes off: `reload`, `restart` or `run`.
    pub fired: Option<String>,
    #[serde(flatten)]
    pub expected: Expected,
}

/// What must come of a case; what is not said is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Expected {
    pub mistakes: Option<Vec<String>>,
    pub probe: Option<String>,
    pub verdict: Option<String>,
    pub says: Option<String>,
    pub action: Option<String>,
    pub attributes: Option<Vec<String>>,
    pub heeds: Option<bool>,
    pub program: Option<String>,
    /// What the steps read from the wire.
    pub content: Option<String>,
    /// What goes back, as `type[name] TABLE kept, leaving KEY=VALUE …`.
    pub inverse: Option<Vec<String>>,
    /// Parts of what is said not to go back.
    pub lost: Option<Vec<String>>,
}

/// The bodies of a case, for `template` and `source` alike.
struct Texts<'t>(&'t BTreeMap<String, String>);

impl Bodies for Texts<'_> {
    fn template(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        let text = self.0.get(name).map(|text| Body::of(text.as_bytes()));
        text.ok_or_else(|| Diagnostic::at(span, format!("there is no `{name}`")))
    }

    fn source(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        self.template(name, span)
    }
}

/// All cases of a type, sorted by file.
pub fn cases(kind: &str) -> Vec<Case> {
    let folder = folder().join(kind);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!("type `{kind}` has no cases in tests/cases/{kind}: {error}")
    });
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| case(path)).collect()
}

/// The folder of all cases.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn case(path: &std::path::Path) -> Case {
    let text = fs::read_to_string(path).expect("a case is a text file");
    let mut case: Case =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    case.file = path.file_stem().expect("a name").to_string_lossy().into_owned();
    case
}

impl Case {
    /// The typed resource, or the mistakes in its table.
    pub fn parse(&self, kind: &dyn ResourceType) -> Result<Erased, Vec<Diagnostic>> {
        parse(kind, &self.name, &self.desired, &self.bodies)
    }
}

/// Reads a table as a module's text would be read.
pub fn parse(
    kind: &dyn ResourceType,
    name: &str,
    table: &toml::Table,
    bodies: &BTreeMap<String, String>,
) -> Result<Erased, Vec<Diagnostic>> {
    // The header is a place of its own: no key begins where a missing one is told.
    let text = format!("#\n{}", toml::to_string(table).expect("a table is TOML"));
    let table = DeTable::parse(text.leak()).expect("TOML that was just written").into_inner();
    let header = Span::new(FileId(0), 0..1);
    let name = Located { value: name.to_owned(), span: header };
    let bodies = &Texts(bodies);
    kind.parse(&Input {
        name: &name,
        header,
        table: &table,
        evaluated: &[],
        bodies,
        meta_keys: &[],
    })
}

/// Whatever is said of a mistake, in one text.
pub fn told(mistake: &Diagnostic) -> String {
    let labels = mistake.primary.iter().chain(&mistake.related).map(|label| label.text.as_str());
    let parts = std::iter::once(mistake.message.as_str()).chain(labels);
    let parts = parts.chain(mistake.help.iter().map(String::as_str));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" | ")
}
