//! What a client remembers from one connection to the next, so that output comes exactly once and input at most once
//! (docs/protocol.md, "Output, and coming back" and "Input: at most once"). Pure: no sockets, no clock.

use anywire_codec::dialect::native::{Hello, MAX_INPUT, Welcome};
use anywire_model::{Offset, Role, Size};

/// The most input, in bytes, that is kept for sending again. A caller takes no more while there is no room.
const MAX_UNACKNOWLEDGED: usize = 256 << 10;
/// Input bytes in one message: small enough that a Ctrl-C behind a paste is not held up.
const CHUNK: usize = 16 << 10;
const _: () = assert!(CHUNK <= MAX_INPUT);
/// Output that may be on its way: less than a log keeps, so that what a broken connection swallowed is still there.
const WINDOW: u64 = 1 << 20;
/// Output that is acknowledged at once.
const ACKNOWLEDGE: u64 = 128 << 10;

/// Output that does not begin where the last ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("output comes at offset {got}, expected {expected}")]
pub struct OutOfOrder {
    /// The next byte that was expected.
    pub expected: Offset,
    /// What came.
    pub got: Offset,
}

/// Where a client stands in a session's output and in its own input.
#[derive(Clone, Debug)]
pub struct Progress {
    session: Option<String>,
    client: u64,
    next: Option<Offset>,
    /// Output that this connection's server knows to have arrived.
    acknowledged: Offset,
    /// Input that the server has not acknowledged; the first byte's offset is `base`.
    kept: Vec<u8>,
    base: u64,
    /// Offset of the next byte to send on this connection.
    send: u64,
    /// Bytes before this offset were sent on some connection.
    ever_sent: u64,
    eof: Eof,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eof {
    Open,
    Wanted,
    Sent,
}

impl Progress {
    /// The start: attach to this session (the server decides without one) from this output offset on (from the
    /// screen as it is without one).
    ///
    /// # Panics
    /// When the kernel has no randomness to give.
    #[must_use]
    pub fn new(session: Option<String>, since: Option<Offset>) -> Self {
        let mut name = [0; 8];
        getrandom::fill(&mut name).expect("the kernel's random source works");
        Self {
            session,
            client: u64::from_ne_bytes(name),
            next: since,
            acknowledged: 0,
            kept: Vec::new(),
            base: 0,
            send: 0,
            ever_sent: 0,
            eof: Eof::Open,
        }
    }

    /// Offset of the next output byte; `None` before the first welcome without a `since`.
    #[must_use]
    pub fn next(&self) -> Option<Offset> {
        self.next
    }

    /// The session's id once it is known, before that what was asked for.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The next connection's first message.
    #[must_use]
    pub fn hello(&self, role: Option<Role>, size: Option<Size>) -> Hello {
        Hello {
            session: self.session.clone(),
            since: self.next,
            cols: size.map(|size| size.cols.into()),
            rows: size.map(|size| size.rows.into()),
            role,
            client: Some(self.client),
            window: Some(WINDOW),
            lag: None,
        }
    }

    /// Takes in the answer. Returns how many input bytes may or may not have arrived and are not sent again.
    pub fn welcomed(&mut self, welcome: &Welcome) -> u64 {
        self.session = Some(welcome.session.to_string());
        if self.next.is_none() {
            self.next = Some(welcome.from);
        }
        self.acknowledged = welcome.from;
        let mut uncertain = welcome.uncertain;
        if welcome.input < self.base {
            // The server forgot this client: what was once sent may have arrived, what never was goes out anew.
            let sent = (self.ever_sent.max(self.base) - self.base) as usize;
            self.kept.drain(..sent);
            uncertain += sent as u64;
            self.base = welcome.input;
            self.ever_sent = welcome.input;
        } else {
            self.acknowledged(welcome.input);
        }
        self.send = self.base;
        if self.eof == Eof::Sent {
            self.eof = Eof::Wanted;
        }
        uncertain
    }

    /// Output came.
    ///
    /// # Errors
    /// [`OutOfOrder`]: the server lost or repeated a byte.
    pub fn output(&mut self, offset: Offset, len: usize) -> Result<(), OutOfOrder> {
        self.expect(offset)?;
        self.next = Some(offset + len as u64);
        Ok(())
    }

    /// A keyframe came: output goes on at `offset`.
    pub fn keyframe(&mut self, offset: Offset) {
        self.next = Some(offset);
    }

    /// Output is gone, and says so.
    ///
    /// # Errors
    /// [`OutOfOrder`]: the gap does not begin where output ended.
    pub fn gap(&mut self, from: Offset, to: Offset) -> Result<(), OutOfOrder> {
        self.expect(from)?;
        self.next = Some(to);
        Ok(())
    }

    fn expect(&self, got: Offset) -> Result<(), OutOfOrder> {
        match self.next {
            Some(expected) if expected != got => Err(OutOfOrder { expected, got }),
            _ => Ok(()),
        }
    }

    /// The offset to acknowledge, when enough output has come since the last time.
    pub fn take_acknowledgement(&mut self) -> Option<Offset> {
        let next = self
            .next
            .filter(|next| next.saturating_sub(self.acknowledged) >= ACKNOWLEDGE)?;
        self.acknowledged = next;
        Some(next)
    }

