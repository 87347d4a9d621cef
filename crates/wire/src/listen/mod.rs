//! Listeners: accepted connections, one task each, spread over the workers.

mod accept;

use crate::limits;
use crate::link::{self, Entry};
use crate::metrics::{Metrics, Turned};
use crate::{Context, framed, http, tcp};
use accept::{Accepted, Acceptor};
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
        .run_until_cancelled(accept_all(&acceptor, &server, &workers, &tasks))
        .await;
    drop(acceptor);
    tasks.close();
    if tokio::time::timeout(limits::SHUTDOWN, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            open = tasks.len(),
            "connections are left behind at shutdown"
        );
    }
}

async fn accept_all(
    acceptor: &Acceptor,
    server: &Server,
    workers: &[(Handle, CancellationToken)],
    tasks: &TaskTracker,
) {
    let permits = Arc::new(Semaphore::new(limits::connections()));
    let mut backoff = Backoff::default();
    for (worker, shutdown) in workers.iter().cycle() {
        // The permit comes first: what cannot be served stays in the kernel's queue.
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        let accepted = loop {
            match acceptor.accept().await {
                Ok(accepted) => break accepted,
                Err(error) => backoff.wait(&error).await,
            }
        };
        backoff = Backoff::default();
        let arrival = Box::new((accepted, server.clone()));
        let connection = connection(arrival, shutdown.clone(), permit);
        tasks.spawn_on(connection, worker);
    }
}

/// What the connections of a listener share.
#[derive(Clone)]
enum Server {
    Http(http::Server),
    Tcp(Arc<Context>),
    Framed(framed::Server),
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
        match self {
            Self::Http(server) => server.metrics(),
            Self::Tcp(context) => &context.metrics,
            Self::Framed(server) => server.metrics(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Framed(_) => "framed",
        }
    }

    fn new(protocol: Protocol, context: Context) -> Self {
        let context = Arc::new(context);
        match protocol {
            Protocol::Http => Self::Http(http::Server::new(context)),
            Protocol::Raw => Self::Tcp(context),
            Protocol::Framed => Self::Framed(framed::Server::new(context)),
        }
    }
}

/// One connection, from here on in its worker. What its handshake needs is on the heap and gone before the pump
/// begins.
async fn connection(
    arrival: Box<(Accepted, Server)>,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    let _open = arrival.1.metrics().accepted();
    // A statement of its own: in the head of the `if let`, the handshake's memory would live as long as the pump.
    let behind = Box::pin(shake_hands(arrival, shutdown.clone())).await;
    match behind {
        Some(Behind::Pump(entry)) => link::run(entry, shutdown).await,
        Some(Behind::Messages(entry)) => framed::run(entry, shutdown).await,
        None => {}
    }
}

/// What comes before the pump, in the worker that the connection belongs to. `None` if nothing comes after it.
async fn shake_hands(
    arrival: Box<(Accepted, Server)>,
    shutdown: CancellationToken,
) -> Option<Behind> {
    let (accepted, server) = *arrival;
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
    let entry = match server {
        Server::Http(server) => server.shake_hands(socket, peer, shutdown).await,
        Server::Tcp(context) => tcp::shake_hands(socket, peer, context, shutdown)
            .await
            .map(Behind::Pump),
        Server::Framed(server) => Some(Behind::Messages(server.arrive(socket, peer))),
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
