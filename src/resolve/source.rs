//! What a resource was made from, so that a saved plan can make it again without the project: its table
//! with every expression evaluated, and the contents that the table names.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};
use toml::de::DeValue;

use super::{Desired, Instance, Order, Resolver, Target};
use crate::config::{HostPattern, Project, Stage, TomlTable, TomlValue, to_value};
use crate::model::change::{TriggerKind, hex};
use crate::model::{Address, Body, Diagnostic, FileId, Host, Located, Span, Value};
use crate::resources::{self, Bodies, Input, Record};

/// Contents under the names that a type asked for them by.
pub type NamedBodies = Vec<(String, Body)>;

/// For each place of an order what goes off there, when which other places change.
pub type TriggersOf = Vec<Vec<(TriggerKind, Vec<usize>)>>;

/// What a resource was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The table that its type read.
    pub table: Value,
    /// The contents that it asked for.
    pub bodies: NamedBodies,
}

/// Keeps every content that a type asks for.
pub(super) struct Recording<'b> {
    inner: &'b dyn Bodies,
    asked: RefCell<Vec<(String, Body)>>,
}

impl<'b> Recording<'b> {
    pub(super) const fn new(inner: &'b dyn Bodies) -> Self {
        Self { inner, asked: RefCell::new(Vec::new()) }
    }

    fn keep(&self, name: String, body: Result<Body, Diagnostic>) -> Result<Body, Diagnostic> {
        if let Ok(body) = &body {
            self.asked.borrow_mut().push((name, body.clone()));
        }
        body
    }

    /// What a resource with this table was made from.
    pub(super) fn source(self, table: &TomlTable) -> Source {
        let table = to_value(&DeValue::Table(table.clone()));
        Source { table, bodies: self.asked.into_inner() }
    }
}

impl Bodies for Recording<'_> {
    fn template(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        self.keep(format!("template {name}"), self.inner.template(name, span))
    }

    fn source(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        self.keep(format!("source {name}"), self.inner.source(name, span))
    }
}

/// Contents that were kept.
struct Kept<'k>(&'k [(String, Body)]);

impl Kept<'_> {
    fn find(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        let found = self.0.iter().find(|(known, _)| known == name);
        let missing = || Diagnostic::at(span, format!("`{name}` was not kept"));
        found.map(|(_, body)| body.clone()).ok_or_else(missing)
    }
}

impl Bodies for Kept<'_> {
    fn template(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        self.find(&format!("template {name}"), span)
    }

    fn source(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        self.find(&format!("source {name}"), span)
    }
}

/// Stands for what a table says, contents that it names included: 16 hex digits of a SHA-256, made when it is
/// first asked for, since a large content is read for it.
#[derive(Debug, Clone)]
pub struct Mark {
    table: Sha256,
    made: OnceLock<String>,
}

impl Mark {
    /// Of a resource with this table.
    #[must_use]
    pub fn new(table: &TomlTable) -> Self {
        let text = to_value(&DeValue::Table(table.clone())).to_string();
        Self { table: Sha256::new_with_prefix(text), made: OnceLock::new() }
    }

    /// The mark of a resource with this record.
    pub(super) fn get(&self, record: impl FnOnce() -> Record) -> &str {
        self.made.get_or_init(|| {
            let mut sum = self.table.clone();
            for (key, value) in record() {
                sum.update(format!("\n{key} {value}"));
            }
            let mut mark = hex(&sum.finalize());
            mark.truncate(16);
            mark
        })
    }
}

impl Source {
    /// The text of its table: TOML, on one line.
    #[must_use]
    pub fn text(&self) -> String {
        self.table.to_string()
    }

    /// Makes a resource from the text of its table and its contents, as its declaration did.
    ///
    /// # Errors
    /// When that is not what a resource of this type was made from.
    pub fn restore(
        address: Address,
        (text, bodies): (&str, NamedBodies),
        place: Span,
    ) -> Result<Instance, String> {
        let kind = resources::find(address.kind)
            .ok_or_else(|| format!("there is no resource type `{}`", address.kind))?;
        // Tables live as long as the program, as those of loaded files do.
        let text: &'static str = text.to_owned().leak();
        let value = DeValue::parse(text).map_err(|error| error.message().to_owned())?;
        let mut evaluated = Vec::new();
        spans(&value, &mut evaluated);
        let DeValue::Table(table) = value.get_ref() else { return Err("no table".to_owned()) };
        let name = Located { value: address.name.clone(), span: place };
        let desired = kind.parse(&Input {
            name: &name,
            header: place,
            table,
            // Every value may have come out of an expression.
            evaluated: &evaluated,
            bodies: &Kept(&bodies),
            meta_keys: &[],
        });
        let desired = desired.map_err(|mistakes| {
            mistakes.first().map_or_else(String::new, |mistake| mistake.message.clone())
        })?;
        let mark = Mark::new(table);
        let source = Some(Arc::new(Self { table: to_value(value.get_ref()), bodies }));
        Ok(Instance {
            address,
            kind,
            desired,
            place,
            timeout: None,
            retries: 0,
            confirm: None,
            tags: BTreeSet::new(),
            sensitive: false,
            secret: false,
            mark,
            orphan: false,
            source,
        })
    }
}

impl Desired {
    /// The stage of each place, what comes before it, and what goes off at it: all that the order is
    /// once resources stand in it.
    #[must_use]
    pub fn order(&self) -> (&[usize], &[Vec<usize>], &TriggersOf) {
        let Order { stages, after, triggers, .. } = &*self.order;
        (stages, after, triggers)
    }

