//! The page of figures: it is what its raw figures say, and it hides nothing.
//!
//! The bench itself runs by hand: `cargo xtask bench`. `UPDATE_FIGURES=1` writes the page anew from what is there.

#[expect(dead_code, reason = "the bench writes them, too")]
#[path = "../../benches/figures.rs"]
mod figures;
#[expect(dead_code, reason = "the bench asks the machine")]
#[path = "../../benches/machine.rs"]
mod machine;
#[expect(dead_code, reason = "the bench tells a terminal, too")]
#[path = "../../benches/page.rs"]
mod page;

use std::fs;

use figures::{Aim, Results, Row};
use machine::Machine;

use crate::support::repository;

fn row() -> Row {
    Row::new(Machine {
        date: "2026-01-02".into(),
        commit: "abc1234".into(),
        cores: 2,
        processor: "a processor".into(),
        memory_gib: 8,
        kernel: "6.1".into(),
        openssh: "OpenSSH_9.2p1".into(),
    })
}

#[test]
fn the_page_is_what_the_raw_figures_say() {
    let results = Results::read().expect("benches/results.json");
    if std::env::var_os("UPDATE_FIGURES").is_some() {
        page::write(&results).expect("the page");
    }
    let page = fs::read_to_string(repository().join("docs/performance.md")).expect("the page");
    assert!(
        page == page::page(&results),
        "docs/performance.md was changed by hand: run the bench, or with UPDATE_FIGURES=1"
    );
}

#[test]
fn every_row_has_its_place_on_the_page_and_in_the_docs() {
    let bench = fs::read_to_string(repository().join("benches/rows.rs")).expect("the rows");
    let docs = fs::read_to_string(repository().join("docs/testing.md")).expect("the docs");
    for (name, _) in page::ORDER {
        assert!(bench.contains(&format!("(\"{name}\", ")), "{name} is measured");
        assert!(docs.contains(&format!("`{name}`")), "{name} is explained");
    }
    assert_eq!(bench.matches("    (\"").count(), page::ORDER.len(), "a row without a place");
}

#[test]
fn a_row_without_figures_says_why_where_it_would_stand() {
    let mut results = Results::default();
    let failed = Some("the hosts | do not start\nmore".to_owned());
    results.rows.insert("cold".into(), Row { failed, ..row() });
    let mut half = row();
    half.aim("half of it", "wall, s", Aim::AtMost(1.0), vec![0.5]);
    half.failed = Some("then it broke".to_owned());
    results.rows.insert("crowd".into(), half);
    let page = page::page(&results);
    assert!(
        page.contains("| row `cold` | **not measured**: the hosts \\| do not start … more |\n"),
        "{page}"
    );
    assert!(
        page.contains("| half of it |") && page.contains("measured**: then it broke"),
        "{page}"
    );
    let missing = page.matches("**not measured**: not measured yet").count();
    assert_eq!(missing, page::ORDER.len() - 2, "{page}");
}

#[test]
fn a_figure_is_the_median_with_its_bounds_and_says_whether_it_reaches_its_aim() {
    let mut results = Results::default();
    let mut some = row();
    some.aim("slow", "ratio", Aim::AtMost(1.25), vec![1.0, 3.0, 2.0]);
    some.aim("fast", "rate", Aim::AtLeast(0.9), vec![0.8, 1.0]);
    results.rows.insert("cold".into(), some);
    let page = page::page(&results);
    assert!(
        page.contains("| slow | ratio | ≤ 1.25 | 2.000 | 1.000 | 3.000 | 3 | **no** |"),
        "{page}"
    );
    assert!(page.contains("| fast | rate | ≥ 0.9 | 0.900 | 0.800 | 1.000 | 2 | yes |"), "{page}");
    assert!(page.contains("| 2026-01-02 | abc1234 | 2 of a processor | 8 GiB |"), "{page}");
}
