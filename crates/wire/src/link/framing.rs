//! How a byte stream is cut into messages: not at all, or as WebSocket.

use super::End;
use crate::dialect::{Inbound, Wrap};
use crate::limits;
use anywire_codec::websocket::{CloseCode, Message, Next, Reader, Side};

/// The framing of a connection.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Whatever was read is a message.
    Bytes,
    /// RFC 6455, perhaps with compressed messages.
    WebSocket { reader: Reader, deflate: bool },
}

/// What a frame was.
pub(super) enum Item<'a> {
    Message(Inbound<'a>),
    Ping(&'a [u8]),
    /// Nothing to do: a pong, or a fragment.
    Nothing,
}

impl Framing {
    /// WebSocket, as its server.
    pub(crate) fn websocket(deflate: bool) -> Self {
        let reader = Reader::new(Side::Server, limits::MESSAGE);
        let reader = if deflate {
            reader.with_deflate()
        } else {
            reader
        };
        Self::WebSocket { reader, deflate }
    }

    /// What goes around messages in the other direction.
    pub(super) fn wrap(&self) -> Wrap {
        match self {
            Self::Bytes => Wrap::Nothing,
            Self::WebSocket { deflate, .. } => Wrap::WebSocket { deflate: *deflate },
        }
    }

    /// The next message in `buffer` and how many bytes it took; `None` if there is no whole one.
    pub(super) fn next<'a>(
        &'a mut self,
        buffer: &'a mut [u8],
    ) -> Result<Option<(usize, Item<'a>)>, End> {
        let reader = match self {
            Self::Bytes if buffer.is_empty() => return Ok(None),
            Self::Bytes => {
                return Ok(Some((buffer.len(), Item::Message(Inbound::Binary(buffer)))));
            }
            Self::WebSocket { reader, .. } => reader,
        };
        let (used, message) = match reader.next(buffer).map_err(End::Frame)? {
            Next::More => return Ok(None),
            Next::Frame { used, message } => (used, message),
        };
        let item = match message {
            None | Some(Message::Pong(_)) => Item::Nothing,
            Some(Message::Text(text)) => Item::Message(Inbound::Text(text.as_bytes())),
            Some(Message::Binary(bytes)) => Item::Message(Inbound::Binary(bytes)),
            Some(Message::Ping(payload)) => Item::Ping(payload),
            Some(Message::Close(close)) => {
                let code = close.map_or(CloseCode::NORMAL, |(code, _)| code);
                return Err(End::PeerClosed(code));
            }
        };
        Ok(Some((used, item)))
    }
}
