//! Which vars of the command line flow into something sensitive, seen in the texts alone: what names
//! more than it could is taken for naming it, since a value that is kept by mistake is a secret told.

use std::collections::{BTreeMap, BTreeSet};

use super::Resolver;
use super::lint::Used;
use crate::config::{Declaration, Module, ModuleUse};
use crate::resources::find;

/// What is named by the sensitive parts of each module.
type Flows<'p> = BTreeMap<&'p str, Used>;

impl Resolver {
    /// Vars of the command line of which a sensitive param, a sensitive resource or a key that is always
    /// sensitive may be made.
    #[must_use]
    pub fn sensitive_overrides(&self) -> BTreeSet<String> {
        let mut flows = Flows::new();
        loop {
            let before: usize = flows.values().map(Used::len).sum();
            for (name, module) in &self.project.modules {
                let flow = self.flow(module, &flows);
                flows.insert(name, flow);
            }
            if flows.values().map(Used::len).sum::<usize>() == before {
                break;
            }
        }
        let mut stages = Used::default();
        for used in self.project.stages.iter().flat_map(|stage| &stage.modules) {
            self.given(used, &flows, &mut stages);
        }
        let named = |name: &&String| {
            stages.has("vars", name) || flows.values().any(|flow| flow.has("vars", name))
        };
        self.overrides.keys().filter(named).cloned().collect()
    }

    /// What the sensitive parts of a module name, as far as it is known of those that it uses.
    fn flow(&self, module: &Module, flows: &Flows<'_>) -> Used {
        let mut flow = Used::default();
        for declaration in module.resources.iter().filter(|declaration| is_secret(declaration)) {
            flow.declaration(declaration);
            // Which templates it includes may be computed.
            if declaration.table.contains_key("template") {
                let files = self.bound.get(&module.name).map(|bound| bound.engine.files.values());
                files.into_iter().flatten().for_each(|file| flow.add(&file.names));
            }
        }
        module.uses.iter().for_each(|used| self.given(used, flows, &mut flow));
        loop {
            let before = flow.len();
            for (name, (_, value)) in &module.locals {
                if flow.has("locals", name) {
                    flow.value(value);
                }
            }
            if flow.len() == before {
                return flow;
            }
        }
    }

    /// What is named where a sensitive param of a module is given, or one that flows into such parts.
    fn given(&self, used: &ModuleUse, flows: &Flows<'_>, flow: &mut Used) {
        let name = used.module.value.as_str();
        let module = self.project.modules.get(name);
        let secret = |param: &str| {
            let declared = module.and_then(|module| module.params.get(param));
            declared.is_some_and(|declared| declared.sensitive)
                || flows.get(name).is_some_and(|flow| flow.has("params", param))
        };
        for (_, value) in used.with.iter().filter(|(param, _)| secret(&param.value)) {
            flow.value(value);
        }
    }
}

/// Whether a resource holds what is sensitive whatever its values are made of.
fn is_secret(declaration: &Declaration) -> bool {
    let keys = find(&declaration.kind.value).map_or(&[][..], |kind| kind.secret());
    keys.iter().chain(&["sensitive"]).any(|key| declaration.table.contains_key(*key))
}
