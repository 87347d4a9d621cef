//! Who wants to hear of raw connections: `anywire echo` tells its user.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Hears what happens on a listener's raw connections, in the connections' own threads: must not wait.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A connection was accepted.
    fn accepted(&self, peer: SocketAddr);
    /// Bytes came.
    fn received(&self, peer: SocketAddr, bytes: &[u8]);
    /// The connection ended.
    fn closed(&self, peer: SocketAddr);
}

/// One observed connection; dropped at its end.
#[derive(Debug)]
pub(crate) struct Observed {
    observer: Arc<dyn Observer>,
    peer: SocketAddr,
}

impl Observed {
    /// A connection that was accepted, if somebody wants to hear of it.
    pub(crate) fn begin(
        observer: Option<&Arc<dyn Observer>>,
        peer: Option<SocketAddr>,
    ) -> Option<Box<Self>> {
        let (observer, peer) = (observer?.clone(), peer?);
        observer.accepted(peer);
        Some(Box::new(Self { observer, peer }))
    }

    pub(crate) fn received(&self, bytes: &[u8]) {
        self.observer.received(self.peer, bytes);
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.observer.closed(self.peer);
    }
}
