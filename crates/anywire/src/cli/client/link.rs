//! One connection to one session in the native dialect: typed messages out and in.

use super::http::{Peer, Stream as Transport};
use super::table::clean;
use super::ws::{Message, WebSocket, WsError};
use anywire_codec::dialect::native::{
    Client, DecodeError, ErrorCode, HEADER, Hello, SUBPROTOCOL, Server, ServerText, Welcome,
};
use anywire_model::{Offset, Stream};
use bytes::Bytes;
use std::time::Duration;

/// The longest that a server may take from `hello` to `welcome`; starting a program is part of it.
const WELCOME_DEADLINE: Duration = Duration::from_secs(15);
/// What [`Event::Closed`] says when the stream ended without a close frame (RFC 6455 section 7.1.5).
pub const BROKEN: u16 = 1006;

/// Why a link could not be made or broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The WebSocket under it.
    #[error(transparent)]
    Ws(#[from] WsError),
    /// A message that the dialect does not have.
    #[error("the server sent what is no message: {0}")]
    Decode(#[from] DecodeError),
    /// The server refused the `hello`.
    #[error("{message}")]
    Refused {
        /// Its code.
        code: ErrorCode,
        /// The server's words.
        message: String,
    },
    /// The server closed instead of a `welcome`.
    #[error("the server closed the connection: {reason} (code {code})")]
    Closed {
        /// WebSocket close code.
        code: u16,
        /// The server's words.
        reason: String,
    },
    /// Something else than a `welcome` came first.
    #[error("the server sent no welcome")]
    NoWelcome,
}

/// What comes over a link after its welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Output.
    Output {
        /// Where it came from.
        stream: Stream,
        /// Offset of the first byte.
        offset: Offset,
        /// The bytes.
        bytes: Bytes,
    },
    /// Reset the terminal, write `dump`, go on at `offset`.
    Keyframe {
        /// The next byte's offset.
        offset: Offset,
        /// Bytes that draw the screen.
        dump: Bytes,
    },
    /// A control message.
    Text(ServerText),
    /// The connection is over; nothing follows.
    Closed {
        /// WebSocket close code, [`BROKEN`] without a close frame.
        code: u16,
        /// The server's words.
        reason: String,
    },
}

/// A connection whose `hello` was answered.
pub struct Link<S> {
    ws: WebSocket<S>,
    scratch: Vec<u8>,
}

impl<S: Transport> Link<S> {
    /// Upgrades a connected stream and says hello.
    ///
    /// # Errors
    /// [`LinkError`]; `Refused` and `Closed` are the server's decision.
    pub fn connect(
        stream: S,
        peer: &Peer,
        hello: Hello,
    ) -> impl Future<Output = Result<(Self, Welcome), LinkError>> {
        Self::connect_at(stream, peer, "/ws", hello)
    }

    /// The same where the WebSocket is at another path.
    ///
    /// # Errors
    /// As [`Link::connect`].
    pub async fn connect_at(
        stream: S,
        peer: &Peer,
        path: &str,
        hello: Hello,
    ) -> Result<(Self, Welcome), LinkError> {
        let ws = WebSocket::connect(stream, peer, path, SUBPROTOCOL).await?;
        let mut link = Self {
            ws,
            scratch: Vec::new(),
        };
        link.send(&Client::Hello(Box::new(hello)));
        let first = tokio::time::timeout(WELCOME_DEADLINE, link.next()).await;
        match first.map_err(|_| LinkError::NoWelcome)?? {
            Event::Text(ServerText::Welcome(welcome)) => Ok((link, *welcome)),
            Event::Text(ServerText::Error { code, message }) => {
                let message = clean(&message);
                Err(LinkError::Refused { code, message })
            }
            Event::Closed { code, reason } => Err(LinkError::Closed { code, reason }),
            _ => Err(LinkError::NoWelcome),
        }
    }

    /// Queues a message; [`Link::next`] and [`Link::flush`] send it.
    pub fn send(&mut self, message: &Client<'_>) {
        self.scratch.clear();
        let binary = message.encode(&mut self.scratch);
        if binary {
            self.ws.binary(&self.scratch);
        } else {
            self.ws.text(&self.scratch);
        }
    }

    /// The WebSocket itself, for what no well-behaved client sends.
    pub fn ws(&mut self) -> &mut WebSocket<S> {
        &mut self.ws
    }

    /// Bytes queued and not yet sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.ws.queued()
    }

    /// Sends all that is queued. Cancel-safe.
    ///
    /// # Errors
    /// When the stream fails.
    pub async fn flush(&mut self) -> Result<(), WsError> {
        self.ws.flush().await
    }

    /// As [`Link::next`] when `receive`; else only sends what is queued, and never returns but for an error.
    ///
    /// # Errors
    /// As [`Link::next`].
    pub async fn next_if(&mut self, receive: bool) -> Result<Event, LinkError> {
        if receive {
            return self.next().await;
        }
        self.flush().await?;
        std::future::pending().await
    }

    /// What comes next; sends what is queued meanwhile. Cancel-safe.
    ///
    /// # Errors
    /// When the stream fails, or the server sends what is no message.
    pub async fn next(&mut self) -> Result<Event, LinkError> {
        let Some(message) = self.ws.next().await? else {
            return Ok(Event::Closed {
                code: BROKEN,
                reason: "the connection broke".into(),
            });
        };
        Ok(match message {
            Message::Close(code, reason) => Event::Closed { code, reason },
            Message::Text(text) => match Server::decode_text(&text)? {
                Server::Text(text) => Event::Text(text),
                Server::Output { .. } | Server::Keyframe { .. } => {
                    return Err(DecodeError::UnknownType.into());
                }
            },
            Message::Binary(payload) => match Server::decode_binary(&payload)? {
                Server::Output { stream, offset, .. } => Event::Output {
                    stream,
                    offset,
                    bytes: payload.slice(HEADER..),
                },
                Server::Keyframe { offset, .. } => Event::Keyframe {
                    offset,
                    dump: payload.slice(HEADER..),
                },
                Server::Text(_) => return Err(DecodeError::UnknownType.into()),
            },
        })
    }
}
