//! The order of independent resources alters nothing: not what a host is taken to have, not the plan, not
//! the steps; nor does it matter which others are asked about in the same breath.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use trueup::model::{Address, FileId, Span};
use trueup::plan::{History, Status, compare};
use trueup::resolve::{Desired, Instance, Mark};
use trueup::resources::Part;

use crate::wire::bench::{Bench, States};
use crate::wire::declare::Item;
use crate::wire::shells::everywhere;

/// Resources of all types that ask a host, in every state, none of which another depends on.
const MODULE: &str = r#"
[directory."ROOT/there"]
mode = "0700"
[directory."ROOT/missing"]
[directory."ROOT/no/folder"]
[directory."ROOT/a"]
[file."ROOT/a"]
content = "wanted\n"
[file."ROOT/b"]
content = "wanted\n"
[file."ROOT/same"]
content = "same\n"
[file."ROOT/new"]
content = "new\n"
mode = "0600"
[file."ROOT/link"]
content = "x"
[symlink."ROOT/link"]
target = "elsewhere"
[symlink."ROOT/right"]
target = "same"
[symlink."ROOT/fresh"]
target = "same"
[line.one]
path = "ROOT/lines"
line = "one"
[line.two]
path = "ROOT/more lines"
line = "two"
match = "^t"
[group.root]
gid = 7
[group.no-such-group]
state = "absent"
[user.root]
shell = "/bin/none"
[user.no-such-user]
[command.never]
command = "exit 1"
creates = "ROOT/same"
"#;

/// The tree that [`MODULE`] is about.
fn furnish(bench: &Bench) {
    fs::create_dir(bench.tree.join("there")).expect("a folder");
    for (name, content) in [
        ("a", "a\n"),
        ("b", "b\n"),
        ("same", "same\n"),
        ("lines", "one\n"),
        ("more lines", "to\nx"),
    ] {
        bench.file(name, content);
    }
    for (name, target) in [("link", "there"), ("right", "same")] {
        symlink(target, bench.tree.join(name)).expect("a link");
    }
}

/// What is planned for each resource and how it would be done.
fn plan(items: &[Item], observed: &States) -> BTreeMap<String, String> {
    let address = |item: &Item| Address {
        module: "m".to_owned(),
        kind: item.kind.name(),
        name: item.name.clone(),
    };
    let instance = |item: &Item| Instance {
        address: address(item),
        kind: item.kind,
        desired: item.desired.clone(),
        place: Span::new(FileId(0), 0..0),
        timeout: None,
        retries: 0,
        confirm: None,
        tags: BTreeSet::new(),
        sensitive: false,
        secret: false,
        mark: Mark::new(&toml::de::DeTable::new()),
        orphan: false,
        source: None,
    };
    let items_of = items.iter().map(|item| (Arc::new(instance(item)), Vec::new()));
    let desired = Desired::in_order(items_of.collect());
    let plan = compare(&desired, observed, &History::default());
    let told = |(item, planned): (&Item, &trueup::plan::Item)| {
        let mut text = format!("{:?}", planned.status);
        if let (Status::Change(change), Some(observed)) = (&planned.status, &planned.against) {
            let part = Part { desired: &item.desired, observed, change, timeout: None };
            let _ = write!(text, "{:?}", item.kind.steps(&[part]));
        }
        (address(item).to_string(), text)
    };
    items.iter().zip(&plan.items).map(told).collect()
}

#[test]
fn the_order_of_independent_resources_alters_nothing() {
    everywhere(|shell| {
        let mut bench = Bench::new(shell, &[]);
        furnish(&bench);
        let items = bench.items(MODULE);
        let wanted = plan(&items, &bench.look(&items)?);
        assert_eq!(wanted.len(), items.len());
        let mut runner = TestRunner::default();
        for _ in 0..8 {
            let order: Vec<usize> = (0..items.len()).collect();
            let order = Just(order).prop_shuffle().new_tree(&mut runner).expect("an order");
            let shuffled: Vec<Item> =
                order.current().into_iter().map(|index| items[index].clone()).collect();
            let told = plan(&shuffled, &bench.look(&shuffled)?);
            if told != wanted {
                return Err(format!("{told:#?}\ninstead of {wanted:#?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn what_is_asked_beside_a_resource_alters_nothing() {
    everywhere(|shell| {
        let mut bench = Bench::new(shell, &[]);
        furnish(&bench);
        let items = bench.items(MODULE);
        let wanted = plan(&items, &bench.look(&items)?);
        for item in items {
            let alone = [item];
            for (address, told) in plan(&alone, &bench.look(&alone)?) {
                if wanted[&address] != told {
                    return Err(format!(
                        "{address} alone: {told}\nbeside others: {}",
                        wanted[&address]
                    ));
                }
            }
        }
        Ok(())
    });
}
