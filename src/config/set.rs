//! `[set.NAME]` of a module: files that only make sense together.

use super::param::check_name;
use super::table::{Fields, Shape, TomlValue, located, wrong_type};
use crate::model::{Diagnostic, FileId, Located};
use toml::de::DeValue;

/// Files and symlinks of a module that go in together or not at all.
#[derive(Debug)]
pub struct FileSet {
    pub name: Located<String>,
    /// Patterns of addresses, which may hold expressions.
    pub members: Vec<Located<String>>,
    /// Text for sh(1) that must succeed before they go in.
    pub validate: Option<Located<String>>,
}

impl FileSet {
    /// Every text of it that may hold expressions.
    pub fn texts(&self) -> impl Iterator<Item = &Located<String>> {
        self.members.iter().chain(&self.validate)
    }
}

/// Reads `[set]`, in the order of the document.
pub(super) fn read(file: FileId, value: &TomlValue, found: &mut Vec<Diagnostic>) -> Vec<FileSet> {
    let DeValue::Table(table) = value.get_ref() else {
        found.push(wrong_type(file, "set", "a table", value));
        return Vec::new();
    };
    let mut sets: Vec<FileSet> = located(file, table)
        .into_iter()
        .filter_map(|(name, value)| set(&name, value, found))
        .collect();
    sets.sort_by_key(|set| set.name.span.start);
    sets
}

fn set(name: &Located<String>, value: &TomlValue, found: &mut Vec<Diagnostic>) -> Option<FileSet> {
    check_name("set", name, found);
    let shape = Shape {
        what: "a set",
        is: "a set is",
        write: "[set.NAME], and below it `members` and `validate`",
    };
    let DeValue::Table(table) = value.get_ref() else {
        Fields::of(&shape, name.span.file, value, found);
        return None;
    };
    let mut fields = Fields::new(shape.what, name.span, table);
    fields.need("members", "members = [\"file[/…]\"]");
    let members = fields.strings("members", found);
    let validate = fields.string("validate", found);
    if let Some(list) = fields.take("members")
        && list.get_ref().as_array().is_some_and(|list| list.is_empty())
    {
        let span = crate::model::Span::new(name.span.file, list.span());
        found.push(
            Diagnostic::at(span, "a set has members").label("name files, or a pattern of them"),
        );
    }
    fields.finish(found);
    Some(FileSet { name: name.clone(), members, validate })
}
