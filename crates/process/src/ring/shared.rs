//! A log in shared memory. It survives the server: a new one maps it, checks it and goes on.

use super::layout::{
    AT_CREATED, AT_HEAD, AT_MAGIC, AT_MARK_RING, AT_MARKS, AT_RING, AT_RING_LEN, AT_SIZE,
    AT_VERSION, MAGIC, MARKS, VERSION,
};
use super::{Gone, Size};
use crate::memory::Memory;
use anywire_model::{Mark, MarkKind, Offset};
use parking_lot::RwLock;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Marks that count: the place of the oldest is being written while the next one is put.
const MARKS_KEPT: u64 = MARKS - 1;

/// The mapping and the lock that keeps a reader from copying what the writer overwrites.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) memory: Memory,
    /// Writers hold it while they change the ring, marks or slots; readers while they copy. Never over an await.
    pub(super) order: RwLock<()>,
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the log's memory is damaged: {what}"),
    )
}

impl Shared {
    pub(super) fn open(fd: BorrowedFd<'_>, size: Size) -> io::Result<Self> {
        let memory = Memory::map(fd)?;
        let ring_len = memory
            .len()
            .checked_sub(AT_RING)
            .ok_or_else(|| invalid("too small"))? as u64;
        if !ring_len.is_power_of_two() || ring_len < 4096 {
            return Err(invalid("the ring is not a power of two"));
        }
        let shared = Self {
            memory,
            order: RwLock::new(()),
        };
        // Nothing is written before the header is whole, so a log without one is empty.
        if [AT_MAGIC, AT_HEAD, AT_MARKS].map(|at| shared.word(at)) == [0; 3] {
            shared.begin(ring_len, size);
        } else {
            shared.validate(ring_len)?;
        }
        Ok(shared)
    }

    fn begin(&self, ring_len: u64, size: Size) {
        self.memory.word(AT_VERSION).store(VERSION, Relaxed);
        self.memory.word(AT_RING_LEN).store(ring_len, Relaxed);
        self.memory.word(AT_SIZE).store(pack_size(size), Relaxed);
        self.memory
            .word(AT_CREATED)
            .store(crate::boottime_ms(), Relaxed);
        // Last, so that a half-written header counts as none.
        self.memory.word(AT_MAGIC).store(MAGIC, Release);
    }

    fn validate(&self, ring_len: u64) -> io::Result<()> {
        let wrong = [
            (self.word(AT_MAGIC) != MAGIC, "not a log"),
            (self.word(AT_VERSION) != VERSION, "of another version"),
            (
                self.word(AT_RING_LEN) != ring_len,
                "ring size and memory size differ",
            ),
            (self.word(AT_HEAD) > 1 << 62, "head out of range"),
            (self.word(AT_MARKS) > 1 << 62, "marks out of range"),
            (
                unpack_size(self.word(AT_SIZE)).is_none(),
                "size out of range",
            ),
        ];
        match wrong.iter().find(|(is, _)| *is) {
            Some((_, what)) => Err(invalid(what)),
            None => Ok(()),
        }
    }

    fn word(&self, at: usize) -> u64 {
        self.memory.word(at).load(Acquire)
    }

    pub(super) fn ring_len(&self) -> u64 {
        (self.memory.len() - AT_RING) as u64
    }

    pub(crate) fn head(&self) -> Offset {
        self.word(AT_HEAD)
    }

    /// The later of the ring's and the marks' tails: bytes whose marks are gone cannot be told apart any more.
    pub(super) fn tail(&self) -> Offset {
        let head = self.head();
        let by_bytes = head.saturating_sub(self.ring_len());
        let oldest_mark = self.marks().saturating_sub(MARKS_KEPT);
        let by_marks = if oldest_mark == 0 {
            0
        } else {
            self.mark(oldest_mark).map_or(0, |mark| mark.offset)
        };
        // A damaged mark may lie anywhere.
        by_bytes.max(by_marks).min(head)
    }

    pub(super) fn first_size(&self) -> Size {
        unpack_size(self.word(AT_SIZE)).unwrap_or_default()
    }

    pub(super) fn created_ms(&self) -> u64 {
        self.word(AT_CREATED)
    }

    pub(super) fn read(&self, from: Offset, max: usize, out: &mut Vec<u8>) -> Result<usize, Gone> {
        let _reading = self.order.read();
        let (tail, head) = (self.tail(), self.head());
        if from < tail {
            return Err(Gone { tail });
        }
        let len = usize::try_from(head.saturating_sub(from))
            .unwrap_or(usize::MAX)
            .min(max);
        let (first, second) = self.pieces(from, len);
        self.memory.copy_out(first.0, first.1, out);
        self.memory.copy_out(second.0, second.1, out);
        Ok(len)
    }

