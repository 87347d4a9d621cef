//! The third act: the client is told why, and gets what it was told.

use super::socket::Ways;
use super::{End, Link, scratch};
use crate::dialect::{Event, Frames};
use crate::limits;
use anywire_codec::dialect::native::ErrorCode;
use anywire_codec::websocket::CloseCode;
use anywire_model::CloseReason;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

impl Link {
    /// Says good-bye, delivers what waits, and ends the connection in order: our side first, then the peer's. Closing
    /// at once would discard what the peer has not read yet if it is still sending.
    pub(super) async fn close(&mut self, end: Box<End>, shutdown: &CancellationToken) {
        self.record.ended(self.talk.dialect.wire(), &end);
        if matches!(*end, End::Gone) || self.say_goodbye(*end).is_err() {
            return;
        }
        while !self.outbox.is_empty() {
            let writable = self.socket.ready(Ways::WRITE);
            match within(limits::FLUSH, shutdown, writable).await {
                Some(Ok(_)) if self.outbox.flush(&self.socket).is_ok() => {}
                _ => return,
            }
        }
        if self.socket.shutdown().await.is_err() || self.inbox.ended {
            return;
        }
        within(limits::LINGER, shutdown, self.drain()).await;
    }

    /// Reads and forgets until the peer has closed too.
    async fn drain(&mut self) {
        loop {
            if self.socket.ready(Ways::READ).await.is_err() {
                return;
            }
            let read = scratch::with(|scratch| self.socket.try_read(&mut scratch.input));
            if let Ok(Some(0)) | Err(_) = read {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn say_goodbye(&mut self, end: End) -> Result<(), End> {
        scratch::with(|scratch| {
            let mut frames = Frames {
                wrap: self.framing.wrap(),
                out: &mut scratch.output,
            };
            let dialect = &mut self.talk.dialect;
            match end {
                End::Gone => {}
                End::PeerClosed(code) => frames.close(code, ""),
                End::Shutdown => frames.close(CloseCode::GOING_AWAY, "the server stops"),
                End::Frame(error) => frames.close(error.close_code(), &error.to_string()),
                End::Fault(fault) => {
                    dialect.event(Event::Fault(&fault), &mut frames);
                    frames.close(fault.code.close_code(), &fault.message);
                }
                End::Closed(reason) => {
                    dialect.event(Event::Closed(&reason), &mut frames);
                    let (code, text) = close_code(&reason);
                    frames.close(code, &text);
                }
            }
            self.outbox.send(&self.socket, &scratch.output)
        })
    }
}

/// Waits for as long as `limit`, or shorter once the server stops.
async fn within<T>(
    limit: Duration,
    shutdown: &CancellationToken,
    what: impl Future<Output = T>,
) -> Option<T> {
    let hurry = async {
        shutdown.cancelled().await;
        sleep(limits::LINGER_SHUTDOWN).await;
    };
    tokio::select! {
        biased;
        result = what => Some(result),
        () = hurry => None,
        () = sleep(limit) => None,
    }
}

fn close_code(reason: &CloseReason) -> (u16, String) {
    match reason {
        CloseReason::Exit(reason) => (CloseCode::NORMAL, reason.to_string()),
        CloseReason::Detached => (CloseCode::NORMAL, String::new()),
        CloseReason::Shutdown => (CloseCode::GOING_AWAY, "the server stops".to_owned()),
        CloseReason::Lagged => (ErrorCode::TooSlow.close_code(), "too slow".to_owned()),
        CloseReason::Protocol(message) => (ErrorCode::BadMessage.close_code(), message.clone()),
    }
}
