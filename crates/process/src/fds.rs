//! Descriptors and the runtime.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the current runtime watch a non-blocking descriptor.
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the registration must not outlive the descriptor's number; an `OwnedFd` keeps the number until it is
    // dropped, which `AsyncFd` does after it has deregistered.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}

/// Both directions.
pub(crate) fn both() -> Interest {
    Interest::READABLE | Interest::WRITABLE
}
