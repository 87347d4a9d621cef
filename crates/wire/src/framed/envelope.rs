//! Where messages come from: one after the other in a byte stream, or one in each binary message of a WebSocket.

use super::connection::End;
use crate::link::Framing;
use anywire_codec::framed::{self, Code, Id, Limits, Message, Next, Reader, Reply, Stage};
use anywire_codec::websocket::{self, CloseCode, Opcode, close_payload, write_header};

/// The way in and out of a connection's bytes.
pub(super) enum Envelope {
    Stream(Reader),
    WebSocket(websocket::Reader),
}

/// What was found at the start of a buffer.
pub(super) enum Item<'a> {
    Message(Message<'a>),
    /// To be answered with a pong.
    Ping(&'a [u8]),
    /// Nothing to do.
    Nothing,
}

/// Why no message follows.
pub(super) enum Broken {
    /// It is none.
    Message(framed::Error),
    /// The WebSocket is none.
    Frame(websocket::Error),
    /// A WebSocket message of text.
    Text,
    /// The peer has closed.
    Closed,
}

impl From<framed::Error> for Broken {
    fn from(error: framed::Error) -> Self {
        Self::Message(error)
    }
}

impl Envelope {
    pub(super) fn new(framing: Framing, limits: Limits) -> Self {
        match framing {
            Framing::Bytes | Framing::Telnet(_) => Self::Stream(Reader::new(limits)),
            Framing::WebSocket { reader, .. } => Self::WebSocket(reader),
        }
    }

    /// Whether the connection goes on after an answer even if nobody asked for that.
    pub(super) fn persists(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    /// The next message in `buffer` and how many bytes it took; `None` if there is no whole one.
    pub(super) fn next<'a>(
        &'a mut self,
        buffer: &'a mut [u8],
        limits: Limits,
    ) -> Result<Option<(usize, Item<'a>)>, Broken> {
        let reader = match self {
            Self::Stream(reader) => {
                return match reader.message(buffer)? {
                    Next::More => Ok(None),
                    Next::Message { used, message } => Ok(Some((used, Item::Message(message)))),
                };
            }
            Self::WebSocket(reader) => reader,
        };
        let (used, message) = match reader.next(buffer).map_err(Broken::Frame)? {
            websocket::Next::More => return Ok(None),
            websocket::Next::Frame { used, message } => (used, message),
        };
        let item = match message {
            None | Some(websocket::Message::Pong(_)) => Item::Nothing,
            Some(websocket::Message::Ping(payload)) => Item::Ping(payload),
            Some(websocket::Message::Binary(bytes)) => Item::Message(Reader::only(bytes, limits)?),
            Some(websocket::Message::Text(_)) => return Err(Broken::Text),
            Some(websocket::Message::Close(_)) => return Err(Broken::Closed),
        };
        Ok(Some((used, item)))
    }

    /// How far the message at the start of `buffer` has come.
    pub(super) fn stage(&self, buffer: &[u8]) -> Stage {
        match self {
            Self::Stream(reader) => reader.stage(buffer),
            Self::WebSocket(reader) if buffer.is_empty() && reader.is_idle() => Stage::Idle,
            Self::WebSocket(_) => Stage::Content,
        }
    }

    /// Appends an answer.
    pub(super) fn write(
        &self,
        reply: &Reply,
        keep_alive: bool,
        id: Option<Id<'_>>,
        out: &mut Vec<u8>,
    ) {
        if let Err(error) = self.try_write(reply, keep_alive, id, out) {
            // The service chose a type that does not fit a header.
            tracing::error!(%error, "an answer cannot be sent");
            let reply = Reply::error(Code::Internal, "the answer cannot be sent");
            let _ = self.try_write(&reply, false, None, out);
        }
    }

    fn try_write(
        &self,
        reply: &Reply,
        keep_alive: bool,
        id: Option<Id<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), framed::Error> {
        match self {
            Self::Stream(_) => reply.write(keep_alive, id, out),
            Self::WebSocket(_) => {
                let mut message = Vec::new();
                reply.write(keep_alive, id, &mut message)?;
                write_header(Opcode::Binary, message.len(), out);
                out.extend_from_slice(&message);
                Ok(())
            }
        }
    }

    /// Appends the answer to a ping.
    pub(super) fn pong(payload: &[u8], out: &mut Vec<u8>) {
        write_header(Opcode::Pong, payload.len(), out);
        out.extend_from_slice(payload);
    }

    /// Appends the end.
    pub(super) fn close(&self, code: u16, out: &mut Vec<u8>) {
        if let Self::WebSocket(_) = self {
            let payload = close_payload(code, "");
            write_header(Opcode::Close, payload.len(), out);
            out.extend_from_slice(&payload);
        }
    }
}

/// The WebSocket close code of an end.
pub(super) fn close_code(end: &End) -> u16 {
    match end {
        End::Frame(error) => error.close_code(),
        End::Error(_) => CloseCode::POLICY,
        End::Shutdown => CloseCode::GOING_AWAY,
        End::Done | End::Gone => CloseCode::NORMAL,
    }
}
