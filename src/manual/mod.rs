//! What there is to write, told from the same data that reads it: JSON Schemas for editors, and pages
//! for people. Pure: it is handed the texts of modules and gives data or text.

mod markdown;
mod module;
mod page;
mod schema;

pub use markdown::reference;
pub use module::module;
pub use page::{Body, Key, Page, Section, resource, shared};
pub use schema::{Document, schema};
