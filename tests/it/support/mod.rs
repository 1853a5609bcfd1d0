//! What the tests share: the program under test, project folders, and the lab.

pub mod lab;
pub mod project;
pub mod random;
pub mod relay;
pub mod rooms;
pub mod work;

pub use lab::lab;
pub use project::{Output, Project, copy, repository};
pub use random::Random;
