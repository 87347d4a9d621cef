//! The pump: the life of one connection behind its handshake, the same for every wire.
//!
//! Three acts: *open* (the client says which session, it is attached), *pump* (bytes both ways), *close* (the client
//! is told why, what it was told is delivered). Between two turns a connection owns no buffer: a turn reads into and
//! writes from scratch memory of its thread, and only what is unfinished or not taken is kept.

mod close;
mod framing;
mod inbox;
mod open;
mod outbox;
mod pump;
mod record;
pub(crate) mod scratch;
mod socket;

pub(crate) use framing::{Framing, Item};
pub(crate) use open::session_for;
pub(crate) use socket::{Socket, Ways};

use crate::Context;
use crate::admit::Principal;
use crate::dialect::{Dialect, Fault};
use crate::peer::Peer;
use anywire_codec::websocket;
use anywire_model::CloseReason;
use anywire_session::Attachment;
use inbox::{Inbox, Talk};
use outbox::Outbox;
use record::Record;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A connection behind its handshake.
pub(crate) struct Entry {
    pub(crate) socket: Socket,
    pub(crate) framing: Framing,
    pub(crate) dialect: Box<dyn Dialect>,
    /// Bytes that were read beyond the handshake.
    pub(crate) head: Vec<u8>,
    pub(crate) visitor: Visitor,
}

/// On whose behalf a connection attaches.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) context: Arc<Context>,
    pub(crate) peer: Peer,
    pub(crate) principal: Principal,
    /// The session that the request's address names.
    pub(crate) session: Option<String>,
}

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer is gone or dead: nothing more can be said.
    Gone,
    /// The peer closed the WebSocket with this code.
    PeerClosed(u16),
    /// The attachment ended.
    Closed(CloseReason),
    /// The client broke its dialect, or what it wants cannot be had.
    Fault(Fault),
    /// The client broke the framing.
    Frame(websocket::Error),
    /// The server stops.
    Shutdown,
}

/// The state of a connection.
struct Link {
    socket: Socket,
    framing: Framing,
    talk: Talk,
    inbox: Inbox,
    outbox: Outbox,
    /// For the rules of its listener.
    context: Arc<Context>,
    record: Box<Record>,
}

/// Runs a connection to its end.
///
/// Each act is a future of its own on the heap, so that an idle connection, which is in the second, does not also
/// carry what only the others need. What goes from one to the next is boxed for the same reason.
pub(crate) async fn run(entry: Box<Entry>, shutdown: CancellationToken) {
    let (mut link, opened) = Box::pin(open(entry, &shutdown)).await;
    let end = match opened {
        Ok(attachment) => Box::pin(link.pump(attachment, &shutdown)).await,
        Err(end) => end,
    };
    Box::pin(link.close(end, &shutdown)).await;
}

/// The first act.
async fn open(
    entry: Box<Entry>,
    shutdown: &CancellationToken,
) -> (Box<Link>, Result<Box<Attachment>, Box<End>>) {
    let entry = *entry;
    let mut link = Box::new(Link {
        socket: entry.socket,
        framing: entry.framing,
        talk: Talk::new(entry.dialect),
        inbox: Inbox::new(entry.head),
        outbox: Outbox::default(),
        context: entry.visitor.context.clone(),
        record: Box::new(Record::new(entry.visitor.peer)),
    });
    link.record.received(link.inbox.waiting());
    let metrics = entry.visitor.context.metrics.clone();
    let opened = match link.hello(shutdown).await {
        Ok(open) => open::attach(entry.visitor, open).await.map_err(End::Fault),
        Err(end) => Err(end),
    };
    if let Ok(attachment) = &opened {
        let meter = metrics.attached(link.talk.dialect.wire());
        link.record.attached(attachment.session().id(), meter);
    }
    (link, opened.map(Box::new).map_err(Box::new))
}

#[cfg(test)]
mod tests;
