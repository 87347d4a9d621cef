//! What is counted on the wires, and how `/metrics` tells it.
//!
//! What happens often (bytes) is added once per turn of a connection, to counters that only a few threads share. What
//! is known elsewhere (sessions) is counted there and read when somebody asks.

mod text;

use crate::admit::Refusal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Sets of counters, so that threads do not fight for the same cache line.
const SHARDS: usize = 8;

/// What carries an attachment's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// A WebSocket with `anywire.v1`.
    Native,
    /// A WebSocket with ttyd's dialect.
    Tty,
    /// A WebSocket without a dialect.
    WebSocket,
    /// Raw TCP.
    Tcp,
    /// Telnet.
    Telnet,
    /// xwterm's dialect, over WebSocket or polled.
    Xwterm,
    /// Messages with a length in front.
    Framed,
    /// The body of an HTTP response.
    Rest,
    /// Anything else.
    #[default]
    Other,
}

impl Wire {
    /// Every wire.
    const ALL: [Self; 9] = [
        Self::Native,
        Self::Tty,
        Self::WebSocket,
        Self::Tcp,
        Self::Telnet,
        Self::Xwterm,
        Self::Framed,
        Self::Rest,
        Self::Other,
    ];

    /// Its name in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Tty => "tty",
            Self::WebSocket => "websocket",
            Self::Tcp => "tcp",
            Self::Telnet => "telnet",
            Self::Xwterm => "xwterm",
            Self::Framed => "framed",
            Self::Rest => "rest",
            Self::Other => "other",
        }
    }
}

/// What became of a client that came back and said from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// It gets exactly what it missed.
    Exact,
    /// It gets a picture of the screen.
    Keyframe,
    /// It is told that something is gone.
    Gap,
}

const RESUMES: [&str; 3] = ["exact", "keyframe", "gap"];

/// Why a connection was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// As many are open as may be.
    Busy,
    /// As many are open from its address as may be.
    Address,
    /// A process of another user.
    User,
}

const TURNED: [&str; 3] = ["busy", "address", "user"];
const AUTH: [&str; 5] = ["ok", "unauthorized", "wait", "host", "origin"];

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard([Traffic; Wire::ALL.len()]);

#[derive(Debug, Default)]
struct Traffic {
    attached: AtomicU64,
    detached: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// What is counted on the wires of a server, and whether it is ready for work.
#[derive(Debug, Default)]
pub struct Metrics {
    ready: AtomicBool,
    shards: [Shard; SHARDS],
    accepted: AtomicU64,
    closed: AtomicU64,
    turned: [AtomicU64; TURNED.len()],
    resumes: [AtomicU64; RESUMES.len()],
    auth: [AtomicU64; AUTH.len()],
}

impl Metrics {
    /// Says whether listeners serve and programs can be started.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Relaxed);
    }

    /// See [`Metrics::set_ready`].
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// A connection was accepted; it is open until the value returned is dropped.
    pub(crate) fn accepted(self: &Arc<Self>) -> Accepted {
        self.accepted.fetch_add(1, Relaxed);
        Accepted(self.clone())
    }

    /// A connection was turned away.
    pub(crate) fn turned(&self, why: Turned) {
        self.turned[why as usize].fetch_add(1, Relaxed);
    }

    /// Somebody was judged.
    pub(crate) fn judged(&self, refusal: Option<&Refusal>) {
        let result = match refusal {
            None => 0,
            Some(Refusal::Wait(_)) => 2,
            Some(Refusal::Host) => 3,
            Some(Refusal::Origin) => 4,
            #[allow(unreachable_patterns, reason = "whatever else there may be")]
            Some(Refusal::Unauthorized | Refusal::Wrong | _) => 1,
        };
        self.auth[result].fetch_add(1, Relaxed);
    }

    /// Somebody came back.
    pub(crate) fn resumed(&self, how: Resume) {
        self.resumes[how as usize].fetch_add(1, Relaxed);
    }

    /// Bytes came from a client that is not attached.
    pub(crate) fn received(&self, wire: Wire, bytes: usize) {
        let traffic = &self.shards[shard()].0[wire as usize];
        traffic.received.fetch_add(bytes as u64, Relaxed);
    }

    /// Somebody is attached, until the meter is dropped.
    pub(crate) fn attached(self: &Arc<Self>, wire: Wire) -> Meter {
        let meter = Meter {
            metrics: self.clone(),
            wire,
        };
        meter.traffic().attached.fetch_add(1, Relaxed);
        meter
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Accepted(Arc<Metrics>);

impl Drop for Accepted {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
}

/// Counts the bytes of one attachment.
#[derive(Debug)]
pub(crate) struct Meter {
    metrics: Arc<Metrics>,
    wire: Wire,
}

impl Meter {
    fn traffic(&self) -> &Traffic {
        &self.metrics.shards[shard()].0[self.wire as usize]
    }

    /// What it counts for.
    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }

    /// Bytes came from the client.
    pub(crate) fn received(&self, bytes: usize) {
        self.traffic().received.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes are on their way to the client.
    pub(crate) fn sent(&self, bytes: usize) {
        self.traffic().sent.fetch_add(bytes as u64, Relaxed);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.traffic().detached.fetch_add(1, Relaxed);
    }
}

/// This thread's set of counters.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Relaxed) % SHARDS;
    }
    MINE.with(|mine| *mine)
}
