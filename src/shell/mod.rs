//! Text for a POSIX shell: quoting, programs, and the frames between the controller and a host.
//!
//! Pure text in, pure text out; this room knows no resource and no transport. The remote end is
//! `prelude.sh`, which runs in dash, bash and busybox ash (tests/it/wire.rs tries all three).

pub mod frame;
pub mod program;
pub mod quote;

pub use frame::{Answer, AnswerKind, FrameError, Limits, Reader};
pub use program::{
    Content, Joint, Login, PATH, START, Script, Step, asking, detached, login_line, login_words,
    named, prelude, prompt, ready, with_first,
};
pub use quote::{NulByte, quote};
