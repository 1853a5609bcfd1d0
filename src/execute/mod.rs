//! Carries plans out: connections, exchanges and concurrency. It emits events and prints nothing.

mod accounts;
mod alias;
mod amend;
mod apply;
mod back;
mod confirm;
mod connect;
mod cost;
mod digest;
mod facts;
pub(crate) mod failpoint;
mod fleet;
mod host;
mod login;
mod look;
mod memory;
mod pace;
mod parts;
mod password;
mod pour;
mod probe;
mod program;
mod prune;
mod purpose;
mod reading;
mod reason;
mod remember;
mod resolve;
mod retreat;
mod root;
mod sending;
mod session;
mod session_error;
mod sets;
mod standing;
mod stepped;
mod stop;
mod verify;
mod wave;
mod way_in;

pub use apply::Applied;
pub use back::{Back, Keeper, Moved};
pub use cost::{Cost, Counts, Times};
pub use facts::read as read_facts;
pub use fleet::{Fleet, HostResult, Run, Sent};
pub use host::{Ended, HostRun};
pub use memory::{end as end_apply, remembered};
pub use password::{Password, Question};
pub use prune::Prune;
pub use reason::Incident;
pub use stepped::Needless;
pub use stop::{Stop, Stopper};

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::model::RunMark;
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
    /// Seconds that all work on one host may take.
    pub host_timeout: u32,
    /// The password for sudo, where a host wants one.
    pub password: Arc<Password>,
    pub limits: Limits,
    /// Places for exchanges that bring much, so that all hosts together are bounded too.
    pub places: Arc<Semaphore>,
    /// Whether what programs of steps print is told while they run.
    pub live: bool,
    /// The id of the saved plan that is applied: it is used up on each host before anything is done there.
    pub spend: Option<String>,
    /// Which run this is, where it may change something.
    pub run: Option<RunMark>,
    /// How much is kept on a host for the way back.
    pub keep: Keep,
    /// What is to go of what nobody declares any more.
    pub prune: Prune,
    /// Seconds to wait for another apply that is at work on a host.
    pub lock_timeout: u32,
    /// Seconds in which what a host changed must be confirmed, where the command line says; 0: it need not be.
    pub confirm: Option<u32>,
    /// The folder for answers of hosts that stand from run to run, where they are kept.
    pub answers: Option<PathBuf>,
    /// The folder on hosts below which they keep what they remember, where it is another than the usual.
    pub state: Option<String>,
}

/// How much a host keeps for the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub runs: u32,
    pub bytes: u64,
}
