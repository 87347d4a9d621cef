//! Where messages are sent to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What a server may be written as.
const FORMS: &str = "framed://HOST:PORT, ws://HOST:PORT, tcp://HOST:PORT, with TLS framed+tls://, wss:// and tcps://, or \
    framed+unix:///PATH and tcp+unix:///PATH";
/// The same where only messages go.
const FRAMED: &str = "framed://HOST:PORT or ws://HOST:PORT, with TLS framed+tls:// or wss://, or framed+unix:///PATH";

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
    /// Whether the connection is enciphered.
    pub(super) tls: bool,
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
        Self::read(url, FORMS)
    }
}

impl Url {
    /// A server that takes messages.
    ///
    /// # Errors
    /// What it may be written as.
    pub(super) fn framed(url: &str) -> Result<Self, String> {
        let read = Self::read(url, FRAMED)?;
        if read.protocol != Protocol::Framed {
            return Err(format!("requests go to {FRAMED}"));
        }
        Ok(read)
    }

    fn read(url: &str, forms: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("write the server as {forms}"));
        };
        let (protocol, tls) = match scheme {
            "framed" | "framed+unix" | "ws" => (Protocol::Framed, false),
            "framed+tls" | "wss" => (Protocol::Framed, true),
            "tcp" | "tcp+unix" | "unix" => (Protocol::Raw, false),
            "tcps" => (Protocol::Raw, true),
            _ => return Err(format!("{scheme:?} is not spoken here; there are {forms}")),
        };
        let net = rest.trim_end_matches('/');
        let place = match scheme {
            "ws" | "wss" => Place::WebSocket(address(net.trim_end_matches("/ws"))?),
            _ if !scheme.ends_with("unix") => Place::Net(address(net)?),
            _ if rest.starts_with('/') => Place::Unix(rest.into()),
            _ => return Err("write the socket's whole path: three slashes".to_owned()),
        };
        Ok(Self {
            protocol,
            place,
            tls,
        })
    }
}

/// HOST:PORT as it was written, if it has both.
fn address(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        Some((host, port)) if !host.is_empty() && is_high(port) => {
            Err(format!("{text:?}: a port is at most 65535"))
        }
        _ => Err(format!("{text:?} is not HOST:PORT")),
    }
}

/// Whether these are the digits of a number that is no port.
fn is_high(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
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
            tls: false,
        }
    }

    /// What would serve an echo there.
    pub(super) fn echo(&self) -> String {
        let scheme = match (&self.place, self.protocol) {
            (Place::WebSocket(_), _) if self.tls => "https",
            (Place::WebSocket(_), _) => "http",
            (Place::Net(_), Protocol::Framed) if self.tls => "framed+tls",
            (Place::Net(_), Protocol::Framed) => "framed",
            (Place::Net(_), Protocol::Raw) if self.tls => "tcps",
            (Place::Net(_), Protocol::Raw) => "tcp",
            (Place::Unix(_), Protocol::Framed) => "framed+unix",
            (Place::Unix(_), Protocol::Raw) => "unix",
        };
        format!("anywire echo -l {scheme}://{self}")
    }

    /// The host, for its certificate.
    pub(super) fn host(&self) -> &str {
        match &self.place {
            Place::Net(address) | Place::WebSocket(address) => {
                address.rsplit_once(':').map_or("", |(host, _)| host)
            }
            Place::Unix(_) => "",
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
    fn requests_go_where_messages_are_taken() {
        assert!(Url::framed("ws://localhost:7681").is_ok());
        for wrong in [
            "tcp://localhost:1",
            "unix:///x",
            "gopher://x:1",
            "localhost:1",
        ] {
            let told = Url::framed(wrong).unwrap_err();
            assert!(
                told.contains("ws://") && !told.contains("tcp"),
                "{wrong}: {told}"
            );
        }
        let told = "tcp://localhost:99999".parse::<Url>().unwrap_err();
        assert!(told.contains("at most 65535"), "{told}");
    }

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
        for (url, protocol) in [
            ("framed+tls://[::1]:7", Protocol::Framed),
            ("wss://[::1]:7/", Protocol::Framed),
            ("tcps://[::1]:7", Protocol::Raw),
        ] {
            let url: Url = url.parse().unwrap();
            assert_eq!(
                (url.protocol, url.tls, url.host()),
                (protocol, true, "[::1]")
            );
        }
        assert_eq!(Url::raw("::1", 7).to_string(), "[::1]:7");
        for (url, listener) in [
            ("framed+tls://[::1]:7", "framed+tls://[::1]:7"),
            ("ws://localhost:7/ws", "http://localhost:7"),
            ("tcp+unix:///run/x", "unix:///run/x"),
        ] {
            let url: Url = url.parse().unwrap();
            assert_eq!(url.echo(), format!("anywire echo -l {listener}"));
        }
        for bad in [
            "localhost:2021",
            "http://a:1",
            "framed://a",
            "framed://:1",
            "tcp://a:70000",
            "framed+x://a:1",
            "tcp+tls://a:1",
            "tcp+unix://a",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }
}
