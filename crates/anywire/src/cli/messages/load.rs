//! One connection of `connect`: sends messages ahead of their answers, and checks every byte that comes back.

use super::histogram::Histogram;
use super::talk::{self, LIMITS, Stream, Talk, TalkError, Way};
use super::url::Protocol;
use anywire_codec::framed::{Limits, Next, Reader, Reply};
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, WriteHalf};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Messages that may be on their way on one connection.
const WINDOW: usize = 64;
/// Bytes that may wait to be written.
const WAITING: usize = 256 << 10;
/// Bytes that are read at once.
const READ: usize = 64 << 10;
/// How long nothing at all may come back.
const STALL: Duration = Duration::from_secs(30);
/// Bytes of an error reply.
const ERROR: u64 = 16 << 10;
/// The type of framed messages.
const TYPE: &str = "binary/message";

/// What every connection does.
pub(super) struct Plan {
    pub(super) way: Way,
    pub(super) password: Option<String>,
    /// The messages, one after the other, again and again.
    pub(super) messages: Vec<Vec<u8>>,
    /// How many to send on each connection; `None` until told to stop.
    pub(super) count: Option<u64>,
    /// The time between two messages of a connection.
    pub(super) pace: Option<Duration>,
    /// Whether a line is printed for everything that happens.
    pub(super) verbose: bool,
    /// Nothing more is sent after this.
    pub(super) stop: CancellationToken,
    /// So many may connect at the same time.
    pub(super) doors: Semaphore,
    pub(super) progress: Progress,
}

/// Live figures of all connections.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) open: AtomicU64,
    pub(super) back: AtomicU64,
}

/// How a connection went.
pub(super) struct Outcome {
    pub(super) number: usize,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) latency: Histogram,
    pub(super) error: Option<String>,
}

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Talk(#[from] TalkError),
    #[error("what came back is not what was sent")]
    Different,
    #[error("more came back than was sent")]
    More,
    #[error("nothing came back for 30 seconds")]
    Stalled,
    #[error("the server answered: {0}")]
    Refused(String),
    #[error("it was to stop before it was connected")]
    Unconnected,
}

/// Runs one connection to its end.
pub(super) async fn run(plan: Arc<Plan>, number: usize) -> Outcome {
    let mut load = Load {
        outcome: Outcome {
            number,
            sent_bytes: 0,
            received_bytes: 0,
            sent: 0,
            received: 0,
            latency: Histogram::new(),
            error: None,
        },
        encoded: encode(&plan),
        out: Vec::new(),
        input: Vec::with_capacity(READ),
        flying: VecDeque::new(),
        matched: 0,
        reader: Reader::new(limits(&plan.messages)),
        plan,
    };
    if let Err(error) = load.all().await {
        load.outcome.error = Some(error.to_string());
        load.say(&error.to_string());
    }
    load.outcome
}

/// The messages as they go over the wire.
fn encode(plan: &Plan) -> Vec<Vec<u8>> {
    let encode = |message: &Vec<u8>| match plan.way.url.protocol {
        Protocol::Raw => message.clone(),
        Protocol::Framed => {
            let mut out = Vec::new();
            let reply = Reply::binary(TYPE, message.clone());
            reply.write(true, None, &mut out).expect("a short header");
            out
        }
    };
    plan.messages.iter().map(encode).collect()
}

/// Writes some of these bytes; without any, what was written before goes out of our hands.
async fn send(write: &mut WriteHalf<Box<dyn Stream>>, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        write.flush().await?;
        return Ok(0);
    }
    match write.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        n => Ok(n),
    }
}

/// A connection, when it is its turn.
async fn open(plan: &Plan) -> Result<Box<dyn Stream>, TalkError> {
    let _door = plan.doors.acquire().await;
    let password = plan.password.as_deref();
    match plan.way.url.protocol {
        Protocol::Raw => talk::open(&plan.way, None).await,
        Protocol::Framed => {
            let talk = Talk::open(&plan.way, password, talk::CONNECT).await?;
            Ok(talk.into_stream())
        }
    }
}

/// What a server may say to these messages: the same, or what is wrong.
fn limits(messages: &[Vec<u8>]) -> Limits {
    let longest = messages.iter().map(Vec::len).max().unwrap_or_default();
    Limits {
        content: (longest as u64).max(ERROR),
        ..LIMITS
    }
}

struct Load {
    plan: Arc<Plan>,
    outcome: Outcome,
    encoded: Vec<Vec<u8>>,
    out: Vec<u8>,
    input: Vec<u8>,
    /// When the messages without an answer were sent, oldest first.
    flying: VecDeque<Instant>,
    /// Raw bytes of the oldest that have come back.
    matched: usize,
    reader: Reader,
}

impl Load {
    fn say(&self, what: &str) {
        if self.plan.verbose {
            // Who reads the lines may have seen enough.
            let _ = writeln!(io::stdout(), "connection {}: {what}", self.outcome.number);
        }
    }

