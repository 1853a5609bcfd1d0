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

/// What a step reads from the wire.
pub fn sent(step: &trueup::shell::Step) -> Option<std::sync::Arc<[u8]>> {
    let bodies = step.content.as_ref()?.iter();
    let bytes = bodies.map(|body| body.whole().expect("a content that is here"));
    Some(bytes.collect::<Vec<_>>().concat().into())
}
