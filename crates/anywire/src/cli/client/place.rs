//! Where a server is and as whom it is asked: its UNIX socket on this machine, or a URL with a credential.

use super::http::{HttpError, Peer, Stream, exchange, success};
use crate::cli::tls::{Tls, TlsError, Trust};
use anyhow::{Context as _, Result, anyhow, bail};
use http::{Method, StatusCode, header};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection of either kind.
pub(super) type Wire = Box<dyn Stream>;

/// The way to a server.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The connection itself is the credential.
    Unix(PathBuf),
    /// Host and port, with TLS or without.
    Tcp(String, Option<Tls>),
}

impl Place {
    /// A connection; `None` when nobody listens, which may change while a server restarts.
    pub(super) async fn try_connect(&self) -> Result<Option<Wire>> {
        let connecting = async {
            Ok(match self {
                Self::Unix(path) => Box::new(UnixStream::connect(path).await?) as Wire,
                Self::Tcp(address, tls) => {
                    let stream = TcpStream::connect(address.as_str()).await?;
                    stream.set_nodelay(true)?;
                    match tls {
                        None => Box::new(stream) as Wire,
                        Some(tls) => Box::new(tls.connect(stream).await?),
                    }
                }
            })
        };
        match timeout(CONNECT, connecting).await {
            Ok(Ok(stream)) => Ok(Some(stream)),
            Ok(Err(TlsError::Io(error))) if is_nobody(&error) => Ok(None),
            Ok(Err(error)) => Err(error).with_context(|| format!("connecting to {self}")),
            Err(_) => bail!(
                "connecting to {self} takes longer than {} s",
                CONNECT.as_secs()
            ),
        }
    }
}

/// Whether nobody listens there, or did until a moment ago: the handshake of TLS was cut off.
fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof,
    };
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | NotFound
            | UnexpectedEof
    )
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address, _) => f.write_str(address),
        }
    }
}

/// Whether a host is this machine.
pub(in crate::cli) fn is_here(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || address
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// A server's URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Host and port, as `Host` and a connection need them.
    pub(super) address: String,
    /// As a browser writes the host: without the port if it is the scheme's own.
    pub(super) host: String,
    /// What stands before every path; empty at the root.
    pub(super) base: String,
    /// Whether it is https.
    pub(super) tls: bool,
    code: Option<String>,
    ticket: Option<String>,
}

