//! TOML text to typed configuration, every part with its place.
//!
//! `load` is the only reader of project files, `digests` keeps what large ones have been found to be (`own` opens what is
//! kept so); `loader` puts a project together from what it reads, `source` owns the text, and the other files here turn
//! text into data. Nothing here knows a resource type or evaluates an expression.

mod digests;
mod inventory;
pub mod keys;
mod load;
mod loader;
mod module;
mod moved;
pub mod own;
mod param;
mod pattern;
mod project;
mod range;
mod rollback;
mod set;
mod shelf;
mod source;
mod standard;
mod table;

pub use digests::Digests;
pub use inventory::{CONNECTION_KEYS, Group, HostEntry, Inventory, Settings};
pub use load::Tree;
pub use loader::{Loaded, Modules, load};
pub use module::{Declaration, MODULE_KEYS, Module};
pub use param::{Param, ParamType};
pub use pattern::{HostPattern, PatternError};
pub use project::{ModuleUse, Project, Runs, Stage, no_window};
pub use set::FileSet;
pub use shelf::{Shelved, inventory, shelf};
pub use source::{Source, Sources};
pub use table::{TomlTable, TomlValue, to_value};
