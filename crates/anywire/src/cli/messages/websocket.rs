//! Framed messages over WebSocket: a stream of messages on this side, one in each binary message on the wire.

use super::talk::LIMITS;
use crate::cli::client::http::{HttpError, Peer, Stream};
use crate::cli::client::ws::{Message, WebSocket, WsError};
use anywire_codec::framed::{Next, Reader, SUBPROTOCOL};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::io::{DuplexStream, ReadBuf, duplex};
use tokio_util::task::AbortOnDropHandle;

/// Where listeners have their WebSockets.
const PATH: &str = "/ws";
/// Bytes that may wait in each direction.
const WAITING: usize = 256 << 10;
/// The normal close code (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// Messages as a byte stream, whatever carries them.
pub(super) struct Carried {
    near: DuplexStream,
    /// Ends with this.
    _carrier: AbortOnDropHandle<()>,
}

/// Upgrades a connection to this host. The password goes as a bearer token: a server asks before it upgrades.
pub(super) async fn upgrade(
    stream: impl Stream,
    host: &str,
    password: Option<&str>,
) -> io::Result<Carried> {
    let bearer =
        password.map(|password| ("Authorization".to_owned(), format!("Bearer {password}")));
    let peer = Peer {
        host: host.to_owned(),
        headers: bearer.into_iter().collect(),
    };
    let socket = WebSocket::connect(stream, &peer, PATH, SUBPROTOCOL).await;
    let socket = socket.map_err(|error| match error {
        WsError::Io(error) => error,
        WsError::Http(HttpError::Status { status, detail }) => {
            io::Error::other(format!("{status}: {detail}"))
        }
        error => io::Error::other(error),
    })?;
    let (near, far) = duplex(WAITING);
    Ok(Carried {
        near,
        _carrier: AbortOnDropHandle::new(tokio::spawn(carry(socket, far))),
    })
}

/// Until either side has ended.
async fn carry(mut socket: WebSocket<impl Stream>, mut far: DuplexStream) {
    let (mut reader, mut buffer, mut open) = (Reader::new(LIMITS), Vec::new(), true);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Ok(Some(Message::Binary(bytes))) => {
                    if far.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Ok(Some(Message::Text(_))) => {}
                Ok(Some(Message::Close(..)) | None) | Err(_) => return,
            },
            read = far.read_buf(&mut buffer), if open && socket.queued() < WAITING => {
                open = matches!(read, Ok(1..));
                let mut at = 0;
                // What is no message is our own mistake, and ends the connection.
                loop {
                    match reader.message(&buffer[at..]) {
                        Ok(Next::Message { used, .. }) => {
                            socket.binary(&buffer[at..at + used]);
                            at += used;
                        }
                        Ok(Next::More) => break,
                        Err(_) => return,
                    }
                }
                buffer.drain(..at);
                if !open {
                    socket.close(NORMAL, "");
                }
            }
        }
    }
}

impl AsyncRead for Carried {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_read(context, buffer)
    }
}

impl AsyncWrite for Carried {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.near).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_shutdown(context)
    }
}
