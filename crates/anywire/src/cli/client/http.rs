//! One HTTP/1.1 exchange over a stream that is already connected, and the upgrade of one to a WebSocket.

use super::table::clean;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest answer that is read; a list of a thousand sessions is a third of a megabyte.
const MAX_BODY: usize = 4 << 20;
/// The longest that a server may take to answer: input may wait ten seconds for a program to read it.
const DEADLINE: Duration = Duration::from_secs(15);

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The connection broke, or the peer does not speak HTTP.
    #[error("talking HTTP to the server")]
    Http(#[from] hyper::Error),
    /// The request cannot be written, for example because of a line end in a header.
    #[error("forming the request")]
    Request(#[from] http::Error),
    /// The answer was cut or longer than 4 MiB.
    #[error("reading the server's answer: {0}")]
    Body(String),
    /// No answer within fifteen seconds.
    #[error("the server did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    /// The server refused.
    #[error("the server answered {status}: {detail}")]
    Status {
        /// HTTP's number for it.
        status: StatusCode,
        /// The server's own words.
        detail: String,
    },
}

/// A stream that HTTP can be spoken on.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Where and as whom a request is made.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The `Host` header.
    pub host: String,
    /// Further headers, such as a cookie.
    pub headers: Vec<(String, String)>,
}

impl Peer {
    /// The server's UNIX socket, where the connection itself is the credential.
    #[must_use]
    pub fn local() -> Self {
        Self {
            host: "localhost".into(),
            headers: Vec::new(),
        }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host);
        self.headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    }
}

/// Sends one request with a JSON body (none when empty) and returns the whole answer, whatever its status.
///
/// # Errors
/// [`HttpError`], but never `Status`: [`success`] makes that one.
pub async fn exchange<S: Stream>(
    stream: S,
    peer: &Peer,
    method: Method,
    path: &str,
    body: &str,
) -> Result<Response<Bytes>, HttpError> {
    let mut request = peer.request(method, path);
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
    ask(stream, request).await
}

/// Sends a request as it is and returns the whole answer.
///
/// # Errors
/// As [`exchange`].
pub(super) async fn ask<S: Stream>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, HttpError> {
    let talk = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answer = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok::<_, HttpError>(Response::from_parts(head, collect(body).await?))
        };
        let (driven, answer) = tokio::join!(connection, answer);
        // An answer that came in full counts, even when the peer closed rudely after it.
        answer.or_else(|error| driven.map_err(HttpError::from).and(Err(error)))
    };
    tokio::time::timeout(DEADLINE, talk)
        .await
        .map_err(|_| HttpError::Deadline)?
}

/// Sends a request and returns the answer's head as soon as it is there, with its body still to come. What drives the
/// connection is returned too: the caller polls it while it reads.
///
/// # Errors
/// As [`exchange`].
pub(super) async fn begin<S: Stream>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(Response<hyper::body::Incoming>, Driver), HttpError> {
    let talk = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut driver: Driver = Box::pin(async move {
            // How it broke is told by the body.
            let _ = connection.await;
        });
        let answer = sender.send_request(request);
        let mut answer = std::pin::pin!(answer);
        let answer = tokio::select! {
            answer = &mut answer => answer?,
            () = &mut driver => answer.await?,
        };
        Ok((answer, driver))
    };
    tokio::time::timeout(DEADLINE, talk)
        .await
        .map_err(|_| HttpError::Deadline)?
}

/// Moves the bytes of one connection.
pub(super) type Driver = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// The whole of a short body, such as a problem.
pub(super) async fn whole(
    answer: Response<hyper::body::Incoming>,
) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = answer.into_parts();
    Ok(Response::from_parts(head, collect(body).await?))
}

