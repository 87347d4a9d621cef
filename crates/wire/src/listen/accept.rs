//! Accepting: sockets leave the accept loop's runtime at once and join that of the worker that will serve them.

use super::Listening;
use crate::limits;
use crate::link::Socket;
use crate::peer::Peer;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A listener that is waited for.
pub(super) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that no runtime knows.
pub(super) enum Accepted {
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(std::os::unix::net::UnixStream),
}

impl Acceptor {
    pub(super) fn new(socket: Listening) -> io::Result<Self> {
        Ok(match socket {
            Listening::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(listener)?)
            }
            Listening::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Self::Unix(UnixListener::from_std(listener)?)
            }
        })
    }

    /// The next connection. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Accepted::Tcp(stream.into_std()?, peer))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Unix(stream.into_std()?))
            }
        }
    }
}

impl Accepted {
    /// Where it comes from, if from an address.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(_, peer) => Some(peer.ip()),
            Self::Unix(_) => None,
        }
    }

    /// Whether descriptors are left for the sessions beside this connection. It can wait here until there are: it has
    /// one already.
    ///
    /// # Errors
    /// When too few are left: as if it had none.
    pub(super) fn leaves_room(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream, _) => leaves_room(stream.as_fd()),
            Self::Unix(stream) => leaves_room(stream.as_fd()),
        }
    }

    /// Joins the current runtime; `None` for a process of another user.
    pub(super) fn register(self) -> io::Result<Option<(Socket, Peer)>> {
        match self {
            Self::Tcp(stream, peer) => {
                stream.set_nodelay(true)?;
                Ok(Some((
                    Socket::Tcp(TcpStream::from_std(stream)?),
                    Peer::Ip(peer),
                )))
            }
            Self::Unix(stream) => {
                let stream = UnixStream::from_std(stream)?;
                let uid = stream.peer_cred()?.uid();
                let ours = rustix::process::geteuid().as_raw();
                let may = uid == 0 || uid == ours;
                Ok(may.then_some((Socket::Unix(stream), Peer::User(uid))))
            }
        }
    }
}

/// A new descriptor has the lowest free number, so its number says how many there are at least.
fn leaves_room(connection: BorrowedFd<'_>) -> io::Result<()> {
    let (most, kept) = limits::descriptors();
    let fits = |descriptor: BorrowedFd<'_>| {
        usize::try_from(descriptor.as_raw_fd()).is_ok_and(|number| number + kept < most)
    };
    if fits(connection) {
        return Ok(());
    }
    // It may have come when there were fewer.
    let another = rustix::io::fcntl_dupfd_cloexec(connection, 0)?;
    if fits(another.as_fd()) {
        return Ok(());
    }
    Err(rustix::io::Errno::MFILE.into())
}
