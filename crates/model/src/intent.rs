//! Intents: what a client wants of its session, whatever wire it speaks.

use crate::Size;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A signal that a client may send to the foreground programs of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
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

/// Signals by name.
const SIGNALS: [(&str, Signal); 9] = [
    ("hup", Signal::Hup),
    ("int", Signal::Int),
    ("quit", Signal::Quit),
    ("term", Signal::Term),
    ("kill", Signal::Kill),
    ("usr1", Signal::Usr1),
    ("usr2", Signal::Usr2),
    ("stop", Signal::Stop),
    ("cont", Signal::Cont),
];

impl<'de> Deserialize<'de> for Signal {
    /// Takes `int`, `INT` and `SIGINT`, as `kill` does.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let name = text.to_ascii_lowercase();
        let name = name.strip_prefix("sig").unwrap_or(&name);
        let found = SIGNALS.iter().find(|(known, _)| *known == name);
        found.map(|(_, signal)| *signal).ok_or_else(|| {
            let names = SIGNALS.map(|(name, _)| name).join(", ");
            D::Error::custom(format_args!("{text:?} is no signal; there are {names}"))
        })
    }
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
