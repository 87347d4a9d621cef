//! The second act: bytes both ways until one side ends.
//!
//! Every wake-up is followed by both directions, so neither can starve the other; output goes in turns of bounded
//! length with a yield between them, so no connection can starve its neighbours.

use super::socket::Ways;
use super::{End, Link, scratch};
use crate::dialect::{Event, Frames};
use crate::{Stderr, limits};
use anywire_model::{CloseReason, Stream};
use anywire_session::{Attachment, Output};
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How a turn of output ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nothing more to send, or nothing more may be sent.
    Idle,
    /// There is more, but others shall have their turn.
    More,
}

/// Why the pump woke up.
enum Wake {
    Socket(std::io::Result<Ways>),
    Program,
    Timer,
}

/// Signs of life of a WebSocket's peer.
struct Life {
    next: Instant,
    misses: u8,
    /// It has ended its input, and `next` is when it is sent no more.
    leaving: bool,
}

impl Link {
    /// Moves bytes until the connection is to end.
    pub(super) async fn pump(
        &mut self,
        mut attachment: Box<Attachment>,
        shutdown: &CancellationToken,
    ) -> Box<End> {
        if let Err(end) = self.welcome(&attachment) {
            return Box::new(end);
        }
        let mut life = Life::new();
        let mut stop = pin!(shutdown.cancelled());
        let mut timer = pin!(sleep_until(life.next));
        loop {
            match self.turn(&mut attachment) {
                Ok(Turn::Idle) => {}
                Ok(Turn::More) => tokio::task::yield_now().await,
                Err(end) => return Box::new(end),
            }
            let (ways, output) = (self.wanted(), self.may_write());
            let input = self.talk.is_blocked();
            let wake = tokio::select! {
                biased;
                // The server stops: nothing is more urgent.
                () = &mut stop => return Box::new(End::Shutdown),
                // The peer: a key that is pressed goes before the flood that it may stop.
                ready = self.socket.ready(ways) => Wake::Socket(ready),
                () = program(&mut attachment, output, input) => Wake::Program,
                () = &mut timer, if self.has_timer() => Wake::Timer,
            };
            let done = match wake {
                Wake::Socket(Ok(ready)) => self.socket_turn(ready, &mut attachment),
                Wake::Socket(Err(_)) => Err(End::Gone),
                Wake::Program => Ok(()),
                Wake::Timer if self.wrap().is_framed() => self.tick(&mut life),
                Wake::Timer => self.leave(&mut life, &mut attachment),
            };
            if let Err(end) = done {
                return Box::new(end);
            }
            if self.inbox.ended && !std::mem::replace(&mut life.leaving, true) {
                life.next = Instant::now() + self.patience();
            }
            if timer.deadline() != life.next {
                timer.as_mut().reset(life.next);
            }
        }
    }

    /// Goes on with what had to wait, and sends what there is.
    fn turn(&mut self, attachment: &mut Attachment) -> Result<Turn, End> {
        self.catch_up(attachment)?;
        self.write_turn(attachment)
    }

    fn socket_turn(&mut self, ready: Ways, attachment: &mut Attachment) -> Result<(), End> {
        if ready.write && self.outbox.flush(&mut self.socket)? {
            self.talk.heard = true;
        }
        if ready.read && self.may_read() {
            self.read_turn(attachment)?;
        }
        Ok(())
    }

    /// What to wait for at the socket.
    fn wanted(&self) -> Ways {
        Ways {
            read: self.may_read(),
            write: !self.outbox.is_empty(),
        }
    }

    /// Whether output may be sent now: the peer took what came before, and its dialect wants more.
    fn may_write(&self) -> bool {
        self.outbox.is_empty() && self.talk.dialect.allowance() > 0
    }

    /// Whether time matters: a WebSocket's peer gives signs of life, and who has ended its input may be sent output for
    /// a while only.
    fn has_timer(&self) -> bool {
        let leaving = self.inbox.asked || self.linger().is_some();
        self.wrap().is_framed() || self.inbox.ended && leaving
    }

    /// How long output flows to a peer that has ended its input; who was given a program of its own gets all of it.
    fn linger(&self) -> Option<Duration> {
        let otherwise = (!self.is_own()).then_some(limits::LINGER_SHARED);
        self.context.listener.linger.or(otherwise)
    }

    /// How long it is waited for what becomes of a peer that has ended its input.
    fn patience(&self) -> Duration {
        if self.inbox.asked {
            limits::ANSWER
        } else {
            self.linger().unwrap_or_default()
        }
    }

    /// A peer that has ended its input is not gone, or has been sent output for long enough.
    fn leave(&mut self, life: &mut Life, attachment: &mut Attachment) -> Result<(), End> {
        if !std::mem::take(&mut self.inbox.asked) {
            return Err(End::Closed(CloseReason::Detached));
        }
        // The first of these reached nobody if the second fails.
        if let Some(question) = self
            .framing
            .are_you_there()
            .filter(|_| self.outbox.is_empty())
        {
            self.outbox.send(&mut self.socket, question)?;
        }
        self.end_input(attachment);
        life.next = Instant::now() + self.patience();
        Ok(())
    }

