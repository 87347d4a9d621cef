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
mod service;

pub use bridge::Bridge;
pub use service::{Answer, Caller, Conversation, Service};

pub(crate) use connection::run;

use crate::Context;
use crate::link::{Framing, Socket, Visitor};
use crate::listen::Stranger;
use crate::peer::Peer;
use anywire_codec::framed::{Code, Limits, Reply};
use anywire_model::Role;
use std::sync::Arc;
use std::time::Duration;

/// Whose password it is that a first message brings without a user: of applications that know no users.
pub const USER: &str = "framed";

/// What the messages of a listener mean, and what a peer may do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Answers the messages.
    pub service: Arc<dyn Service>,
    /// What a peer may send at most.
    pub limits: Limits,
    /// How long it may take.
    pub deadlines: Deadlines,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: Arc::new(Bridge),
            limits: Limits::DEFAULT,
            deadlines: Deadlines::DEFAULT,
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

/// A connection behind its handshake.
pub(crate) struct Entry {
    pub(crate) socket: Socket,
    pub(crate) framing: Framing,
    /// Bytes that were read beyond the handshake.
    pub(crate) head: Vec<u8>,
    /// Whether the first message must bring a password.
    pub(crate) asks: bool,
    /// Given up with the password.
    pub(crate) stranger: Option<Stranger>,
    pub(crate) visitor: Visitor,
}

impl Entry {
    /// A connection that speaks messages from its first byte on, of which `head` was read.
    pub(crate) fn new(
        context: Arc<Context>,
        socket: Socket,
        peer: Peer,
        head: Vec<u8>,
        stranger: Option<Stranger>,
    ) -> Self {
        let is_ip = matches!(peer, Peer::Ip(_));
        // The kernel says who is at the other end of a UNIX socket.
        let role = (!is_ip).then_some(Role::Owner);
        Self {
            socket,
            framing: Framing::Bytes,
            head,
            asks: is_ip && context.listener.auth,
            stranger,
            visitor: Visitor {
                principal: peer.principal(role),
                context,
                peer,
                session: None,
            },
        }
    }
}

/// What a client is told for whom there is no place.
pub(crate) fn busy() -> Vec<u8> {
    let mut out = Vec::new();
    let reply = Reply::error(Code::Busy, "too many clients; try again later");
    reply
        .write(false, None, &mut out)
        .expect("a short message fits");
    out
}
