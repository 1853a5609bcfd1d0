//! All integration tests in one binary: the program as users run it, on real hosts of the lab.

mod support;

mod cli;
mod examples;
mod hosts;
mod resources;
mod tidy;
mod wire;
