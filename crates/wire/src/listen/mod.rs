//! Listeners: accepted connections, one task each, spread over the workers.

mod accept;
mod seats;

use crate::limits;
use crate::link::{self, Entry};
use crate::metrics::{Metrics, Turned};
use crate::tcp::Console;
use crate::{Context, auto, framed, http, tcp, tls};
use accept::{Accepted, Acceptor};
use seats::{Place, Seat, Seats, refuse};

pub(crate) use seats::Stranger;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A socket that listens already, and what is spoken on its connections.
#[derive(Debug)]
pub struct Bound {
    /// Where connections come from.
    pub socket: Listening,
    /// What they speak.
    pub protocol: Protocol,
}

/// A socket that listens already.
#[derive(Debug)]
pub enum Listening {
    /// Reached by address and port.
    Tcp(TcpListener),
    /// For processes of our own user and of root: the kernel is their credential. Whoever binds it sees to it that its
    /// folder is closed to others.
    Unix(UnixListener),
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The page, its API and WebSocket.
    Http,
    /// Raw bytes.
    Raw,
    /// Telnet (RFC 854).
    Telnet,
    /// Whichever of these the client's first bytes are.
    Auto,
    /// Length-prefixed messages.
    Framed,
}

/// Serves connections until `shutdown`, then waits for them to end, at most five seconds.
///
/// The accept loop runs in the caller's task, the connections on `workers` in turn. Errors of single connections and
/// of `accept` are logged and survived.
///
/// # Panics
/// Without workers.
pub async fn serve(
    bound: Bound,
    context: Context,
    workers: Arc<[Handle]>,
    shutdown: CancellationToken,
) {
    let seats = Seats::new(&context);
    let server = Server::new(bound.protocol, context);
    let acceptor = match Acceptor::new(bound.socket) {
        Ok(acceptor) => acceptor,
        Err(error) => return tracing::error!(%error, "starting a listener"),
    };
    let tasks = TaskTracker::new();
    // A token per worker: what all connections look at must not be one cache line of all processors.
    let workers: Vec<(Handle, CancellationToken)> = workers
        .iter()
        .map(|worker| (worker.clone(), shutdown.child_token()))
        .collect();
    shutdown
        .run_until_cancelled(accept_all(&acceptor, &server, &seats, &workers, &tasks))
        .await;
    drop(acceptor);
    tasks.close();
    if timeout(limits::SHUTDOWN, tasks.wait()).await.is_err() {
        tracing::warn!(
            open = tasks.len(),
            "connections are left behind at shutdown"
        );
    }
}

async fn accept_all(
    acceptor: &Acceptor,
    server: &Server,
    seats: &Seats,
    workers: &[(Handle, CancellationToken)],
    tasks: &TaskTracker,
) {
    let mut backoff = Backoff::default();
    for (worker, shutdown) in workers.iter().cycle() {
        let mut accepted = loop {
            match acceptor.accept().await {
                Ok(accepted) => break accepted,
                Err(error) => backoff.wait(&error).await,
            }
        };
        while let Err(error) = accepted.leave_room() {
            backoff.wait(&error).await;
        }
        backoff = Backoff::default();
        match seats.take(accepted.address()) {
            Some(Seat::Taken(place, stranger)) => {
                let open = server.metrics().accepted();
                let arrival = Box::new((accepted, server.clone(), stranger));
                tasks.spawn_on(connection(arrival, shutdown.clone(), place, open), worker);
            }
            Some(Seat::Refused(place, why)) => {
                server.metrics().turned(why);
                let (server, shutdown) = (server.clone(), shutdown.clone());
                let refused = Box::pin(async move {
                    let refused = refused(accepted, server, &shutdown, place);
                    shutdown.run_until_cancelled(refused).await
                });
                tasks.spawn_on(refused, worker);
            }
            None => server.metrics().turned(Turned::Busy),
        }
    }
}

/// One connection too many.
async fn refused(accepted: Accepted, server: Server, shutdown: &CancellationToken, _place: Place) {
    let Ok(Some((socket, peer))) = accepted.register() else {
        return;
    };
    let socket = match &server.context().listener.tls {
        // Who expects TLS understands nothing else. On a port for everything nothing is said anyway.
        Some(tls) if server.protocol() != Protocol::Auto => {
            let shaking = tls::accept(socket, tls, shutdown);
            match timeout(limits::LINGER_REFUSED, shaking).await {
                Ok(Some(socket)) => socket,
                Ok(None) | Err(_) => return,
            }
        }
        _ => socket,
    };
    refuse(socket, peer, server.protocol()).await;
}

/// What the connections of a listener share.
#[derive(Clone)]
enum Server {
    Http(http::Server),
    Tcp(Arc<Context>),
    Telnet(Arc<Context>),
    Auto(auto::Server),
    Framed(Arc<Context>),
}

/// What comes behind a handshake.
pub(crate) enum Behind {
    /// A session: bytes both ways.
    Pump(Box<Entry>),
    /// Messages, one in and one out.
    Messages(Box<framed::Entry>),
}

