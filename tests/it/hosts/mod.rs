//! What must hold on real hosts.

mod cost;
mod language;
mod outcomes;
mod paths;
mod system;
mod truth;
mod types;
mod waves;
mod work;
