//! Input, at most once: which bytes of a client's count the program was given.
//!
//! A program's counts lie in its shared memory, the intent before the write and the count after it, so that a new
//! server knows what an old one did; only a write in progress stays uncertain. Handlers die with the server, their
//! counts are plain.

use crate::attach::{Applied, Refused};
use crate::session::{Inner, State};
use anywire_codec::query::ReplyFilter;
use anywire_model::Io;
use anywire_process::ring::InputCount;
use anywire_process::{InputError, Running};
use memchr::memmem;

/// Clients whose counts are remembered; of more, the one that gave input longest ago is forgotten.
const REMEMBERED: usize = 1024;

/// Counts of this server's own clients. Those in shared memory are few, and matter only after a crash.
#[derive(Debug, Default)]
pub(crate) struct Counts(Vec<(u64, u64)>);

impl Counts {
    fn own(&self, client: u64) -> Option<u64> {
        self.0
            .iter()
            .find(|(name, _)| *name == client)
            .map(|(_, taken)| *taken)
    }

    /// The count of `client`, and how many bytes before it may not have arrived.
    pub(crate) fn resume(&mut self, running: &Running, client: u64) -> (u64, u64) {
        match (self.own(client), running.log.input_count(client)) {
            (Some(taken), _) => (taken, 0),
            (None, Some(InputCount { taken, intended })) if intended > taken => {
                // Nobody will ever know. What may have been given must not be given again.
                self.set(running, client, intended);
                (intended, intended - taken)
            }
            (None, count) => (count.map_or(0, |count| count.taken), 0),
        }
    }

    /// Whether `client` has given input before.
    pub(crate) fn knows(&self, running: &Running, client: u64) -> bool {
        self.own(client).is_some() || running.log.input_count(client).is_some()
    }

    /// The count of `client`.
    pub(crate) fn taken(&self, running: &Running, client: u64) -> u64 {
        let shared = || running.log.input_count(client).map(|count| count.taken);
        self.own(client).or_else(shared).unwrap_or(0)
    }

    /// Bytes after `taken` are about to be given.
    pub(crate) fn intend(&mut self, running: &Running, client: u64, taken: u64, len: usize) {
        let intended = taken + len as u64;
        running
            .log
            .put_input_count(client, InputCount { taken, intended });
    }

    /// Bytes up to `taken` were given.
    pub(crate) fn set(&mut self, running: &Running, client: u64, taken: u64) {
        anywire_process::named_point("before-input-count");
        running.log.put_input_count(
            client,
            InputCount {
                taken,
                intended: taken,
            },
        );
        match self.0.iter_mut().find(|(name, _)| *name == client) {
            Some((_, count)) => *count = taken,
            None => {
                if self.0.len() == REMEMBERED {
                    self.0.remove(0);
                }
                self.0.push((client, taken));
            }
        }
    }
}

/// Input that is filtered at once.
const PIECE: usize = 1024;

/// Who gives input: the seat, and the client's name if it counts.
pub(crate) type Giver = (u64, Option<u64>);

impl Inner {
    /// Gives input that somebody who may write has sent.
    pub(crate) fn input(
        &self,
        state: &mut State,
        (key, client): Giver,
        filter: &mut ReplyFilter,
        offset: Option<u64>,
        bytes: &[u8],
    ) -> Result<Applied, Refused> {
        let (Some(client), Some(offset)) = (client, offset) else {
            return Ok(Applied::Taken(self.give(state, key, filter, bytes)?));
        };
        let expected = state.counts.taken(&self.running, client);
        let gap = Refused::InputGap {
            expected,
            got: offset,
        };
        let skip = expected.checked_sub(offset).ok_or(gap)?;
        let known = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
        let fresh = &bytes[known..];
        state
            .counts
            .intend(&self.running, client, expected, fresh.len());
        let given = self.give(state, key, filter, fresh);
        let taken = expected + *given.as_ref().unwrap_or(&0) as u64;
        state.counts.set(&self.running, client, taken);
        Ok(Applied::Taken(known + given?))
    }

    /// Gives the program input, without the replies of terminals that were not asked. Returns how much was used up.
    fn give(
        &self,
        state: &mut State,
        key: u64,
        filter: &mut ReplyFilter,
        bytes: &[u8],
    ) -> Result<usize, Refused> {
        let asked = state
            .seats
            .responder()
            .is_none_or(|responder| responder == key);
        // Without a terminal nothing was asked, and bytes are data.
        if self.running.io != Io::Pty || (asked && filter.held() == 0) {
            return self.write(state, key, bytes);
        }
        let mut used = 0;
        for piece in bytes.chunks(PIECE) {
            let before = filter.clone();
            let mut kept = Vec::new();
            filter.feed(piece, &mut kept);
            let given = if kept.is_empty() {
                0
            } else {
                self.write(state, key, &kept)?
            };
            if given < kept.len() {
                *filter = before;
                return Ok(used + prefix(filter, piece, given));
            }
            used += piece.len();
        }
        Ok(used)
    }

    /// Somebody types: it paces from now on, and its window is the terminal's.
    fn write(&self, state: &mut State, key: u64, bytes: &[u8]) -> Result<usize, Refused> {
        if let Some(size) = state.seats.typed(key) {
            self.set_size(state, size);
        }
        self.open_gate(state);
        match self.running.control.input(bytes) {
            Ok(given) => {
                self.note_paste(state, key, &bytes[..given]);
                Ok(given)
            }
            Err(InputError::Full) => Ok(0),
            Err(InputError::Closed) => Err(Refused::InputClosed),
        }
    }
}

/// Around what is pasted, for a program that has asked for it.
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

impl Inner {
    /// Keeps track of a paste that has begun and not ended, also for a successor.
    fn note_paste(&self, state: &mut State, key: u64, given: &[u8]) {
        if self.running.io != Io::Pty || memchr::memchr(0x1b, given).is_none() {
            return;
        }
        let begins = memmem::rfind(given, PASTE_BEGINS);
        let ends = memmem::rfind(given, PASTE_ENDS);
        let paste = match (begins, ends) {
            (None, None) => return,
            (begins, ends) => (begins > ends).then_some(key),
        };
        let changed = paste.is_some() != state.paste.is_some();
        state.paste = paste;
        if changed {
            self.save_page_of(state);
        }
    }

    /// Ends a paste whose client is gone: the program would take all that is typed for text. Returns whether there was
    /// one.
    pub(crate) fn end_cut_paste(&self, state: &mut State) -> bool {
        let gone = state
            .paste
            .is_some_and(|key| state.seats.get(key).is_none());
        if gone && self.running.control.input(PASTE_ENDS).is_ok() {
            state.paste = None;
            return true;
        }
        false
    }
}

/// Feeds the filter the shortest beginning of `piece` that leaves `given` bytes, and returns its length.
fn prefix(filter: &mut ReplyFilter, piece: &[u8], given: usize) -> usize {
    let before = filter.clone();
    for used in given..=piece.len() {
        let mut kept = Vec::new();
        *filter = before.clone();
        filter.feed(&piece[..used], &mut kept);
        if kept.len() >= given {
            return used;
        }
    }
    piece.len()
}
