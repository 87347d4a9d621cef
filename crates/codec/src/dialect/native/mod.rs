//! `anywire.v1`, the dialect of our own page and command line (docs/protocol.md).
//!
//! Text messages are JSON objects with a `type`, binary messages are one kind byte, an offset of eight bytes in
//! network order, and payload.

mod client;
mod error;
mod server;

pub use client::{Client, Hello, Lag, input_header};
pub use error::{DecodeError, ErrorCode};
pub use server::{Server, ServerText, Welcome};

use anywire_model::{Offset, Stream};

/// The WebSocket subprotocol's name.
pub const SUBPROTOCOL: &str = "anywire.v1";
/// The longest text message, in bytes, that is parsed.
pub const MAX_TEXT: usize = 16 * 1024;
/// The most input, in bytes, that one binary message from a client may carry.
pub const MAX_INPUT: usize = 64 * 1024;
/// Bytes in front of a binary message's payload: the kind and the offset.
pub const HEADER: usize = 9;

/// Kind byte of output from the terminal or standard output, and of input.
const OUT: u8 = 1;
/// Kind byte of output from standard error.
const ERR: u8 = 2;
/// Kind byte of a keyframe.
const KEYFRAME: u8 = 3;

/// The header of a binary message with output.
#[must_use]
pub fn output_header(stream: Stream, offset: Offset) -> [u8; HEADER] {
    header(
        match stream {
            Stream::Out => OUT,
            Stream::Err => ERR,
        },
        offset,
    )
}

/// The header of a keyframe after which output goes on at `offset`.
#[must_use]
pub fn keyframe_header(offset: Offset) -> [u8; HEADER] {
    header(KEYFRAME, offset)
}

fn header(kind: u8, offset: u64) -> [u8; HEADER] {
    let mut out = [kind; HEADER];
    out[1..].copy_from_slice(&offset.to_be_bytes());
    out
}

/// Splits a binary message into kind, offset and payload.
fn split(message: &[u8]) -> Result<(u8, u64, &[u8]), DecodeError> {
    let (header, payload) = message
        .split_first_chunk::<HEADER>()
        .ok_or(DecodeError::Truncated)?;
    let mut offset = [0; 8];
    offset.copy_from_slice(&header[1..]);
    Ok((header[0], u64::from_be_bytes(offset), payload))
}

/// A text message of bounded length as UTF-8.
fn bounded(text: &[u8]) -> Result<&[u8], DecodeError> {
    if text.len() > MAX_TEXT {
        return Err(DecodeError::TooLarge { max: MAX_TEXT });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
