//! Clients of xwterm's dialect as its pages are: one that polls over HTTP, one with a WebSocket.

use crate::server::Server;
use crate::wait::DEADLINE;
use anywire::cli::client::http::Peer;
use anywire::cli::client::ws::{Message, WebSocket, WsError};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep, timeout};

/// Between two polls: faster than a page's half second, to be done sooner.
const POLL: Duration = Duration::from_millis(20);

/// An answer, as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its number.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// One request on a connection of its own, its address as it is.
///
/// # Panics
/// When there is no answer in time.
pub async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let asked = try_request(address, method, path, headers, body);
    let answer = timeout(DEADLINE, asked).await;
    answer
        .unwrap_or_else(|_| panic!("no answer in time: {method} {path}"))
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// The same where the server may be gone.
///
/// # Errors
/// Whatever broke the connection.
pub async fn try_request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head += &format!("Host: {address}\r\n");
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT") {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).await?;
    // A server that refuses does not read the whole.
    let _ = stream.write_all(body).await;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Answer {
        status: status
            .and_then(|number| number.parse().ok())
            .expect("a status"),
        headers: lines.filter_map(header).collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

/// A terminal that polls.
#[derive(Debug)]
pub struct Poller {
    address: SocketAddr,
    /// Its id, as it stands in an address.
    pub id: String,
    /// All output so far.
    pub got: String,
}

impl Poller {
    /// Opens a terminal of this size (lines x columns) as a page does.
    pub async fn open(server: &Server, id: &str, size: &str) -> Self {
        let mut poller = Self::silent(server, id);
        poller.ask(&format!("size={size}")).await;
        poller
    }

    /// A terminal that has asked for nothing.
    #[must_use]
    pub fn silent(server: &Server, id: &str) -> Self {
        Self {
            address: server.address("http"),
            id: id.to_owned(),
            got: String::new(),
        }
    }

    /// Polls once with these words; returns what was new.
    ///
    /// # Panics
    /// When the answer is none of this dialect.
    pub async fn ask(&mut self, words: &str) -> String {
        let path = format!("/?{words}&session={}", self.id);
        let answer = request(self.address, "GET", &path, &[], b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        let text = json["text"].as_str().expect("an object with text");
        self.got += text;
        text.to_owned()
    }

    /// Polls until this has come.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn see(&mut self, what: &str) {
        let start = Instant::now();
        loop {
            if let Ok(answer) = try_request(
                self.address,
                "GET",
                &format!("/?console&session={}", self.id),
                &[],
                b"",
            )
            .await
                && answer.status == 200
            {
                self.got += answer.json()["text"].as_str().expect("an object with text");
            }
            if self.got.contains(what) {
                return;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "waited in vain for {what:?}, got {:?}",
                self.got
            );
            sleep(POLL).await;
        }
    }

    /// Posts keys as a page does.
    ///
    /// # Panics
    /// When they are not taken.
    pub async fn send(&self, keys: impl AsRef<[u8]>) {
        let path = format!("/?session={}", self.id);
        let kind = [("Content-Type", "text/plain;charset=UTF-8")];
        let answer = request(self.address, "POST", &path, &kind, keys.as_ref()).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
    }
}

/// A terminal with a WebSocket.
pub struct Socket {
    ws: WebSocket<TcpStream>,
    /// All output so far.
    pub got: String,
}

impl Socket {
    /// Connects, at any address of the listener, as a page of this origin.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(
        address: SocketAddr,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Self, WsError> {
        let stream = TcpStream::connect(address).await?;
        let origin = origin.map(|origin| ("origin".to_owned(), origin.to_owned()));
        let peer = Peer {
            host: address.to_string(),
            headers: origin.into_iter().collect(),
        };
        let ws = WebSocket::connect(stream, &peer, path, "").await?;
        let got = String::new();
        Ok(Self { ws, got })
    }

    /// The same as a page does: with its size as the first message.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn open(address: SocketAddr, size: &str) -> Self {
        let mut socket = Self::connect(address, "/", None).await.expect("a socket");
        let size = serde_json::json!({ "size": size });
        socket.send(&size.to_string()).await;
        socket
    }

    /// A text message as it is.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send(&mut self, message: &str) {
        self.ws.text(message.as_bytes());
        self.ws.flush().await.expect("the connection holds");
    }

    /// A binary message.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send_binary(&mut self, message: &[u8]) {
        self.ws.binary(message);
        self.ws.flush().await.expect("the connection holds");
    }

    /// Keys, as a page sends them.
    pub async fn keys(&mut self, keys: &str) {
        let message = serde_json::json!({ "text": keys });
        self.send(&message.to_string()).await;
    }

    /// Reads one message; the close code when that was the last.
    ///
    /// # Panics
    /// When nothing comes in time, or something that the pages could not read.
    pub async fn next(&mut self) -> Option<u16> {
        let message = timeout(DEADLINE, self.ws.next()).await;
        let message = message.unwrap_or_else(|_| panic!("nothing comes, got {:?}", self.got));
        match message.expect("the connection holds") {
            Some(Message::Text(text)) => {
                assert!(text.is_ascii(), "{text:?}");
                let json: Value = serde_json::from_slice(&text).expect("JSON");
                self.got += json["text"].as_str().expect("an object with text");
                None
            }
            Some(Message::Close(code, _)) => Some(code),
            None => Some(1006),
            other => panic!("the pages cannot read {other:?}"),
        }
    }

    /// Reads until this has come.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn see(&mut self, what: &str) {
        while !self.got.contains(what) {
            let end = self.next().await;
            assert_eq!(end, None, "closed before {what:?}, got {:?}", self.got);
        }
    }

    /// Reads until the connection is gone, without a word or with one.
    ///
    /// # Panics
    /// When it is not in time.
    pub async fn gone(&mut self) {
        loop {
            let message = timeout(DEADLINE, self.ws.next()).await;
            match message.expect("the connection ends") {
                Err(_) | Ok(None | Some(Message::Close(..))) => return,
                Ok(_) => {}
            }
        }
    }

    /// Reads until the server closes; the code.
    pub async fn end(&mut self) -> u16 {
        loop {
            if let Some(code) = self.next().await {
                return code;
            }
        }
    }
}
