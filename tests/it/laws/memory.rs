//! Projects in memory, and what the resolver makes of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::test_runner::{Config, TestRunner};
use trueup::config::{self, Loaded, Modules, Tree};
use trueup::model::{Diagnostic, Facts, Severity, Value};
use trueup::resolve::Resolver;

/// The files of a project by their path.
#[derive(Clone, Default)]
pub(super) struct Files(BTreeMap<PathBuf, Vec<u8>>);

/// A project with one stage, in which every host has the module `m`.
pub(super) const ONE_STAGE: &str = "[project]\nname = \"p\"\ninventory = \"i.toml\"\n\
    [[stage]]\nname = \"s\"\nhosts = \"all\"\nmodules = [\"m\"]\n";

impl Files {
    /// A project with one stage around an inventory and the module `m`.
    pub(super) fn one_stage(inventory: &str, module: &str) -> Self {
        Self::default()
            .with("trueup.toml", ONE_STAGE)
            .with("i.toml", inventory)
            .with("modules/m/module.toml", module)
    }

    #[must_use]
    pub(super) fn with(mut self, path: &str, text: impl Into<String>) -> Self {
        self.0.insert(path.into(), text.into().into_bytes());
        self
    }

    /// A resolver of these files, and the errors that were found so far.
    pub(super) fn resolver(&self, vars: &BTreeMap<String, Value>) -> (Resolver, Vec<String>) {
        let Loaded { project, mistakes: mut found, .. } =
            config::load(&Tree::Memory(self.0.clone()), None, Modules::All);
        let resolver = Resolver::new(&Arc::new(project), vars.clone(), &mut found);
        (resolver, errors(&found))
    }

    /// A resolver of these files, which have no mistake.
    #[track_caller]
    pub(super) fn right(&self) -> Resolver {
        let (resolver, errors) = self.resolver(&BTreeMap::new());
        assert!(errors.is_empty(), "{errors:?}\n{self}");
        resolver
    }
}

/// As text: a failing project is read by somebody.
impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::fmt::Display for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (path, text) in &self.0 {
            writeln!(f, "=== {}\n{}", path.display(), String::from_utf8_lossy(text))?;
        }
        Ok(())
    }
}

/// What errors say.
pub(super) fn errors(found: &[Diagnostic]) -> Vec<String> {
    let errors = found.iter().filter(|mistake| mistake.severity == Severity::Error);
    errors.map(|mistake| mistake.message.clone()).collect()
}

/// Facts of a host that differ from host to host.
pub(super) fn facts(host: &str) -> Facts {
    let number = u32::from(host.bytes().last().unwrap_or(b'0') % 4);
    let mut facts = Facts::stand_in(host);
    facts.cpus = 1 + number / 2;
    ["debian", "alpine"][number as usize % 2].clone_into(&mut facts.os.id);
    facts
}

/// The contents of a host's files by name, as `render` shows them, or why there are none.
pub(super) fn rendered(
    resolver: &Resolver,
    host: usize,
    facts: &Facts,
) -> Result<BTreeMap<String, String>, Vec<String>> {
    let all = resolver.render(host, facts).map_err(|found| errors(&found))?;
    let texts = all.into_iter().map(|rendered| {
        let content = rendered.content.map(|body| body.whole().expect("it is held"));
        let content = content.unwrap_or_default();
        (rendered.address.to_string(), String::from_utf8_lossy(&content).into_owned())
    });
    Ok(texts.collect())
}

/// A TOML string on one line.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Tries a law this many times.
pub(super) fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::with_cases(cases)
    })
}
