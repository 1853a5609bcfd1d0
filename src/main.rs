//! The `trueup` program: arguments in, exit status out.

use std::process::ExitCode;

fn main() -> ExitCode {
    trueup::cli::run(std::env::args_os())
}
