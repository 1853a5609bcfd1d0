//! Several changes of one type at once: one transaction, one sending of a content.

use std::collections::BTreeMap;

use trueup::model::Change;
use trueup::resources::{Erased, Part, ResourceType, Verdict, find};
use trueup::shell::Step;

use super::case::parse;
use super::check::text_of;

/// Resources of a type with their changes on a host that gives `answer`.
fn steps(kind: &str, resources: &[(&str, &str)], answer: &str) -> Vec<(Vec<usize>, Step)> {
    let kind: &dyn ResourceType = find(kind).expect("a type");
    let read = |(name, text): &(&str, &str)| {
        let table: toml::Table = toml::from_str(text).expect("TOML");
        parse(kind, name, &table, &BTreeMap::new()).expect("a table without mistakes")
    };
    let desired: Vec<Erased> = resources.iter().map(read).collect();
    let items: Vec<&Erased> = desired.iter().collect();
    let observed = kind.observe(&items, answer.as_bytes());
    let observed: Vec<Erased> = observed.into_iter().map(|state| state.expect("a state")).collect();
    let change = |(desired, observed): (&Erased, &Erased)| match kind.diff(desired, observed) {
        Verdict::Change(change) => change,
        other => panic!("no change: {other:?}"),
    };
    let changes: Vec<Change> = desired.iter().zip(&observed).map(change).collect();
    let parts: Vec<Part<'_>> = (0..changes.len())
        .map(|at| Part {
            desired: &desired[at],
            observed: &observed[at],
            change: &changes[at],
            timeout: (at == 1).then_some(7),
        })
        .collect();
    kind.steps(&parts)
}

#[test]
fn packages_go_into_one_transaction_each_way() {
    let wanted = [("nginx", ""), ("apache2", "state = 'absent'"), ("curl", ""), ("jq", "")];
    let steps = steps("package", &wanted, "apache2\tinstalled\t2.4\n@candidates\n");
    let found: Vec<(&[usize], String)> =
        steps.iter().map(|(covers, step)| (covers.as_slice(), text_of(&step.script))).collect();
    let expected: [(&[usize], String); 2] = [
        (&[1], "apt '7' 'remove' 'apache2'".into()),
        (&[0, 2, 3], "apt '1800' 'install' 'nginx' 'curl' 'jq'".into()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_content_is_sent_once() {
    let wanted =
        [("/etc/a", "content = 'x'"), ("/etc/b", "content = 'y'"), ("/etc/c", "content = 'x'")];
    let steps = steps("file", &wanted, "s 41ed 0 0 4096 20 root root /etc\n");
    let digest = trueup::model::change::sha256_hex(b"x");
    let sent: Vec<Option<&[u8]>> = steps.iter().map(|(_, step)| step.content.as_deref()).collect();
    assert_eq!(sent, [Some(&b"x"[..]), Some(b"y"), None]);
    let last = text_of(&steps[2].1.script);
    assert_eq!(last, format!("put '/etc/c' 'absent' '-' '00644' '' '' '300' '{digest} /etc/a'"));
}
