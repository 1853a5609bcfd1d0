//! `trueup schema`: prints a JSON Schema, for editors.

use super::args::{Schema, SchemaOf};
use super::exit::Exit;
use crate::manual::{self, Document};
use crate::report;

/// Runs the verb.
pub(super) fn run(verb: &Schema) -> Exit {
    let document = match verb.of {
        SchemaOf::Project => Document::Project,
        SchemaOf::Inventory => Document::Inventory,
        SchemaOf::Module => Document::Module,
    };
    report::print(&format!("{:#}\n", manual::schema(document)));
    Exit::Good
}
