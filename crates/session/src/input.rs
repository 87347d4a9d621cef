//! Input, at most once: which bytes of a client's count the program was given.
//!
//! A program's counts lie in its shared memory, the intent before the write and the count after it, so that a new
//! server knows what an old one did; only a write in progress stays uncertain. Handlers die with the server, their
//! counts are plain.

use crate::attach::{Applied, Refused};
use crate::session::{Inner, State};
use anywire_codec::query::ReplyFilter;
use anywire_process::ring::{INPUT_CLIENTS, InputCount};
use anywire_process::{InputError, Running};

/// Counts of clients whose program is a handler.
#[derive(Debug, Default)]
pub(crate) struct Counts(Vec<(u64, u64)>);

impl Counts {
    /// The count of `client`, and how many bytes before it may not have arrived.
    pub(crate) fn resume(&mut self, running: &Running, client: u64) -> (u64, u64) {
        match running.log.input_count(client) {
            Some(InputCount { taken, intended }) if intended > taken => {
                // Nobody will ever know. What may have been given must not be given again.
                running.log.put_input_count(
                    client,
                    InputCount {
                        taken: intended,
                        intended,
                    },
                );
                (intended, intended - taken)
            }
            Some(count) => (count.taken, 0),
            None => (
                self.0
                    .iter()
                    .find(|(name, _)| *name == client)
                    .map_or(0, |(_, taken)| *taken),
                0,
            ),
        }
    }

    /// Whether `client` has given input before.
    pub(crate) fn knows(&self, running: &Running, client: u64) -> bool {
        running.log.input_count(client).is_some() || self.0.iter().any(|(name, _)| *name == client)
    }

    /// The count of `client`.
    pub(crate) fn taken(&self, running: &Running, client: u64) -> u64 {
        let shared = running.log.input_count(client).map(|count| count.taken);
        shared
            .or_else(|| {
                self.0
                    .iter()
                    .find(|(name, _)| *name == client)
                    .map(|(_, taken)| *taken)
            })
            .unwrap_or(0)
    }

    /// Bytes after `taken` are about to be given.
    pub(crate) fn intend(&mut self, running: &Running, client: u64, taken: u64, len: usize) {
        if running.log.is_shared() {
            running.log.put_input_count(
                client,
                InputCount {
                    taken,
                    intended: taken + len as u64,
                },
            );
        }
    }

    /// Bytes up to `taken` were given.
    pub(crate) fn set(&mut self, running: &Running, client: u64, taken: u64) {
        if running.log.is_shared() {
            anywire_process::named_point("before-input-count");
            running.log.put_input_count(
                client,
                InputCount {
                    taken,
                    intended: taken,
                },
            );
        } else {
            self.remember(client, taken);
        }
    }

    fn remember(&mut self, client: u64, taken: u64) {
        self.0.retain(|(name, _)| *name != client);
        if self.0.len() == INPUT_CLIENTS {
            self.0.remove(0);
        }
        self.0.push((client, taken));
    }
}

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
        if asked && filter.held() == 0 {
            return self.write(state, key, bytes);
        }
        let before = filter.clone();
        let mut kept = Vec::new();
        filter.feed(bytes, &mut kept);
        if kept == bytes {
            return self.write(state, key, bytes);
        }
        // Keys beside a reply are few: the program takes all of them or, with a full queue, none.
        if !kept.is_empty() && self.write(state, key, &kept)? == 0 {
            *filter = before;
            return Ok(0);
        }
        Ok(bytes.len())
    }

    /// Somebody types: it paces from now on, and its window is the terminal's.
    fn write(&self, state: &mut State, key: u64, bytes: &[u8]) -> Result<usize, Refused> {
        if let Some(size) = state.seats.typed(key) {
            self.set_size(state, size);
        }
        self.open_gate(state);
        match self.running.control.input(bytes) {
            Ok(given) => Ok(given),
            Err(InputError::Full) => Ok(0),
            Err(InputError::Closed) => Err(Refused::InputClosed),
        }
    }
}
