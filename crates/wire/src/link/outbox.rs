//! Bytes that the peer did not take yet.

use super::{End, Socket};

/// What waits to be written. Owns memory only while something does.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    written: usize,
}

impl Outbox {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes as much as the socket takes and keeps the rest.
    pub(super) fn send(&mut self, socket: &mut Socket, bytes: &[u8]) -> Result<(), End> {
        let written = if bytes.is_empty() || !self.is_empty() {
            0
        } else {
            socket.try_write(bytes).map_err(|_| End::Gone)?.unwrap_or(0)
        };
        if written < bytes.len() {
            self.bytes.extend_from_slice(&bytes[written..]);
        }
        Ok(())
    }

    /// Writes what waits; true if the peer took something.
    pub(super) fn flush(&mut self, socket: &mut Socket) -> Result<bool, End> {
        let before = self.len();
        while !self.is_empty() {
            let waiting = &self.bytes[self.written..];
            match socket.try_write(waiting).map_err(|_| End::Gone)? {
                None => return Ok(self.len() < before),
                Some(n) => self.written += n,
            }
        }
        *self = Self::default();
        Ok(before > 0)
    }
}
