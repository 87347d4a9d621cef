//! WebSocket messages over a byte stream (RFC 6455): frames in place, fragments put together, both directions.
//!
//! [`Reader::next`] works on the caller's buffer: it unmasks in place and hands out slices, so that a connection
//! without an unfinished message owns no buffer. Frames are refused as early as their header shows that they are
//! wrong: before their payload has arrived. The one extension is `deflate`, where both sides agreed on it.

mod close;
pub mod deflate;
mod frame;
mod reader;

pub use close::{CloseCode, close_payload};
pub use frame::{
    DEFLATED, MAX_HEADER, Opcode, header, header_len, mask, write_header, write_masked,
};
pub use reader::{Message, Next, Reader};

/// The longest payload of a control frame (RFC 6455 section 5.5).
pub const MAX_CONTROL: usize = 125;

/// Which end of the connection reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Frames that arrive are masked.
    Server,
    /// Frames that arrive are not masked.
    Client,
}

/// What is wrong with a frame or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A compressed message that cannot be inflated.
    #[error("the compressed message is malformed")]
    Deflate,
    /// A reserved bit is set, though no extension was agreed on.
    #[error("reserved bits are set")]
    ReservedBits,
    /// An opcode that RFC 6455 does not define.
    #[error("unknown opcode {0}")]
    Opcode(u8),
    /// A client did not mask its frame, or a server did.
    #[error("the frame's masking is wrong for its direction")]
    Masking,
    /// The length is not in its shortest form, or has its highest bit set.
    #[error("the frame's length is not in its shortest form")]
    Length,
    /// A control frame of more than 125 bytes or in fragments.
    #[error("control frames have at most 125 bytes and no fragments")]
    Control,
    /// A continuation of nothing, or a new message in the middle of another.
    #[error("fragments are out of order")]
    Fragment,
    /// More than the maximum.
    #[error("the message is longer than {max} bytes")]
    TooLarge {
        /// The most bytes allowed.
        max: usize,
    },
    /// A text message that is not UTF-8.
    #[error("a text message is not UTF-8")]
    Utf8,
    /// A close frame with one byte, or a code that must not be sent.
    #[error("the close frame is malformed")]
    Close,
}

impl Error {
    /// The code to close with (RFC 6455 section 7.4.1).
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::TooLarge { .. } => CloseCode::TOO_LARGE,
            Self::Utf8 | Self::Deflate => CloseCode::BAD_DATA,
            _ => CloseCode::PROTOCOL,
        }
    }
}

#[cfg(test)]
mod tests;
