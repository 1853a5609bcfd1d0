//! Sets of a host: which of its resources go in together, and what is wrong with the tables that say so.

use std::collections::{BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Desired;
use super::expand::Expansion;
use super::order::Placed;
use super::secret::Secrets;
use super::template::{Needs, is_template, named};
use crate::config::{FileSet, Module};
use crate::model::suggest::nearest;
use crate::model::{AddressPattern, Diagnostic, Located, Span, Value, a};
use crate::resources::{REGISTRY, ResourceType, STAGED, find};

/// A set as one use of its module declares it on one host.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    module: String,
    name: String,
    place: Span,
    members: Vec<Located<AddressPattern>>,
    validate: Option<String>,
}

/// The members of a set among the resources of a host, in the order of the document.
pub(super) struct Group<'d> {
    declared: &'d Declared,
    pub(super) members: BTreeSet<usize>,
}

/// Resources of a host that go in together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Together {
    pub module: String,
    pub name: String,
    /// Their places in the order, which are next to each other.
    pub members: Vec<usize>,
    /// Paths of those that the selection leaves out.
    pub beside: Vec<String>,
    /// Text for sh(1) that must succeed before they go in; the folder around them is `"$staged"` in it.
    pub validate: Option<String>,
}

impl Together {
    /// `module/set[name]`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}/set[{}]", self.module, self.name)
    }

    /// What must succeed, as it is written.
    #[must_use]
    pub fn said(&self) -> Option<String> {
        self.validate.as_ref().map(|text| text.replace(STAGED, "{{ staged }}"))
    }
}

impl Desired {
    /// The set that a resource goes in with.
    #[must_use]
    pub fn set_of(&self, index: usize) -> Option<&Together> {
        self.sets.iter().find(|set| set.members.contains(&index))
    }

    /// As `self`, with these sets.
    ///
    /// # Errors
    /// When a member of one is no resource that can be in a set, or in two.
    pub fn with_sets(mut self, sets: Vec<Together>) -> Result<Self, &'static str> {
        let mut seen = BTreeSet::new();
        let all = sets.iter().flat_map(|set| &set.members);
        for &member in all {
            let kind = self.resources.get(member).map(|instance| instance.kind);
            if !kind.is_some_and(ResourceType::in_sets) || !seen.insert(member) {
                return Err("a set has members that it cannot have");
            }
        }
        self.sets = sets;
        Ok(self)
    }
}

/// What can be seen in the sets of a module without a host.
pub(super) fn check(module: &Module, found: &mut Vec<Diagnostic>) {
    for set in &module.sets {
        for text in set.members.iter().filter(|text| !is_template(&text.value)) {
            found.extend(member(module, text).err());
        }
    }
}

/// One pattern of members.
fn member(module: &Module, text: &Located<String>) -> Result<Located<AddressPattern>, Diagnostic> {
    let value = AddressPattern::parse(&text.value)
        .map_err(|error| Diagnostic::at(text.span, error.to_string()).code("selector"))?;
    let kind = value.kind();
    let can = || REGISTRY.iter().filter(|kind| kind.in_sets()).map(|kind| kind.name());
    match find(kind) {
        None => {
            let message = format!("there is no resource type `{kind}`");
            let mistake = Diagnostic::at(text.span, message).code("unknown-type");
            let near = nearest(kind, can()).map(|near| format!("did you mean `{near}`?"));
            return Err(match near {
                Some(near) => mistake.label(near),
                None => mistake.suggest(kind, REGISTRY.iter().map(|kind| kind.name())),
            });
        }
        Some(found) if !found.in_sets() => {
            let can = can().collect::<Vec<_>>().join(" and ");
            return Err(Diagnostic::at(text.span, format!("a {kind} cannot be in a set"))
                .code("selector")
                .help(format!("the members of a set are of the types {can}")));
        }
        Some(_) => {}
    }
    if value.module().is_some_and(|other| other != module.name) {
        let message = format!("the members of a set are of its own module, `{}`", module.name);
        return Err(Diagnostic::at(text.span, message).code("selector"));
    }
    Ok(Located { value, span: text.span })
}

