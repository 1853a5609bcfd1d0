//! What is done to a user's keys: the file anew, in one step.

use super::super::{STEP_SECONDS, Work};
use super::{AuthorizedKey, Observed};
use crate::model::Body;
use crate::shell::{Script, Step};

pub(super) fn step(work: &Work<'_, AuthorizedKey>) -> Step {
    let or_not_asked = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let empty = Body::of([]);
    let (home, folder, file) = match work.observed {
        Observed::User { home, folder, file } => {
            (home.as_deref(), folder.as_deref(), file.as_ref())
        }
        Observed::NoHome(home) => (Some(home.as_str()), None, None),
        Observed::NoUser | Observed::Wrong(_) => (None, None, None),
    };
    let seen = folder.map_or_else(|| "absent".to_owned(), or_not_asked);
    let (meta, digest) = file.map_or_else(
        || ("absent".to_owned(), "-".to_owned()),
        |(seen, body)| (or_not_asked(seen), body.digest().to_owned()),
    );
    let seconds = work.timeout.unwrap_or(STEP_SECONDS).to_string();
    let (edited, _) = work.desired.edited(file.map_or(&empty, |(_, body)| body));
    let mut script = Script::new();
    script.text("keys").args([work.desired.user.as_str(), home.unwrap_or("-")]);
    script.args([&seen, &meta, &digest, &seconds]);
    Step::new(script).reading(Some(edited))
}
