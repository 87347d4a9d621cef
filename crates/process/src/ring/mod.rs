//! A session's log: an append-only stream of output bytes with absolute offsets, of which the last part is kept.
//!
//! Programs get a ring in shared memory that the supervisor holds too, so it outlives the server. Handlers get one on
//! the heap that grows with what is written. Either way one writer appends, any number of readers copy out from an
//! offset, and [`Progress`] tells them how far the log reaches and whether it has ended.

mod heap;
mod layout;
mod page;
mod shared;

pub use page::{Checkpoint, INPUT_CLIENTS, InputCount};
pub(crate) use shared::Shared;

use crate::running::{Progress, Watcher};
use anywire_model::{ExitReason, Mark, MarkKind, Offset, Size};
use heap::Heap;
use parking_lot::Mutex;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Output bytes kept by default.
pub const DEFAULT_RING_LEN: usize = 2 << 20;
/// The least that is kept: twice what a screen may hold back of a sequence that does not end, since output stops at a
/// ring's length behind the last checkpoint.
pub const RING_LEN_MIN: usize = 128 << 10;
/// Bytes a checkpoint may have.
pub const CHECKPOINT_MAX: usize = layout::CHECKPOINT_BODY_LEN;
/// Marks kept.
pub const MARKS_MAX: u64 = layout::MARKS - 1;
/// Bytes that the session page may hold.
pub const PAGE_MAX: usize = layout::SLOT_BODY_LEN;

/// The bytes asked for are no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log now begins at {tail}")]
pub struct Gone {
    /// The oldest offset that can be read.
    pub tail: Offset,
}

/// A log. Shared by its writer and all readers.
pub struct Ring {
    store: Store,
    /// What readers have been told: the head, and whether the log has ended.
    told: AtomicU64,
    ended: AtomicBool,
    bell: Notify,
    exit: OnceLock<ExitReason>,
    watcher: OnceLock<Weak<dyn Watcher>>,
    watch_from: AtomicU64,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Store {
    Shared(Shared),
    /// Boxed, so that programs' logs do not carry its size.
    Heap(Box<Mutex<Heap>>),
}

/// Makes the memory of a program's log: a sealed memfd with a ring of `ring_len` bytes (rounded up to a power of two,
/// at least [`RING_LEN_MIN`]).
///
/// # Errors
/// When the kernel refuses (descriptors or memory used up).
pub fn create_memory(ring_len: usize) -> io::Result<OwnedFd> {
    let ring_len = ring_len.max(RING_LEN_MIN).next_power_of_two();
    crate::memory::create("anywire-log", layout::AT_RING + ring_len)
}

impl Ring {
    /// Maps a program's log. Memory that was never used becomes a log that begins with `size`; memory that holds one is
    /// checked field by field.
    ///
    /// # Errors
    /// When the memory cannot be mapped or does not hold a log of this version.
    pub fn open(memory: BorrowedFd<'_>, size: Size) -> io::Result<Self> {
        Ok(Self::with(Store::Shared(Shared::open(memory, size)?)))
    }

    /// A log on the heap that keeps at most `keep` bytes once everybody has read them ([`Ring::release`]), and at most
    /// `max` in any case.
    #[must_use]
    pub fn heap(size: Size, keep: usize, max: usize) -> Self {
        Self::with(Store::Heap(Box::new(Mutex::new(Heap::new(
            size, keep, max,
        )))))
    }

    fn with(store: Store) -> Self {
        let head = match &store {
            Store::Shared(shared) => shared.head(),
            Store::Heap(_) => 0,
        };
        Self {
            store,
            told: AtomicU64::new(head),
            ended: AtomicBool::new(false),
            bell: Notify::new(),
            exit: OnceLock::new(),
            watcher: OnceLock::new(),
            watch_from: AtomicU64::new(u64::MAX),
        }
    }

    /// The offset after the last byte.
    #[must_use]
    pub fn head(&self) -> Offset {
        match &self.store {
            Store::Shared(shared) => shared.head(),
            Store::Heap(heap) => heap.lock().head(),
        }
    }

