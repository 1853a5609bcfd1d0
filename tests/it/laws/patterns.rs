//! Patterns and ranges select what sets and lists say.

use std::collections::BTreeSet;

use proptest::prelude::*;
use trueup::config::HostPattern;
use trueup::model::{Address, AddressPattern, Connection, Host};

use super::memory::{Files, runner};

fn address(module: &str, name: &str) -> Address {
    Address { module: module.to_owned(), kind: "file", name: name.to_owned() }
}

/// A written address selects its resource, and no other one unless it is a glob.
fn selects_itself(module: &str, name: &str, other: &str) -> Result<(), String> {
    let own = address(module, name);
    let glob = name.contains(['*', '?', '[', '{', '\\']);
    for text in [own.to_string(), own.short()] {
        let pattern = match AddressPattern::parse(&text) {
            Err(_) if glob => continue,
            parsed => parsed.map_err(|error| format!("{text}: {error}"))?,
        };
        if !pattern.matches(&own, module) {
            return Err(format!("{text} does not select itself"));
        }
        if !glob && name != other && pattern.matches(&address(module, other), module) {
            return Err(format!("{text} selects {other:?}"));
        }
        let elsewhere = address("elsewhere-", name);
        if pattern.matches(&elsewhere, module) {
            return Err(format!("{text} selects {elsewhere}"));
        }
    }
    Ok(())
}

