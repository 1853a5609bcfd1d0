//! The way back of a change of keys: the whole file goes back, since others may edit it too.

use super::super::input::parent;
use super::super::{Back, Inverse};
use super::{AuthorizedKey, Observed};
use crate::model::Body;

pub(super) fn inverse(keys: &AuthorizedKey, observed: &Observed) -> Inverse {
    let (home, folder, file) = match observed {
        Observed::User { home: Some(home), folder, file } => (home, folder, file),
        Observed::NoHome(home) => (home, &None, &None),
        _ => return Inverse::cannot("the keys of a user that was new stay in its home"),
    };
    let path = format!("{home}/.ssh/authorized_keys");
    let empty = Body::of([]);
    let (body, _) = keys.edited(file.as_ref().map_or(&empty, |(_, body)| body));
    let back = match file {
        Some((_, body)) => Back::to("file", &path, []).kept(Some(body)),
        None => Back::gone("file", &path),
    };
    let made = folder.is_none().then(|| Back::gone("directory", parent(&path)).leaving(Vec::new()));
    let back = back.leaving(vec![("content", body.digest().to_owned())]);
    Inverse { back: made.into_iter().chain([back]).collect(), lost: Vec::new() }
}
