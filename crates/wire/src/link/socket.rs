//! A stream socket of either family, used by readiness: try, and wait only when there is nothing.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use tokio::io::AsyncWriteExt;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A connected stream.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Directions of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ways {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Ways {
    /// From the peer.
    pub(crate) const READ: Self = Self {
        read: true,
        write: false,
    };
    /// To the peer.
    pub(crate) const WRITE: Self = Self {
        read: false,
        write: true,
    };
}

impl Socket {
    /// Waits until one of the directions that are wanted is ready; says which are. Never ready for none. Cancel-safe.
    ///
    /// By polling, because a `ready()` of tokio's would cost every idle connection 130 bytes more. There is one place
    /// for each direction's waker, so only one task may wait, which is the case.
    pub(crate) fn ready(&self, want: Ways) -> impl Future<Output = io::Result<Ways>> {
        poll_fn(move |context| {
            let read = want.read && self.poll_read_ready(context)?.is_ready();
            let write = want.write && self.poll_write_ready(context)?.is_ready();
            if read || write {
                Poll::Ready(Ok(Ways { read, write }))
            } else {
                Poll::Pending
            }
        })
    }

    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(context),
            Self::Unix(stream) => stream.poll_read_ready(context),
        }
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Unix(stream) => stream.poll_write_ready(context),
        }
    }

    /// Reads what is there: `None` if nothing is, 0 at the end.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let read = would_block(match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
        });
        if matches!(read, Ok(Some(n)) if 0 < n && n < buffer.len()) {
            self.drained();
        }
        read
    }

    /// A short read has emptied the socket: what comes later is announced anew, so readiness ends here, without asking
    /// the kernel a second time.
    fn drained(&self) {
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, nothing),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, nothing),
        };
    }

    /// Writes what fits: `None` if nothing does.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        would_block(match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        })
    }

    /// Ends our side; the peer's stays open.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown().await,
            Self::Unix(stream) => stream.shutdown().await,
        }
    }
}

fn would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