    fn welcome(&mut self, attachment: &Attachment) -> Result<(), End> {
        scratch::with(|scratch| {
            let mut frames = Frames {
                wrap: self.wrap(),
                out: &mut scratch.output,
            };
            self.framing.begin(attachment, frames.out);
            self.talk.begin(attachment, &mut frames);
            self.outbox.send(&mut self.socket, &scratch.output)
        })
    }

    /// Sends output until there is none, the peer takes no more, or the turn is over.
    fn write_turn(&mut self, attachment: &mut Attachment) -> Result<Turn, End> {
        scratch::with(|scratch| {
            let mut left = limits::TURN;
            while self.may_write() {
                if left == 0 {
                    return Ok(Turn::More);
                }
                let (out, mut idle) = (&mut scratch.output, false);
                out.clear();
                while !idle && out.len() < limits::CHUNK && self.talk.dialect.allowance() > 0 {
                    match self.write_next(attachment, out) {
                        Ok(more) => idle = !more,
                        Err(end) => {
                            // What came before the end is sent before it is told.
                            self.record.sent(out.len());
                            self.outbox.send(&mut self.socket, out)?;
                            return Err(end);
                        }
                    }
                }
                left = left.saturating_sub(out.len());
                if !out.is_empty() {
                    self.record.sent(out.len());
                }
                self.outbox.send(&mut self.socket, out)?;
                if idle {
                    break;
                }
            }
            Ok(Turn::Idle)
        })
    }

    /// Appends the next thing to `out`; false if there is none.
    fn write_next(&mut self, attachment: &mut Attachment, out: &mut Vec<u8>) -> Result<bool, End> {
        let (wrap, dialect) = (self.framing.wrap(), &mut self.talk.dialect);
        let start = wrap.begin(out);
        let (from, prefix) = (wrap.payload(start), dialect.prefix());
        out.resize(from + prefix, 0);
        let max = limits::CHUNK.min(dialect.allowance());
        let output = attachment.next(out, max);
        if let Output::Bytes {
            offset,
            stream,
            len,
        } = output
        {
            let drops = self.context.listener.stderr == Stderr::Drop;
            if stream == Stream::Err && drops && !dialect.tells_streams() {
                out.truncate(start);
                return Ok(true);
            }
            if dialect.translates() {
                let bytes = out.split_off(from);
                out.truncate(start);
                dialect.output(&bytes, &mut Frames { wrap, out });
                return Ok(true);
            }
            dialect.fill_prefix(&mut out[from..from + prefix], stream, offset, len);
            wrap.finish(start, out);
            self.framing.translate(out, from);
            return Ok(true);
        }
        out.truncate(start);
        let mut frames = Frames { wrap, out };
        match output {
            Output::Pending => return Ok(false),
            Output::Closed(reason) => return Err(End::Closed(reason)),
            Output::Resize { size, offset } => {
                dialect.event(Event::Resize { size, offset }, &mut frames);
            }
            Output::Keyframe { offset, dump, .. } => {
                let dump = &dump;
                dialect.event(Event::Keyframe { offset, dump }, &mut frames);
            }
            Output::Gap { from, to } => dialect.event(Event::Gap { from, to }, &mut frames),
            Output::Bytes { .. } => {}
        }
        Ok(true)
    }

    /// Asks the peer of a WebSocket for a sign of life; an error if it gave none for too long.
    fn tick(&mut self, life: &mut Life) -> Result<(), End> {
        life.next = Instant::now() + limits::PING;
        // While nothing is read, no sign can be seen.
        if std::mem::take(&mut self.talk.heard) || !self.may_read() && self.talk.is_blocked() {
            life.misses = 0;
        } else {
            life.misses += 1;
        }
        // The first miss is a silence in which nothing was asked.
        if life.misses > limits::PING_MISSES {
            return Err(End::Gone);
        }
        if self.outbox.is_empty() {
            let mut out = Vec::new();
            Frames {
                wrap: self.wrap(),
                out: &mut out,
            }
            .ping();
            self.outbox.send(&mut self.socket, &out)?;
        }
        Ok(())
    }
}

impl Life {
    /// The first ping comes a little earlier or later, so that many connections do not wake up together.
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let spread = COUNT.fetch_add(1, Ordering::Relaxed) * 797 % 5000;
        Self {
            next: Instant::now() + limits::PING - Duration::from_millis(spread),
            misses: 0,
            leaving: false,
        }
    }
}

/// Waits until the program has output to send, or takes input again, as far as one of them is wanted.
async fn program(attachment: &mut Attachment, output: bool, input: bool) {
    match (output, input) {
        (true, false) => attachment.ready().await,
        (false, true) => Box::pin(attachment.input_ready()).await,
        // Both at once would borrow the attachment twice. A program that takes no input is rare and not in a hurry.
        (true, true) => {
            let _ = Box::pin(timeout(limits::BLOCKED_TICK, attachment.input_ready())).await;
        }
        (false, false) => pending().await,
    }
}
