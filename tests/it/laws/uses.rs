//! Uses of modules by modules: what is the same is made once.

use std::fmt::Write as _;

use super::memory::{Files, facts, rendered};

/// How many modules stand in a row, each using the next one twice.
const ROW: usize = 40;

/// A row of modules that each use the next one twice, with `first` and `second` given to it.
fn row(length: usize, first: &str, second: &str) -> Files {
    let stages = "[project]\nname = \"p\"\ninventory = \"i.toml\"\n[[stage]]\nname = \"s\"\n\
        hosts = \"all\"\nmodules = [{ use = \"m0\", with = { p = \"x\" } }]\n";
    let mut files = Files::default().with("trueup.toml", stages).with("i.toml", "[hosts.h0]\n");
    for index in 0..=length {
        let mut module = String::new();
        if index < length {
            let next =
                |with: &str| format!("{{ use = \"m{}\", with = {{ p = \"{with}\" }} }}", index + 1);
            let _ = writeln!(module, "use = [{}, {}]", next(first), next(second));
        }
        module.push_str("[params]\np = { type = \"string\" }\n");
        if index == length {
            module.push_str("[file.\"/{{ params.p }}\"]\ncontent = \"{{ params.p }}\"\n");
        }
        files = files.with(&format!("modules/m{index}/module.toml"), module);
    }
    files
}

#[test]
fn equal_uses_are_one_however_often_they_are_reached() {
    let resolver = row(ROW, "{{ params.p }}", "{{ params.p }}").right();
    let all = rendered(&resolver, 0, &facts("h0")).unwrap();
    assert_eq!(all.len(), 1);
    assert!(resolver.explain(0, &facts("h0")).len() < 3 * ROW);
}

#[test]
fn unequal_uses_are_all_there() {
    let resolver = row(3, "{{ params.p }}a", "{{ params.p }}b").right();
    let all = rendered(&resolver, 0, &facts("h0")).unwrap();
    assert_eq!(all.len(), 8);
    assert!(all.iter().all(|(name, text)| name.ends_with(&format!("/{text}]"))));
}
