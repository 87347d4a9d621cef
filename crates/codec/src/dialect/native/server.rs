//! What the server says.

use super::{
    DecodeError, ERR, ErrorCode, KEYFRAME, OUT, bounded, keyframe_header, output_header, split,
};
use anywire_model::{ExitReason, Io, Offset, Role, SessionId, Stream};
use serde::{Deserialize, Serialize};

/// Bytes that texts have which are sent for each key, so that room for them is made once.
const USUAL: usize = 64;

/// The answer to a `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The session's id.
    pub session: SessionId,
    /// The session's name.
    pub name: String,
    /// The service that it was made from.
    pub service: String,
    /// What carries its bytes.
    pub io: Io,
    /// The role in force.
    pub role: Role,
    /// Columns of the session's terminal.
    pub cols: u16,
    /// Rows of the session's terminal.
    pub rows: u16,
    /// The log's end: output before it is history.
    pub head: Offset,
    /// Offset of the first byte or keyframe that follows.
    pub from: Offset,
    /// Input bytes taken so far under the client's name.
    pub input: u64,
    /// Bytes before `input` that may not have arrived.
    pub uncertain: u64,
}

/// A text message from the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerText {
    /// The answer to a `hello`.
    Welcome(Box<Welcome>),
    /// The session's terminal has this size from `offset` on.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
        /// The first byte that it holds for.
        offset: Offset,
    },
    /// Output that is no longer there.
    Gap {
        /// First byte lost.
        from: Offset,
        /// Next byte to come.
        to: Offset,
    },
    /// Input before `offset` was given to the program.
    Input {
        /// Count of the client's input bytes.
        offset: u64,
    },
    /// The answer to a `ping`.
    Pong {
        /// The ping's number.
        id: u64,
    },
    /// The session ended; nothing follows.
    Exit {
        /// Why.
        reason: ExitReason,
        /// The code for a command line.
        code: i32,
        /// The reason in words.
        message: String,
        /// Output bytes in total.
        offset: Offset,
    },
    /// What was wrong, and what to do.
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
    },
}

/// A message from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server<'a> {
    /// A control message.
    Text(ServerText),
    /// Output.
    Output {
        /// Where it came from.
        stream: Stream,
        /// Offset of the first byte.
        offset: Offset,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Reset the terminal, write `dump`, go on at `offset`.
    Keyframe {
        /// The next byte's offset.
        offset: Offset,
        /// Bytes that draw the screen.
        dump: &'a [u8],
    },
}

impl<'a> Server<'a> {
    /// Reads a text message.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_text(text: &[u8]) -> Result<Server<'static>, DecodeError> {
        Ok(Server::Text(serde_json::from_slice(bounded(text)?)?))
    }

    /// Reads a binary message.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_binary(message: &'a [u8]) -> Result<Server<'a>, DecodeError> {
        let (kind, offset, bytes) = split(message)?;
        let output = |stream| Server::Output {
            stream,
            offset,
            bytes,
        };
        Ok(match kind {
            OUT => output(Stream::Out),
            ERR => output(Stream::Err),
            KEYFRAME => Server::Keyframe {
                offset,
                dump: bytes,
            },
            other => return Err(DecodeError::UnknownKind(other)),
        })
    }

    /// Appends the message's payload to `out`; true if it belongs into a binary message.
    pub fn encode(&self, out: &mut Vec<u8>) -> bool {
        let (header, bytes) = match self {
            Self::Text(text) => {
                text.encode(out);
                return false;
            }
            Self::Output {
                stream,
                offset,
                bytes,
            } => (output_header(*stream, *offset), bytes),
            Self::Keyframe { offset, dump } => (keyframe_header(*offset), dump),
        };
        out.extend_from_slice(&header);
        out.extend_from_slice(bytes);
        true
    }
}

impl ServerText {
    /// Appends the JSON to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(USUAL);
        serde_json::to_writer(out, self).expect("numbers and strings are always JSON");
    }

    /// The last message of a session: why it ended after `offset` bytes of output.
    #[must_use]
    pub fn exit(reason: ExitReason, offset: Offset) -> Self {
        Self::Exit {
            code: reason.code(),
            message: reason.to_string(),
            reason,
            offset,
        }
    }
}
