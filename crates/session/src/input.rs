//! Input, at most once: which bytes of a client's count the program was given.
//!
//! A program's counts lie in its shared memory, the intent before the write and the count after it, so that a new
//! server knows what an old one did; only a write in progress stays uncertain. Handlers die with the server, their
//! counts are plain.

use anywire_process::Running;
use anywire_process::ring::{INPUT_CLIENTS, InputCount};

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
