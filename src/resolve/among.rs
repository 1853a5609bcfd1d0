//! Resources of one host that must know what the others say: a folder that is purged keeps what is
//! declared in it, an exclusive key the keys beside it.

use std::cell::OnceCell;
use std::sync::Arc;

use super::order::Placed;
use super::{Desired, Instance};
use crate::resources::Claim;

impl Desired {
    /// Tells its resources what they and `others`, which are not selected, claim.
    pub(super) fn introduce(&mut self, others: &[Placed]) {
        let claims: OnceCell<Vec<Claim>> = OnceCell::new();
        let mut told: Vec<(usize, Instance)> = Vec::new();
        for (index, instance) in self.resources.iter().enumerate() {
            let all = || claims.get_or_init(|| self.claims(others)).clone();
            if let Some(desired) = instance.kind.among(&instance.desired, &all) {
                told.push((index, Instance { desired, ..Instance::clone(instance) }));
            }
        }
        for (index, instance) in told {
            self.resources[index] = Arc::new(instance);
        }
    }

    fn claims(&self, others: &[Placed]) -> Vec<Claim> {
        let others = others.iter().map(|placed| &placed.draft.instance);
        let all = self.resources.iter().chain(others);
        all.flat_map(|instance| instance.kind.claims(&instance.desired)).collect()
    }
}
