//! Length-prefixed messages (docs/framed.md): one message in, one out, in order.
//!
//! Message applications are not byte sessions, so they do not go through the pump: `connection` is the loop of one
//! connection, which owns reading, answering with a [`Service`], and writing. `envelope` takes messages from a byte
//! stream or from a WebSocket, `gate` asks for the password, [`Bridge`] is the service that drives sessions.

mod bridge;
mod connection;
mod envelope;
mod gate;
mod outbox;
mod password;
mod service;

pub use bridge::Bridge;
pub use password::Password;
pub use service::{Answer, Caller, Conversation, Service};

pub(crate) use connection::run;

use crate::link::{Framing, Socket, Visitor};
use crate::peer::Peer;
use crate::{Context, Metrics};
use anywire_codec::framed::Limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What the messages of a listener mean, and what a peer may do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Answers the messages.
    pub service: Arc<dyn Service>,
    /// What a peer may send at most.
    pub limits: Limits,
    /// How long it may take.
    pub deadlines: Deadlines,
    /// What the first message must bring; without one, a listener with authentication asks for the start code.
    pub password: Option<Password>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: Arc::new(Bridge),
            limits: Limits::DEFAULT,
            deadlines: Deadlines::DEFAULT,
            password: None,
        }
    }
}

/// How long a peer may take for what it does; after each of them the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the first byte of a message to the end of its header.
    pub header: Duration,
    /// From there to the end of its content.
    pub content: Duration,
    /// Without a message.
    pub idle: Duration,
    /// Without taking a byte of an answer.
    pub write: Duration,
    /// From the connection to the password.
    pub auth: Duration,
    /// Until a service has its answer.
    pub answer: Duration,
}

impl Deadlines {
    /// 5 s for a header, 30 s for content and for an answer to be taken, five minutes between messages, 10 s for the
    /// password, one minute for a service.
    pub const DEFAULT: Self = Self {
        header: Duration::from_secs(5),
        content: Duration::from_secs(30),
        idle: Duration::from_secs(300),
        write: Duration::from_secs(30),
        auth: Duration::from_secs(10),
        answer: Duration::from_secs(60),
    };
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the connections of a listener share.
#[derive(Clone)]
pub(crate) struct Server {
    context: Arc<Context>,
    /// One permit for each client that may be served at the same time.
    clients: Arc<Semaphore>,
}

impl Server {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        let max = context.listener.max_connections;
        Self {
            context,
            clients: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))),
        }
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.context.metrics
    }

    /// A connection to be run: one too many is told so.
    pub(crate) fn arrive(self, socket: Socket, peer: Peer) -> Box<Entry> {
        let seat = self.clients.try_acquire_owned().ok();
        let rules = &self.context.listener;
        let is_ip = matches!(peer, Peer::Ip(_));
        Box::new(Entry {
            socket,
            framing: Framing::Bytes,
            head: Vec::new(),
            asks: is_ip && (rules.auth || rules.framed.password.is_some()),
            seat: seat.map_or(Seat::None, Seat::Own),
            visitor: Visitor {
                context: self.context,
                peer,
                principal: peer.principal(None),
                session: None,
            },
        })
    }
}

/// A connection behind its handshake.
pub(crate) struct Entry {
    pub(crate) socket: Socket,
    pub(crate) framing: Framing,
    /// Bytes that were read beyond the handshake.
    pub(crate) head: Vec<u8>,
    /// Whether the first message must bring a password.
    pub(crate) asks: bool,
    pub(crate) seat: Seat,
    pub(crate) visitor: Visitor,
}

/// Whether there is room for a client.
pub(crate) enum Seat {
    /// The connection was counted elsewhere.
    Counted,
    /// One of the listener's, given back when the connection ends.
    Own(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit),
    /// No room.
    None,
}
