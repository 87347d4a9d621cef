//! Length-prefixed messages: two bytes with the length of a JSON header, the header, and content (docs/framed.md).
//!
//! Reading order: [`Header`] is what a message says about its content, [`Reader`] cuts a byte stream into messages,
//! [`Reply`] is a message to be sent, [`content`] gives the bytes of a message a meaning, [`Code`] says what was wrong.
//!
//! [`Reader`] works on the caller's buffer and hands out slices, so that a connection without an unfinished message
//! owns no buffer. Nothing is ever allocated because a header claims a length; what cannot become a message is refused
//! as early as its bytes show it.

pub mod content;
mod error;
mod fields;
mod header;
mod reader;
mod reply;

pub use error::{Code, Error};
pub use header::{ByteOrder, Header, Id};
pub use reader::{Message, Next, Piece, Reader, Stage};
pub use reply::Reply;

/// The WebSocket subprotocol in which each binary message is one framed message.
pub const SUBPROTOCOL: &str = "anywire.framed";
/// Bytes in front of a header: its length, in network order.
pub const PREFIX: usize = 2;
/// The longest header that two bytes can announce.
pub const MAX_HEADER: usize = u16::MAX as usize;
/// The type whose content is JSON.
pub const JSON: &str = "text/json";
/// The encoding of content that is no text.
pub const BINARY: &str = "binary";
/// The encoding of all text that we send.
pub const UTF_8: &str = "utf-8";

/// What a peer may send at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a header; more than [`MAX_HEADER`] cannot be announced anyway.
    pub header: usize,
    /// Bytes of content.
    pub content: u64,
    /// How deep JSON may be nested, in headers and content; more than 127 is as 127.
    pub depth: usize,
}

impl Limits {
    /// Headers of 8 KiB, content of 1 MiB, depth 64.
    pub const DEFAULT: Self = Self {
        header: 8 * 1024,
        content: 1024 * 1024,
        depth: 64,
    };
}

impl Limits {
    /// Bytes of the longest message.
    #[must_use]
    pub fn message(&self) -> usize {
        let content = usize::try_from(self.content).unwrap_or(usize::MAX);
        content.saturating_add(PREFIX + self.header.min(MAX_HEADER))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Whether a stream that begins with these bytes can be one of framed messages; `None` if they are too few to tell.
///
/// For a port that speaks several protocols: a header begins with `{`, and no other protocol has that in its third
/// place behind two bytes that are no text and no TLS record.
#[must_use]
pub fn sniff(first: &[u8], limits: &Limits) -> Option<bool> {
    match Reader::new(*limits).message(first) {
        Err(_) => Some(false),
        Ok(_) if first.len() > PREFIX => Some(true),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests;
