//! Carries plans out: connections, exchanges and concurrency. It emits events and prints nothing.

mod facts;
mod fleet;
mod host;
mod session;

pub use fleet::{Fleet, HostResult, Run};
pub use host::{Applied, Ended, HostRun, Incident};
pub use session::Counts;

use crate::shell::Limits;
use crate::transport;

/// How a run is done.
#[derive(Debug, Clone)]
pub struct Settings {
    pub transport: transport::Settings,
    /// Hosts worked on at once.
    pub parallel: usize,
    /// Seconds that a probe may take.
    pub probe_timeout: u32,
    pub limits: Limits,
}
