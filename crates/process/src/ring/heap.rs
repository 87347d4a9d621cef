//! A log on the heap: for handlers, whose state dies with the server anyway. It costs nothing until written.

use super::Gone;
use anywire_model::{Mark, MarkKind, Offset, Size};
use std::collections::VecDeque;

/// Bytes and marks in private memory.
#[derive(Debug)]
pub(super) struct Heap {
    bytes: VecDeque<u8>,
    tail: Offset,
    marks: Vec<Mark>,
    first_size: Size,
    created_ms: u64,
    keep: usize,
    max: usize,
}

impl Heap {
    pub(super) fn new(first_size: Size, keep: usize, max: usize) -> Self {
        let created_ms = crate::boottime_ms();
        Self {
            bytes: VecDeque::new(),
            tail: 0,
            marks: Vec::new(),
            first_size,
            created_ms,
            keep,
            max: max.max(1),
        }
    }

    pub(super) fn head(&self) -> Offset {
        self.tail + self.bytes.len() as u64
    }

    pub(super) fn tail(&self) -> Offset {
        self.tail
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    pub(super) fn first_size(&self) -> Size {
        self.first_size
    }

    pub(super) fn created_ms(&self) -> u64 {
        self.created_ms
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.drop_to(self.max);
    }

    pub(super) fn read(&self, from: Offset, max: usize, out: &mut Vec<u8>) -> Result<usize, Gone> {
        if from < self.tail {
            return Err(Gone { tail: self.tail });
        }
        let at = usize::try_from(from - self.tail)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        let len = max.min(self.bytes.len() - at);
        let (first, second) = self.bytes.as_slices();
        let split = first.len();
        out.extend_from_slice(&first[at.min(split)..(at + len).min(split)]);
        out.extend_from_slice(&second[at.saturating_sub(split)..(at + len).saturating_sub(split)]);
        Ok(len)
    }

    /// Everybody has read up to `offset`: keep only `keep` of it. Whether the log was at least half full and is not
    /// any more: then a writer may be waiting.
    pub(super) fn release(&mut self, offset: Offset) -> bool {
        let before = self.bytes.len();
        let read = usize::try_from(offset.saturating_sub(self.tail))
            .unwrap_or(usize::MAX)
            .min(before);
        let drop = read.saturating_sub(self.keep);
        if drop > 0 {
            self.drop_to(before - drop);
        }
        if self.bytes.is_empty() {
            self.bytes = VecDeque::new();
        }
        before >= self.max / 2 && self.bytes.len() < self.max / 2
    }

    fn drop_to(&mut self, len: usize) {
        let drop = self.bytes.len().saturating_sub(len);
        self.bytes.drain(..drop);
        self.tail += drop as u64;
    }

    pub(super) fn marks(&self) -> u64 {
        self.marks.len() as u64
    }

    pub(super) fn mark(&self, index: u64) -> Option<Mark> {
        self.marks.get(usize::try_from(index).ok()?).copied()
    }

    pub(super) fn put_mark(&mut self, kind: MarkKind, at_ms: u64) {
        let mark = Mark {
            offset: self.head(),
            kind,
            at_ms,
        };
        if self.marks.len() == super::layout::MARKS as usize {
            self.marks.pop();
        }
        self.marks.push(mark);
    }
}
