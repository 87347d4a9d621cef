//! Memory that the supervisor keeps for the servers' secrets: two slots, so that a server that dies while it writes
//! leaves the last whole one.

use super::parent::VAULT_LEN;
use crate::memory::{Memory, checksum};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Bytes of a slot's header: sequence, length, checksum.
const HEADER_LEN: usize = 24;
const SLOT_LEN: usize = VAULT_LEN / 2;

/// A few kilobytes that outlive a server.
#[derive(Debug)]
pub struct Vault(Memory);

impl Vault {
    /// Bytes that it holds.
    pub const LEN: usize = SLOT_LEN - HEADER_LEN;

    pub(super) fn open(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let memory = Memory::map(fd)?;
        if memory.len() < VAULT_LEN {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the vault is too small",
            ));
        }
        Ok(Self(memory))
    }

    fn word(&self, slot: usize, index: usize) -> u64 {
        self.0.word(slot * SLOT_LEN + index * 8).load(Acquire)
    }

    fn read(&self, slot: usize) -> Option<(u64, Vec<u8>)> {
        let sequence = self.word(slot, 0);
        let len = usize::try_from(self.word(slot, 1))
            .ok()
            .filter(|len| *len <= Self::LEN)?;
        let mut bytes = Vec::new();
        self.0
            .copy_out(slot * SLOT_LEN + HEADER_LEN, len, &mut bytes);
        (sequence > 0 && checksum(&bytes) == self.word(slot, 2)).then_some((sequence, bytes))
    }

    /// What was saved last; `None` when nothing was.
    #[must_use]
    pub fn load(&self) -> Option<Vec<u8>> {
        let whole = [0, 1].into_iter().filter_map(|slot| self.read(slot));
        whole
            .max_by_key(|(sequence, _)| *sequence)
            .map(|(_, bytes)| bytes)
    }

    /// Saves at most [`Vault::LEN`] bytes. One caller at a time.
    pub fn save(&self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(Self::LEN)];
        let sequences = [self.word(0, 0), self.word(1, 0)];
        let slot = usize::from(sequences[1] < sequences[0]);
        let put = |index: usize, value| {
            self.0
                .word(slot * SLOT_LEN + index * 8)
                .store(value, Release);
        };
        put(0, 0);
        self.0.copy_in(slot * SLOT_LEN + HEADER_LEN, bytes);
        put(1, bytes.len() as u64);
        put(2, checksum(bytes));
        put(0, sequences[0].max(sequences[1]) + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_torn_slot_leaves_the_last_whole_one() {
        let fd = crate::memory::create("anywire-vault", VAULT_LEN).unwrap();
        let vault = Vault::open(fd.as_fd()).unwrap();
        assert_eq!(vault.load(), None);
        vault.save(b"first");
        vault.save(b"second");
        assert_eq!(Vault::open(fd.as_fd()).unwrap().load().unwrap(), b"second");
        let newest = usize::from(vault.word(1, 0) > vault.word(0, 0));
        vault.0.copy_in(newest * SLOT_LEN + HEADER_LEN, b"torn");
        assert_eq!(vault.load().unwrap(), b"first");
    }
}
