//! Owns the text of every loaded file, so that a place can be shown long after it was read.

use std::path::PathBuf;

use crate::model::{FileId, Span};

/// A loaded file.
#[derive(Debug, Clone)]
pub struct Source {
    /// As it is shown to the reader: relative to the project.
    pub path: PathBuf,
    /// Lives as long as the program: the parsed tables borrow from it.
    pub text: &'static str,
}

/// All loaded files.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Takes a file in and gives its id.
    ///
    /// # Panics
    /// With more than 2³² files.
    pub fn add(&mut self, path: PathBuf, text: String) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).expect("fewer than 2³² files are loaded"));
        self.files.push(Source { path, text: text.leak() });
        id
    }

    /// Whether no file was loaded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The file with this id.
    #[must_use]
    pub fn get(&self, file: FileId) -> &Source {
        &self.files[file.0 as usize]
    }

    /// `path:line` of a place, lines counted from 1.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        let source = self.get(span.file);
        let before = source.text.get(..span.start).unwrap_or(source.text);
        let line = before.matches('\n').count() + 1;
        format!("{}:{line}", source.path.display())
    }
}
