//! Answers that the peer did not take yet.

use crate::link::Socket;
use std::io;

/// What waits to be written. Owns memory only while something does.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) bytes: Vec<u8>,
    written: usize,
    /// Bytes that are no longer here, since they were all written.
    gone: u64,
}

impl Outbox {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// How many bytes there ever were.
    pub(super) fn total(&self) -> u64 {
        self.gone + self.bytes.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes as much as the socket takes; true if that was anything.
    pub(super) fn flush(&mut self, socket: &mut Socket) -> io::Result<bool> {
        let before = self.len();
        while !self.is_empty() {
            match socket.try_write(&self.bytes[self.written..])? {
                None => return Ok(self.len() < before),
                Some(0) => return Err(io::ErrorKind::WriteZero.into()),
                Some(n) => self.written += n,
            }
        }
        *self = Self {
            gone: self.total(),
            ..Self::default()
        };
        Ok(before > 0)
    }
}