    /// Whether more input may be taken.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.kept.len() < MAX_UNACKNOWLEDGED
    }

    /// Takes input to send.
    pub fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
    }

    /// There is no more input.
    pub fn close_input(&mut self) {
        if self.eof == Eof::Open {
            self.eof = Eof::Wanted;
        }
    }

    /// The next piece of input to send, once: its offset and bytes.
    pub fn take_unsent(&mut self) -> Option<(u64, &[u8])> {
        let from = (self.send - self.base) as usize;
        let piece = &self.kept[from..self.kept.len().min(from + CHUNK)];
        if piece.is_empty() {
            return None;
        }
        let offset = self.send;
        self.send += piece.len() as u64;
        self.ever_sent = self.ever_sent.max(self.send);
        Some((offset, piece))
    }

    /// Whether the end of input is to be sent now: true once on each connection, after all input.
    pub fn take_eof(&mut self) -> bool {
        let now = self.eof == Eof::Wanted && self.send == self.base + self.kept.len() as u64;
        if now {
            self.eof = Eof::Sent;
        }
        now
    }

    /// The server gave input before this offset to the program.
    pub fn acknowledged(&mut self, offset: u64) {
        let taken = offset.saturating_sub(self.base).min(self.kept.len() as u64);
        self.kept.drain(..taken as usize);
        self.base = self.base.max(offset);
        self.send = self.send.max(self.base);
        self.ever_sent = self.ever_sent.max(self.base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anywire_model::{Io, SessionId};
    use proptest::prelude::*;

    fn welcome(input: u64, uncertain: u64) -> Welcome {
        Welcome {
            session: SessionId::from_bytes([1; 16]),
            name: "shell-1".into(),
            service: "shell".into(),
            io: Io::Pty,
            role: Role::Owner,
            cols: 80,
            rows: 24,
            head: 9,
            from: 5,
            input,
            uncertain,
        }
    }

    #[test]
    fn output_is_gapless_from_the_welcome_on() {
        let mut progress = Progress::new(None, None);
        assert_eq!(progress.hello(None, None).since, None);
        progress.welcomed(&welcome(0, 0));
        progress.output(5, 4).unwrap();
        assert_eq!(
            progress.output(8, 1),
            Err(OutOfOrder {
                expected: 9,
                got: 8
            })
        );
        assert_eq!(
            progress.output(10, 1),
            Err(OutOfOrder {
                expected: 9,
                got: 10
            })
        );
        assert!(progress.gap(8, 20).is_err());
        progress.gap(9, 20).unwrap();
        progress.keyframe(50);
        progress.output(50, 1).unwrap();
        let hello = progress.hello(Some(Role::Viewer), Some(Size::DEFAULT));
        assert_eq!(
            (hello.since, hello.cols, hello.rows),
            (Some(51), Some(80), Some(24))
        );
        assert_eq!(
            hello.session.as_deref(),
            Some("01010101010101010101010101010101")
        );
    }

    #[test]
    fn the_end_of_input_follows_all_input_on_each_connection() {
        let mut progress = Progress::new(None, None);
        progress.push(b"ab");
        progress.close_input();
        assert!(!progress.take_eof());
        assert_eq!(progress.take_unsent(), Some((0, &b"ab"[..])));
        assert!(progress.take_eof() && !progress.take_eof());
        progress.welcomed(&welcome(1, 0));
        assert_eq!(progress.take_unsent(), Some((1, &b"b"[..])));
        assert!(progress.take_eof());
    }

    #[test]
    fn a_server_that_forgot_gets_only_what_was_never_sent() {
        let mut progress = Progress::new(None, None);
        progress.push(b"abcdef");
        progress.take_unsent();
        progress.acknowledged(4);
        progress.push(b"gh");
        assert_eq!(progress.welcomed(&welcome(0, 0)), 2);
        assert_eq!(progress.take_unsent(), Some((0, &b"gh"[..])));
    }

    proptest! {
        /// A server that loses connections at will, and tells the truth, takes every byte once and in order.
        #[test]
        fn input_arrives_once(script in prop::collection::vec((0..5u8, 1..40_000usize), 1..60)) {
            let (mut progress, mut typed, mut taken) = (Progress::new(None, None), Vec::new(), Vec::new());
            for (step, len) in script {
                match step {
                    0 => {
                        let bytes: Vec<u8> = (0..len).map(|i| (typed.len() + i) as u8).collect();
                        progress.push(&bytes);
                        typed.extend(bytes);
                    }
                    1 | 2 => {
                        if let Some((offset, bytes)) = progress.take_unsent() {
                            prop_assert_eq!(offset, taken.len() as u64);
                            taken.extend_from_slice(bytes);
                        }
                    }
                    // Sent, and lost on the way.
                    3 => {
                        progress.take_unsent();
                        progress.welcomed(&welcome(taken.len() as u64, 0));
                    }
                    _ => progress.acknowledged(taken.len() as u64),
                }
            }
            progress.welcomed(&welcome(taken.len() as u64, 0));
            while let Some((_, bytes)) = progress.take_unsent() {
                taken.extend_from_slice(bytes);
            }
            prop_assert_eq!(taken, typed);
        }
    }
}
