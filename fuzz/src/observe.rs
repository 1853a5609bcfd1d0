//! Fuzzes `targets::observe`.
#![no_main]

mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::run("observe", input));
