//! Values that many hosts share: equal ones are one, with a number that stands for them, so that what
//! is made from equal values is made once.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::scope::into_tera;
use crate::model::Value;

/// A value with its number.
pub(in crate::resolve) type Shared = Arc<Numbered>;

/// A value, and the number that it has as long as the [`Pool`] lives.
#[derive(Debug)]
pub(in crate::resolve) struct Numbered {
    pub(in crate::resolve) number: u32,
    pub(in crate::resolve) value: Value,
    pub(super) tera: tera::Value,
}

/// All shared values.
#[derive(Debug, Default)]
pub(in crate::resolve) struct Pool {
    hasher: RandomState,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    values: HashMap<u64, Vec<Shared>>,
    sets: HashMap<Vec<(String, u32)>, u32>,
    last: u32,
}

impl Inner {
    const fn next(&mut self) -> u32 {
        self.last = self.last.checked_add(1).expect("fewer than 2³² distinct values");
        self.last
    }
}

impl Pool {
    /// The one value that equals this one.
    pub(in crate::resolve) fn share(&self, value: Value) -> Shared {
        let hash = self.hasher.hash_one(&value);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let known = inner.values.get(&hash).into_iter().flatten();
        if let Some(known) = known.into_iter().find(|known| known.value == value) {
            return Arc::clone(known);
        }
        let number = inner.next();
        let shared = Arc::new(Numbered { number, tera: into_tera(&value), value });
        inner.values.entry(hash).or_default().push(Arc::clone(&shared));
        shared
    }

    /// A value of which no second one is looked for.
    pub(in crate::resolve) fn single(&self, value: Value) -> Shared {
        let number = self.inner.lock().unwrap_or_else(PoisonError::into_inner).next();
        Arc::new(Numbered { number, tera: into_tera(&value), value })
    }

    fn number_of_set(&self, set: Vec<(String, u32)>) -> u32 {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = inner.sets.get(&set) {
            return *number;
        }
        let number = inner.next();
        inner.sets.insert(set, number);
        number
    }
}

/// What stands behind one prefix of expressions: `vars`, `params`, `facts` and their like.
#[derive(Debug, Default)]
pub(in crate::resolve) struct Space {
    entries: BTreeMap<String, Shared>,
    whole: OnceLock<u32>,
    tera: OnceLock<tera::Value>,
}

impl Space {
    pub(in crate::resolve) const fn new(entries: BTreeMap<String, Shared>) -> Self {
        Self { entries, whole: OnceLock::new(), tera: OnceLock::new() }
    }

    /// The fields of a table, each shared.
    pub(in crate::resolve) fn of(pool: &Pool, table: Value) -> Self {
        let Value::Table(entries) = table else { unreachable!("a prefix has fields") };
        Self::new(entries.into_iter().map(|(name, value)| (name, pool.share(value))).collect())
    }

    pub(in crate::resolve) fn get(&self, name: &str) -> Option<&Shared> {
        self.entries.get(name)
    }

    pub(in crate::resolve) fn iter(&self) -> impl Iterator<Item = (&String, &Shared)> {
        self.entries.iter()
    }

    /// The number of a field; 0 where it is not there.
    pub(in crate::resolve) fn number(&self, name: &str) -> u32 {
        self.entries.get(name).map_or(0, |value| value.number)
    }

    /// A number for all fields together.
    pub(in crate::resolve) fn whole(&self, pool: &Pool) -> u32 {
        *self.whole.get_or_init(|| {
            let numbers = self.entries.iter().map(|(name, value)| (name.clone(), value.number));
            pool.number_of_set(numbers.collect())
        })
    }

    /// The table as tera holds it.
    pub(super) fn tera(&self) -> &tera::Value {
        self.tera.get_or_init(|| {
            let entries = self.entries.iter();
            let entries = entries.map(|(name, value)| (name.clone(), value.tera.clone()));
            entries.collect::<BTreeMap<_, _>>().into()
        })
    }
}