impl Server {
    fn metrics(&self) -> &Arc<Metrics> {
        &self.context().metrics
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Telnet(_) => "telnet",
            Self::Auto(_) => "auto",
            Self::Framed(_) => "framed",
        }
    }

    fn new(protocol: Protocol, context: Context) -> Self {
        let context = Arc::new(context);
        match protocol {
            Protocol::Http => Self::Http(http::Server::new(context)),
            Protocol::Raw => Self::Tcp(context),
            Protocol::Telnet => Self::Telnet(context),
            Protocol::Auto => Self::Auto(auto::Server::new(context)),
            Protocol::Framed => Self::Framed(context),
        }
    }

    fn protocol(&self) -> Protocol {
        match self {
            Self::Http(_) => Protocol::Http,
            Self::Tcp(_) => Protocol::Raw,
            Self::Telnet(_) => Protocol::Telnet,
            Self::Auto(_) => Protocol::Auto,
            Self::Framed(_) => Protocol::Framed,
        }
    }

    fn context(&self) -> &Context {
        match self {
            Self::Http(server) => server.context(),
            Self::Tcp(context) | Self::Telnet(context) | Self::Framed(context) => context,
            Self::Auto(server) => server.context(),
        }
    }
}

/// A connection that has come, and whether it has yet to say who it is.
type Arrival = (Accepted, Server, Option<Stranger>);

/// One connection, from here on in its worker. What its handshake needs is on the heap and gone before the pump
/// begins; what the pump does not need is on the heap too, so that an idle connection's task takes 256 bytes.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn keeps its arguments twice"
)]
fn connection(
    arrival: Box<Arrival>,
    shutdown: CancellationToken,
    place: Place,
    open: impl Send,
) -> impl Future<Output = ()> + Send {
    async move {
        // A statement of its own: in the head of the `match`, the handshake's memory would live as long as the pump.
        let behind = begin(arrival, &shutdown).await;
        match behind {
            Some(Behind::Pump(entry)) => {
                link::run(entry, shutdown).await;
                drop(place);
            }
            Some(Behind::Messages(entry)) => {
                Box::pin(framed::run(entry, place, shutdown)).await;
            }
            None => drop(place),
        }
        drop(open);
    }
}

/// The handshake on the heap.
fn begin(
    arrival: Box<Arrival>,
    shutdown: &CancellationToken,
) -> Pin<Box<impl Future<Output = Option<Behind>> + Send + use<>>> {
    Box::pin(shake_hands(arrival, shutdown.clone()))
}

/// What comes before the pump, in the worker that the connection belongs to. `None` if nothing comes after it.
async fn shake_hands(arrival: Box<Arrival>, shutdown: CancellationToken) -> Option<Behind> {
    // Whoever gets through on a wire without requests has logged in: then nobody holds it any more.
    let (accepted, server, stranger) = *arrival;
    let (socket, peer) = match accepted.register() {
        Ok(Some(registered)) => registered,
        Ok(None) => {
            tracing::warn!("a process of another user was turned away");
            server.metrics().turned(Turned::User);
            return None;
        }
        Err(error) => {
            tracing::debug!(%error, "a connection broke at once");
            return None;
        }
    };
    let wire = server.name();
    tracing::info!(wire, %peer, "connected");
    let socket = match &server.context().listener.tls {
        // Also on `autos`: nothing is spoken there without TLS. What `auto` offers it looks for itself.
        Some(tls) => tls::accept(socket, tls, &shutdown).await?,
        None => socket,
    };
    let entry = match server {
        Server::Http(server) => {
            let nothing = Vec::new();
            let handshake = server.shake_hands(socket, peer, nothing, stranger, shutdown);
            handshake.await
        }
        Server::Tcp(context) => {
            let console = Console::raw(socket, Vec::new());
            let entry = tcp::shake_hands(console, peer, context, shutdown).await;
            entry.map(Behind::Pump)
        }
        Server::Telnet(context) => {
            let console = Console::telnet(socket, Vec::new());
            let entry = tcp::shake_hands(console, peer, context, shutdown).await;
            entry.map(Behind::Pump)
        }
        Server::Auto(server) => server.shake_hands(socket, peer, stranger, shutdown).await,
        Server::Framed(context) => {
            let entry = framed::Entry::new(context, socket, peer, Vec::new(), stranger);
            Some(Behind::Messages(Box::new(entry)))
        }
    };
    if entry.is_none() {
        tracing::info!(wire, %peer, reason = "nothing more to say", "closed");
    }
    entry
}

/// Waits after errors of `accept`: out of descriptors, the next try would fail at once.
#[derive(Default)]
struct Backoff(u32);

impl Backoff {
    async fn wait(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        // That was one client's misfortune.
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionReset | Interrupted
        ) {
            return;
        }
        let millis = 5 << self.0.min(8);
        self.0 += 1;
        tracing::warn!(%error, millis, "accepting connections fails, waiting");
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
