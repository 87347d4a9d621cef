//! A WebSocket from the client's side (RFC 6455), over any stream: frames by `codec::websocket`, on two buffers of our own.

use super::http::{HttpError, Peer, Stream, upgrade};
use anywire_codec::websocket::{self, Next, Opcode, Reader, Side, close_payload, write_masked};
use bytes::{Buf as _, Bytes, BytesMut};
use data_encoding::BASE64;
use http::{Method, header};
use http_body_util::Full;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt as _;

/// The longest message taken from a server: a keyframe of the largest screen with a colour per cell fits.
pub const MAX_MESSAGE: usize = 32 << 20;
/// Bytes asked from the stream at once.
const READ: usize = 64 << 10;
/// A close code for "there was none" (RFC 6455 section 7.1.5).
pub const NO_CODE: u16 = 1005;

/// Why a WebSocket broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// The upgrade failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The stream failed.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The peer broke the WebSocket protocol, or sent more than [`MAX_MESSAGE`].
    #[error("the server broke the WebSocket protocol")]
    Protocol(#[from] websocket::Error),
    /// The server chose no or another subprotocol.
    #[error("the server does not speak {0}")]
    Subprotocol(String),
}

/// What comes from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A control message, as JSON.
    Text(Bytes),
    /// Bytes with a header of the dialect.
    Binary(Bytes),
    /// The server closed with this code ([`NO_CODE`] when it gave none) and reason. Nothing follows.
    Close(u16, String),
}

/// A WebSocket. Every method may be cancelled at any await; what was queued stays queued.
pub struct WebSocket<S> {
    stream: S,
    reader: Reader,
    input: BytesMut,
    output: BytesMut,
}

impl<S: Stream> WebSocket<S> {
    /// Upgrades a connected stream at `path` with one subprotocol, or with none if its name is empty.
    ///
    /// # Errors
    /// When the server refuses ([`HttpError::Status`]) or chooses no or another subprotocol.
    pub async fn connect(
        stream: S,
        peer: &Peer,
        path: &str,
        protocol: &str,
    ) -> Result<Self, WsError> {
        let key: [u8; 16] = random();
        let mut request = peer
            .request(Method::GET, path)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, BASE64.encode(&key));
        if !protocol.is_empty() {
            request = request.header(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        let request = request
            .body(Full::new(Bytes::new()))
            .map_err(HttpError::from)?;
        // The accept digest guards against caches between browser and server; there is none on this stream.
        let (stream, rest, answer) = upgrade(stream, request).await?;
        let chosen = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
        if chosen.map_or("".as_bytes(), http::HeaderValue::as_bytes) != protocol.as_bytes() {
            return Err(WsError::Subprotocol(protocol.to_owned()));
        }
        Ok(Self::over(stream, &rest))
    }

    /// A WebSocket on a stream whose upgrade is done; `rest` was read beyond it.
    fn over(stream: S, rest: &[u8]) -> Self {
        Self {
            stream,
            reader: Reader::new(Side::Client, MAX_MESSAGE),
            input: BytesMut::from(rest),
            output: BytesMut::new(),
        }
    }

    /// Queues a control message. [`WebSocket::next`] and [`WebSocket::flush`] send what is queued.
    pub fn text(&mut self, text: &[u8]) {
        self.queue(Opcode::Text, text);
    }

    /// Queues bytes.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.queue(Opcode::Binary, bytes);
    }

