//! The small things that a session keeps beside its log: checkpoints of the screen, the session page, input counters.
//!
//! Checkpoints and pages have two slots each. A write goes to the older slot and counts once its sequence number is in
//! place, so a crash in the middle leaves the other one whole.

use super::layout::{
    AT_CHECKPOINT_BODIES, AT_CHECKPOINTS, AT_INPUTS, AT_SLOTS, CHECKPOINT_BODY_LEN,
    CHECKPOINT_HEADER_LEN, INPUT_LEN, INPUTS, SLOT_BODY_LEN, SLOT_HEADER_LEN, SLOT_LEN,
};
use super::shared::{Shared, pack_size, unpack_size};
use crate::memory::checksum;
use anywire_model::{Offset, Size};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// How many clients' input can be counted at once; the one used longest ago is forgotten first.
pub const INPUT_CLIENTS: usize = INPUTS;

/// The screen at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The first byte that the screen has not seen.
    pub offset: Offset,
    /// The first mark that it has not seen.
    pub marks: u64,
    /// The terminal's size then.
    pub size: Size,
    /// Bytes that draw the screen on a fresh terminal.
    pub dump: Vec<u8>,
}

/// How much of a client's input the program was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputCount {
    /// Bytes that were given for certain.
    pub taken: u64,
    /// Bytes that a write in progress may have given; equal to `taken` when none is.
    pub intended: u64,
}

/// One of two slots: where its header's words and its body lie.
struct Slot {
    sequence: usize,
    len: usize,
    checksum: usize,
    body: usize,
    max: usize,
}

fn page_slot(index: usize) -> Slot {
    let at = AT_SLOTS + index * SLOT_LEN;
    Slot {
        sequence: at,
        len: at + 8,
        checksum: at + 16,
        body: at + SLOT_HEADER_LEN,
        max: SLOT_BODY_LEN,
    }
}

fn checkpoint_at(index: usize) -> usize {
    AT_CHECKPOINTS + index * CHECKPOINT_HEADER_LEN
}

fn checkpoint_slot(index: usize) -> Slot {
    let at = checkpoint_at(index);
    Slot {
        sequence: at,
        len: at + 24,
        checksum: at + 32,
        body: AT_CHECKPOINT_BODIES + index * CHECKPOINT_BODY_LEN,
        max: CHECKPOINT_BODY_LEN,
    }
}

impl Shared {
    fn load(&self, at: usize) -> u64 {
        self.memory.word(at).load(Acquire)
    }

    fn read_slot(&self, slot: &Slot) -> Option<(u64, Vec<u8>)> {
        let sequence = self.load(slot.sequence);
        let len = usize::try_from(self.load(slot.len))
            .ok()
            .filter(|len| *len <= slot.max)?;
        if sequence == 0 {
            return None;
        }
        let mut bytes = Vec::new();
        self.memory.copy_out(slot.body, len, &mut bytes);
        (checksum(&bytes) == self.load(slot.checksum)).then_some((sequence, bytes))
    }

    /// Writes to the slot with the smaller sequence number and returns its index.
    fn write_slot(&self, slots: [Slot; 2], bytes: &[u8], extra: impl FnOnce(usize)) {
        let sequences = [self.load(slots[0].sequence), self.load(slots[1].sequence)];
        let index = usize::from(sequences[1] < sequences[0]);
        let slot = &slots[index];
        self.memory.word(slot.sequence).store(0, Release);
        self.memory.copy_in(slot.body, bytes);
        self.memory
            .word(slot.len)
            .store(bytes.len() as u64, Relaxed);
        self.memory
            .word(slot.checksum)
            .store(checksum(bytes), Relaxed);
        extra(index);
        self.memory
            .word(slot.sequence)
            .store(sequences[0].max(sequences[1]) + 1, Release);
    }

    pub(super) fn page(&self) -> Option<Vec<u8>> {
        let _reading = self.order.read();
        let slots = [0, 1]
            .into_iter()
            .filter_map(|index| self.read_slot(&page_slot(index)));
        slots
            .max_by_key(|(sequence, _)| *sequence)
            .map(|(_, bytes)| bytes)
    }

    pub(super) fn put_page(&self, bytes: &[u8]) -> bool {
        if bytes.len() > SLOT_BODY_LEN {
            return false;
        }
        let _writing = self.order.write();
        self.write_slot([page_slot(0), page_slot(1)], bytes, |_| ());
        true
    }

    pub(super) fn checkpoint(&self) -> Option<Checkpoint> {
        let _reading = self.order.read();
        let whole = [0, 1].into_iter().filter_map(|index| {
            let (sequence, dump) = self.read_slot(&checkpoint_slot(index))?;
            let offset = self.load(checkpoint_at(index) + 8);
            let size = unpack_size(self.load(checkpoint_at(index) + 16))?;
            let marks = self.load(checkpoint_at(index) + 40);
            let checkpoint = Checkpoint {
                offset,
                marks,
                size,
                dump,
            };
            (offset <= self.head() && marks <= self.marks()).then_some((sequence, checkpoint))
        });
        whole
            .max_by_key(|(sequence, _)| *sequence)
            .map(|(_, checkpoint)| checkpoint)
    }

    pub(super) fn put_checkpoint(&self, checkpoint: &Checkpoint) -> bool {
        if checkpoint.dump.len() > CHECKPOINT_BODY_LEN {
            return false;
        }
        let _writing = self.order.write();
        self.write_slot(
            [checkpoint_slot(0), checkpoint_slot(1)],
            &checkpoint.dump,
            |index| {
                self.memory
                    .word(checkpoint_at(index) + 8)
                    .store(checkpoint.offset, Relaxed);
                self.memory
                    .word(checkpoint_at(index) + 16)
                    .store(pack_size(checkpoint.size), Relaxed);
                self.memory
                    .word(checkpoint_at(index) + 40)
                    .store(checkpoint.marks, Relaxed);
            },
        );
        true
    }

    fn input_slot(&self, client: u64) -> Option<usize> {
        (0..INPUTS)
            .map(|index| AT_INPUTS + index * INPUT_LEN)
            .find(|at| self.load(*at) == client)
    }

    pub(super) fn has_input_counts(&self) -> bool {
        (0..INPUTS).any(|index| self.load(AT_INPUTS + index * INPUT_LEN) != 0)
    }

    pub(super) fn input_count(&self, client: u64) -> Option<InputCount> {
        let at = self.input_slot(client)?;
        let taken = self.load(at + 8);
        Some(InputCount {
            taken,
            intended: self.load(at + 16).max(taken),
        })
    }

    pub(super) fn put_input_count(&self, client: u64, count: InputCount) {
        let at = self.input_slot(client).unwrap_or_else(|| {
            let slots = (0..INPUTS).map(|index| AT_INPUTS + index * INPUT_LEN);
            let oldest = slots
                .min_by_key(|at| self.load(at + 24))
                .unwrap_or(AT_INPUTS);
            self.memory.word(oldest + 8).store(0, Relaxed);
            self.memory.word(oldest + 16).store(0, Relaxed);
            self.memory.word(oldest).store(client, Release);
            oldest
        });
        // The intent is in place before the write, the count after it: a crash between them shows as a difference.
        self.memory.word(at + 16).store(count.intended, Release);
        self.memory.word(at + 8).store(count.taken, Release);
        self.memory
            .word(at + 24)
            .store(crate::boottime_ms(), Relaxed);
    }
}