    async fn all(&mut self) -> Result<(), LoadError> {
        let plan = self.plan.clone();
        self.say(&format!("starting to {}", plan.way.url));
        let stream = tokio::select! {
            opened = open(&plan) => opened?,
            () = plan.stop.cancelled() => return Err(LoadError::Unconnected),
        };
        plan.progress.open.fetch_add(1, Ordering::Relaxed);
        let done = self.exchange(stream, &plan).await;
        plan.progress.open.fetch_sub(1, Ordering::Relaxed);
        done?;
        self.say("closed");
        Ok(())
    }

    async fn exchange(&mut self, stream: Box<dyn Stream>, plan: &Plan) -> Result<(), LoadError> {
        let (mut read, mut write) = tokio::io::split(stream);
        let start = Instant::now();
        let mut heard = start;
        // What TLS has enciphered may still be on this side.
        let mut holds = false;
        loop {
            let next = self.fill(plan, start);
            if self.flying.is_empty() && next.is_none() {
                let _ = write.shutdown().await;
                return Ok(());
            }
            let stalled = heard + STALL;
            tokio::select! {
                got = read.read_buf(&mut self.input) => {
                    let n = got.map_err(TalkError::Io)?;
                    if n == 0 {
                        return Err(TalkError::Closed.into());
                    }
                    heard = Instant::now();
                    self.received(n, heard)?;
                }
                sent = send(&mut write, &self.out), if holds || !self.out.is_empty() => {
                    let n = sent.map_err(TalkError::Io)?;
                    holds = n > 0 && plan.way.tls.is_some();
                    self.out.drain(..n);
                    self.outcome.sent_bytes += n as u64;
                }
                () = sleep_until(next.unwrap_or(stalled)), if next.is_some() => {}
                () = plan.stop.cancelled(), if next.is_some() => {}
                () = sleep_until(stalled), if !self.flying.is_empty() => return Err(LoadError::Stalled),
            }
            if self.flying.is_empty() {
                // Waiting for the next message's time is no stall.
                heard = Instant::now();
            }
        }
    }

    /// Queues the messages that may be sent now. Returns when the next one may be, if that is a question of time.
    fn fill(&mut self, plan: &Plan, start: Instant) -> Option<Instant> {
        let now = Instant::now();
        loop {
            let is_done = plan.count.is_some_and(|count| self.outcome.sent >= count);
            if is_done || plan.stop.is_cancelled() {
                return None;
            }
            let due = plan.pace.map_or(start, |pace| {
                let sent = u32::try_from(self.outcome.sent).unwrap_or(u32::MAX);
                start + pace.saturating_mul(sent)
            });
            if due > now {
                return Some(due);
            }
            if self.flying.len() >= WINDOW || self.out.len() >= WAITING {
                return None;
            }
            let index = (self.outcome.sent % self.encoded.len() as u64) as usize;
            self.out.extend_from_slice(&self.encoded[index]);
            self.flying.push_back(now);
            self.outcome.sent += 1;
            if plan.verbose {
                let message = plan.messages[index].escape_ascii();
                self.say(&format!("sending \"{message}\""));
            }
        }
    }

    /// Checks the `n` bytes that came last.
    fn received(&mut self, n: usize, now: Instant) -> Result<(), LoadError> {
        self.outcome.received_bytes += n as u64;
        if self.plan.verbose {
            let bytes = &self.input[self.input.len() - n..];
            self.say(&format!("received {n} bytes: \"{}\"", bytes.escape_ascii()));
        }
        let before = self.outcome.received;
        match self.plan.way.url.protocol {
            Protocol::Raw => self.raw(now)?,
            Protocol::Framed => self.framed(now)?,
        }
        let back = self.outcome.received - before;
        self.plan.progress.back.fetch_add(back, Ordering::Relaxed);
        Ok(())
    }

    fn raw(&mut self, now: Instant) -> Result<(), LoadError> {
        let mut at = 0;
        while at < self.input.len() {
            if self.flying.is_empty() {
                return Err(LoadError::More);
            }
            let index = (self.outcome.received % self.encoded.len() as u64) as usize;
            let rest = &self.encoded[index][self.matched..];
            let here = rest.len().min(self.input.len() - at);
            if rest[..here] != self.input[at..at + here] {
                return Err(LoadError::Different);
            }
            (at, self.matched) = (at + here, self.matched + here);
            if here == rest.len() {
                self.matched = 0;
                self.came_back(now);
            }
        }
        self.input.clear();
        Ok(())
    }

    fn framed(&mut self, now: Instant) -> Result<(), LoadError> {
        let mut at = 0;
        while let Next::Message { used, message } = self
            .reader
            .message(&self.input[at..])
            .map_err(TalkError::Frame)?
        {
            if let Some(error) = talk::error(&message) {
                return Err(LoadError::Refused(error));
            }
            if self.flying.is_empty() {
                return Err(LoadError::More);
            }
            let index = (self.outcome.received % self.encoded.len() as u64) as usize;
            if message.content != self.plan.messages[index] || message.header.content_type != TYPE {
                return Err(LoadError::Different);
            }
            at += used;
            self.came_back(now);
        }
        self.input.drain(..at);
        Ok(())
    }

    fn came_back(&mut self, now: Instant) {
        if let Some(sent) = self.flying.pop_front() {
            self.outcome.latency.add(now - sent);
        }
        self.outcome.received += 1;
    }
}
