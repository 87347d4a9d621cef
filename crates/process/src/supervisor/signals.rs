//! Signals as readable descriptors: one for ended children, one for requests to stop, one for requests to read the
//! configuration again.

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;

/// Readable when a signal has come.
pub(super) struct Signals {
    pub(super) children: UnixStream,
    pub(super) ends: UnixStream,
    pub(super) reloads: UnixStream,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let pipe = |signals: &[i32]| -> io::Result<UnixStream> {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            write.set_nonblocking(true)?;
            for signal in signals {
                signal_hook::low_level::pipe::register(*signal, write.try_clone()?)?;
            }
            Ok(read)
        };
        Ok(Self {
            children: pipe(&[SIGCHLD])?,
            ends: pipe(&[SIGTERM, SIGINT])?,
            reloads: pipe(&[SIGHUP])?,
        })
    }

    /// Empties a pipe; whether there was anything.
    pub(super) fn take(mut pipe: &UnixStream) -> bool {
        let mut scrap = [0; 64];
        let mut any = false;
        while matches!(pipe.read(&mut scrap), Ok(len) if len > 0) {
            any = true;
        }
        any
    }
}
