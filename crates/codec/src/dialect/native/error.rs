//! What can be wrong with a message, and the codes that say so on the wire.

use serde::{Deserialize, Serialize};

/// Why a message was not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message is longer than its kind may be.
    #[error("the message is longer than {max} bytes")]
    TooLarge {
        /// The most bytes allowed.
        max: usize,
    },
    /// A binary message ends inside its header.
    #[error("a binary message has at least 9 bytes")]
    Truncated,
    /// A binary message of a kind that does not exist.
    #[error("unknown binary message kind {0}")]
    UnknownKind(u8),
    /// A text message of a type that does not exist.
    #[error("unknown message type; see the protocol for the ones that exist")]
    UnknownType,
    /// A size outside of what a terminal may have.
    #[error("a size has 1 to 1000 columns and 1 to 500 rows")]
    Size,
    /// Not the JSON that was expected.
    #[error("not a message: {0}")]
    Json(#[from] serde_json::Error),
}

impl DecodeError {
    /// Whether the connection cannot go on after it.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::UnknownType | Self::Size)
    }

    /// The code that tells the client.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            _ => ErrorCode::BadMessage,
        }
    }
}

/// The codes of `error` messages; each also is a WebSocket close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The message makes no sense.
    BadMessage,
    /// No or wrong credentials.
    Unauthorized,
    /// The role does not allow it.
    Forbidden,
    /// The session does not exist.
    NoSuchSession,
    /// The client did not keep up.
    TooSlow,
    /// The message is too long.
    TooLarge,
    /// As many sessions or attachments exist as may exist.
    Busy,
    /// The program did not start.
    SpawnFailed,
}

impl ErrorCode {
    /// The WebSocket close code (RFC 6455 section 7.4.2, private use).
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::BadMessage => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::NoSuchSession => 4404,
            Self::TooSlow => 4408,
            Self::TooLarge => 4413,
            Self::Busy => 4429,
            Self::SpawnFailed => 4500,
        }
    }
}
