//! A TLS connection that is used by readiness, as a plain socket is.
//!
//! Between two turns it holds no output beyond what the peer did not take of one write, and no input beyond the record
//! that is not yet whole.

use crate::link::Ways;
use rustls::{ServerConfig, ServerConnection};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

/// The server's end of a TLS connection.
pub(crate) struct TlsStream {
    stream: TcpStream,
    session: ServerConnection,
    /// Bytes that are deciphered and not yet read.
    plain: usize,
    /// The peer has said that nothing more comes.
    ended: bool,
    /// The peer broke the protocol: nothing more is read.
    broken: bool,
}

impl std::fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TlsStream").field(&self.stream).finish()
    }
}

impl TlsStream {
    /// Runs the handshake, of which `head` was read. Has no deadline of its own.
    pub(super) async fn accept(
        stream: TcpStream,
        mut head: &[u8],
        config: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut tls = Self {
            stream,
            session,
            plain: 0,
            ended: false,
            broken: false,
        };
        while !head.is_empty() {
            tls.session.read_tls(&mut head)?;
            tls.decipher()?;
        }
        poll_fn(|context| tls.poll_handshake(context)).await?;
        Ok(tls)
    }

    /// The TCP connection below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.stream
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(context))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if !self.pull()? {
                ready!(self.stream.poll_read_ready(context))?;
            }
        }
    }

    /// Which of the directions that are wanted are ready. What is enciphered already goes out whatever is wanted.
    pub(crate) fn poll_ready(
        &mut self,
        want: Ways,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Ways>> {
        let flushed = self.poll_flush(context)?.is_ready();
        let read = want.read
            && (self.plain > 0 || self.ended || self.stream.poll_read_ready(context)?.is_ready());
        let write = want.write && flushed && self.stream.poll_write_ready(context)?.is_ready();
        if read || write {
            Poll::Ready(Ok(Ways { read, write }))
        } else {
            Poll::Pending
        }
    }

    /// Reads what is there: `None` if nothing is, 0 at the end.
    ///
    /// # Errors
    /// Also when the connection ends without the peer's word that this is the end (RFC 8446 section 6.1).
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.plain > 0 || self.ended {
                let n = self.session.reader().read(&mut buffer[filled..])?;
                self.plain = self.plain.saturating_sub(n);
                filled += n;
                if n == 0 {
                    return Ok(Some(filled));
                }
            } else {
                match self.pull() {
                    Ok(true) => {}
                    // An error comes again; what came before it must not be lost.
                    Ok(false) | Err(_) if filled > 0 => break,
                    Ok(false) => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Some(filled))
    }

    /// Writes what fits: `None` if nothing does. Nothing is taken before all that was taken earlier is on its way, so
    /// that a slow peer is as slow as on a plain socket.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let mut taken = 0;
        while self.push()? && taken < bytes.len() {
            taken += self.session.writer().write(&bytes[taken..])?;
        }
        Ok((taken > 0 || bytes.is_empty()).then_some(taken))
    }

    /// Until all that was taken is on its way.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.push()? {
            ready!(self.stream.poll_write_ready(context))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more comes, and ends our side; the peer's stays open.
    pub(crate) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Said once, however often it is asked for.
        self.session.send_close_notify();
        ready!(self.poll_flush(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    /// Reads and deciphers once; false if there is nothing to read.
    fn pull(&mut self) -> io::Result<bool> {
        if self.broken {
            return Err(ErrorKind::InvalidData.into());
        }
        match self.session.read_tls(&mut Wire(&self.stream)) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        self.decipher()?;
        Ok(true)
    }

    /// Takes in what was read.
    fn decipher(&mut self) -> io::Result<()> {
        match self.session.process_new_packets() {
            Ok(state) => {
                self.plain = state.plaintext_bytes_to_read();
                self.ended = state.peer_has_closed();
            }
            Err(error) => {
                self.broken = true;
                // The alert that tells the peer, if it can be sent.
                let _ = self.push();
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
        }
        self.push().map(drop)
    }

    /// Writes what is enciphered; false if something is left.
    fn push(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Wire(&self.stream)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// The socket as rustls wants it.
struct Wire<'a>(&'a TcpStream);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.0.try_read(buffer)?;
        if 0 < n && n < buffer.len() {
            // A short read has emptied the socket: readiness ends here, without asking the kernel again.
            let nothing = || Err::<(), _>(ErrorKind::WouldBlock.into());
            let _ = self.0.try_io(Interest::READABLE, nothing);
        }
        Ok(n)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
