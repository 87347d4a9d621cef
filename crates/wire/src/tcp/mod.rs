//! Raw TCP: bytes in, bytes out. With authentication, a start code is asked for first.

mod foreign;

use crate::Context;
use crate::admit::{Principal, Refusal, Secret};
use crate::limits;
use crate::link::{Entry, Framing, Socket, Visitor};
use crate::observer::Observed;
use crate::peer::Peer;
use foreign::RawTcp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Asks for a start code where one is needed; returns what is behind it.
pub(crate) async fn shake_hands(
    socket: Socket,
    peer: Peer,
    context: Arc<Context>,
    shutdown: CancellationToken,
) -> Option<Box<Entry>> {
    let (socket, principal, head) = match (socket, peer) {
        (Socket::Tcp(mut stream), Peer::Ip(address)) if context.listener.auth => {
            let asked = ask(&mut stream, address, &context);
            let (principal, head) = shutdown.run_until_cancelled(asked).await??;
            (Socket::Tcp(stream), principal, head)
        }
        (socket, peer) => (socket, peer.principal(None), Vec::new()),
    };
    let observer = context.listener.observer.as_ref();
    let observed = Observed::begin(observer, peer.address());
    Some(Box::new(Entry {
        socket,
        framing: Framing::Bytes,
        dialect: Box::new(RawTcp::new(observed)),
        head,
        visitor: Visitor {
            context,
            peer,
            principal,
            session: None,
        },
    }))
}

/// Asks for the start code; returns who it is and what was sent behind the code.
async fn ask(
    stream: &mut TcpStream,
    address: SocketAddr,
    context: &Context,
) -> Option<(Principal, Vec<u8>)> {
    let mut read = Vec::new();
    for _ in 0..limits::PROMPT_TRIES {
        say(stream, "start code: ").await?;
        let line = timeout(limits::PROMPT, line(stream, &mut read)).await;
        let line = line.ok()??;
        // A browser's request is no wrong code: it must not lock out who knows the right one.
        if foreign::is_browser(&line) {
            break;
        }
        let code = String::from_utf8_lossy(&line);
        let judged = context.admission.login(address.ip(), Secret::Code(&code));
        context.metrics.judged(judged.as_ref().err());
        match judged {
            Ok(role) => return Some((Peer::Ip(address).principal(role), read)),
            Err(Refusal::Wait(wait)) => {
                say(stream, &too_many(wait)).await?;
                break;
            }
            Err(_) => say(stream, "wrong start code\r\n").await?,
        }
    }
    let _ = stream.shutdown().await;
    None
}

async fn say(stream: &mut TcpStream, text: &str) -> Option<()> {
    timeout(limits::PROMPT, stream.write_all(text.as_bytes()))
        .await
        .ok()?
        .ok()
}

fn too_many(wait: Duration) -> String {
    let seconds = wait.as_secs() + 1;
    format!("too many failures; try again in {seconds} seconds\r\n")
}

/// Takes a line without its end off `read`, reading on as needed; `None` at the end of the stream or beyond the
/// maximum.
async fn line(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut buffer = [0; limits::PROMPT_LINE];
    loop {
        if let Some(end) = read.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = read.drain(..end).collect();
            let crlf = read.starts_with(b"\r\n");
            read.drain(..if crlf { 2 } else { 1 });
            return Some(line);
        }
        if read.len() >= limits::PROMPT_LINE {
            say(stream, "the line is too long\r\n").await?;
            return None;
        }
        let n = stream.read(&mut buffer).await.ok()?;
        if n == 0 {
            return None;
        }
        read.extend_from_slice(&buffer[..n]);
    }
}
