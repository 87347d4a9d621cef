//! What server and supervisor say to each other: one JSON object in one datagram, with descriptors beside it.
//!
//! JSON because the two may one day be of different versions: unknown keys are ignored, missing ones have defaults,
//! and a trace of the socket can be read. A message that cannot be read ends the server that sent it, never the
//! supervisor.

use anywire_model::{ExitReason, Io, SessionId, Signal, Size};
use serde::{Deserialize, Serialize};

/// The version of these messages; a server refuses a supervisor of a later one.
pub const VERSION: u32 = 1;
/// Bytes that a message may have.
pub const MESSAGE_MAX: usize = 64 << 10;
/// Descriptors that may travel with a message.
pub const FDS_MAX: usize = 8;

/// From the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Everything was adopted; clients are served.
    Ready,
    /// Start the program of a service.
    Spawn {
        /// Comes back with the answer.
        token: u64,
        /// The session to be.
        id: SessionId,
        /// The service; the supervisor knows its recipe.
        service: String,
        /// The terminal's first size.
        size: Size,
    },
    /// End a session.
    Kill {
        /// Which.
        id: SessionId,
        /// What its end shall be called.
        reason: ExitReason,
    },
    /// Signal a session's foreground programs.
    Signal {
        /// Which session.
        id: SessionId,
        /// Which signal.
        signal: Signal,
    },
    /// Close a piped program's standard input.
    CloseInput {
        /// Which session.
        id: SessionId,
    },
    /// The end of a session has been told to all: drop what is held of it.
    Forget {
        /// Which.
        id: SessionId,
    },
    /// Stop everything.
    Stop,
}

/// From the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// First message. Descriptors: the vault, the stages' page, the configuration that the root wants every server to
    /// know.
    Hello {
        /// [`VERSION`] of the sender.
        version: u32,
        /// Counts servers; in logs only.
        epoch: u64,
    },
    /// Another configuration is in force. Descriptor: the configuration.
    Config,
    /// A staging pipe. Descriptors: read end, write end.
    Stage,
    /// A listening socket. Descriptor: the socket.
    Listener {
        /// What the root calls it.
        name: String,
    },
    /// A session that an earlier server had. Descriptors as for `Spawned`.
    Session {
        /// Which.
        id: SessionId,
        /// Its service.
        service: String,
        /// Terminal or pipes.
        io: Io,
        /// The program.
        pid: u32,
        /// The terminal's first size.
        size: Size,
        /// Standard input is still open (pipes): its descriptor comes first.
        #[serde(default)]
        input: bool,
        /// Its recipe's.
        #[serde(default)]
        linger_ms: u64,
        /// How the program ended, if it did.
        #[serde(default)]
        exit: Option<ExitReason>,
    },
    /// Nothing more to adopt.
    Adopt,
    /// A program was started. Descriptors: the log, then the master, or standard input, output and error.
    Spawned {
        /// Of the request.
        token: u64,
        /// The program.
        pid: u32,
        /// Terminal or pipes.
        io: Io,
        /// Its recipe's.
        #[serde(default)]
        linger_ms: u64,
    },
    /// A program was not started.
    SpawnFailed {
        /// Of the request.
        token: u64,
        /// Why.
        error: String,
    },
    /// A program has ended.
    Exit {
        /// Whose.
        id: SessionId,
        /// How.
        reason: ExitReason,
    },
    /// The server is to finish with its clients and go.
    Stop,
}

/// Reads a request.
///
/// # Errors
/// When the bytes are no message of this kind.
pub fn decode_request(bytes: &[u8]) -> Result<Request, serde_json::Error> {
    serde_json::from_slice(bytes)
}

/// Reads an event.
///
/// # Errors
/// When the bytes are no message of this kind.
pub fn decode_event(bytes: &[u8]) -> Result<Event, serde_json::Error> {
    serde_json::from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requests() -> impl Strategy<Value = Request> {
        let ids = any::<[u8; 16]>().prop_map(SessionId::from_bytes);
        let sizes = (1..=1000u64, 1..=500u64)
            .prop_map(|(c, r)| Size::checked(c, r).expect("within bounds"));
        prop_oneof![
            Just(Request::Ready),
            Just(Request::Stop),
            (any::<u64>(), ids.clone(), ".*", sizes).prop_map(|(token, id, service, size)| {
                Request::Spawn {
                    token,
                    id,
                    service,
                    size,
                }
            }),
            (ids.clone(), ".*").prop_map(|(id, by)| Request::Kill {
                id,
                reason: ExitReason::KilledBy { by }
            }),
            ids.clone().prop_map(|id| Request::Signal {
                id,
                signal: Signal::Int
            }),
            ids.clone().prop_map(|id| Request::CloseInput { id }),
            ids.prop_map(|id| Request::Forget { id }),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(request in requests()) {
            let bytes = serde_json::to_vec(&request).unwrap();
            prop_assert_eq!(decode_request(&bytes).unwrap(), request);
        }

        #[test]
        fn noise_and_bent_messages_never_panic(mut bytes in requests().prop_map(|r| serde_json::to_vec(&r).unwrap()),
                                               at: prop::sample::Index, to: u8, noise: Vec<u8>) {
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = decode_request(&bytes);
            let _ = decode_request(&noise);
            let _ = decode_event(&noise);
        }
    }

    #[test]
    fn a_later_version_may_say_more() {
        let text = br#"{"type":"ready","since":"tomorrow"}"#;
        assert_eq!(decode_request(text).unwrap(), Request::Ready);
        assert!(decode_request(br#"{"type":"become-root"}"#).is_err());
    }
}