impl Expansion<'_> {
    /// A set as this use of its module declares it; `None` where what it names has no value, which was told.
    pub(super) fn set(
        &self,
        set: &FileSet,
        (secrets, broken): (&Secrets, &Secrets),
    ) -> Result<Option<Declared>, Vec<Diagnostic>> {
        for text in set.texts() {
            let mut needs = Needs::default();
            self.bound.engine.needs_of_text(&text.value, &mut needs);
            if needs.touch(secrets) {
                let mistake = Diagnostic::at(text.span, "a sensitive value would be shown here");
                return Err(vec![
                    mistake.label("the plan shows what a set is and how it is validated"),
                ]);
            }
            if needs.touch(broken) {
                return Ok(None);
            }
        }
        let mut found = Vec::new();
        let mut members = Vec::new();
        for text in &set.members {
            let value = self.set_text(text, "members", false, &mut found);
            let Some(value) = value else { continue };
            match member(self.module, &Located { value, span: text.span }) {
                Ok(pattern) => members.push(pattern),
                // Without an expression it was told already.
                Err(_) if !is_template(&text.value) => return Ok(None),
                Err(mistake) => found.push(mistake),
            }
        }
        let validate = set.validate.as_ref();
        let validate = validate.and_then(|text| self.set_text(text, "validate", true, &mut found));
        if !found.is_empty() {
            return Err(found);
        }
        let (module, name) = (self.module.name.clone(), set.name.value.clone());
        Ok(Some(Declared { module, name, place: set.name.span, members, validate }))
    }

    fn set_text(
        &self,
        text: &Located<String>,
        key: &str,
        staged: bool,
        found: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let with_staged = || self.scope.with("staged", Value::String(STAGED.to_owned()));
        let scope = if staged { with_staged() } else { self.scope.clone() };
        match self.bound.engine.text(&text.value, text.span, &scope) {
            Ok(Value::String(value)) if !value.contains('\0') => return Some(value),
            Ok(other) => {
                let message = format!("`{key}` takes text, not {}", a(other.kind()));
                found.push(Diagnostic::at(text.span, message).code("wrong-type"));
            }
            Err(mistake) => found.push(named(mistake, &format!("`{key}`"))),
        }
        None
    }
}

/// The sets of a host with their members. A set without any there is none.
pub(super) fn groups<'d>(
    declared: &'d [Declared],
    placed: &[Placed],
    found: &mut Vec<Diagnostic>,
) -> Vec<Group<'d>> {
    let mut groups: Vec<Group<'d>> = Vec::new();
    let mut owners: HashMap<usize, (&Declared, Span)> = HashMap::new();
    for (nth, set) in declared.iter().enumerate() {
        let same = |other: &&Declared| (&other.module, &other.name) == (&set.module, &set.name);
        if let Some(first) = declared[..nth].iter().find(same) {
            if !first.says_as(set) {
                let message = "two uses of its module make this set otherwise on one host";
                found.push(
                    Diagnostic::at(set.place, message)
                        .code("conflict")
                        .help("let both uses give it the same members and the same `validate`"),
                );
            }
            continue;
        }
        let mut members = BTreeSet::new();
        for (index, place) in set.select(placed) {
            if members.insert(index)
                && let Some((other, first)) = owners.insert(index, (set, place))
            {
                let address = &placed[index].draft.instance.address;
                let message = format!("`{address}` is a member of two sets");
                found.push(
                    Diagnostic::at(place, message)
                        .code("conflict")
                        .label(format!("of `{}`", set.name))
                        .related(first, format!("and of `{}`", other.name)),
                );
            }
        }
        let stages: BTreeSet<usize> = members.iter().map(|&index| placed[index].stage).collect();
        if stages.len() > 1 {
            let message = format!("the members of the set `{}` are in several stages", set.name);
            found.push(
                Diagnostic::at(set.place, message)
                    .code("conflict")
                    .help("what goes in together belongs to one use of its module"),
            );
        } else if !members.is_empty() {
            groups.push(Group { declared: set, members });
        }
    }
    groups
}

impl Declared {
    /// Whether two uses of a module declare it in the same way.
    fn says_as(&self, other: &Self) -> bool {
        let texts = |set: &Self| -> Vec<String> {
            set.members.iter().map(|pattern| pattern.value.text().to_owned()).collect()
        };
        self.validate == other.validate && texts(self) == texts(other)
    }

    /// Its members among `placed`, each with the pattern that names it.
    fn select(&self, placed: &[Placed]) -> Vec<(usize, Span)> {
        let mut found = Vec::new();
        for (index, placed) in placed.iter().enumerate() {
            let address = &placed.draft.instance.address;
            let mut patterns = self.members.iter();
            let named = patterns.find(|pattern| pattern.value.matches(address, &self.module));
            found.extend(named.map(|pattern| (index, pattern.span)));
        }
        found
    }
}

/// Sets by the places of their members in an order.
pub(super) fn together(groups: Vec<Group<'_>>, sequence: &[usize]) -> Vec<Together> {
    let one = |group: Group<'_>| {
        let places = sequence.iter().enumerate();
        let places = places.filter(|(_, index)| group.members.contains(index));
        Together {
            module: group.declared.module.clone(),
            name: group.declared.name.clone(),
            members: places.map(|(place, _)| place).collect(),
            beside: Vec::new(),
            validate: group.declared.validate.clone(),
        }
    };
    groups.into_iter().map(one).collect()
}

/// Tells sets of their members that are not selected: a validator is to see them too.
pub(super) fn beside(sets: &mut [Together], declared: &[Declared], left: &[Placed]) {
    for set in sets {
        let mut own = declared.iter();
        let own = own.find(|own| (&own.module, &own.name) == (&set.module, &set.name));
        let left = own.into_iter().flat_map(|own| own.select(left)).map(|(index, _)| {
            let instance = &left[index].draft.instance;
            instance.kind.subject(&instance.desired).to_owned()
        });
        set.beside = left.collect();
    }
}
