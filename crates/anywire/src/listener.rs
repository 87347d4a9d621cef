//! Listeners: from the URL on the command line to a socket that listens.

use anyhow::{Context as _, Result, bail};
use anywire_wire::{Bound, Listening, Protocol};
use std::fmt;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::str::FromStr;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// Where the page is unless a URL says otherwise.
pub(crate) const DEFAULT: &str = "http://127.0.0.1:7681";

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Tcp,
    Framed,
    /// The command line's way in: HTTP on a UNIX socket.
    Unix,
}

/// A listener as a user writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenUrl {
    scheme: Scheme,
    address: SocketAddr,
}

impl FromStr for ListenUrl {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            bail!("write a listener as a URL, such as {DEFAULT} or tcp://127.0.0.1:7000");
        };
        let scheme = match scheme {
            "http" | "ws" => Scheme::Http,
            "tcp" => Scheme::Tcp,
            "framed" => Scheme::Framed,
            other => bail!("there is no wire called {other:?}; there are http, ws, tcp and framed"),
        };
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(path, "" | "ws") {
            bail!("a listener has no path: the page is at /, WebSockets are at /ws");
        }
        let mut addresses = address
            .to_socket_addrs()
            .with_context(|| format!("{address:?} is no address and port"))?;
        let Some(address) = addresses.next() else {
            bail!("{address:?} has no address")
        };
        if !address.ip().is_loopback() {
            bail!(
                "{} can be reached from other machines; this version serves only this one: use 127.0.0.1 or [::1]",
                address.ip()
            );
        }
        Ok(Self { scheme, address })
    }
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Listener {
    scheme: Scheme,
    fd: OwnedFd,
    /// Where it is reached; for a UNIX socket, nowhere.
    address: Option<SocketAddr>,
}

impl ListenUrl {
    /// Framed messages at any address; the caller has judged whether that may be.
    pub(crate) fn framed(address: SocketAddr) -> Self {
        Self {
            scheme: Scheme::Framed,
            address,
        }
    }

    pub(crate) fn bind(&self) -> Result<Listener> {
        let doing = || format!("listening on {}", self.address);
        let socket = TcpListener::bind(self.address).with_context(doing)?;
        // The standard library's backlog is made for less.
        rustix::net::listen(&socket, BACKLOG).with_context(doing)?;
        let address = socket.local_addr().with_context(doing)?;
        Ok(Listener {
            scheme: self.scheme,
            fd: socket.into(),
            address: Some(address),
        })
    }
}

/// The values of `Host` under which the page is reached on these listeners.
pub(crate) fn hosts(listeners: &[Listener]) -> Vec<String> {
    let web = |listener: &&Listener| listener.scheme() == Scheme::Http;
    let addresses = listeners.iter().filter(web).filter_map(Listener::address);
    addresses
        .flat_map(anywire_wire::admit::loopback_hosts)
        .collect()
}

impl Listener {
    pub(crate) fn unix(socket: UnixListener) -> Self {
        Self {
            scheme: Scheme::Unix,
            fd: socket.into(),
            address: None,
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name under which the supervisor keeps it, and its descriptor.
    pub(crate) fn into_parts(self) -> (String, OwnedFd) {
        (self.to_string(), self.fd)
    }

    /// The listener that [`Listener::into_parts`] took apart.
    pub(crate) fn from_parts(name: &str, fd: OwnedFd) -> Result<Self> {
        let scheme = match name.split_once("://").map(|(scheme, _)| scheme) {
            Some("http") => Scheme::Http,
            Some("tcp") => Scheme::Tcp,
            Some("framed") => Scheme::Framed,
            Some("unix") => Scheme::Unix,
            _ => bail!("a listener called {name:?}"),
        };
        let address = match scheme {
            Scheme::Unix => None,
            Scheme::Http | Scheme::Tcp | Scheme::Framed => {
                let socket = TcpListener::from(fd.try_clone().context("looking at a listener")?);
                Some(socket.local_addr().context("looking at a listener")?)
            }
        };
        Ok(Self {
            scheme,
            fd,
            address,
        })
    }

    pub(crate) fn into_bound(self) -> Bound {
        let (socket, protocol) = match self.scheme {
            Scheme::Http => (Listening::Tcp(self.fd.into()), Protocol::Http),
            Scheme::Tcp => (Listening::Tcp(self.fd.into()), Protocol::Raw),
            Scheme::Framed => (Listening::Tcp(self.fd.into()), Protocol::Framed),
            Scheme::Unix => (Listening::Unix(self.fd.into()), Protocol::Http),
        };
        Bound { socket, protocol }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scheme, self.address) {
            (Scheme::Http, Some(address)) => write!(f, "http://{address}/"),
            (Scheme::Tcp, Some(address)) => write!(f, "tcp://{address}"),
            (Scheme::Framed, Some(address)) => write!(f, "framed://{address}"),
            (_, _) => f.write_str("unix://"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let good = |url: &str| url.parse::<ListenUrl>().unwrap();
        assert_eq!(good(DEFAULT).scheme, Scheme::Http);
        assert_eq!(
            good("ws://127.0.0.1:7000/ws"),
            good("http://127.0.0.1:7000")
        );
        assert_eq!(good("tcp://[::1]:0").address, "[::1]:0".parse().unwrap());
        for bad in [
            "7681",
            "127.0.0.1:1",
            "gopher://127.0.0.1:70",
            "http://127.0.0.1",
            "http://127.0.0.1:1/x",
        ] {
            assert!(bad.parse::<ListenUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn beyond_this_machine_is_refused() {
        for url in [
            "http://0.0.0.0:7681",
            "tcp://[::]:7000",
            "http://192.0.2.1:80",
        ] {
            let error = url.parse::<ListenUrl>().unwrap_err().to_string();
            assert!(error.contains("other machines"), "{error}");
        }
    }

    #[test]
    fn a_port_in_use_is_a_clear_error() {
        let first = ListenUrl::from_str("tcp://127.0.0.1:0")
            .unwrap()
            .bind()
            .unwrap();
        let url = first.to_string();
        let error = format!(
            "{:#}",
            url.parse::<ListenUrl>().unwrap().bind().unwrap_err()
        );
        assert!(
            error.contains("listening on 127.0.0.1:") && error.contains("in use"),
            "{error}"
        );
        let (name, fd) = first.into_parts();
        assert_eq!(Listener::from_parts(&name, fd).unwrap().to_string(), url);
    }
}
