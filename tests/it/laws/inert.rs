//! What a host says about itself is data wherever it goes: never a template, a path or a command.

use proptest::prelude::*;
use trueup::model::Facts;

use super::memory::{Files, rendered, runner};

/// Texts that would do something where they are evaluated.
const TRAPS: [&str; 16] = [
    "{{7*7}}",
    "{{ vars.secret }}",
    "{% include 'x' %}",
    "{% raw %}",
    "{# x #}",
    "{%- set a = 1 -%}",
    "$(touch x)",
    "`touch x`",
    "'; touch x; '",
    "../../x",
    "\u{1b}[31m\u{7}",
    "\u{1}\n\t\r",
    "\" = 1\n[x]",
    "\\u0041",
    "true",
    "1979-05-27",
];

fn facts() -> impl Strategy<Value = Facts> {
    let trap = || {
        let one = prop::sample::select(&TRAPS[..]).prop_map(str::to_owned);
        prop_oneof![3 => one, 1 => "[^\\x00]{0,12}"]
    };
    prop::collection::vec(trap(), 11).prop_map(|texts| {
        let mut facts = Facts::stand_in("h");
        let fields = [
            &mut facts.hostname,
            &mut facts.kernel,
            &mut facts.arch,
            &mut facts.user,
            &mut facts.init,
            &mut facts.os.id,
            &mut facts.os.family,
            &mut facts.os.version,
            &mut facts.os.codename,
            &mut facts.os.name,
        ];
        for (field, text) in fields.into_iter().zip(texts) {
            *field = text;
        }
        facts
    })
}

const INVENTORY: &str = "[vars]\nsecret = \"s\"\n[hosts.h]\n[hosts.g]\n";

/// Facts in contents, by every way that leads into them.
fn contents() -> Files {
    let stages = "[project]\nname = \"p\"\ninventory = \"i.toml\"\n[[stage]]\nname = \"s\"\nhosts = \"all\"\n\
        modules = [{ use = \"m\", with = { arch = \"{{ facts.arch }}\", all = [\"{{ facts.user }}\", \"{{ facts.init }}\"], mixed = \"<{{ facts.os.id }}>\" } }]\n";
    let module = "[params]\narch = { type = \"string\" }\nmixed = { type = \"string\" }\nall = { type = \"list\", of = \"string\" }\n\
        [locals]\nfamily = \"{{ facts.os.family }}\"\nagain = \"{{ locals.family }}\"\n\
        [file.\"/kernel\"]\ncontent = \"{{ facts.kernel }}\"\n\
        [file.\"/arch\"]\ncontent = \"{{ params.arch }}\"\n\
        [file.\"/mixed\"]\ncontent = \"{{ params.mixed }}|{{ params.mixed }}\"\n\
        [file.\"/local\"]\ncontent = \"{{ locals.again }}\"\n\
        [file.\"/all/{{ each.index }}\"]\nfor_each = \"params.all\"\ncontent = \"{{ each.value }}\"\n\
        [file.\"/each/{{ each.index }}\"]\nfor_each = [\"{{ facts.os.version }}\", \"{{ facts.os.codename }}\"]\ncontent = \"{{ each.key }}\"\n\
        [file.\"/template\"]\ntemplate = \"t\"\n";
    Files::one_stage(INVENTORY, module)
        .with("trueup.toml", stages)
        .with("modules/m/templates/t", "{% set x = facts.os.name %}{{ x }}{% include 'inner' %}")
        .with("modules/m/templates/inner", "{{ facts.hostname }}")
}

#[test]
fn facts_are_put_into_contents_as_they_are() {
    let files = contents();
    runner(300)
        .run(&facts(), |facts| {
            let resolver = files.right();
            let all = rendered(&resolver, 1, &facts);
            let all = all.map_err(|errors| TestCaseError::fail(format!("{errors:?}")))?;
            let os = &facts.os;
            let wanted = [
                ("kernel", facts.kernel.clone()),
                ("arch", facts.arch.clone()),
                ("mixed", format!("<{0}>|<{0}>", os.id)),
                ("local", os.family.clone()),
                ("all/0", facts.user.clone()),
                ("all/1", facts.init.clone()),
                ("each/0", os.version.clone()),
                ("each/1", os.codename.clone()),
                ("template", format!("{}{}", os.name, facts.hostname)),
            ];
            prop_assert_eq!(all.len(), wanted.len());
            for (name, text) in wanted {
                prop_assert_eq!(&all[&format!("m/file[/{name}]")], &text, "{}", name);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_fact_in_a_name_is_the_name_or_refused() {
    let module = "[file.\"/x/{{ facts.user }}\"]\ncontent = \"c\"\n\
        [package.\"{{ facts.arch }}\"]\n[user.\"{{ facts.os.id }}\"]\n";
    let files = Files::one_stage(INVENTORY, module);
    runner(300)
        .run(&facts(), |facts| {
            let resolver = files.right();
            if let Ok(all) = rendered(&resolver, 1, &facts) {
                let names: Vec<&str> = all.keys().map(String::as_str).collect();
                let mut wanted = [
                    format!("m/file[/x/{}]", facts.user),
                    format!("m/package[{}]", facts.arch),
                    format!("m/user[{}]", facts.os.id),
                ];
                wanted.sort();
                prop_assert_eq!(names, wanted);
                prop_assert!(!facts.user.contains("..") && !facts.user.contains(char::is_control));
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
