//! What the manual says of a resource type. The keys come from the struct that reads its table, so
//! that the two cannot differ.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

/// A resource type in words.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// What it is: one sentence.
    pub summary: &'static str,
    /// What the name in `[type.NAME]` stands for.
    pub name: &'static str,
    /// What else there is to know: whole sentences, or nothing.
    pub notes: &'static str,
    /// Parts of a module.toml.
    pub examples: &'static [&'static str],
    table: fn() -> Schema,
}

impl About {
    /// With the keys of the table `T`.
    pub(super) const fn of<T: JsonSchema>(summary: &'static str, name: &'static str) -> Self {
        Self { summary, name, notes: "", examples: &[], table: schema::<T> }
    }

    pub(super) const fn notes(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }

    pub(super) const fn examples(mut self, examples: &'static [&'static str]) -> Self {
        self.examples = examples;
        self
    }

    /// The JSON Schema of its table, values as they are once their expressions are evaluated.
    #[must_use]
    pub fn schema(&self) -> Schema {
        (self.table)()
    }
}

/// Draft-07: what editors of TOML understand.
fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>()
}