    /// Resources that stand in an order already ([`Self::order`]).
    ///
    /// # Errors
    /// When the parts are not of one length, or an edge does not lead back to an earlier place.
    pub fn ordered(
        resources: Vec<Arc<Instance>>,
        stages: Vec<usize>,
        after: Vec<Vec<usize>>,
        triggers: TriggersOf,
    ) -> Result<Self, &'static str> {
        let count = resources.len();
        if [stages.len(), after.len(), triggers.len()] != [count; 3] {
            return Err("its order is not one of its resources");
        }
        let back = |(at, from): (usize, &Vec<usize>)| from.iter().all(|&place| place < at);
        let fired = triggers.iter().enumerate();
        let mut fired = fired.flat_map(|(at, all)| all.iter().map(move |(_, from)| (at, from)));
        if !after.iter().enumerate().all(back) || !fired.all(back) {
            return Err("its order leads forward");
        }
        let sequence = (0..count).collect();
        let order = Arc::new(Order { sequence, stages, after, triggers });
        let (left_out, unselected, beside) = (Vec::new(), HashMap::new(), None);
        let sets = Vec::new();
        let mut desired = Self { resources, sets, left_out, beside, unselected, order };
        desired.introduce(&[]);
        Ok(desired)
    }
}

/// Where the values of a table stand, at every depth.
fn spans(value: &TomlValue, found: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().for_each(|item| spans(item, found)),
        DeValue::Table(entries) => entries.values().for_each(|value| spans(value, found)),
        _ => found.push(value.span()),
    }
}

/// Places of a plan that was saved: each is a line of a file that need not be here.
#[derive(Debug, Default)]
pub struct Places {
    project: Project,
    files: BTreeMap<String, (FileId, usize)>,
}

impl Places {
    /// Takes all places in, as `file:line`.
    #[must_use]
    pub fn new<'p>(places: impl Iterator<Item = &'p str>) -> Self {
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, line) in places.filter_map(split) {
            let most = lines.entry(path).or_default();
            *most = line.max(*most);
        }
        let mut new = Self::default();
        for (path, most) in lines {
            // Of the file's text only its line breaks count.
            let file = new.project.sources.add(PathBuf::from(path), "\n".repeat(most));
            new.files.insert(path.to_owned(), (file, most));
        }
        new
    }

    /// The span that [`Resolver::place`] shows as this place.
    #[must_use]
    pub fn span(&self, place: &str) -> Span {
        let found = split(place).and_then(|(path, line)| Some((self.files.get(path)?.0, line)));
        found.map_or_else(
            || Span::new(FileId(0), 0..0),
            |(file, line)| Span::new(file, line - 1..line - 1),
        )
    }

    /// What stands in for the project's resolver: the hosts and stages of a plan, and its places. `retreats` are those
    /// stages in which a host that fails goes back by itself.
    #[must_use]
    pub fn resolver(
        self,
        name: &str,
        hosts: Vec<Host>,
        (stages, retreats): (&[String], &[String]),
    ) -> Resolver {
        let mut project = self.project;
        if project.sources.is_empty() {
            project.sources.add(PathBuf::new(), String::new());
        }
        name.clone_into(&mut project.name);
        let nowhere = Span::new(FileId(0), 0..0);
        let stage = |name: &String| Stage {
            name: Located { value: name.clone(), span: nowhere },
            hosts: Located {
                value: HostPattern::parse("all").expect("`all` is a pattern"),
                span: nowhere,
            },
            modules: Vec::new(),
            tags: Vec::new(),
            rollback_on_failure: retreats.contains(name),
            confirm: None,
        };
        project.stages = stages.iter().map(stage).collect();
        let mut resolver = Resolver::new(&Arc::new(project), BTreeMap::default(), &mut Vec::new());
        let target = |host| Target { host, vars: Arc::default(), space: Arc::default() };
        resolver.targets = hosts.into_iter().map(target).collect();
        resolver
    }
}

/// `file:line`.
fn split(place: &str) -> Option<(&str, usize)> {
    let (path, line) = place.rsplit_once(':')?;
    Some((path, line.parse().ok().filter(|line| (1..1 << 24).contains(line))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shown_as_they_were() {
        let places = ["modules/a/module.toml:3", "modules/a/module.toml:17", "b:x.toml:1"];
        let made = Places::new(places.into_iter());
        let spans = places.map(|place| made.span(place));
        let resolver = made.resolver("p", Vec::new(), (&["one".to_owned()], &[]));
        assert_eq!(spans.map(|span| resolver.place(span)), places);
        assert_eq!(resolver.stage_names(), ["one"]);
    }

    #[test]
    fn a_resource_is_made_again_from_what_it_was_made_from() {
        let address = Address { module: "m".into(), kind: "file", name: "/etc/x".into() };
        let text = "{ mode = \"0640\", template = \"x.tera\", owner = 0 }";
        let bodies = vec![("template x.tera".to_owned(), Body::of(*b"content"))];
        let place = Span::new(FileId(0), 0..0);
        let made = Source::restore(address.clone(), (text, bodies), place).unwrap();
        let source = made.source.clone().unwrap();
        let again =
            Source::restore(address, (&source.text(), source.bodies.clone()), place).unwrap();
        assert!(made.kind.same(&made.desired, &again.desired));
        assert_eq!(again.source, made.source);
    }
}
