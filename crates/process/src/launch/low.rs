//! Low numbers for descriptors that are about to be inherited.

use super::spawn::Streams;
use rustix::io::DupFlags;
use rustix::pipe::PipeFlags;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Low numbers kept for what a child inherits: descriptors above its highest are not copied.
#[derive(Debug)]
pub(super) struct Low {
    nothing: OwnedFd,
    places: [OwnedFd; 3],
}

impl Low {
    /// Takes the lowest numbers that are free now.
    pub(super) fn new() -> io::Result<Self> {
        // The end of a pipe to which nobody writes.
        let (nothing, _) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let place = || nothing.try_clone();
        Ok(Self {
            places: [place()?, place()?, place()?],
            nothing,
        })
    }

    /// Has `act` see the same streams under low numbers.
    pub(super) fn lower<T>(
        &mut self,
        streams: Streams<'_>,
        act: impl FnOnce(Streams<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let Taken(low) = &mut Taken(self);
        for (place, fd) in low.places.iter_mut().zip(streams.fds) {
            rustix::io::dup3(fd, place, DupFlags::CLOEXEC)?;
        }
        let fds = low.places.each_ref().map(AsFd::as_fd);
        act(Streams { fds, ..streams })
    }
}

/// The places while they hold a program's streams, whose end is seen only when nobody else does any more.
struct Taken<'a>(&'a mut Low);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Low { nothing, places } = &mut *self.0;
        for place in places {
            let _ = rustix::io::dup3(&*nothing, place, DupFlags::CLOEXEC);
        }
    }
}
