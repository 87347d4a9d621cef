//! Where messages are sent to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Length-prefixed messages.
    Framed,
    /// Raw bytes.
    Raw,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) protocol: Protocol,
    pub(super) place: Place,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// HOST:PORT.
    Net(String),
    /// A UNIX socket.
    Unix(PathBuf),
    /// HOST:PORT of a WebSocket.
    WebSocket(String),
}

impl FromStr for Url {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let forms = "framed://HOST:PORT, ws://HOST:PORT, tcp://HOST:PORT, framed+unix:///PATH or tcp+unix:///PATH";
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("write the server as {forms}"));
        };
        if scheme == "ws" {
            let rest = rest.trim_end_matches('/').trim_end_matches("/ws");
            return Ok(Self {
                protocol: Protocol::Framed,
                place: Place::WebSocket(address(rest)?),
            });
        }
        let (protocol, carrier) = match scheme.split_once('+') {
            Some((protocol, carrier)) => (protocol, Some(carrier)),
            None => (scheme, None),
        };
        let protocol = match protocol {
            "framed" => Protocol::Framed,
            "tcp" => Protocol::Raw,
            _ => return Err(format!("{scheme:?} is not spoken here; there are {forms}")),
        };
        let place = match carrier {
            Some("unix") => Place::Unix(rest.into()),
            Some(_) => return Err(format!("{scheme:?} is not spoken here; there are {forms}")),
            None => Place::Net(address(rest.trim_end_matches('/'))?),
        };
        Ok(Self { protocol, place })
    }
}

/// HOST:PORT as it was written, if it has both.
fn address(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err(format!("{text:?} is not HOST:PORT")),
    }
}

impl Url {
    /// Raw bytes at a host and a port.
    pub(super) fn raw(host: &str, port: u16) -> Self {
        let is_v6 = host.contains(':') && !host.starts_with('[');
        let host = if is_v6 {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Self {
            protocol: Protocol::Raw,
            place: Place::Net(format!("{host}:{port}")),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Net(address) | Place::WebSocket(address) => f.write_str(address),
            Place::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url: Url = "framed://localhost:2021".parse().unwrap();
        assert_eq!(url.protocol, Protocol::Framed);
        assert_eq!(url.to_string(), "localhost:2021");
        let url: Url = "tcp+unix:///run/echo".parse().unwrap();
        assert_eq!(url.place, Place::Unix("/run/echo".into()));
        let url: Url = "ws://localhost:7681/ws".parse().unwrap();
        let place = Place::WebSocket("localhost:7681".to_owned());
        assert_eq!((url.protocol, url.place), (Protocol::Framed, place));
        assert_eq!(Url::raw("::1", 7).to_string(), "[::1]:7");
        for bad in [
            "localhost:2021",
            "http://a:1",
            "framed://a",
            "framed://:1",
            "tcp://a:70000",
            "framed+x://a:1",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }
}
