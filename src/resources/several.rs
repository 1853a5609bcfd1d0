//! New files, folders and links of one folder, made with a handful of processes for all of them.
//! What is there already it never touches: that is for the steps of the types alone.

use crate::model::Body;
use crate::shell::{Joint, Step};

/// Shell functions that make several things at once, and one by one where that cannot be.
pub(super) const LIBRARY: &str = include_str!("several.sh");

/// The largest content that stands in the program itself, in bytes.
const CONTENT_MAX: usize = 32 << 10;

/// The largest content that is sent more than once, in bytes: it costs less than a program that copies it.
const COPIED: usize = 1024;

/// A content that can stand in the program; one that the host has from another file already must be smaller.
pub(super) fn small(body: &Body, is_there: bool) -> Option<&[u8]> {
    let most = if is_there { COPIED } else { CONTENT_MAX };
    body.bytes().map(|bytes| &**bytes).filter(|bytes| bytes.len() <= most)
}

/// What is made.
#[derive(Debug, Clone, Copy)]
pub(super) enum New<'n> {
    /// With this content.
    File(&'n [u8]),
    Folder,
    /// To this target.
    Link(&'n str),
}

/// `step`, which makes `path` and nothing else, so that it can be done together with others like it. `access` is the
/// mode, `-` for none, and the owner as chown(1) takes it.
pub(super) fn joint(step: Step, path: &str, new: New<'_>, access: (&str, &str)) -> Step {
    let Some((folder, name)) = path.rsplit_once('/') else { return step };
    let (kind, wide, besides) = match new {
        New::File(content) => ("file", "4", Some(content)),
        New::Folder => ("folder", "3", None),
        New::Link(target) => ("link", "4", Some(target.as_bytes())),
    };
    // The shell's `*` leaves names with a point out, and its words hold no NUL.
    let fits = besides.is_none_or(|text| text.len() <= CONTENT_MAX && !text.contains(&0));
    if name.starts_with('.') || !fits {
        return step;
    }
    let (mode, owner) = access;
    let shared = [kind, wide, folder, mode].map(ToOwned::to_owned).into();
    let words = [name.as_bytes(), owner.as_bytes()];
    let words = words.into_iter().chain(besides).map(<[u8]>::to_vec).collect();
    Step { joint: Some(Joint { call: "several", shared, words }), ..step }
}
