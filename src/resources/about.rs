//! What the manual says of a resource type. The keys come from the struct that reads its table, so
//! that the two cannot differ.

use schemars::{JsonSchema, Schema, SchemaGenerator};

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
    table: fn(&mut SchemaGenerator) -> Schema,
}

impl About {
    /// With the keys of the table `T`.
    pub(super) const fn of<T: JsonSchema>(summary: &'static str, name: &'static str) -> Self {
        Self { summary, name, notes: "", examples: &[], table: T::json_schema }
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
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.table)(generator)
    }
}