    pub(super) fn has_none_of(&self, from: Offset, len: usize, bytes: [u8; 3]) -> bool {
        let _reading = self.order.read();
        let end = from.saturating_add(len as u64);
        if from < self.tail() || end > self.head() || len as u64 > self.ring_len() {
            return false;
        }
        let (first, second) = self.pieces(from, len);
        [first, second]
            .into_iter()
            .all(|(at, len)| self.memory.has_none_of(at, len, bytes))
    }

    /// Where `len` bytes from `offset` on lie: up to the ring's end, and the rest from its beginning.
    fn pieces(&self, offset: Offset, len: usize) -> ((usize, usize), (usize, usize)) {
        let ring_len = self.ring_len() as usize;
        let at = (offset & (self.ring_len() - 1)) as usize;
        let first = len.min(ring_len - at);
        ((AT_RING + at, first), (AT_RING, len - first))
    }

    pub(super) fn append(&self, bytes: &[u8]) {
        for chunk in bytes.chunks(self.ring_len() as usize / 2) {
            let _writing = self.order.write();
            let head = self.head();
            let (first, second) = self.pieces(head, chunk.len());
            self.memory.copy_in(first.0, &chunk[..first.1]);
            self.memory.copy_in(second.0, &chunk[first.1..]);
            self.set_head(head + chunk.len() as u64);
        }
    }

    fn set_head(&self, head: Offset) {
        self.memory.word(AT_HEAD).store(head, Release);
    }

    /// Moves exactly `len` bytes that lie in the staging pipe to offset `start`, then says that they are there.
    /// `start` is the head, except after a crash that happened in the middle of this.
    pub(crate) fn take_staged(
        &self,
        pipe: BorrowedFd<'_>,
        start: Offset,
        len: usize,
    ) -> io::Result<()> {
        let _writing = self.order.write();
        let (first, second) = self.pieces(start, len);
        for (mut at, mut left) in [first, second] {
            while left > 0 {
                let taken = self.memory.read_from(pipe, at, left)?;
                if taken == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                at += taken;
                left -= taken;
                crate::points::at("mid-read");
            }
        }
        crate::points::at("before-publish");
        self.set_head(start + len as u64);
        Ok(())
    }

    /// Sets the head to `head` after a crash: the bytes up to there are in the ring already.
    pub(crate) fn recover_head(&self, head: Offset) {
        let _writing = self.order.write();
        self.set_head(head);
    }

    pub(super) fn marks(&self) -> u64 {
        self.word(AT_MARKS)
    }

    pub(super) fn mark(&self, index: u64) -> Option<Mark> {
        let marks = self.marks();
        if index >= marks || index < marks.saturating_sub(MARKS_KEPT) {
            return None;
        }
        let at = AT_MARK_RING + (index % MARKS) as usize * Mark::LEN;
        let mut bytes = [0; Mark::LEN];
        for (word, target) in bytes.chunks_exact_mut(8).enumerate() {
            target.copy_from_slice(&self.word(at + word * 8).to_ne_bytes());
        }
        // Read while its place was taken by a later one? Then it no longer counts.
        (index >= self.marks().saturating_sub(MARKS_KEPT)).then(|| Mark::from_bytes(&bytes))?
    }

    pub(super) fn put_mark(&self, kind: MarkKind, at_ms: u64) {
        let _writing = self.order.write();
        self.put_mark_locked(kind, at_ms);
    }

    fn put_mark_locked(&self, kind: MarkKind, at_ms: u64) {
        let marks = self.marks();
        let at = AT_MARK_RING + (marks % MARKS) as usize * Mark::LEN;
        let bytes = Mark {
            offset: self.head(),
            kind,
            at_ms,
        }
        .to_bytes();
        for (word, source) in bytes.chunks_exact(8).enumerate() {
            let value = u64::from_ne_bytes(source.try_into().expect("eight bytes"));
            self.memory.word(at + word * 8).store(value, Relaxed);
        }
        self.memory.word(AT_MARKS).store(marks + 1, Release);
    }
}

pub(super) fn pack_size(size: Size) -> u64 {
    u64::from(size.cols) << 32 | u64::from(size.rows)
}

pub(super) fn unpack_size(word: u64) -> Option<Size> {
    Size::checked(word >> 32, word & 0xffff_ffff)
}
