//! A deadline for who asks for output and does not take it.
//!
//! A body is asked for its next piece when the connection has room for it. Between a piece and that question the peer
//! owes us something; a connection whose peer owes for too long is closed.

use crate::limits;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Since when the peer of a connection owes us that it takes something.
#[derive(Debug)]
pub(crate) struct Stall {
    begun: Instant,
    /// Milliseconds after `begun`, plus one; 0 while it owes nothing.
    since: AtomicU64,
}

impl Stall {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            since: AtomicU64::new(0),
        }
    }

    /// A piece was handed out.
    pub(super) fn begin(&self) {
        let now = self.begun.elapsed().as_millis() as u64;
        self.since.store(now + 1, Relaxed);
    }

    /// There is room again, or another request.
    pub(super) fn end(&self) {
        self.since.store(0, Relaxed);
    }

    /// Waits until the peer has taken nothing for [`limits::FLUSH`]. Looks now and then, which is exact enough.
    pub(super) async fn too_long(&self) {
        const LOOK: Duration = Duration::from_secs(10);
        loop {
            sleep(LOOK).await;
            let since = self.since.load(Relaxed);
            let now = self.begun.elapsed().as_millis() as u64;
            let limit = limits::FLUSH.as_millis() as u64;
            if since != 0 && now.saturating_sub(since) >= limit {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn only_a_peer_that_owes_is_given_up() {
        let stall = Stall::new();
        let long = limits::FLUSH * 3;
        assert!(timeout(long, stall.too_long()).await.is_err());
        stall.begin();
        assert!(timeout(limits::FLUSH / 2, stall.too_long()).await.is_err());
        stall.end();
        assert!(timeout(long, stall.too_long()).await.is_err());
        stall.begin();
        assert!(timeout(long, stall.too_long()).await.is_ok());
    }
}
