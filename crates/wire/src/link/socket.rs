//! A stream socket of either family, with or without TLS, used by readiness: try, and wait only when there is nothing.
//!
//! While a connection shakes hands it can also be read and written the usual way.

use crate::limits;
use crate::tls::TlsStream;
use rustix::net::sockopt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connected stream.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Boxed, so that plain connections do not carry its size.
    Tls(Box<TlsStream>),
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
    pub(crate) fn ready(&mut self, want: Ways) -> impl Future<Output = io::Result<Ways>> {
        poll_fn(move |context| {
            if let Self::Tls(stream) = self {
                return stream.poll_ready(want, context);
            }
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
            Self::Tls(stream) => stream.tcp().poll_read_ready(context),
        }
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Unix(stream) => stream.poll_write_ready(context),
            Self::Tls(stream) => stream.tcp().poll_write_ready(context),
        }
    }

    /// Reads what is there: `None` if nothing is, 0 at the end.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let read = would_block(match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
            Self::Tls(stream) => return stream.try_read(buffer),
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
            Self::Tls(_) => Ok(()),
        };
    }

    /// Writes what fits: `None` if nothing does.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        would_block(match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tls(stream) => return stream.try_write(bytes),
        })
    }

    /// Ends our side; the peer's stays open. With TLS it takes as long as the peer takes what was written.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        AsyncWriteExt::shutdown(self).await
    }

    /// Whether it is enciphered.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// The address of our own end, if it has one.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.tcp().and_then(|stream| stream.local_addr().ok())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = match self.get_mut() {
            Self::Tcp(stream) => return Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => return Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => stream,
        };
        loop {
            if let Some(n) = stream.try_read(buffer.initialize_unfilled())? {
                buffer.advance(n);
                return Poll::Ready(Ok(()));
            }
            ready!(stream.poll_ready(Ways::READ, context))?;
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = match self.get_mut() {
            Self::Tcp(stream) => return Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => return Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => stream,
        };
        loop {
            if let Some(n) = stream.try_write(bytes)? {
                return Poll::Ready(Ok(n));
            }
            ready!(stream.poll_ready(Ways::WRITE, context))?;
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            tls @ Self::Tls(_) => {
                let first = slices.iter().find(|slice| !slice.is_empty());
                Pin::new(tls).poll_write(context, first.map_or(&[], |slice| slice))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        !self.is_tls()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => stream.poll_flush(context),
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => stream.poll_shutdown(context),
        }
    }
}

impl Socket {
    /// The TCP stream below, if there is one.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Tls(stream) => Some(stream.tcp()),
            Self::Unix(_) => None,
        }
    }

    /// Has the kernel look after a peer that is silent, on wires that cannot ask it for a sign of life. An option that
    /// the system does not have is done without.
    pub(crate) fn keep_alive(&self) {
        if let Some(stream) = self.tcp() {
            let _ = sockopt::set_socket_keepalive(stream, true);
            let _ = sockopt::set_tcp_keepidle(stream, limits::KEEP_ALIVE);
            let _ = sockopt::set_tcp_keepintvl(stream, limits::KEEP_ALIVE_PROBE);
        }
    }

    /// Leaves urgent bytes where they are in the stream: the half of a telnet command would be missing without (RFC 854,
    /// Synch).
    pub(crate) fn urgent_inline(&self) {
        if let Some(stream) = self.tcp() {
            let _ = sockopt::set_socket_oobinline(stream, true);
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
