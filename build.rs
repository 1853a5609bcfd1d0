//! Rebuilds when a shipped module comes or goes: `include_dir` follows only files that it knows.

fn main() {
    println!("cargo::rerun-if-changed=modules");
}