#[test]
fn an_address_selects_its_resource() {
    let name = || "[a-c/ .*?\\[\\]{}\\\\,!^|$()+éЖ日-]{1,12}";
    runner(2000)
        .run(&("[a-z][a-z0-9_-]{0,8}", name(), name()), |(module, name, other)| {
            selects_itself(&module, &name, &other).map_err(TestCaseError::fail)
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn an_address_with_a_closing_brace_is_no_glob() {
    for name in ["}", "a}", "/etc/}x", "a,b}", "]", "a]b", "!", "^a$"] {
        selects_itself("m", name, "/etc/x").unwrap();
    }
}

/// A pattern as a tree.
#[derive(Debug, Clone)]
enum Tree {
    Name(&'static str),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>, &'static str),
    Paren(Box<Self>),
}

impl Tree {
    /// As text, with parentheses where `not` > `and` > `or` need them.
    fn text(&self, above: u8) -> String {
        let (own, text) = match self {
            Self::Name(name) => (3, (*name).to_owned()),
            Self::Paren(inner) => (3, format!("( {})", inner.text(0))),
            Self::Not(inner) => (2, format!("not {}", inner.text(2))),
            Self::And(one, other) => (1, format!("{} and {}", one.text(1), other.text(2))),
            Self::Or(one, other, sign) => (0, format!("{}{sign}{}", one.text(0), other.text(1))),
        };
        if own < above { format!("({text})") } else { text }
    }

    fn has(&self, names: &BTreeSet<&str>) -> bool {
        match self {
            Self::Name("all") => true,
            Self::Name(glob) => names.iter().any(|name| like(glob.as_bytes(), name.as_bytes())),
            Self::Not(inner) => !inner.has(names),
            Self::And(one, other) => one.has(names) & other.has(names),
            Self::Or(one, other, _) => one.has(names) | other.has(names),
            Self::Paren(inner) => inner.has(names),
        }
    }
}

/// Whether a name is like a glob of `*` and `?`.
fn like(glob: &[u8], name: &[u8]) -> bool {
    match (glob.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            like(rest, name) || name.split_first().is_some_and(|(_, name)| like(glob, name))
        }
        (Some((b'?', glob)), Some((_, name))) => like(glob, name),
        (Some((one, glob)), Some((other, name))) => one == other && like(glob, name),
        _ => false,
    }
}

const NAMES: [&str; 9] =
    ["web1", "web2.x.y", "db-a", "db.b", "n_1", "eu", "eu.west", "andy", "notable"];
const GLOBS: [&str; 16] = [
    "web1", "web2.x.y", "db-a", "db.b", "n_1", "eu", "eu.west", "andy", "notable", "all", "web*",
    "*.?", "?b*", "*", "e?", "*a*",
];

fn tree() -> impl Strategy<Value = Tree> {
    let name = prop::sample::select(&GLOBS[..]).prop_map(Tree::Name);
    name.prop_recursive(5, 24, 2, |inner| {
        let two = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        let sign = prop::sample::select(vec![" or ", ",", ", ", " , "]);
        prop_oneof![
            inner.clone().prop_map(|inner| Tree::Not(Box::new(inner))),
            inner.clone().prop_map(|inner| Tree::Paren(Box::new(inner))),
            two().prop_map(|(one, other)| Tree::And(one, other)),
            (two(), sign).prop_map(|((one, other), sign)| Tree::Or(one, other, sign)),
        ]
    })
}

#[test]
fn a_pattern_is_set_algebra() {
    let hosts = prop::collection::vec(prop::sample::subsequence(NAMES.to_vec(), 1..5), 1..6);
    runner(1000)
        .run(&(tree(), hosts), |(tree, hosts)| {
            let text = tree.text(0);
            let pattern = HostPattern::parse(&text);
            let pattern =
                pattern.map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
            for names in hosts {
                let host = Host {
                    name: names[0].to_owned(),
                    address: String::new(),
                    groups: names[1..].iter().map(|&name| name.to_owned()).collect(),
                    connection: Connection::default(),
                };
                let wanted = tree.has(&names.iter().copied().collect());
                prop_assert_eq!(pattern.matches(&host), wanted, "{} on {:?}", text, names);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// A part of a written host name: as text, and all that it stands for.
fn part() -> impl Strategy<Value = (String, Vec<String>)> {
    let plain = "[a-z0-9._-]{1,4}".prop_map(|text| (text.clone(), vec![text]));
    let numbers = (0..30_u32, 0..12_u32, 1..5_u32, 0..4_usize, any::<bool>());
    let numbers = numbers.prop_map(|(first, more, step, zeros, short)| {
        let written = format!("{}{first}", "0".repeat(zeros));
        let last = first + more;
        let step_text = if short { String::new() } else { format!(":{step}") };
        let mut all = Vec::new();
        let mut number = first;
        while number <= last {
            let mut name = number.to_string();
            while written.starts_with('0') && name.len() < written.len() {
                name.insert(0, '0');
            }
            all.push(name);
            number += if short { 1 } else { step };
        }
        (format!("[{written}:{last}{step_text}]"), all)
    });
    let letters = (0..26_usize, 0..26_usize).prop_map(|(one, other)| {
        let alphabet = "abcdefghijklmnopqrstuvwxyz";
        let all = &alphabet[one.min(other)..=one.max(other)];
        let text = format!("[{}:{}]", &all[..1], &all[all.len() - 1..]);
        (text, all.chars().map(String::from).collect())
    });
    prop_oneof![plain, numbers, letters]
}

#[test]
fn a_range_is_a_list() {
    runner(400)
        .run(&prop::collection::vec(part(), 0..3), |parts| {
            let text: String = parts.iter().map(|(text, _)| text.as_str()).collect();
            let mut wanted = vec!["h".to_owned()];
            for (_, all) in &parts {
                let longer =
                    wanted.iter().map(|name| all.iter().map(move |end| format!("{name}{end}")));
                wanted = longer.flatten().collect();
            }
            let inventory = format!("[groups.g]\nhosts = [\"h{text}\"]\n");
            let resolver = Files::one_stage(&inventory, "").right();
            let names: BTreeSet<String> =
                resolver.targets.iter().map(|target| target.host.name.clone()).collect();
            prop_assert_eq!(names, wanted.into_iter().collect::<BTreeSet<_>>(), "h{}", text);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_range_makes_no_name_that_is_too_long() {
    let zeros = "0".repeat(70_000);
    let files = Files::one_stage(&format!("[groups.g]\nhosts = [\"h[{zeros}:1]\"]\n"), "");
    assert!(!files.resolver(&std::collections::BTreeMap::new()).1.is_empty());
}

#[test]
fn a_pattern_of_any_depth_is_read_or_refused() {
    for text in [format!("{}web{}", "(".repeat(5000), ")".repeat(5000)), "(".repeat(50_000)] {
        assert!(HostPattern::parse(&text).is_err());
    }
    let long = vec!["web"; 50_000].join(" or ");
    let _ = HostPattern::parse(&long).map(|pattern| pattern.unmatched(&std::iter::empty()).len());
}
