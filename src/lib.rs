//! trueup brings hosts true to what TOML files say they should be.
//!
//! The rooms below are in reading order, which is the order of the data flow: files become a
//! typed [`config`], which with vars and facts is [`resolve`]d to the desired state of each host
//! (the [`manual`] says what they may hold); [`resources`] ask a host what is there and say what differs; [`plan`] puts that in order, and the
//! [`ledger`] of a host says of it what moved;
//! [`execute`] carries it out over a [`transport`] in the words of [`shell`]; [`report`] shows it.
//! No room names one that stands below it; `tests/it/tidy.rs` holds that.

pub mod model;

pub mod shell;

pub mod config;

pub mod resources;

pub mod resolve;

pub mod manual;

pub mod plan;

pub mod ledger;

pub mod transport;

pub mod execute;

pub mod report;

pub mod cli;
