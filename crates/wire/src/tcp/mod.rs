//! Raw TCP: bytes in, bytes out. With authentication, a start code is asked for first.

mod foreign;

use crate::Context;
use crate::admit::{Principal, Typist, typed_login};
use crate::limits;
use crate::link::{Entry, Framing, Socket, Visitor};
use crate::peer::Peer;
use anywire_model::Role;
use foreign::RawTcp;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Lets in who can say who it is, where that is asked for; returns what is behind it.
pub(crate) async fn shake_hands(
    mut socket: Socket,
    peer: Peer,
    context: Arc<Context>,
    shutdown: CancellationToken,
) -> Option<Box<Entry>> {
    let (principal, head) = match peer {
        Peer::Ip(address) if context.listener.auth => {
            let asked = ask(&mut socket, peer, address.ip(), &context);
            shutdown.run_until_cancelled(asked).await??
        }
        Peer::Ip(_) => (peer.principal(None), Vec::new()),
        // The kernel says who is at the other end of a UNIX socket.
        Peer::User(_) => (peer.principal(Some(Role::Owner)), Vec::new()),
    };
    Some(Box::new(Entry {
        socket,
        framing: Framing::Bytes,
        dialect: Box::new(RawTcp::default()),
        head,
        visitor: Visitor {
            context,
            peer,
            principal,
            session: None,
        },
    }))
}

/// Asks who it is; returns that and what was sent behind it.
async fn ask(
    socket: &mut Socket,
    peer: Peer,
    from: IpAddr,
    context: &Context,
) -> Option<(Principal, Vec<u8>)> {
    let mut lines = Lines {
        socket,
        read: Vec::new(),
        after_return: false,
    };
    let grant = typed_login(context, from, &mut lines).await;
    if let Some(grant) = grant {
        lines.end_line();
        return Some((grant.principal(peer), lines.read));
    }
    let _ = timeout(limits::PROMPT, socket.shutdown()).await;
    None
}

/// A wire on which whole lines come, echoed by nobody here.
struct Lines<'a> {
    socket: &'a mut Socket,
    /// What was read beyond the last line.
    read: Vec<u8>,
    /// The last line ended with a carriage return: a line feed next belongs to it.
    after_return: bool,
}

impl Typist for Lines<'_> {
    async fn say(&mut self, text: &str) -> Option<()> {
        let said = async {
            self.socket.write_all(text.as_bytes()).await?;
            self.socket.flush().await
        };
        timeout(limits::PROMPT, said).await.ok()?.ok()
    }

    async fn line(&mut self, _secret: bool) -> Option<String> {
        let line = timeout(limits::PROMPT, self.next()).await.ok()??;
        // A browser's request is no wrong code: it must not lock out who knows the right one.
        if foreign::is_browser(&line) {
            return None;
        }
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

impl Lines<'_> {
    /// Drops the line feed behind a carriage return, once it is there.
    fn end_line(&mut self) {
        if let Some(&next) = self.read.first()
            && std::mem::take(&mut self.after_return)
            && next == b'\n'
        {
            self.read.remove(0);
        }
    }

    /// Takes a line without its end off what was read, reading on as needed; `None` at the end of the stream or beyond
    /// the maximum.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; limits::PROMPT_LINE];
        loop {
            self.end_line();
            let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
            if let Some(end) = self.read.iter().position(is_end) {
                let line = self.read.drain(..end).collect();
                self.after_return = self.read.remove(0) == b'\r';
                return Some(line);
            }
            if self.read.len() >= limits::PROMPT_LINE {
                self.say("the line is too long\r\n").await?;
                return None;
            }
            let n = self.socket.read(&mut buffer).await.ok()?;
            if n == 0 {
                return None;
            }
            self.read.extend_from_slice(&buffer[..n]);
        }
    }
}
