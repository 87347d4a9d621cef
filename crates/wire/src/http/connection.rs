//! One connection while it speaks HTTP.

use super::{Server, Stall};
use crate::admit::Principal;
use crate::dialect::Dialect;
use crate::framed;
use crate::limits;
use crate::link::{Entry, Framing, Socket, Visitor};
use crate::listen::Behind;
use crate::peer::Peer;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// What a request may know of the connection that it came by.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) peer: Peer,
    /// Whether our end of it is on loopback.
    here: bool,
    /// Whether the peer takes what it asked for.
    pub(crate) stall: Arc<Stall>,
    /// Where an accepted upgrade is left for the connection's own task.
    upgrade: Arc<Mutex<Option<Upgrade>>>,
}

/// An upgrade that a route has accepted.
pub(crate) struct Upgrade {
    pub(crate) on: OnUpgrade,
    pub(crate) speech: Speech,
    pub(crate) principal: Principal,
    pub(crate) session: Option<String>,
    /// Whether both sides agreed on compressed messages.
    pub(crate) deflate: bool,
}

/// What is spoken behind an upgrade.
pub(crate) enum Speech {
    /// With one session.
    Dialect(Box<dyn Dialect>),
    /// In framed messages.
    Framed,
}

impl Connection {
    pub(super) fn new(peer: Peer, here: bool) -> Self {
        Self {
            peer,
            here,
            stall: Arc::new(Stall::new()),
            upgrade: Arc::default(),
        }
    }

    /// Whether both ends are on this machine, as far as addresses tell.
    pub(super) fn is_local(&self) -> bool {
        match self.peer {
            Peer::Ip(address) => self.here && address.ip().to_canonical().is_loopback(),
            Peer::User(_) => true,
        }
    }

    /// Leaves an accepted upgrade for when its response is sent.
    pub(crate) fn upgrade(&self, upgrade: Upgrade) {
        *self.upgrade.lock() = Some(upgrade);
    }
}

/// Serves requests until the connection ends, or returns what is behind an upgrade.
pub(super) async fn serve(
    socket: Socket,
    peer: Peer,
    server: Server,
    shutdown: CancellationToken,
) -> Option<Behind> {
    let here = match &socket {
        Socket::Tcp(stream) => {
            let local = stream.local_addr();
            local.is_ok_and(|address| address.ip().to_canonical().is_loopback())
        }
        Socket::Unix(_) => true,
    };
    let connection = Connection::new(peer, here);
    let context = server.context.clone();
    match socket {
        Socket::Tcp(stream) => requests(stream, &connection, server, shutdown).await,
        Socket::Unix(stream) => requests(stream, &connection, server, shutdown).await,
    }
    let upgrade = connection.upgrade.lock().take()?;
    let (socket, head) = take_back(upgrade.on.await.ok()?)?;
    let framing = Framing::websocket(upgrade.deflate);
    let visitor = Visitor {
        context,
        peer,
        principal: upgrade.principal,
        session: upgrade.session,
    };
    Some(match upgrade.speech {
        Speech::Dialect(dialect) => Behind::Pump(Box::new(Entry {
            socket,
            framing,
            dialect,
            head,
            visitor,
        })),
        Speech::Framed => Behind::Messages(Box::new(framed::Entry {
            socket,
            framing,
            head,
            asks: false,
            seat: framed::Seat::Counted,
            visitor,
        })),
    })
}

async fn requests<S>(
    stream: S,
    connection: &Connection,
    server: Server,
    shutdown: CancellationToken,
) where
    S: Send + Unpin + 'static,
    TokioIo<S>: Read + Write,
{
    let service = service_fn(|mut request: http::Request<Incoming>| {
        connection.stall.end();
        request.extensions_mut().insert(connection.clone());
        server.router.clone().call(request.map(Body::new))
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER)
        .max_buf_size(limits::HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        result = &mut serving => {
            if let Err(error) = result {
                tracing::debug!(%error, "an HTTP connection broke");
            }
            return;
        }
        () = connection.stall.too_long() => {
            tracing::debug!("a client takes nothing of what it asked for");
            return;
        }
    }
    serving.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits::LINGER_SHUTDOWN, serving).await;
}

/// The socket behind an upgrade, and a copy of what was read beyond the request: the original would keep its buffer.
fn take_back(upgraded: Upgraded) -> Option<(Socket, Vec<u8>)> {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return Some((Socket::Tcp(parts.io.into_inner()), parts.read_buf.to_vec())),
        Err(upgraded) => upgraded,
    };
    let parts = upgraded.downcast::<TokioIo<UnixStream>>().ok()?;
    Some((Socket::Unix(parts.io.into_inner()), parts.read_buf.to_vec()))
}
