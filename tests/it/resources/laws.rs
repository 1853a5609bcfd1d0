//! What holds for every type, tried on all its cases against each other and on random mixtures.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestCaseResult, TestRunner};
use trueup::model::Action;
use trueup::resources::{Erased, Part, REGISTRY, ResourceType, Verdict};

use super::pool::{Pool, disturbed};

/// Mixtures tried for each type.
const TRIES: u32 = 400;

/// Few steps to a smaller failure: each of them prints where a type panics.
fn runner() -> TestRunner {
    let tries = Config::with_cases(TRIES);
    TestRunner::new(Config { failure_persistence: None, max_shrink_iters: 100, ..tries })
}

/// Tries `law` on random picks, for each type.
fn for_every_type(law: impl Fn(&Pool, &[usize]) -> TestCaseResult) {
    for &kind in REGISTRY {
        let pool = Pool::of(kind);
        let mut runner = runner();
        let picks = prop::collection::vec(any::<usize>(), 32);
        let result = runner.run(&picks, |picks| law(&pool, &picks));
        if let Err(error) = result {
            panic!("{}: {error}", kind.name());
        }
    }
}

fn wrong(why: String) -> TestCaseError {
    TestCaseError::fail(why)
}

/// After its change a resource is as wanted, and the same question has the same answer twice.
fn mended(kind: &dyn ResourceType, desired: &Erased, answer: &[u8]) -> Result<(), String> {
    let said = || String::from_utf8_lossy(answer);
    let observed = kind.observe(&[desired], answer).remove(0);
    let Ok(observed) = observed else { return Ok(()) };
    let verdict = kind.diff(desired, &observed);
    if verdict != kind.diff(desired, &observed) {
        return Err(format!("two verdicts on one state\n{}", said()));
    }
    let (Verdict::Change(change) | Verdict::Blocked { then: change, .. }) = &verdict else {
        return Ok(());
    };
    let part = Part { desired, observed: &observed, change, timeout: None };
    let (once, twice) = (kind.steps(&[part]), kind.steps(&[part]));
    if once.is_empty() || once != twice {
        return Err(format!("no steps, or other steps each time, for {change:?}"));
    }
    if change.action == Action::KnownAfter || !kind.verifiable(desired) {
        return Ok(());
    }
    let after = kind.diff(desired, &kind.predict(desired, &observed));
    match after {
        Verdict::Same(_) => Ok(()),
        other => Err(format!("{verdict:#?}\nleaves {other:#?}\nanswer:\n{}", said())),
    }
}

#[test]
fn every_case_is_mended_on_every_host_of_its_type() {
    for &kind in REGISTRY {
        let pool = Pool::of(kind);
        for desired in &pool.desired {
            for answer in pool.all_answers(desired) {
                mended(kind, desired, answer.as_bytes())
                    .unwrap_or_else(|why| panic!("{}: {why}", kind.name()));
            }
        }
    }
}

#[test]
fn a_change_leaves_nothing_to_change() {
    let tried = RefCell::new(BTreeMap::new());
    for_every_type(|pool, picks| {
        let Some(desired) = pool.resource(&picks[1..]) else { return Ok(()) };
        *tried.borrow_mut().entry(pool.kind.name()).or_insert(0) += 1;
        let answer = pool.answer(picks[0], &desired);
        mended(pool.kind, &desired, answer.as_bytes()).map_err(wrong)?;
        mended(pool.kind, &desired, &disturbed(&answer, &picks[24..])).map_err(wrong)
    });
    let enough = |kind: &&dyn ResourceType| tried.borrow().get(kind.name()) > Some(&(TRIES / 20));
    assert!(REGISTRY.iter().all(enough), "too few of the random tables can be read: {tried:?}");
}

/// All cases of a type are observed in one answer of any bytes; what comes out can be compared.
fn survives(pool: &Pool, answer: &[u8]) -> TestCaseResult {
    let items: Vec<&Erased> = pool.desired.iter().collect();
    let observed = pool.kind.observe(&items, answer);
    prop_assert_eq!(observed.len(), items.len());
    for (desired, observed) in items.iter().zip(&observed) {
        if let Ok(observed) = observed {
            pool.kind.diff(desired, observed);
            pool.kind.predict(desired, observed);
        }
    }
    Ok(())
}

#[test]
fn no_answer_makes_a_type_panic() {
    for &kind in REGISTRY {
        let pool = Pool::of(kind);
        let mut runner = runner();
        let bytes = prop::collection::vec(any::<u8>(), 0..400);
        let word = prop::sample::select(vec![
            "s ",
            "d ",
            "@links",
            "@groups\n",
            "@candidates",
            ":",
            "=",
            "\n",
            "\n\n",
            "!",
            ".",
            "-",
            "81a4 ",
            "0 ",
            "/etc/app",
            "installed",
            "Id=",
            "LoadState=",
            "creates ",
            "\t",
            " ",
        ]);
        let words =
            prop::collection::vec(word, 0..40).prop_map(|words| words.concat().into_bytes());
        runner
            .run(&prop_oneof![bytes, words], |answer| survives(&pool, &answer))
            .unwrap_or_else(|error| panic!("{}: {error}", kind.name()));
    }
}

#[test]
fn no_disturbed_answer_makes_a_type_panic() {
    for_every_type(|pool, picks| {
        let desired = &pool.desired[picks[0] % pool.desired.len()];
        let answer = pool.answer(picks[1], desired);
        survives(pool, &disturbed(&answer, &picks[2..]))
    });
}

/// No shell prints such an answer, and nothing of it may come into a step's text.
#[test]
fn an_answer_with_a_nul_byte_is_none() {
    for &kind in REGISTRY {
        let pool = Pool::of(kind);
        for desired in &pool.desired {
            let mut answer = pool.answer(0, desired).into_bytes();
            answer.insert(answer.len() / 2, 0);
            let observed = kind.observe(&[desired, desired], &answer);
            assert!(observed.iter().all(Result::is_err) && observed.len() == 2, "{}", kind.name());
        }
    }
}
