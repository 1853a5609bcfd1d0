//! `trueup schema`: prints a JSON Schema: of files for editors, of results for who reads them.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::args::{Schema, SchemaOf};
use super::exit::Exit;
use crate::manual::{self, Document};
use crate::plan::json::PlanJson;
use crate::report::{self, events::EventJson, merged::MergedJson, record::SummaryJson};

/// Runs the verb.
pub(super) fn run(verb: &Schema) -> Exit {
    let document = match verb.of {
        SchemaOf::Project => Document::Project,
        SchemaOf::Inventory => Document::Inventory,
        SchemaOf::Module => Document::Module,
        SchemaOf::Plan => return print(&schema::<PlanJson>()),
        SchemaOf::Merged => return print(&schema::<MergedJson>()),
        SchemaOf::Run => return print(&schema::<SummaryJson>()),
        SchemaOf::Events => return print(&schema::<EventJson>()),
    };
    print(&manual::schema(document))
}

fn print(schema: &Value) -> Exit {
    report::print(&format!("{schema:#}\n"));
    Exit::Good
}

/// The schema of what a verb prints (JSON Schema 2020-12).
fn schema<T: JsonSchema>() -> Value {
    SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}
