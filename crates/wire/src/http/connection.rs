//! One connection while it speaks HTTP.

use super::Server;
use super::stream::Stream;
use crate::Context;
use crate::admit::{Principal, Way};
use crate::dialect::Dialect;
use crate::framed;
use crate::limits;
use crate::link::{Entry, Framing, Socket, Visitor};
use crate::listen::{Behind, Stranger};
use crate::metrics::Wire;
use crate::peer::Peer;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::pin::pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// What a request may know of the connection that it came by.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) way: Way,
    left: Arc<Mutex<Left>>,
}

/// What requests leave with their connection.
struct Left {
    /// An accepted upgrade, for the connection's own task.
    upgrade: Option<Upgrade>,
    /// There until a request has said who it is from.
    stranger: Option<Stranger>,
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
    pub(super) fn new(way: Way, stranger: Option<Stranger>) -> Self {
        let left = Left {
            upgrade: None,
            stranger,
        };
        Self {
            way,
            left: Arc::new(Mutex::new(left)),
        }
    }

    /// A request on it has said who it is from.
    pub(super) fn is_known(&self) {
        let stranger = self.left.lock().stranger.take();
        // Its place among the strangers is given up without the lock.
        drop(stranger);
    }

    /// Leaves an accepted upgrade for when its response is sent.
    pub(crate) fn upgrade(&self, upgrade: Upgrade) {
        self.left.lock().upgrade = Some(upgrade);
    }
}

/// Serves requests until the connection ends, or returns what is behind an upgrade.
pub(super) async fn serve(
    socket: Socket,
    peer: Peer,
    head: Vec<u8>,
    stranger: Option<Stranger>,
    server: Server,
    shutdown: CancellationToken,
) -> Option<Behind> {
    let context = server.context.clone();
    let pages = context
        .listener
        .xwterm
        .as_ref()
        .and_then(|own| own.page_port);
    let way = Way::of(&socket, peer, context.listener.auth).with_pages(pages);
    let connection = Connection::new(way, stranger);
    let stream = Stream::new(socket, head);
    requests(stream, &connection, server, shutdown).await;
    let upgrade = connection.left.lock().upgrade.take()?;
    let framing = Framing::websocket(upgrade.deflate, longest_message(&upgrade, &context));
    let (socket, head) = take_back(upgrade.on.await.ok()?)?;
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
            stranger: None,
            visitor,
        })),
    })
}

/// The longest message that such a client has any use for.
fn longest_message(upgrade: &Upgrade, context: &Context) -> usize {
    let may_write = upgrade.principal.role_at(&context.listener).may_write();
    match &upgrade.speech {
        Speech::Framed => context.listener.framed.limits.message(),
        Speech::Dialect(dialect) if may_write && dialect.wire() != Wire::Native => limits::MESSAGE,
        Speech::Dialect(_) => limits::SHORT_MESSAGE,
    }
}

async fn requests(
    stream: Stream,
    connection: &Connection,
    server: Server,
    shutdown: CancellationToken,
) {
    let service = service_fn(|mut request: http::Request<Incoming>| {
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
    }
    serving.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits::LINGER_SHUTDOWN, serving).await;
}

/// The socket behind an upgrade, and a copy of what was read beyond the request: the original would keep its buffer.
fn take_back(upgraded: Upgraded) -> Option<(Socket, Vec<u8>)> {
    let parts = upgraded.downcast::<TokioIo<Stream>>().ok()?;
    let (socket, head) = parts.io.into_inner().into_parts();
    Some((socket, [&parts.read_buf, &head[..]].concat()))
}
