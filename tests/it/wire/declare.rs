//! Resources from TOML as it stands in a module, without the module.

use std::collections::BTreeMap;

use toml::de::DeTable;
use trueup::model::{Body, Diagnostic, FileId, Located, Span};
use trueup::resources::{Bodies, Erased, Input, ResourceType, find};

/// A declared resource.
#[derive(Clone)]
pub struct Item {
    pub kind: &'static dyn ResourceType,
    pub name: String,
    pub desired: Erased,
}

/// Contents by name, for `template` and `source` alike.
pub struct Texts(pub BTreeMap<String, String>);

impl Bodies for Texts {
    fn template(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        let text = self.0.get(name).map(|text| Body::of(text.as_bytes()));
        text.ok_or_else(|| Diagnostic::at(span, format!("there is no `{name}`")))
    }

    fn source(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        self.template(name, span)
    }
}

/// The resources of a module's text, `[type.NAME]`, in its order.
#[track_caller]
pub fn declare(text: &str) -> Vec<Item> {
    let text: &'static str = text.to_owned().leak();
    let table = DeTable::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut found = Vec::new();
    for (kind, resources) in table.get_ref() {
        let resources = resources.get_ref().as_table().expect("a table of resources");
        for (name, resource) in resources {
            let resource_table = resource.get_ref().as_table().expect("a resource's table");
            let item =
                item(kind.get_ref(), name.get_ref(), resource_table, &Texts(BTreeMap::new()));
            let item = item.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", name.get_ref()));
            found.push((name.span().start, item));
        }
    }
    found.sort_by_key(|(start, _)| *start);
    found.into_iter().map(|(_, item)| item).collect()
}

/// One resource, or the mistakes in it.
pub fn item(
    kind: &str,
    name: &str,
    table: &DeTable<'static>,
    bodies: &Texts,
) -> Result<Item, Vec<Diagnostic>> {
    let kind = find(kind).unwrap_or_else(|| panic!("there is no type {kind}"));
    let header = Span::new(FileId(0), 0..0);
    let located = Located { value: name.to_owned(), span: header };
    let input = Input { name: &located, header, table, bodies, meta_keys: &[], evaluated: &[] };
    kind.parse(&input).map(|desired| Item { kind, name: name.to_owned(), desired })
}
