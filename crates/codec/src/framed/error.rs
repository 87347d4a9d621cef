//! What can be wrong with a message, and the codes that say so on the wire.

use serde::{Deserialize, Serialize};

/// The codes of error replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// The header is not what a header must be.
    BadHeader,
    /// A key is missing in the header.
    MissingHeader,
    /// The header is longer than it may be.
    HeaderTooLarge,
    /// The content is longer than it may be.
    PayloadTooLarge,
    /// The content is not the JSON that it claims to be.
    BadJson,
    /// The content makes no sense to the application.
    BadRequest,
    /// The content is in an encoding that is not known, or that text cannot have.
    UnsupportedEncoding,
    /// The content is of a type that the application does not take.
    UnsupportedType,
    /// The message did not arrive in time, or its answer was not ready in time.
    Timeout,
    /// The peer ended its side in the middle of a message.
    Truncated,
    /// Bytes follow where none may.
    TrailingData,
    /// As many clients are connected as may be.
    Busy,
    /// The first message must bring the password.
    AuthRequired,
    /// The password is wrong.
    AuthFailed,
    /// The password was wrong too often; it is not even looked at.
    TooManyFailures,
    /// What is wanted is not allowed.
    Forbidden,
    /// The session does not exist.
    NoSuchSession,
    /// The server failed.
    Internal,
    /// The server stops.
    Shutdown,
}

/// Why bytes are no message, or content is not what its header says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The length in front is over the maximum; nothing of the header was looked at.
    #[error(
        "a header of {got} bytes is longer than {max}; this port speaks length-prefixed messages, not HTTP or TLS"
    )]
    HeaderTooLarge {
        /// The length that was announced.
        got: usize,
        /// The most bytes allowed.
        max: usize,
    },
    /// Not a JSON object, or a key with a value that it cannot have.
    #[error("bad header: {0}")]
    BadHeader(String),
    /// A key that every header has is not there.
    #[error("missing required header {0:?}")]
    MissingHeader(&'static str),
    /// The content is announced to be over the maximum; nothing of it was taken.
    #[error("content of {got} bytes is longer than {max}")]
    PayloadTooLarge {
        /// The length that was announced.
        got: u64,
        /// The most bytes allowed.
        max: u64,
    },
    /// The content is not JSON, or too deep.
    #[error("the content is not JSON: {0}")]
    BadJson(String),
    /// The content's encoding is not one of text that we know.
    #[error("unsupported content-encoding; text is sent as utf-8, utf-16 or latin-1")]
    UnsupportedEncoding,
    /// Bytes follow a message that is alone in its envelope.
    #[error("bytes follow the message")]
    TrailingData,
    /// The stream, or the envelope, ends in the middle of a message.
    #[error("the message ends before its content does")]
    Truncated,
}

impl Error {
    /// The code that tells the peer.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::HeaderTooLarge { .. } => Code::HeaderTooLarge,
            Self::BadHeader(_) => Code::BadHeader,
            Self::MissingHeader(_) => Code::MissingHeader,
            Self::PayloadTooLarge { .. } => Code::PayloadTooLarge,
            Self::BadJson(_) => Code::BadJson,
            Self::UnsupportedEncoding => Code::UnsupportedEncoding,
            Self::TrailingData => Code::TrailingData,
            Self::Truncated => Code::Truncated,
        }
    }
}
