//! The digests of what the files say a host should have, found once in a run and beside the work on hosts.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::model::Body;
use crate::resolve::Desired;

/// Finds the digests of all contents of a host that are not known yet, or says why one cannot be.
pub(super) async fn settled(desired: &Arc<Desired>) -> Result<(), String> {
    let bodies = || {
        let all = desired.resources.iter();
        all.filter_map(|instance| Some((instance, instance.kind.body(&instance.desired)?)))
    };
    let unknown = bodies().filter(|(_, body)| !body.is_settled());
    let mut unknown: Vec<(bool, Body)> =
        unknown.map(|(instance, body)| (instance.kept_back(), body.clone())).collect();
    // What is secret in one place is so in all.
    unknown.sort_by_key(|(secret, _)| !secret);
    if !unknown.is_empty() {
        let all = move || {
            unknown.iter().all(|(secret, body)| {
                let found = if *secret { body.settle_secretly() } else { body.settle() };
                found.is_ok()
            })
        };
        spawn_blocking(all).await.expect("finding a digest does not panic");
    }
    bodies().find_map(|(_, body)| body.settle().err()).map_or(Ok(()), |why| Err(why.to_owned()))
}
