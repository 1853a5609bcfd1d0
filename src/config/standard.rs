//! The modules that come with the program: the repository's modules/ folder, inside the binary.

use include_dir::{Dir, include_dir};

/// The shipped modules, by their folder's name.
pub(super) static MODULES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/modules");

/// The folder of the module `name`.
pub(super) fn module(name: &str) -> Option<&'static Dir<'static>> {
    MODULES.get_dir(name)
}

/// The names of all shipped modules.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MODULES.dirs().filter_map(|dir| dir.path().to_str())
}
