//! Accepting: sockets leave the accept loop's runtime at once and join that of the worker that will serve them.

use super::Listening;
use crate::limits;
use crate::link::Socket;
use crate::peer::Peer;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
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

    /// Sees to it that enough descriptors are left for the sessions; until then the connection can wait here. One on a
    /// UNIX socket need not: by it this user ends what holds them.
    ///
    /// # Errors
    /// When too few are left: as if it had none.
    pub(super) fn leave_room(&mut self) -> io::Result<()> {
        let Self::Tcp(stream, _) = self else {
            return Ok(());
        };
        // A new descriptor has the lowest free number: below the last ones are those that connections may have.
        let (most, kept) = limits::descriptors();
        let fits = |stream: &std::net::TcpStream| {
            usize::try_from(stream.as_raw_fd()).is_ok_and(|number| number + kept < most)
        };
        if !fits(stream) {
            let lower = stream.try_clone()?;
            if !fits(&lower) {
                return Err(rustix::io::Errno::MFILE.into());
            }
            *stream = lower;
        }
        Ok(())
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
