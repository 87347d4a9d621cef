//! Intents: what a client wants of its session, whatever wire it speaks.

use crate::Size;
use serde::{Deserialize, Serialize};

/// A signal that a client may send to the foreground programs of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Hang-up.
    Hup,
    /// Interrupt, as Ctrl-C.
    Int,
    /// Quit, as Ctrl-\.
    Quit,
    /// Please end.
    Term,
    /// End at once.
    Kill,
    /// First signal of the user's choice.
    Usr1,
    /// Second signal of the user's choice.
    Usr2,
    /// Stop.
    Stop,
    /// Go on.
    Cont,
}

/// What a client asks of its session. The wire makes it, the session judges it against the client's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent<'a> {
    /// Bytes for the program. With an offset when the client counts what it sends (at most once).
    Input {
        /// Position of the first byte in this client's input.
        offset: Option<u64>,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The client's window has this size now.
    Resize(Size),
    /// Send a signal to the foreground programs.
    Signal(Signal),
    /// No more input: the program reads end of file.
    CloseInput,
    /// End the whole session.
    Kill,
}
