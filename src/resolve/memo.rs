//! What is made once for all hosts whose inputs are equal.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

/// The most results of one kind that are kept. Beyond them each is made anew: correct, and slower.
const MAX: usize = 1 << 18;

/// Results by what they were made from.
#[derive(Debug)]
pub(super) struct Memo<K, T> {
    known: RwLock<HashMap<K, T>>,
}

impl<K, T> Default for Memo<K, T> {
    fn default() -> Self {
        Self { known: RwLock::new(HashMap::new()) }
    }
}

impl<K: Eq + Hash, T: Clone> Memo<K, T> {
    /// The result for `key`, made by `make` where there is none yet.
    pub(super) fn get(&self, key: K, make: impl FnOnce() -> T) -> T {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let new = make();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX {
            known.insert(key, new.clone());
        }
        drop(known);
        new
    }

    /// Forgets all results.
    pub(super) fn clear(&self) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
