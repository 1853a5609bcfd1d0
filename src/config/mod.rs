//! TOML text to typed configuration, every part with its place.
//!
//! `load` is the only reader of project files; it hands their text to `source`, and the other files
//! here turn text into data. Nothing here knows a resource type or evaluates an expression.

mod inventory;
pub mod keys;
mod load;
mod module;
mod pattern;
mod project;
mod range;
mod shelf;
mod source;
mod standard;
mod table;

pub use inventory::{CONNECTION_KEYS, Group, HostEntry, Inventory, Settings};
pub use load::{LoadError, load};
pub use module::{Declaration, Module, Param, ParamType};
pub use pattern::{HostPattern, PatternError};
pub use project::{ModuleUse, Project, Stage};
pub use shelf::{Shelved, inventory, shelf};
pub use source::{Source, Sources};
pub use table::{TomlTable, TomlValue, to_value};