impl Url {
    /// Reads the URL that a server prints: `http[s]://HOST[:PORT][/BASE][/][#code=...]`.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
        let (tls, rest) = match rest.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => bail!(
                "write the server's URL as http://HOST:PORT or https://HOST:PORT, as `anywire serve` prints it"
            ),
        };
        let (authority, base) = rest.split_once('/').unwrap_or((rest, ""));
        let authority: http::uri::Authority = authority
            .parse()
            .with_context(|| format!("{authority:?} is no host and port"))?;
        if authority.as_str().contains('@') {
            bail!("a URL carries no password: say USER:PASSWORD in ANYWIRE_TOKEN");
        }
        let usual = if tls { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(usual);
        let name = authority.host();
        let secret = |key: &str| {
            let pairs = fragment.split('&').filter_map(|pair| pair.split_once('='));
            let mut found = pairs.filter(|(name, _)| *name == key);
            found.next().map(|(_, value)| value.to_owned())
        };
        let base = base.trim_end_matches('/');
        Ok(Self {
            address: format!("{name}:{port}"),
            host: if port == usual {
                name.to_owned()
            } else {
                format!("{name}:{port}")
            },
            base: if base.is_empty() {
                String::new()
            } else {
                format!("/{base}")
            },
            tls,
            code: secret("code"),
            ticket: secret("ticket"),
        })
    }

    /// Whether it is on this machine.
    pub(super) fn is_here(&self) -> bool {
        is_here(self.address.rsplit_once(':').map_or("", |(name, _)| name))
    }

    /// The way there.
    pub(super) fn place(&self, trust: &Trust) -> Result<Place> {
        let name = self.address.rsplit_once(':').map_or("", |(name, _)| name);
        let tls = if self.tls {
            Some(trust.tls(name)?)
        } else {
            trust.is_not_for(&self.origin())?;
            None
        };
        Ok(Place::Tcp(self.address.clone(), tls))
    }

    /// Scheme and host, as a browser writes them.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }

    /// As whom the server there is asked: a token, a user's password or the URL's start code goes with each request, a
    /// ticket is good for one and is changed for a cookie first.
    pub(super) async fn peer(&self, place: &Place, token: Option<&str>) -> Result<Peer> {
        let mut peer = Peer {
            host: self.host.clone(),
            headers: Vec::new(),
        };
        if let Some(secret) = token.or(self.code.as_deref()) {
            peer.headers
                .push((header::AUTHORIZATION.to_string(), authorization(secret)));
        } else if let Some(ticket) = &self.ticket {
            let cookie = self.redeem(place, &peer, ticket).await?;
            peer.headers.push((header::COOKIE.to_string(), cookie));
            peer.headers
                .push((header::ORIGIN.to_string(), self.origin()));
        }
        Ok(peer)
    }

    async fn redeem(&self, place: &Place, peer: &Peer, ticket: &str) -> Result<String> {
        let Some(stream) = place.try_connect().await? else {
            bail!("nobody answers at {place}");
        };
        let body = serde_json::json!({ "ticket": ticket }).to_string();
        let path = format!("{}/api/login", self.base);
        let answer = exchange(stream, peer, Method::POST, &path, &body).await?;
        let cookie = answer.headers().get(header::SET_COOKIE).cloned();
        success(answer).map_err(|error| match error {
            HttpError::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            } => anyhow!(
                "the URL's ticket is good once within 30 seconds, and not any more: `anywire url` prints another"
            ),
            error => anyhow::Error::new(error).context("logging in with the URL's ticket"),
        })?;
        let cookie = cookie.as_ref().and_then(|cookie| cookie.to_str().ok());
        let pair = cookie.and_then(|cookie| cookie.split(';').next());
        Ok(pair.unwrap_or_default().to_owned())
    }
}

/// A secret as a header carries it. A colon stands between a user and a password: neither codes, tickets nor tokens of
/// `config new-token` have one.
fn authorization(secret: &str) -> String {
    if secret.contains(':') {
        format!("Basic {}", data_encoding::BASE64.encode(secret.as_bytes()))
    } else {
        format!("Bearer {secret}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_s_password_and_a_code_are_told_apart() {
        for (secret, header) in [
            ("ABCDEFGHIJ", "Bearer ABCDEFGHIJ"),
            ("awt_x-_", "Bearer awt_x-_"),
            // RFC 7617 section 2.
            ("Aladdin:open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ] {
            assert_eq!(authorization(secret), header);
        }
    }

    #[test]
    fn a_printed_url_is_understood() {
        let url = Url::parse("http://127.0.0.1:7681/#code=ABCDEFGHIJ").unwrap();
        assert_eq!(
            (url.address.as_str(), url.host.as_str()),
            ("127.0.0.1:7681", "127.0.0.1:7681")
        );
        assert_eq!(
            (url.base.as_str(), url.code.as_deref()),
            ("", Some("ABCDEFGHIJ"))
        );
        let url = Url::parse("http://[::1]/a/b/#x=1&ticket=T").unwrap();
        assert_eq!(
            (url.address.as_str(), url.host.as_str()),
            ("[::1]:80", "[::1]")
        );
        assert_eq!(
            (url.base.as_str(), url.ticket.as_deref()),
            ("/a/b", Some("T"))
        );
        let url = Url::parse("https://term.example/#code=A").unwrap();
        assert_eq!(
            (url.address.as_str(), url.origin().as_str()),
            ("term.example:443", "https://term.example")
        );
        let url = Url::parse("https://[::1]:80/").unwrap();
        assert_eq!(url.origin(), "https://[::1]:80");
        for (url, here) in [
            ("http://localhost:1", true),
            ("http://[::1]", true),
            ("http://127.0.0.9:7", true),
            ("http://localhost.example", false),
            ("http://192.0.2.1", false),
        ] {
            assert_eq!(Url::parse(url).unwrap().is_here(), here, "{url}");
        }
        for wrong in [
            "ftp://x",
            "https://",
            "127.0.0.1:7681",
            "http://",
            "http://a b",
            "http://u:p@h",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }
}
