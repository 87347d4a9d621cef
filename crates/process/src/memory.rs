//! Shared memory: a sealed memfd and its mapping, reached only by copying and by atomic words.
//!
//! No slice into the mapping is ever handed out, so the rest of the program cannot hold a reference to memory that
//! changes under it.

#![allow(unsafe_code)]

use rustix::fs::{MemfdFlags, SealFlags};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;

/// A mapping of a whole memfd, readable and writable.
#[derive(Debug)]
pub(crate) struct Memory {
    map: memmap2::MmapRaw,
}

/// Makes a memfd of exactly `len` bytes that can neither shrink nor grow. Pages cost nothing until written.
pub(crate) fn create(name: &str, len: usize) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&fd, len as u64)?;
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(fd)
}

impl Memory {
    /// Maps a memfd made by [`create`]. A descriptor whose size could change is refused: touching a page beyond its
    /// end would kill the process.
    pub(crate) fn map(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let seals = rustix::fs::fcntl_get_seals(fd)?;
        if !seals.contains(SealFlags::SHRINK | SealFlags::GROW) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the memory is not sealed",
            ));
        }
        let len = usize::try_from(rustix::fs::fstat(fd)?.st_size).map_err(io::Error::other)?;
        let map = memmap2::MmapOptions::new().len(len).map_raw(&fd.as_fd())?;
        Ok(Self { map })
    }

    /// Bytes mapped.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// The aligned 64-bit word at byte `at`.
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        assert!(
            at.is_multiple_of(8) && at + 8 <= self.len(),
            "word {at} outside the memory"
        );
        // SAFETY: in bounds and aligned (checked above; a mapping is page-aligned), lives as long as `self`, and every
        // access to a word goes through this function, so all of them are atomic.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    /// Copies `bytes` to byte `at`. The caller orders this against readers.
    pub(crate) fn copy_in(&self, at: usize, bytes: &[u8]) {
        self.check(at, bytes.len());
        // SAFETY: in bounds (checked above); `bytes` is private memory, so the two do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.map.as_mut_ptr().add(at),
                bytes.len(),
            );
        }
    }

    /// Appends `len` bytes from byte `at` to `out`. The caller orders this against writers.
    pub(crate) fn copy_out(&self, at: usize, len: usize, out: &mut Vec<u8>) {
        self.check(at, len);
        out.reserve(len);
        let spare = out.spare_capacity_mut();
        // SAFETY: source in bounds (checked above), target has room for `len` (reserved above), private memory does
        // not overlap the mapping; after the copy `len` more bytes of `out` are initialised.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.map.as_ptr().add(at),
                spare.as_mut_ptr().cast(),
                len,
            );
            out.set_len(out.len() + len);
        }
    }

    /// Whether none of these bytes is among the `len` from byte `at` on. The caller orders this against writers.
    pub(crate) fn has_none_of(&self, at: usize, len: usize, [a, b, c]: [u8; 3]) -> bool {
        self.check(at, len);
        // SAFETY: in bounds (checked above); nobody writes for the time of the call, at the end of which the slice is gone.
        let bytes = unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(at), len) };
        memchr::memchr3(a, b, c, bytes).is_none()
    }

    /// Reads from a descriptor straight to byte `at`, at most `len` bytes. The caller excludes every other access to
    /// this range for the time of the call.
    pub(crate) fn read_from(&self, fd: BorrowedFd<'_>, at: usize, len: usize) -> io::Result<usize> {
        self.check(at, len);
        // SAFETY: in bounds (checked above); the caller holds the only way to this range, so the slice is exclusive
        // while it lives; it is gone when the call returns.
        let target: &mut [MaybeUninit<u8>] =
            unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(at).cast(), len) };
        let (filled, _) = rustix::io::read(fd, target)?;
        Ok(filled.len())
    }

    fn check(&self, at: usize, len: usize) {
        assert!(
            at.checked_add(len).is_some_and(|end| end <= self.len()),
            "range {at}+{len} outside the memory"
        );
    }
}

/// FNV-1a over `bytes`: tells a torn slot from a whole one. Not for secrets.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
