//! The program dies at each of its named points (src/execute/failpoint.rs), and what it leaves is looked at: the
//! host, its ledger, the next plan, the record of the run, and the apply after it. `cargo xtask test` builds with the
//! feature `failpoints`; in other builds one test sees that none is there.

#[cfg(feature = "failpoints")]
mod confirmed;
#[cfg(feature = "failpoints")]
mod large;
#[cfg(feature = "failpoints")]
mod points;
#[cfg(feature = "failpoints")]
mod stalled;

use std::fs;

use crate::ledger::Bench;

/// The variable that names a point.
const VARIABLE: &str = "TRUEUP_FAILPOINT";

/// Whether the program under test holds this text.
fn holds(text: &str) -> bool {
    let program = fs::read(env!("CARGO_BIN_EXE_trueup")).expect("the program under test");
    program.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn only_builds_for_tests_have_them() {
    let bench = Bench::new("[file.\"ROOT/a\"]\ncontent = \"x\\n\"\n");
    let words = ["apply", "--yes"];
    let applied = bench.project.run_with(&words, &[(VARIABLE, "lock-asked=kill")]);
    if cfg!(feature = "failpoints") {
        assert_eq!((applied.status, bench.text("a").as_str()), (-1, ""));
        assert!(holds(VARIABLE));
    } else {
        assert_eq!((applied.status, bench.text("a").as_str()), (0, "x\n"));
        assert!(!holds(VARIABLE), "a build without the feature knows of failpoints");
    }
}
