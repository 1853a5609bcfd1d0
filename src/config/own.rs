//! Files that runs keep for those after them: what somebody else could have written is not believed.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// open(2): do not follow a link in the last place of a path, do not wait for the other end of a pipe.
const O_NOFOLLOW_NONBLOCK: i32 = 0o400_000 | 0o4000;

/// Opens a file; none where it is no regular file of ours, or somebody else may write to it.
///
/// # Errors
/// When it cannot be opened.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<Option<File>> {
    let file = options.custom_flags(O_NOFOLLOW_NONBLOCK).open(path)?;
    let trusted = file.metadata().is_ok_and(|metadata| metadata.is_file() && is_ours(&metadata));
    Ok(trusted.then_some(file))
}

/// Whether it is ours, and nobody else may write to it.
#[must_use]
pub fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}
