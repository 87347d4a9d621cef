//! One port for everything: what is spoken on a connection is told by its first bytes.
//!
//! Nothing is sent before the client speaks: browsers open connections that they may use later, and a banner would be
//! taken for the answer to a request. A client that stays silent is closed, or taken for what the listener says.

mod tell;

use crate::link::{Socket, Ways};
use crate::listen::{Behind, Stranger};
use crate::peer::Peer;
use crate::tcp::{self, Console};
use crate::{Context, framed, http, limits, tls};
use std::sync::Arc;
use std::time::Duration;
use tell::{Told, Wire, tell};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// What a silent client is taken for, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent {
    /// Telnet, or raw TCP.
    pub telnet: bool,
    /// How long it is waited for.
    pub after: Duration,
}

/// What the connections of such a listener share.
#[derive(Clone)]
pub(crate) struct Server {
    context: Arc<Context>,
    http: http::Server,
}

impl Server {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self {
            http: http::Server::new(context.clone()),
            context,
        }
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Waits for the first bytes and goes on as what they are.
    pub(crate) async fn shake_hands(
        self,
        mut socket: Socket,
        peer: Peer,
        stranger: Option<Stranger>,
        shutdown: CancellationToken,
    ) -> Option<Behind> {
        let mut head = Vec::new();
        let silent = self.context.listener.silent;
        let first = first_bytes(&mut socket, &mut head, silent);
        let mut wire = shutdown.run_until_cancelled(first).await??;
        if let (Wire::Tls, Some(tls)) = (wire, &self.context.listener.offered_tls) {
            let begun = std::mem::take(&mut head);
            socket = tls::accept_begun(socket, begun, tls, &shutdown).await?;
            let first = first_bytes(&mut socket, &mut head, silent);
            wire = shutdown.run_until_cancelled(first).await??;
        }
        tracing::debug!(?wire, "told by its first bytes");
        let console = match wire {
            Wire::Http => {
                let handshake = self
                    .http
                    .shake_hands(socket, peer, head, stranger, shutdown);
                return handshake.await;
            }
            Wire::Telnet => Console::telnet(socket, head),
            Wire::Tcp => Console::raw(socket, head),
            Wire::Framed => {
                let entry = framed::Entry::new(self.context, socket, peer, head, stranger);
                return Some(Behind::Messages(Box::new(entry)));
            }
            // Not served on this listener, or TLS within TLS.
            Wire::Tls => return None,
        };
        let entry = tcp::shake_hands(console, peer, self.context, shutdown).await;
        entry.map(Behind::Pump)
    }
}

/// Reads until it is clear what is spoken; `None` if nobody speaks, or in a way that must not be taken for anything.
async fn first_bytes(
    socket: &mut Socket,
    head: &mut Vec<u8>,
    silent: Option<Silent>,
) -> Option<Wire> {
    let start = Instant::now();
    let deadline = start + limits::FIRST_BYTES;
    loop {
        let silent = silent.filter(|_| head.is_empty());
        let until = silent.map_or(deadline, |silent| start + silent.after);
        match timeout_at(until, read(socket, head)).await {
            Ok(more) => {
                let told = tell(head);
                match (told, more?) {
                    (Told::Is(wire), _) => return Some(wire),
                    (Told::Perhaps(_), true) => {}
                    // It says no more: what it said is what it is.
                    (Told::Perhaps(otherwise), false) => return otherwise,
                }
            }
            Err(_) => {
                return match (silent, tell(head)) {
                    (Some(silent), _) if silent.telnet => Some(Wire::Telnet),
                    (Some(_), _) => Some(Wire::Tcp),
                    (None, Told::Is(wire)) => Some(wire),
                    (None, Told::Perhaps(otherwise)) => otherwise,
                };
            }
        }
    }
}

/// Reads once: whether there was anything before the end. `None` if the connection broke.
async fn read(socket: &mut Socket, head: &mut Vec<u8>) -> Option<bool> {
    let mut buffer = [0; 1024];
    loop {
        match socket.try_read(&mut buffer).ok()? {
            Some(n) => {
                head.extend_from_slice(&buffer[..n]);
                return Some(n > 0);
            }
            None => drop(socket.ready(Ways::READ).await.ok()?),
        }
    }
}
