//! One connection of each wire, as far as a measurement needs it: bytes in, bytes out, framing off.

use anyhow::{Context as _, Result, bail};
use anywire_codec::dialect::native::{self, Hello};
use anywire_codec::dialect::tty;
use anywire_codec::dialect::xwterm::{Unit, print_text};
use anywire_codec::framed;
use anywire_codec::websocket::{Message, Next, Opcode, Reader, Side, write_masked};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wire {
    /// Raw TCP, to which the others are compared.
    Tcp,
    /// Telnet.
    Telnet,
    /// A WebSocket of the native dialect.
    Native,
    /// The same, compressed.
    Deflate,
    /// A WebSocket of ttyd's dialect.
    Tty,
    /// Length-prefixed messages on a connection that goes on.
    Framed,
    /// A WebSocket of xwterm's dialect.
    Xwterm,
}

impl Wire {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Telnet => "telnet",
            Self::Native => "native",
            Self::Deflate => "deflate",
            Self::Tty => "tty",
            Self::Framed => "framed",
            Self::Xwterm => "xwterm",
        }
    }

    /// What the server listens on.
    pub(crate) fn listener(self) -> &'static str {
        match self {
            Self::Tcp => "tcp://127.0.0.1:0",
            Self::Telnet => "telnet://127.0.0.1:0",
            Self::Framed => "framed://127.0.0.1:0",
            Self::Deflate => "http://127.0.0.1:0?compression=always",
            Self::Native | Self::Tty | Self::Xwterm => "http://127.0.0.1:0",
        }
    }
}

/// An open connection.
pub(crate) struct Connection {
    wire: Wire,
    stream: TcpStream,
    reader: Reader,
    framed: framed::Reader,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    /// Input bytes so far.
    sent: u64,
    /// Bytes that came from the socket.
    pub(crate) received: u64,
}

impl Connection {
    pub(crate) fn open(wire: Wire, address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut connection = Self {
            wire,
            stream,
            reader: Reader::new(Side::Client, 16 << 20).with_deflate(),
            framed: framed::Reader::new(framed::Limits::DEFAULT),
            buffer: Vec::new(),
            scratch: vec![0; 256 << 10],
            sent: 0,
            received: 0,
        };
        match wire {
            Wire::Tcp | Wire::Telnet | Wire::Framed => {}
            Wire::Native | Wire::Deflate => {
                connection.upgrade(address, native::SUBPROTOCOL)?;
                let hello = Hello {
                    client: Some(1),
                    ..Hello::default()
                };
                let mut text = Vec::new();
                native::Client::Hello(Box::new(hello)).encode(&mut text);
                connection.frame(Opcode::Text, &text)?;
            }
            Wire::Tty => {
                connection.upgrade(address, tty::SUBPROTOCOL)?;
                let hello = br#"{"AuthToken":"","columns":80,"rows":24}"#;
                connection.frame(Opcode::Binary, hello)?;
            }
            Wire::Xwterm => {
                connection.upgrade(address, "")?;
                connection.frame(Opcode::Text, br#"{"size":"24x80"}"#)?;
            }
        }
        Ok(connection)
    }

    fn upgrade(&mut self, address: SocketAddr, protocol: &str) -> Result<()> {
        let extensions = if self.wire == Wire::Deflate {
            "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        } else {
            ""
        };
        let protocol = match protocol {
            "" => String::new(),
            protocol => format!("Sec-WebSocket-Protocol: {protocol}\r\n"),
        };
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             {protocol}{extensions}\r\n"
        );
        self.stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).context("upgrading")?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!("refused: {}", String::from_utf8_lossy(&head));
        }
        Ok(())
    }

    fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Result<()> {
        let mut frame = Vec::with_capacity(payload.len() + 16);
        write_masked(opcode, payload, [7, 5, 3, 1], &mut frame);
        Ok(self.stream.write_all(&frame)?)
    }

    /// Sends input.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.wire {
            Wire::Tcp | Wire::Telnet => self.stream.write_all(bytes)?,
            Wire::Native | Wire::Deflate => {
                let message = [&native::input_header(self.sent)[..], bytes].concat();
                self.frame(Opcode::Binary, &message)?;
            }
            Wire::Tty => self.frame(Opcode::Binary, &[b"0", bytes].concat())?,
            Wire::Framed => {
                let mut message = Vec::new();
                let reply = framed::Reply::binary("binary/message", bytes);
                reply.write(true, None, &mut message)?;
                self.stream.write_all(&message)?;
            }
            Wire::Xwterm => {
                let mut message = Vec::with_capacity(bytes.len() + 16);
                print_text(&String::from_utf8_lossy(bytes), &mut message);
                self.frame(Opcode::Text, &message)?;
            }
        }
        self.sent += bytes.len() as u64;
        Ok(())
    }

    /// Reads once and shows the program's output in it; false at the end.
    pub(crate) fn receive(&mut self, mut show: impl FnMut(&[u8])) -> Result<bool> {
        let n = match self.stream.read(&mut self.scratch) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error).context("reading"),
        };
        self.received += n as u64;
        match self.wire {
            Wire::Tcp => show(&self.scratch[..n]),
            // Good enough for text: what is left of negotiations does no harm to a count.
            Wire::Telnet => self.scratch[..n].split(|byte| *byte == 255).for_each(show),
            Wire::Framed => {
                self.buffer.extend_from_slice(&self.scratch[..n]);
                let mut at = 0;
                while let framed::Next::Message { used, message } =
                    self.framed.message(&self.buffer[at..])?
                {
                    at += used;
                    show(message.content);
                }
                self.buffer.drain(..at);
            }
            Wire::Native | Wire::Deflate | Wire::Tty | Wire::Xwterm => {
                self.buffer.extend_from_slice(&self.scratch[..n]);
                let mut at = 0;
                while let Next::Frame { used, message } =
                    self.reader.next(&mut self.buffer[at..])?
                {
                    at += used;
                    match (self.wire, message) {
                        (Wire::Tty, Some(Message::Binary([b'0', output @ ..]))) => show(output),
                        (Wire::Xwterm, Some(Message::Text(text))) => {
                            show(&Unit::decode(text.as_bytes()).text);
                        }
                        (Wire::Tty, _) => {}
                        (_, Some(Message::Binary([1, rest @ ..]))) => {
                            show(&rest[8.min(rest.len())..]);
                        }
                        (_, Some(Message::Close(_))) => return Ok(false),
                        _ => {}
                    }
                }
                self.buffer.drain(..at);
            }
        }
        Ok(n > 0)
    }

    /// Reads until so many bytes of output have come.
    pub(crate) fn take(&mut self, mut bytes: usize) -> Result<()> {
        while bytes > 0 {
            let mut came = 0;
            if !self.receive(|output| came += output.len())? {
                bail!("the connection ended too early");
            }
            bytes = bytes.saturating_sub(came);
        }
        Ok(())
    }
}
