//! How a byte stream is cut into messages: not at all, as telnet or as WebSocket.

use super::End;
use crate::dialect::{Inbound, Wrap};
use crate::telnet;
use anywire_codec::telnet::{Kind, NO_OPERATION, Telnet};
use anywire_codec::websocket::{CloseCode, Message, Next, Reader, Side};
use anywire_model::Intent;
use anywire_session::Attachment;

/// The framing of a connection.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Whatever was read is a message.
    Bytes,
    /// RFC 854: data, between commands and negotiations.
    Telnet(Box<Telnet>),
    /// RFC 6455, perhaps with compressed messages.
    WebSocket { reader: Reader, deflate: bool },
}

/// What a frame was.
pub(crate) enum Item<'a> {
    Message(Inbound<'a>),
    Ping(&'a [u8]),
    /// The framing's own request to the session.
    Intent(Intent<'static>),
    /// The framing's own answer to the peer, as it is.
    Reply(&'a [u8]),
    /// Nothing to do: a pong, or a fragment.
    Nothing,
}

impl Framing {
    /// WebSocket, as its server, with messages of at most `max` bytes.
    pub(crate) fn websocket(deflate: bool, max: usize) -> Self {
        let reader = Reader::new(Side::Server, max);
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
            Self::Telnet(_) => Wrap::Telnet,
            Self::WebSocket { deflate, .. } => Wrap::WebSocket { deflate: *deflate },
        }
    }

    /// What is behind the connection is known: appends what the peer is told of that before all else.
    pub(super) fn begin(&mut self, attachment: &Attachment, out: &mut Vec<u8>) {
        if let Self::Telnet(telnet) = self {
            telnet.begin(telnet::kind(attachment.session().info().io), out);
        }
    }

    /// Translates output that was appended to `out` from `from` on.
    pub(super) fn translate(&mut self, out: &mut Vec<u8>, from: usize) {
        if let Self::Telnet(telnet) = self {
            telnet.escape(out, from);
        }
    }

    /// What a peer is sent that has ended its side of a terminal: its system tells whether anybody is there to read it,
    /// since that ending looks the same as going away.
    pub(super) fn are_you_there(&self) -> Option<&'static [u8]> {
        match self {
            Self::Telnet(telnet) => (telnet.kind() == Kind::Terminal).then_some(NO_OPERATION),
            Self::Bytes | Self::WebSocket { .. } => None,
        }
    }

    /// The peer sends no more: the data that was held back.
    pub(super) fn finish(&mut self) -> &'static [u8] {
        match self {
            Self::Telnet(telnet) => telnet.finish(),
            Self::Bytes | Self::WebSocket { .. } => b"",
        }
    }

    /// The next message in `buffer` and how many bytes it took; `None` if there is no whole one.
    pub(super) fn next<'a>(
        &'a mut self,
        buffer: &'a mut [u8],
    ) -> Result<Option<(usize, Item<'a>)>, End> {
        let reader = match self {
            Self::Telnet(telnet) => return Ok(telnet::next(telnet, buffer)),
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
