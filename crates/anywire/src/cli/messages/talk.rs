//! One connection: requests out, answers in.

use super::url::{Place, Url};
use super::websocket;
use crate::cli::client::{clean, is_here, note};
use crate::cli::tls::{Tls, TlsError, Trust};
use anywire_codec::framed::{
    Error, Header, Id, Limits, MAX_HEADER, Message, Next, Reader, Reply, content,
};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// How long a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// What a server may answer at most.
pub(super) const LIMITS: Limits = Limits {
    header: MAX_HEADER,
    content: 64 << 20,
    depth: 64,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum TalkError {
    /// No connection.
    #[error("connecting to {0}: {1}")]
    Connect(String, TlsError),
    /// Nobody listens there.
    #[error("nobody answers at {0}; `{1}` would")]
    Nobody(String, String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// Nothing came in time.
    #[error("no answer in time")]
    Timeout,
    /// The user does not want to wait any longer.
    #[error("interrupted")]
    Interrupted,
    /// The server closed without an answer.
    #[error("the server closed the connection without an answer")]
    Closed,
    /// The answer is no message.
    #[error("the answer is no message: {0}")]
    Frame(#[from] Error),
    /// The password was not taken.
    #[error("the password was refused: {0}")]
    Refused(String),
}

/// A server, and how to get there.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) url: Url,
    /// For a URL with TLS.
    pub(super) tls: Option<Tls>,
}

impl Way {
    /// # Errors
    /// When what is trusted cannot be read, or nothing is enciphered that was to be.
    pub(super) fn new(url: Url, trust: &Trust) -> anyhow::Result<Self> {
        let tls = if url.tls {
            Some(trust.tls(url.host())?)
        } else {
            trust.is_not_for(&url.to_string())?;
            None
        };
        Ok(Self { url, tls })
    }

    /// Tells the user that a password goes to another machine in the clear.
    pub(super) fn warn(&self) {
        if self.tls.is_none()
            && !matches!(self.url.place, Place::Unix(_))
            && !is_here(self.url.host())
        {
            note(&format!(
                "what you say to {} can be read and changed on the way, the password too; framed+tls://, wss:// or a \
                 tunnel is safer",
                self.url
            ));
        }
    }
}

/// Any kind of connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error.kind(), ConnectionRefused | NotFound)
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Opens a connection. The password is for who asks for it before there are messages.
pub(super) async fn open(way: &Way, password: Option<&str>) -> Result<Box<dyn Stream>, TalkError> {
    let connecting = async {
        Ok::<Box<dyn Stream>, TlsError>(match (&way.url.place, &way.tls) {
            (Place::Unix(path), _) => Box::new(UnixStream::connect(path).await?),
            (Place::Net(address), None) => Box::new(connect(address).await?),
            (Place::Net(address), Some(tls)) => {
                Box::new(tls.connect(connect(address).await?).await?)
            }
            (Place::WebSocket(address), None) => {
                let stream = connect(address).await?;
                Box::new(Box::pin(websocket::upgrade(stream, address, password)).await?)
            }
            (Place::WebSocket(address), Some(tls)) => {
                let stream = tls.connect(connect(address).await?).await?;
                Box::new(Box::pin(websocket::upgrade(stream, address, password)).await?)
            }
        })
    };
    match timeout(CONNECT, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(TlsError::Io(error))) if is_nobody(&error) => {
            Err(TalkError::Nobody(way.url.to_string(), way.url.echo()))
        }
        Ok(Err(error)) => Err(TalkError::Connect(way.url.to_string(), error)),
        Err(_) => Err(TalkError::Timeout),
    }
}

/// An answer.
pub(super) struct Answer {
    pub(super) header: Header<'static>,
    pub(super) content: Vec<u8>,
}

impl Answer {
    /// Its JSON, if it is any.
    pub(super) fn json(&self) -> Option<Value> {
        if !self.header.is_json() {
            return None;
        }
        content::json(&self.header, &self.content, &LIMITS).ok()
    }
}

/// What an error reply says.
pub(super) fn error(message: &Message<'_>) -> Option<String> {
    if !message.header.is_json() {
        return None;
    }
    let value = content::json(&message.header, message.content, &LIMITS).ok()?;
    let said = value.get("error")?.get("message")?.as_str()?;
    Some(clean(said))
}

/// A connection for framed messages.
pub(super) struct Talk {
    pub(super) stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    reader: Reader,
    patience: Duration,
}

impl Talk {
    /// Connects and, with a password, authenticates.
    pub(super) async fn open(
        way: &Way,
        password: Option<&str>,
        patience: Duration,
    ) -> Result<Self, TalkError> {
        let mut talk = Self {
            stream: open(way, password).await?,
            buffer: Vec::new(),
            reader: Reader::new(LIMITS),
            patience,
        };
        if let Some(password) = password
            && !matches!(way.url.place, Place::WebSocket(_))
        {
            talk.authenticate(password).await?;
        }
        Ok(talk)
    }

    async fn authenticate(&mut self, password: &str) -> Result<(), TalkError> {
        let request = Reply::json(&json!({"action": "auth", "password": password}));
        let answer = self.ask(&request, true).await?;
        let value = answer.json().unwrap_or_default();
        if value["result"] == "ok" {
            return Ok(());
        }
        let message = value["error"]["message"].as_str();
        let message = message
            .or(value["result"].as_str())
            .unwrap_or("the answer is not \"ok\"");
        Err(TalkError::Refused(clean(message)))
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(
        &mut self,
        request: &Reply,
        keep_alive: bool,
    ) -> Result<Answer, TalkError> {
        let mut out = Vec::new();
        request.write(keep_alive, None, &mut out)?;
        let patience = self.patience;
        let asking = async {
            // A server that refuses early may close while we still write: what it said counts.
            let sent = match self.stream.write_all(&out).await {
                Ok(()) => self.stream.flush().await,
                failed => failed,
            };
            let answer = self.answer().await;
            match (answer, sent) {
                (Err(_), Err(error)) => Err(TalkError::Io(error)),
                (answer, _) => answer,
            }
        };
        timeout(patience, asking)
            .await
            .unwrap_or(Err(TalkError::Timeout))
    }

    async fn answer(&mut self) -> Result<Answer, TalkError> {
        loop {
            if let Next::Message { used, message } = self.reader.message(&self.buffer)? {
                let header = message.header;
                let answer = Answer {
                    header: Header {
                        content_type: header.content_type.into_owned().into(),
                        content_encoding: header.content_encoding.into_owned().into(),
                        id: header.id.map(Id::into_owned),
                        ..header
                    },
                    content: message.content.to_vec(),
                };
                self.buffer.drain(..used);
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(TalkError::Closed);
            }
        }
    }

    /// The connection, when nothing is under way.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }
}
