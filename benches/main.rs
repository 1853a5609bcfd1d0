//! Every figure of docs/performance.md, measured: `cargo xtask bench [ROW…]`.
//!
//! [`rows`] names what is measured, and on which hosts of the [`lab`]; each row gives [`figures`], which are
//! kept in results.json and written out as a [`page`]. A row that cannot be measured says so there.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a program that prints figures"
)]

mod apply;
mod check;
mod content;
mod crowd;
mod figures;
mod fleet;
mod hand;
mod lab;
mod line;
mod machine;
mod page;
mod peers;
mod plans;
mod program;
mod render;
mod rows;
#[path = "../tests/it/support/work.rs"]
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Cargo says `--bench` to every bench.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [line::RELAY, milliseconds, host, port] => line::relay(milliseconds, host, port),
        names => rows::measure(names),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
