//! Several changes of one type at once: one transaction, one sending of a content.

use std::collections::BTreeMap;

use trueup::model::Change;
use trueup::resources::{Erased, Part, ResourceType, Verdict, find};
use trueup::shell::Step;

use super::case::parse;
use super::check::text_of;
use crate::support::sent;

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

/// The steps of packages of which some are there.
fn transactions(resources: &[(&str, &str)]) -> Vec<(Vec<usize>, String)> {
    let answer = "dpkg:amd64\tinstalled\t1\tinstall\napache2:amd64\tinstalled\t2.4\tinstall\n\
        exim4:amd64\tinstalled\t4\tinstall\n";
    let steps = steps("package", resources, answer).into_iter();
    steps.map(|(covers, step)| (covers, text_of(&step.script))).collect()
}

#[test]
fn packages_go_into_one_transaction() {
    let found =
        transactions(&[("nginx", ""), ("apache2", "state = 'absent'"), ("curl", ""), ("jq", "")]);
    let words = "transact '7' 'keep' '' '?' 'nginx apache2- curl jq' 'nginx' 'none' 'installed' \
        'apache2' 'installed=2.4' 'none' 'curl' 'none' 'installed' 'jq' 'none' 'installed'";
    assert_eq!(found, [(vec![0, 1, 2, 3], words.to_owned())]);
}

#[test]
fn only_what_must_be_apart_is_another_transaction() {
    let found = transactions(&[
        ("apache2", "state = 'absent'\npurge = true"),
        ("exim4", "state = 'absent'"),
        ("curl", "conffiles = 'replace'"),
        ("jq", ""),
    ]);
    let expected = [
        (
            vec![0],
            "transact '1800' 'keep' '--purge' '?' 'apache2-' 'apache2' 'installed=2.4' 'none'",
        ),
        (
            vec![1, 3],
            "transact '7' 'keep' '' '?' 'exim4- jq' 'exim4' 'installed=4' 'none' 'jq' 'none' 'installed'",
        ),
        (vec![2], "transact '1800' 'replace' '--no-remove' '?' 'curl' 'curl' 'none' 'installed'"),
    ];
    let expected: Vec<(Vec<usize>, String)> =
        expected.into_iter().map(|(covers, text)| (covers, text.to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_content_is_sent_once() {
    let wanted =
        [("/etc/a", "content = 'x'"), ("/etc/b", "content = 'y'"), ("/etc/c", "content = 'x'")];
    let steps = steps("file", &wanted, "s 41ed 0 0 4096 20 root root /etc\n");
    let digest = trueup::model::change::sha256_hex(b"x");
    let sent: Vec<_> = steps.iter().map(|(_, step)| sent(step)).collect();
    let sent: Vec<Option<&[u8]>> = sent.iter().map(Option::as_deref).collect();
    assert_eq!(sent, [Some(&b"x"[..]), Some(b"y"), None]);
    let last = text_of(&steps[2].1.script);
    assert_eq!(last, format!("put '/etc/c' 'absent' '-' '00644' '' '' '300' '{digest} /etc/a'"));
}
