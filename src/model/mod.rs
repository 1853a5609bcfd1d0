//! Plain data that every room talks about: no I/O, no serde tricks, no knowledge of any room.

pub mod address;
mod body;
pub mod change;
pub mod diagnostic;
pub mod event;
pub mod facts;
pub mod host;
pub mod run;
pub mod secret;
pub mod shard;
pub mod suggest;
pub mod value;
mod way_in;
mod window;

pub use address::{Address, AddressPattern};
pub use body::{Body, Filed, PIECE, Sums};
pub use change::{Action, Attribute, Change, Difference, word};
pub use diagnostic::{CODES, Diagnostic, FileId, Label, Located, Severity, Span};
pub use event::{Event, Outcome};
pub use facts::Facts;
pub use host::{Become, Connection, Host, TransportKind};
pub use run::{RunId, RunMark};
pub use secret::{Key, Secret};
pub use shard::{Shard, shard_argument};
pub use suggest::a;
pub use value::{Value, key_text};
pub use way_in::{Login, WayIn};
pub use window::{duration, window, window_argument};