    /// Queues a close frame.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.queue(Opcode::Close, &close_payload(code, reason));
    }

    /// Queues bytes as they are: for tests of what no client should send.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Bytes queued and not yet sent: callers stop queueing above a limit of theirs.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.output.len()
    }

    fn queue(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut frame = Vec::with_capacity(payload.len() + websocket::MAX_HEADER);
        write_masked(opcode, payload, random(), &mut frame);
        self.output.extend_from_slice(&frame);
    }

    /// Sends all that is queued.
    ///
    /// # Errors
    /// When the stream fails.
    pub async fn flush(&mut self) -> Result<(), WsError> {
        Ok(std::future::poll_fn(|context| self.poll_send(context)).await?)
    }

    /// The next message, while what is queued is sent. `None` when the stream ended without a close frame.
    ///
    /// # Errors
    /// [`WsError`]; the WebSocket is of no more use then.
    pub async fn next(&mut self) -> Result<Option<Message>, WsError> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Message>, WsError>> {
        loop {
            if let Some(message) = self.take()? {
                return Poll::Ready(Ok(Some(message)));
            }
            // A peer that is gone for writing may have left a close frame or an exit to read: that is worth more.
            let sent = self.poll_send(context);
            self.input.reserve(READ);
            let read = pin!(self.stream.read_buf(&mut self.input)).poll(context);
            match ready!(read) {
                Ok(0) => return Poll::Ready(Ok(None)),
                Ok(_) => {}
                Err(_) if matches!(sent, Poll::Ready(Err(_))) => return Poll::Ready(Ok(None)),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.output))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.output.advance(sent),
            }
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// The next message from what was read already.
    fn take(&mut self) -> Result<Option<Message>, websocket::Error> {
        while let Next::Frame { used, message } = self.reader.next(&mut self.input)? {
            let mut pong = None;
            let message = match message {
                Some(websocket::Message::Text(text)) => {
                    Some(Message::Text(Bytes::copy_from_slice(text.as_bytes())))
                }
                Some(websocket::Message::Binary(bytes)) => {
                    Some(Message::Binary(Bytes::copy_from_slice(bytes)))
                }
                Some(websocket::Message::Close(close)) => {
                    let (code, reason) = close.unwrap_or((NO_CODE, ""));
                    Some(Message::Close(code, reason.to_owned()))
                }
                Some(websocket::Message::Ping(payload)) => {
                    pong = Some(payload.to_vec());
                    None
                }
                Some(websocket::Message::Pong(_)) | None => None,
            };
            self.input.advance(used);
            if let Some(payload) = pong {
                self.queue(Opcode::Pong, &payload);
            }
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel's random source works");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt as _, DuplexStream};

    fn pair() -> (WebSocket<DuplexStream>, DuplexStream) {
        let (near, far) = tokio::io::duplex(256);
        (WebSocket::over(near, b""), far)
    }

    #[tokio::test]
    async fn frames_are_joined_and_pings_answered_in_between() {
        let (mut ws, mut far) = pair();
        far.write_all(b"\x01\x02he\x89\x01!\x80\x03llo\x88\x05\x03\xe8bye")
            .await
            .unwrap();
        assert_eq!(
            ws.next().await.unwrap(),
            Some(Message::Text("hello".into()))
        );
        assert_eq!(
            ws.next().await.unwrap(),
            Some(Message::Close(1000, "bye".into()))
        );
        ws.flush().await.unwrap();
        let mut pong = [0; 7];
        far.read_exact(&mut pong).await.unwrap();
        // Masked, as all that a client sends: opcode, length, four bytes of mask, one of payload.
        assert_eq!((pong[0], pong[1], pong[6] ^ pong[2]), (0x8a, 0x81, b'!'));
    }

    #[tokio::test]
    async fn what_is_queued_goes_out_while_waiting_for_more() {
        let (mut ws, mut far) = pair();
        ws.binary(&[7; 10_000]);
        let mut got = vec![0; 10_008];
        tokio::select! {
            biased;
            never = ws.next() => panic!("{never:?}"),
            read = far.read_exact(&mut got) => read.unwrap(),
        };
        assert_eq!(ws.queued(), 0);
    }

    #[tokio::test]
    async fn broken_and_ended_streams_say_so() {
        for broken in [
            &b"\x80\x01x"[..],
            b"\x01\x01a\x01\x01b",
            b"\xf1\x00",
            b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        ] {
            let (mut ws, mut far) = pair();
            far.write_all(broken).await.unwrap();
            assert!(
                matches!(ws.next().await, Err(WsError::Protocol(_))),
                "{broken:?}"
            );
        }
        let (mut ws, mut far) = pair();
        far.write_all(b"\x82\x05cut").await.unwrap();
        drop(far);
        assert_eq!(ws.next().await.unwrap(), None);
    }
}
