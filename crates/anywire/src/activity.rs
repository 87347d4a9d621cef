//! What an echo logs: who comes, how much is echoed, who goes. Payload only if that was asked for.
//!
//! Lines are written by a thread of their own. When standard error is slow, lines are left out and counted: a log must
//! not hold up what it is about.

use anywire_wire::Observer;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait to be written.
const WAITING: usize = 4096;
/// Between two writes. Nobody sees the difference, and without it each message of a busy echo would wake the thread.
const REST: Duration = Duration::from_millis(20);
/// Bytes of a payload that are shown.
const SHOWN: usize = 256;

/// What happened.
enum Event {
    Accepted(SocketAddr),
    Received {
        peer: SocketAddr,
        len: usize,
        shown: Option<Vec<u8>>,
    },
    Closed(SocketAddr),
}

/// Where events go. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    lines: SyncSender<Event>,
    lost: Arc<AtomicU64>,
    show: bool,
}

impl Log {
    /// Starts the thread that writes; it ends when the last handle is gone.
    pub(crate) fn start(show: bool) -> std::io::Result<Self> {
        let (lines, events) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let log = Self { lines, lost, show };
        let lost = log.lost.clone();
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write(&events, &lost))?;
        Ok(log)
    }

    /// Somebody came; `None` for a process of this machine.
    pub(crate) fn begin(&self, peer: Option<SocketAddr>) -> Activity {
        let activity = Activity {
            log: self.clone(),
            peer,
        };
        if let Some(peer) = peer {
            self.send(Event::Accepted(peer));
        }
        activity
    }

    fn bytes(&self, peer: SocketAddr, bytes: &[u8]) {
        let shown = self.show.then(|| bytes[..bytes.len().min(SHOWN)].to_vec());
        let len = bytes.len();
        self.send(Event::Received { peer, len, shown });
    }

    fn send(&self, event: Event) {
        if self.lines.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Observer for Log {
    fn accepted(&self, peer: SocketAddr) {
        self.send(Event::Accepted(peer));
    }

    fn received(&self, peer: SocketAddr, bytes: &[u8]) {
        self.bytes(peer, bytes);
    }

    fn closed(&self, peer: SocketAddr) {
        self.send(Event::Closed(peer));
    }
}

/// One connection; its end is when this is dropped.
pub(crate) struct Activity {
    log: Log,
    peer: Option<SocketAddr>,
}

impl Activity {
    pub(crate) fn received(&self, bytes: &[u8]) {
        if let Some(peer) = self.peer {
            self.log.bytes(peer, bytes);
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        if let Some(peer) = self.peer {
            self.log.send(Event::Closed(peer));
        }
    }
}

fn write(events: &Receiver<Event>, lost: &AtomicU64) {
    while let Ok(event) = events.recv() {
        let mut lines = line(&event);
        // As many as wait go out together.
        for event in events.try_iter().take(WAITING) {
            lines += &line(&event);
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => {
                let _ = writeln!(lines, "{lost} lines were left out");
            }
        }
        if std::io::stderr().write_all(lines.as_bytes()).is_err() {
            return;
        }
        std::thread::sleep(REST);
    }
}

fn line(event: &Event) -> String {
    match event {
        Event::Accepted(peer) => format!("accepted {peer}\n"),
        Event::Received { peer, len, shown } => {
            let mut line = format!("echoing {len} bytes to {peer}");
            if let Some(shown) = shown {
                let _ = write!(line, ": \"{}\"", shown.escape_ascii());
                if shown.len() < *len {
                    line += "...";
                }
            }
            line + "\n"
        }
        Event::Closed(peer) => format!("closed {peer}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_shown_escaped_and_cut() {
        let peer = "127.0.0.1:5".parse().unwrap();
        let received = |shown: Option<&[u8]>| Event::Received {
            peer,
            len: 300,
            shown: shown.map(<[u8]>::to_vec),
        };
        assert_eq!(line(&received(None)), "echoing 300 bytes to 127.0.0.1:5\n");
        assert_eq!(
            line(&received(Some(b"a\x1b[2J\n"))),
            "echoing 300 bytes to 127.0.0.1:5: \"a\\x1b[2J\\n\"...\n"
        );
    }
}
