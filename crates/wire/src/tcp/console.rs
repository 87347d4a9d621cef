//! Lines typed by somebody at the other end of a raw or telnet connection, before there is a session.

use super::foreign::{RawTcp, is_browser};
use crate::admit::Typist;
use crate::limits;
use crate::link::{Entry, Framing, Socket, Visitor, Ways};
use crate::metrics::Wire;
use crate::observer::Observed;
use anywire_codec::telnet::{Command, Event, Telnet};
use std::time::Duration;
use tokio::time::timeout;

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
const INTERRUPT: u8 = 0x03;
const END_OF_FILE: u8 = 0x04;
const KILL_LINE: u8 = 0x15;

/// A connection that is asked something.
pub(crate) struct Console {
    socket: Socket,
    telnet: Option<Box<Telnet>>,
    greeted: bool,
    /// Bytes that were read; those before `at` are done with.
    read: Vec<u8>,
    at: usize,
    /// The last line ended with CR: a LF behind it belongs to it.
    skip_lf: bool,
}

/// What the user sees of what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// What was typed, where the server is to echo.
    Typed,
    /// Nothing.
    Hidden,
}

impl Console {
    /// Raw bytes, of which some were read.
    pub(crate) fn raw(socket: Socket, head: Vec<u8>) -> Self {
        socket.keep_alive();
        Self {
            socket,
            telnet: None,
            greeted: false,
            read: head,
            at: 0,
            skip_lf: false,
        }
    }

    /// Telnet, of which some was read.
    pub(crate) fn telnet(socket: Socket, head: Vec<u8>) -> Self {
        socket.urgent_inline();
        Self {
            telnet: Some(Box::default()),
            ..Self::raw(socket, head)
        }
    }

    /// The connection for the pump, on behalf of this visitor.
    pub(crate) fn into_entry(mut self, visitor: Visitor) -> Entry {
        self.read.drain(..self.at);
        let size = self.telnet.as_ref().and_then(|telnet| telnet.size());
        let (wire, framing) = match self.telnet {
            Some(telnet) => (Wire::Telnet, Framing::Telnet(telnet)),
            None => (Wire::Tcp, Framing::Bytes),
        };
        let observer = visitor.context.listener.observer.as_ref();
        let observed = Observed::begin(observer, visitor.peer.address());
        Entry {
            socket: self.socket,
            framing,
            dialect: Box::new(RawTcp::new(wire, size, self.skip_lf, observed)),
            head: self.read,
            visitor,
        }
    }

    /// Sends text; `None` if it is not taken in time.
    pub(crate) async fn say(&mut self, text: &str) -> Option<()> {
        let mut bytes = Vec::new();
        if let Some(telnet) = &mut self.telnet
            && !std::mem::replace(&mut self.greeted, true)
        {
            telnet.greet(&mut bytes);
        }
        bytes.extend_from_slice(text.as_bytes());
        self.send(&bytes).await
    }

    async fn send(&mut self, mut bytes: &[u8]) -> Option<()> {
        let sending = async {
            while !bytes.is_empty() {
                match self.socket.try_write(bytes).ok()? {
                    Some(n) => bytes = &bytes[n..],
                    None => drop(self.socket.ready(Ways::WRITE).await.ok()?),
                }
            }
            Some(())
        };
        timeout(limits::PROMPT, sending).await.ok()?
    }

    /// A line without its end, of at most `max` bytes, typed within `patience`; `None` if there is none to come, or if it
    /// is a browser's request: that is no wrong code, which would lock out who knows the right one, and the lines behind
    /// it are no choices.
    pub(crate) async fn line(
        &mut self,
        max: usize,
        patience: Duration,
        echo: Echo,
    ) -> Option<Vec<u8>> {
        let line = timeout(patience, self.type_line(max, echo)).await.ok()??;
        (!is_browser(&line)).then_some(line)
    }

