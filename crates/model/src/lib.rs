//! The vocabulary of anywire: the words that every other crate uses and none may redefine.
//!
//! Reading order: [`id`] names a session, [`size`] its screen, [`mark`] the things that happen at an offset of its
//! log, [`role`] what a principal may do, [`intent`] what a client wants, [`reason`] how sessions and attachments end.

pub mod id;
pub mod intent;
pub mod mark;
pub mod reason;
pub mod role;
pub mod size;

pub use id::{ParseIdError, SessionId};
pub use intent::{Intent, Signal};
pub use mark::{Mark, MarkKind, Stream};
pub use reason::{CloseReason, ExitReason};
pub use role::Role;
pub use size::Size;

/// Position of an output byte in a session's log: counts output bytes only, starts at 0, never restarts.
pub type Offset = u64;

/// What carries a program's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Io {
    /// A terminal: one merged output stream, a size, job control.
    Pty,
    /// Three pipes: standard output and error stay apart, input can be closed.
    Pipe,
    /// A handler inside the server: bytes in, bytes out.
    Handler,
}