    /// The oldest offset that can be read.
    #[must_use]
    pub fn tail(&self) -> Offset {
        match &self.store {
            Store::Shared(shared) => shared.tail(),
            Store::Heap(heap) => heap.lock().tail(),
        }
    }

    /// How many bytes the ring keeps.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        match &self.store {
            Store::Shared(shared) => shared.ring_len(),
            Store::Heap(heap) => heap.lock().max() as u64,
        }
    }

    /// Waits for the next change: output, a mark, the end, or room. Call [`Notified::enable`] first, then look, then
    /// wait: what happens in between is not missed.
    pub fn changed(&self) -> Notified<'_> {
        self.bell.notified()
    }

    /// How far the log reaches, and whether it has ended.
    #[must_use]
    pub fn progress(&self) -> Progress {
        // In this order: a log that has ended grows no more.
        let ended = self.ended.load(Ordering::Acquire);
        Progress {
            head: self.told.load(Ordering::Acquire),
            ended,
        }
    }

    /// Appends at most `max` bytes from `from` on to `out` and returns how many.
    ///
    /// # Errors
    /// [`Gone`] when `from` is older than the tail.
    pub fn read(&self, from: Offset, max: usize, out: &mut Vec<u8>) -> Result<usize, Gone> {
        match &self.store {
            Store::Shared(shared) => shared.read(from, max, out),
            Store::Heap(heap) => heap.lock().read(from, max, out),
        }
    }

    /// Whether none of these bytes is among the `len` from `from` on, which are searched where they lie. False as well
    /// where that cannot be said: not all of them are kept, or the log is on the heap.
    #[must_use]
    pub fn has_none_of(&self, from: Offset, len: usize, bytes: [u8; 3]) -> bool {
        self.shared()
            .is_some_and(|shared| shared.has_none_of(from, len, bytes))
    }

    /// Number of marks ever written: the next mark's index.
    #[must_use]
    pub fn marks(&self) -> u64 {
        match &self.store {
            Store::Shared(shared) => shared.marks(),
            Store::Heap(heap) => heap.lock().marks(),
        }
    }

    /// The mark with this index, if it is still kept and whole.
    #[must_use]
    pub fn mark(&self, index: u64) -> Option<Mark> {
        match &self.store {
            Store::Shared(shared) => shared.mark(index),
            Store::Heap(heap) => heap.lock().mark(index),
        }
    }

    /// The index of the first mark that lies at `offset` or behind it.
    #[must_use]
    pub fn mark_at(&self, offset: Offset) -> u64 {
        let marks = self.marks();
        let oldest = marks.saturating_sub(MARKS_MAX);
        (oldest..marks)
            .find(|index| self.mark(*index).is_some_and(|mark| mark.offset >= offset))
            .unwrap_or(marks)
    }

    /// The terminal's size for the byte at `offset`.
    #[must_use]
    pub fn size_at(&self, offset: Offset) -> Size {
        let marks = self.marks();
        let resize = |index| match self.mark(index) {
            Some(Mark {
                offset: at,
                kind: MarkKind::Resize(size),
                ..
            }) if at <= offset => Some(size),
            _ => None,
        };
        (marks.saturating_sub(MARKS_MAX)..marks)
            .rev()
            .find_map(resize)
            .unwrap_or_else(|| self.first_size())
    }

    fn first_size(&self) -> Size {
        match &self.store {
            Store::Shared(shared) => shared.first_size(),
            Store::Heap(heap) => heap.lock().first_size(),
        }
    }

    /// Puts a mark at the head.
    pub fn put_mark(&self, kind: MarkKind) {
        let at_ms = crate::boottime_ms();
        match &self.store {
            Store::Shared(shared) => shared.put_mark(kind, at_ms),
            Store::Heap(heap) => heap.lock().put_mark(kind, at_ms),
        }
        // Wakes readers. The watcher hears of output only: marks are put by its own side.
        self.bell.notify_waiters();
    }

    /// Appends bytes: for handlers and scripts. Programs' output comes through the staging pipe instead.
    pub fn append(&self, bytes: &[u8]) {
        match &self.store {
            Store::Shared(shared) => shared.append(bytes),
            Store::Heap(heap) => heap.lock().append(bytes),
        }
        self.announce();
    }

    /// Tells readers where the head is now.
    pub(crate) fn announce(&self) {
        let head = self.head();
        self.told.store(head, Ordering::Release);
        self.bell.notify_waiters();
        if head >= self.watch_from.load(Ordering::Acquire) {
            self.tell(Watcher::grown);
        }
    }

    fn tell(&self, what: impl FnOnce(Arc<dyn Watcher>)) {
        if let Some(watcher) = self.watcher.get().and_then(Weak::upgrade) {
            what(watcher);
        }
    }

    /// Who is told when the log grows past [`Ring::watch_from`] or ends. Set once; later calls change nothing.
    pub fn set_watcher(&self, watcher: Weak<dyn Watcher>) {
        let _ = self.watcher.set(watcher);
        if self.exit.get().is_some() {
            self.tell(Watcher::ended);
        }
    }

    /// The watcher is told whenever the head moves at or beyond `offset`.
    pub fn watch_from(&self, offset: Offset) {
        self.watch_from.store(offset, Ordering::Release);
    }

    /// Everybody has read up to `offset`: a heap log may free what it need not keep. When that makes room for a writer
    /// that was short of it, subscribers are woken.
    pub fn release(&self, offset: Offset) {
        if let Store::Heap(heap) = &self.store
            && heap.lock().release(offset)
        {
            self.bell.notify_waiters();
        }
    }

    /// Ends the log. The first reason stands.
    pub fn end(&self, reason: ExitReason) {
        if self.exit.set(reason).is_ok() {
            self.ended.store(true, Ordering::Release);
            self.bell.notify_waiters();
            self.tell(Watcher::ended);
        }
    }

    /// How the program ended, once all of its output is in the log.
    #[must_use]
    pub fn exit(&self) -> Option<&ExitReason> {
        self.exit.get()
    }

    /// The shared part, which outlives the server; `None` for a log on the heap.
    pub(crate) fn shared(&self) -> Option<&Shared> {
        match &self.store {
            Store::Shared(shared) => Some(shared),
            Store::Heap(_) => None,
        }
    }

    /// Whether the log lies in shared memory and outlives the server.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared().is_some()
    }

    /// The newest whole checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.shared()?.checkpoint()
    }

    /// Stores a checkpoint in the older of the two slots. `false` when there is no place for it.
    pub fn put_checkpoint(&self, checkpoint: &Checkpoint) -> bool {
        self.shared()
            .is_some_and(|shared| shared.put_checkpoint(checkpoint))
    }

    /// The newest whole session page: what the session crate stored last.
    #[must_use]
    pub fn page(&self) -> Option<Vec<u8>> {
        self.shared()?.page()
    }

    /// Stores the session page (at most [`PAGE_MAX`] bytes) in the older of two slots. `false` when it does not fit.
    pub fn put_page(&self, bytes: &[u8]) -> bool {
        self.shared().is_some_and(|shared| shared.put_page(bytes))
    }

    /// Input counters of clients, kept where a new server finds them.
    #[must_use]
    pub fn input_count(&self, client: u64) -> Option<InputCount> {
        self.shared()?.input_count(client)
    }

    /// Whether any client has given input that was counted.
    #[must_use]
    pub fn has_input_counts(&self) -> bool {
        self.shared().is_some_and(Shared::has_input_counts)
    }

    /// Writes down that input of `client` up to `to` is about to be given to the program (`intended`), or was.
    pub fn put_input_count(&self, client: u64, count: InputCount) {
        if let Some(shared) = self.shared() {
            shared.put_input_count(client, count);
        }
    }

    /// When the log began, in milliseconds of [`crate::boottime_ms`].
    #[must_use]
    pub fn created_ms(&self) -> u64 {
        match &self.store {
            Store::Shared(shared) => shared.created_ms(),
            Store::Heap(heap) => heap.lock().created_ms(),
        }
    }
}

#[cfg(test)]
mod tests;
