//! The wire against real shells: quoting, frames that are cut anywhere, steps under abuse and faults.
//!
//! A check is a function that says what it found wrong; it runs in every shell that a host may have
//! as its /bin/sh. `guards.rs` takes the prelude's guards out one by one and asks that a check falls.

pub mod bench;
pub mod declare;
mod recording;
pub mod session;
pub mod shells;
mod tree;

mod children;
mod client;
mod contents;
mod cut;
mod guards;
mod kept;
mod large;
mod place;
mod quoting;
mod raced;
mod reader;
mod remembered;
mod room;
mod sets;
mod tools;
mod window;

pub use window::traces;