/// Sends a request that asks for another protocol; the stream comes back with whatever was read beyond the answer.
///
/// # Errors
/// [`HttpError::Status`] for any answer but 101.
pub(super) async fn upgrade<S: Stream>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(S, Bytes, Response<()>), HttpError> {
    let talk = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answer = async move {
            let mut answer = sender.send_request(request).await?;
            if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                let (head, body) = answer.into_parts();
                let body = collect(body).await?;
                success(Response::from_parts(head, body))?;
                return Err(HttpError::Body(
                    "the server did not switch protocols".into(),
                ));
            }
            let upgraded = hyper::upgrade::on(&mut answer).await?;
            Ok((upgraded, answer.map(|_| ())))
        };
        let (_, answer) = tokio::join!(connection.with_upgrades(), answer);
        let (upgraded, answer) = answer?;
        let parts = upgraded
            .downcast::<TokioIo<S>>()
            .map_err(|_| HttpError::Body("the stream came back as another type".into()))?;
        Ok((parts.io.into_inner(), parts.read_buf, answer))
    };
    tokio::time::timeout(DEADLINE, talk)
        .await
        .map_err(|_| HttpError::Deadline)?
}

/// The body of an answer of the 200 family; any other becomes an error with the server's own words.
///
/// # Errors
/// [`HttpError::Status`].
pub fn success(answer: Response<Bytes>) -> Result<Bytes, HttpError> {
    let status = answer.status();
    let body = answer.into_body();
    if status.is_success() {
        return Ok(body);
    }
    Err(HttpError::Status {
        status,
        detail: words(&body),
    })
}

/// What `application/problem+json` says, or the start of any other body.
fn words(body: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key| {
        problem
            .get(key)
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    };
    let said = text("detail").or_else(|| text("title"));
    clean(&said.unwrap_or_else(|| {
        String::from_utf8_lossy(&body[..body.len().min(200)])
            .trim()
            .to_owned()
    }))
}

async fn collect(body: hyper::body::Incoming) -> Result<Bytes, HttpError> {
    let body = Limited::new(body, MAX_BODY).collect().await;
    Ok(body
        .map_err(|error| HttpError::Body(error.to_string()))?
        .to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    /// A peer that reads a request's head and says exactly this.
    async fn saying(mut peer: DuplexStream, answer: &'static str) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(peer.read_u8().await.unwrap());
        }
        peer.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    }

    async fn get(answer: &'static str) -> (String, Result<Response<Bytes>, HttpError>) {
        let (near, far) = tokio::io::duplex(1024);
        let peer = Peer::local();
        tokio::join!(
            saying(far, answer),
            exchange(near, &peer, Method::GET, "/api/sessions", "")
        )
    }

    #[tokio::test]
    async fn the_answer_comes_whole_and_the_host_is_said() {
        let (head, answer) = get("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await;
        assert!(head.starts_with("GET /api/sessions HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("host: localhost\r\n"), "{head}");
        assert_eq!(success(answer.unwrap()).unwrap(), "[]");
    }

    #[tokio::test]
    async fn a_problem_speaks_in_its_own_words() {
        let problem =
            "HTTP/1.1 404 Not Found\r\ncontent-length: 26\r\n\r\n{\"detail\":\"no such thing\"}";
        let refused = success(get(problem).await.1.unwrap())
            .unwrap_err()
            .to_string();
        assert_eq!(refused, "the server answered 404 Not Found: no such thing");
        assert_eq!(words(br#"{"title":"busy"}"#), "busy");
        assert_eq!(words(br#"{"title":"busy","detail":"later"}"#), "later");
        assert_eq!(words(b" plain \n"), "plain");
        // Nor do they steer the terminal that they are printed on.
        assert_eq!(
            words(br#"{"detail":"a\u001b[2Jb\u009bc"}"#),
            "a\u{fffd}[2Jb\u{fffd}c"
        );
        assert_eq!(words(b"a\x1b]0;t\x07"), "a\u{fffd}]0;t\u{fffd}");
    }

    #[tokio::test]
    async fn a_cut_answer_and_noise_are_errors() {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[]",
            "SSH-2.0-x\r\n\r\n",
            "",
        ] {
            assert!(get(answer).await.1.is_err(), "{answer:?}");
        }
    }
}
