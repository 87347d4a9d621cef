//! Small clients: HTTP by hand, WebSocket by our codec's other side, raw bytes.

use super::soon;
use anywire_codec::dialect::native::{Client, Hello, Server, ServerText};
use anywire_codec::websocket::{Message, Next, Opcode, Reader, Side, write_masked};
use anywire_model::{Offset, Stream};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// An HTTP response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Response {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Sends one request and reads the response to the end of the connection.
pub async fn request(at: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let stream = TcpStream::connect(at).await.unwrap();
    request_on(stream, line, headers, body).await
}

/// The same on a connection that exists.
pub async fn request_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let mut text = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    parse(&String::from_utf8_lossy(&answer))
}

fn parse(text: &str) -> Response {
    let (head, body) = text.split_once("\r\n\r\n").expect("a response");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Response {
        status: status.expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A WebSocket message, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
    /// The connection ended without a close frame.
    End,
}

/// A WebSocket client that does nothing by itself.
pub struct Socket<S = TcpStream> {
    pub stream: S,
    reader: Reader,
    buffer: Vec<u8>,
}

/// The headers of a handshake, without `Host` and `Origin`.
pub const HANDSHAKE: [(&str, &str); 4] = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Tries a handshake; the refusal if there is one.
pub async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Socket<S>, Response), Response> {
    let mut text = format!("GET {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = soon(stream.read_u8()).await.expect("a whole header");
        head.push(byte);
    }
    let mut response = parse(&String::from_utf8_lossy(&head));
    if response.status != 101 {
        let len = response
            .header("content-length")
            .and_then(|len| len.parse().ok());
        let mut body = vec![0; len.unwrap_or(0)];
        soon(stream.read_exact(&mut body)).await.unwrap();
        response.body = String::from_utf8_lossy(&body).into_owned();
        return Err(response);
    }
    let socket = Socket {
        stream,
        reader: Reader::new(Side::Client, 16 << 20).with_deflate(),
        buffer: Vec::new(),
    };
    Ok((socket, response))
}

/// A WebSocket with this subprotocol, or none if it is empty.
pub async fn connect(at: SocketAddr, path: &str, protocol: &str) -> Socket {
    let host = at.to_string();
    let mut headers = HANDSHAKE.to_vec();
    headers.push(("Host", &host));
    if !protocol.is_empty() {
        headers.push(("Sec-WebSocket-Protocol", protocol));
    }
    let stream = TcpStream::connect(at).await.unwrap();
    let (socket, response) = upgrade(stream, path, &headers).await.expect("an upgrade");
    assert_eq!(
        response.header("sec-websocket-protocol").unwrap_or(""),
        protocol
    );
    socket
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Sends these bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut out = Vec::new();
        write_masked(opcode, payload, [7, 1, 9, 4], &mut out);
        self.send_bytes(&out).await;
    }

    pub async fn text(&mut self, text: &str) {
        self.send(Opcode::Text, text.as_bytes()).await;
    }

    pub async fn binary(&mut self, bytes: &[u8]) {
        self.send(Opcode::Binary, bytes).await;
    }

    /// Sends a message of the native dialect.
    pub async fn say(&mut self, message: &Client<'_>) {
        let mut payload = Vec::new();
        let binary = message.encode(&mut payload);
        let opcode = if binary { Opcode::Binary } else { Opcode::Text };
        self.send(opcode, &payload).await;
    }

    /// The next frame.
    pub async fn next(&mut self) -> Frame {
        loop {
            if let Next::Frame { used, message } = self.reader.next(&mut self.buffer).unwrap() {
                let frame = message.map(|message| match message {
                    Message::Text(text) => Frame::Text(text.into()),
                    Message::Binary(bytes) => Frame::Binary(bytes.into()),
                    Message::Ping(bytes) => Frame::Ping(bytes.into()),
                    Message::Pong(bytes) => Frame::Pong(bytes.into()),
                    Message::Close(close) => Frame::Close(close.map_or(1005, |(code, _)| code)),
                });
                self.buffer.drain(..used);
                match frame {
                    Some(frame) => return frame,
                    None => continue,
                }
            }
            match soon(self.stream.read_buf(&mut self.buffer)).await {
                Ok(0) | Err(_) => return Frame::End,
                Ok(_) => {}
            }
        }
    }

    /// The next text message of the native dialect; binary ones on the way are an error.
    pub async fn control(&mut self) -> ServerText {
        match self.next().await {
            Frame::Text(text) => match Server::decode_text(text.as_bytes()).unwrap() {
                Server::Text(text) => text,
                other => panic!("{other:?}"),
            },
            other => panic!("no control message: {other:?}"),
        }
    }

    /// Skips to the close frame.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Frame::Close(code) => return code,
                Frame::End => panic!("no close frame"),
                _ => {}
            }
        }
    }

    /// Says hello and reads the welcome.
    pub async fn hello(&mut self, hello: Hello) -> ServerText {
        self.say(&Client::Hello(Box::new(hello))).await;
        self.control().await
    }

    /// Reads output, keyframes and control messages until `done`.
    pub async fn gather(&mut self, mut done: impl FnMut(&Gathered) -> bool) -> Gathered {
        let mut all = Gathered::default();
        while !done(&all) {
            match self.next().await {
                Frame::Binary(bytes) => match Server::decode_binary(&bytes).unwrap() {
                    Server::Output {
                        stream,
                        offset,
                        bytes,
                    } => all.output(stream, offset, bytes),
                    Server::Keyframe { offset, dump } => {
                        all.next = Some(offset);
                        all.keyframes.push((offset, dump.to_vec()));
                    }
                    Server::Text(_) => unreachable!(),
                },
                Frame::Text(text) => match Server::decode_text(text.as_bytes()).unwrap() {
                    Server::Text(text) => all.control.push(text),
                    other => panic!("{other:?}"),
                },
                Frame::Close(code) => all.closed = Some(code),
                Frame::End => panic!("the connection ended after {all:?}"),
                Frame::Ping(_) | Frame::Pong(_) => {}
            }
        }
        all
    }
}

/// What a native client has seen.
#[derive(Debug, Default)]
pub struct Gathered {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub next: Option<Offset>,
    pub keyframes: Vec<(Offset, Vec<u8>)>,
    pub control: Vec<ServerText>,
    pub closed: Option<u16>,
}

impl Gathered {
    fn output(&mut self, stream: Stream, offset: Offset, bytes: &[u8]) {
        if let Some(next) = self.next {
            assert_eq!(offset, next, "output goes on where it was");
        }
        self.next = Some(offset + bytes.len() as u64);
        match stream {
            Stream::Out => self.out.extend_from_slice(bytes),
            Stream::Err => self.err.extend_from_slice(bytes),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}
