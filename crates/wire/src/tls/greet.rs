//! The handshake on an accepted connection, and a word for who came without TLS.

use super::{Tls, TlsStream};
use crate::limits;
use crate::link::Socket;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The first byte of a handshake's record (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// What a browser is told that came by `http://`.
const PLAIN_HTTP: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 64\r\nConnection: close\r\n\r\n\
    this port speaks HTTPS: write https:// at the start of the URL\r\n";

/// The connection with TLS on it, if its peer wants that and is quick about it. A UNIX socket stays as it is.
pub(crate) async fn accept(
    socket: Socket,
    tls: &Tls,
    shutdown: &CancellationToken,
) -> Option<Socket> {
    let stream = match socket {
        Socket::Tcp(stream) => stream,
        other => return Some(other),
    };
    within(shake_hands(stream, tls), shutdown).await
}

/// A handshake, unless it takes too long or the server stops.
async fn within(
    handshake: impl Future<Output = io::Result<Option<TlsStream>>>,
    shutdown: &CancellationToken,
) -> Option<Socket> {
    let shaking = Box::pin(timeout(limits::HEADER, handshake));
    match shutdown.run_until_cancelled(shaking).await? {
        Ok(Ok(stream)) => stream.map(|stream| Socket::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            None
        }
    }
}

/// The same for a connection of which some was read, which is the beginning of a TLS handshake.
pub(crate) async fn accept_begun(
    socket: Socket,
    head: Vec<u8>,
    tls: &Tls,
    shutdown: &CancellationToken,
) -> Option<Socket> {
    let Socket::Tcp(stream) = socket else {
        return None;
    };
    let accepting = async {
        TlsStream::accept(stream, &head, tls.config())
            .await
            .map(Some)
    };
    within(accepting, shutdown).await
}

async fn shake_hands(mut stream: TcpStream, tls: &Tls) -> io::Result<Option<TlsStream>> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Ok(None),
        _ if first[0] == HANDSHAKE => Ok(Some(TlsStream::accept(stream, &[], tls.config()).await?)),
        _ => {
            if first[0].is_ascii_uppercase() {
                stream.write_all(PLAIN_HTTP.as_bytes()).await?;
                stream.shutdown().await?;
                drain(stream).await?;
            }
            Ok(None)
        }
    }
}

/// Reads on for a moment: closing with unread input would take the answer away from the peer.
async fn drain(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    let drained = async {
        while stream.read(&mut buffer).await? > 0 {}
        Ok(())
    };
    timeout(limits::LINGER_SHUTDOWN, drained)
        .await
        .unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::PLAIN_HTTP;

    #[test]
    fn the_answer_to_plain_http_is_as_long_as_it_says() {
        let (head, body) = PLAIN_HTTP.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}
