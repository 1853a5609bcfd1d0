//! A module from the inside, for one use on one host: its params and locals.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bind::Bound;
use super::host::{Site, Values, Work};
use super::params;
use super::secret::{Secrets, secrets};
use super::template::{Needs, Root, Scope, Space, named};
use crate::config::Module;
use crate::model::Value;

/// A module from the inside, for one use on one host.
pub(super) struct Inside {
    pub(super) scope: Scope,
    pub(super) secrets: Secrets,
    /// Params and locals without a value, which was told: what names them is left out.
    pub(super) broken: Secrets,
}

impl Work<'_> {
    /// What expressions can name inside a module.
    pub(super) fn inside(&mut self, module: &Module, bound: &Bound, site: &Site<'_>) -> Inside {
        let secrets = secrets(module, bound, (site.used, site.engine, site.secrets));
        let params = self.params(module, site);
        let mut scope = site.scope.with_params(Arc::clone(&params.space));
        self.found.extend(params.mistakes.iter().cloned());
        let broken = params::broken(module, site.used, &params.space);
        let mut broken: Secrets = broken.into_iter().map(|name| (Root::Params, name)).collect();
        if !module.locals.is_empty() {
            let locals = self.locals(module, bound, (&scope, &broken));
            self.found.extend(locals.mistakes.iter().cloned());
            let missing = module.locals.keys().filter(|name| locals.space.get(name).is_none());
            broken.extend(missing.map(|name| (Root::Locals, name.clone())));
            scope = scope.with_locals(Arc::clone(&locals.space));
        }
        Inside { scope, secrets, broken }
    }

    fn params(&self, module: &Module, site: &Site<'_>) -> Arc<Values> {
        let mut needs = Needs::default();
        for (_, value) in &site.used.with {
            site.engine.needs_of(value, &mut needs);
        }
        let make = || {
            let mut mistakes = Vec::new();
            let table = params::evaluate(module, site.used, site.engine, site.scope, &mut mistakes);
            let space = Arc::new(Space::of(&self.resolver.pool, Value::Table(table)));
            Arc::new(Values { space, mistakes })
        };
        self.shared(std::ptr::from_ref(site.used) as usize, &needs, site.scope, make)
    }

    fn locals(
        &self,
        module: &Module,
        bound: &Bound,
        (scope, broken): (&Scope, &Secrets),
    ) -> Arc<Values> {
        let make = || {
            let pool = &self.resolver.pool;
            let (mut entries, mut mistakes) = (BTreeMap::new(), Vec::new());
            let mut broken = broken.clone();
            for name in &bound.locals {
                let (span, value) = &module.locals[name];
                let mut needs = Needs::default();
                bound.engine.needs_of(value, &mut needs);
                if needs.touch(&broken) {
                    broken.insert((Root::Locals, name.clone()));
                    continue;
                }
                let known = Arc::new(Space::new(BTreeMap::clone(&entries)));
                let scope = scope.with_locals(known);
                match bound.engine.value(span.file, value, &scope) {
                    Ok(value) => drop(entries.insert(name.clone(), pool.share(value))),
                    Err(mistake) => {
                        broken.insert((Root::Locals, name.clone()));
                        mistakes.push(named(mistake, &format!("local `{name}`")));
                    }
                }
            }
            Arc::new(Values { space: Arc::new(Space::new(entries)), mistakes })
        };
        self.shared(std::ptr::from_ref(module) as usize, &bound.locals_needs, scope, make)
    }

    fn shared(
        &self,
        what: usize,
        needs: &Needs,
        scope: &Scope,
        make: impl FnOnce() -> Arc<Values>,
    ) -> Arc<Values> {
        if needs.differ_by_host() {
            return make();
        }
        self.resolver.shelf.spaces.get((what, needs.key(scope, &self.resolver.pool)), make)
    }
}