    async fn type_line(&mut self, max: usize, echo: Echo) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let shown = match self.key().await? {
                b'\r' | b'\n' => break,
                INTERRUPT => return None,
                END_OF_FILE if line.is_empty() => return None,
                BACKSPACE | DELETE => rub_out(&mut line),
                KILL_LINE => {
                    let wide = String::from_utf8_lossy(&line).chars().count();
                    line.clear();
                    "\x08 \x08".repeat(wide).into_bytes()
                }
                key if key < b' ' => continue,
                key => {
                    line.push(key);
                    vec![key]
                }
            };
            if line.len() > max {
                self.say("\r\nthe line is too long\r\n").await?;
                self.close().await;
                return None;
            }
            if self.echoes() && echo == Echo::Typed {
                self.send(&shown).await?;
            }
        }
        if self.echoes() {
            self.send(b"\r\n").await?;
        }
        Some(line)
    }

    /// Whether the client shows only what we send.
    fn echoes(&self) -> bool {
        self.telnet.as_ref().is_some_and(|telnet| telnet.echoes())
    }

    /// The next key; `None` at the end of the stream.
    async fn key(&mut self) -> Option<u8> {
        loop {
            while self.at < self.read.len() {
                if let Some(key) = self.take().await? {
                    return Some(key);
                }
            }
            self.read.clear();
            self.at = 0;
            self.fill().await?;
        }
    }

    /// What the next byte means, if it means a key.
    async fn take(&mut self) -> Option<Option<u8>> {
        let byte = &mut self.read[self.at..=self.at];
        let Some(telnet) = &mut self.telnet else {
            let byte = byte[0];
            self.at += 1;
            let skip = std::mem::replace(&mut self.skip_lf, byte == b'\r') && byte == b'\n';
            return Some((!skip).then_some(byte));
        };
        // One byte at a time, so that what stands behind the line is left to the pump as it came.
        let (used, event) = telnet.next(byte)?;
        self.at += used;
        let reply = match event {
            Event::Data(bytes) => return Some(bytes.first().copied()),
            Event::Command(Command::EraseCharacter) => return Some(Some(DELETE)),
            Event::Command(Command::EraseLine) => return Some(Some(KILL_LINE)),
            Event::Command(Command::Interrupt | Command::EndOfFile) => return None,
            Event::Reply(reply) => reply.to_vec(),
            Event::Command(_) | Event::Size(_) | Event::Nothing => return Some(None),
        };
        self.send(&reply).await?;
        Some(None)
    }

    async fn fill(&mut self) -> Option<()> {
        let mut buffer = [0; 256];
        loop {
            match self.socket.try_read(&mut buffer).ok()? {
                Some(0) => return None,
                Some(n) => {
                    self.read.extend_from_slice(&buffer[..n]);
                    return Some(());
                }
                None => drop(self.socket.ready(Ways::READ).await.ok()?),
            }
        }
    }

    /// Ends the connection so that what was said arrives: bytes that nobody has read would have it thrown away.
    pub(crate) async fn close(&mut self) {
        if self.socket.shutdown().await.is_ok() {
            let drained = async { while self.fill().await.is_some() && self.forget() {} };
            let _ = timeout(limits::LINGER_REFUSED, drained).await;
        }
    }

    fn forget(&mut self) -> bool {
        self.read.clear();
        self.at = 0;
        true
    }
}

impl Typist for Console {
    async fn say(&mut self, text: &str) -> Option<()> {
        Console::say(self, text).await
    }

    async fn line(&mut self, secret: bool) -> Option<String> {
        let echo = if secret { Echo::Hidden } else { Echo::Typed };
        let line = Console::line(self, limits::PROMPT_LINE, limits::PROMPT, echo).await?;
        // A browser's request is no wrong code: it must not lock out who knows the right one.
        let is_typed = !is_browser(&line);
        is_typed.then(|| String::from_utf8_lossy(&line).into_owned())
    }
}

/// Takes the last character off a line; returns what shows that.
fn rub_out(line: &mut Vec<u8>) -> Vec<u8> {
    const CONTINUATION: std::ops::Range<u8> = 0x80..0xc0;
    let mut shown = Vec::new();
    while let Some(byte) = line.pop() {
        if !CONTINUATION.contains(&byte) {
            shown.extend_from_slice(b"\x08 \x08");
            break;
        }
    }
    shown
}
