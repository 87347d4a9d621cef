//! What is remembered of a connection for metrics and the log: who, on which session, how much, and how it ended.

use super::End;
use crate::metrics::{Meter, Wire};
use crate::peer::Peer;
use anywire_model::{CloseReason, SessionId};

/// The account of one connection.
#[derive(Debug)]
pub(super) struct Record {
    peer: Peer,
    session: Option<SessionId>,
    meter: Option<Meter>,
    received: u64,
    sent: u64,
}

impl Record {
    pub(super) fn new(peer: Peer) -> Self {
        Self {
            peer,
            session: None,
            meter: None,
            received: 0,
            sent: 0,
        }
    }

    /// The client has its session.
    pub(super) fn attached(&mut self, session: SessionId, meter: Meter) {
        tracing::info!(wire = meter.wire().name(), peer = %self.peer, %session, "attached");
        self.session = Some(session);
        self.meter = Some(meter);
    }

    /// Bytes came.
    pub(super) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
        if let Some(meter) = &self.meter {
            meter.received(bytes);
        }
    }

    /// Bytes were sent or wait to be.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        if let Some(meter) = &self.meter {
            meter.sent(bytes);
        }
    }

    /// The connection ends.
    pub(super) fn ended(&mut self, wire: Wire, end: &End) {
        let session = self.session.map(tracing::field::display);
        tracing::info!(
            wire = wire.name(),
            peer = %self.peer,
            session,
            reason = reason(end),
            received = self.received,
            sent = self.sent,
            "closed"
        );
        self.meter = None;
    }
}

/// Why, in words of ours: what a client says of itself is not logged.
fn reason(end: &End) -> String {
    match end {
        End::Gone => "the client is gone".to_owned(),
        End::PeerClosed(code) => format!("the client closed with {code}"),
        End::Closed(CloseReason::Exit(reason)) => format!("the session ended: {reason}"),
        End::Closed(CloseReason::Detached) => "detached".to_owned(),
        End::Closed(CloseReason::Shutdown) | End::Shutdown => "the server stops".to_owned(),
        End::Closed(CloseReason::Lagged) => "too slow".to_owned(),
        End::Closed(CloseReason::Protocol(_)) => "the client broke its protocol".to_owned(),
        End::Fault(fault) => format!("refused: {:?}", fault.code),
        End::Frame(error) => format!("the client broke the framing: {error}"),
    }
}
