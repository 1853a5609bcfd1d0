//! What holds for every project: properties on random ones, against oracles that are too simple to be
//! wrong. Each failure that was ever found stands beside them as a plain test.

mod corpus;
mod inert;
mod memory;
mod patterns;
mod precedence;
mod sharing;
mod texts;
mod uses;
mod values;
