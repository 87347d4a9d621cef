//! A socket that listens, on its way from `serve` through the supervisor to the server.

use super::{At, ListenUrl, Scheme};
use crate::config::runtime::{self, Config};
use anyhow::{Context as _, Result, bail};
use anywire_wire::{Bound, Listening, Protocol};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

/// What the supervisor calls the command line's way in.
const COMMAND_LINE: &str = "cli";

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Its place in the configuration; the command line's way in has none.
    index: Option<usize>,
    fd: OwnedFd,
    /// Where it is reached; for a UNIX socket, nowhere.
    address: Option<SocketAddr>,
}

impl Listener {
    pub(super) fn tcp(index: usize, socket: TcpListener) -> Result<Self> {
        let address = socket.local_addr().context("looking at a listener")?;
        Ok(Self {
            index: Some(index),
            fd: socket.into(),
            address: Some(address),
        })
    }

    pub(super) fn path(index: usize, socket: UnixListener) -> Self {
        Self {
            index: Some(index),
            fd: socket.into(),
            address: None,
        }
    }

    /// The command line's way in: HTTP on a UNIX socket.
    pub(crate) fn command_line(socket: UnixListener) -> Self {
        Self {
            index: None,
            fd: socket.into(),
            address: None,
        }
    }

    pub(crate) fn index(&self) -> Option<usize> {
        self.index
    }

    /// Its address and index, if it is one of the configuration's and reached by address.
    pub(crate) fn place(&self) -> Option<Place> {
        self.address().zip(self.index())
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The name under which the supervisor keeps it (its place in the configuration, and its URL as written there), and
    /// its descriptor.
    pub(crate) fn into_parts(self, config: &Config) -> (String, OwnedFd) {
        let rules = self.index.and_then(|index| config.listeners.get(index));
        let name = match (self.index, rules) {
            (Some(index), Some(rules)) => format!("{index} {}", rules.url),
            _ => COMMAND_LINE.to_owned(),
        };
        (name, self.fd)
    }

    /// The listener that [`Listener::into_parts`] took apart; `None` if a configuration that was read since names it no
    /// more. Its place in the configuration may have changed.
    pub(crate) fn from_parts(name: &str, fd: OwnedFd, config: &Config) -> Result<Option<Self>> {
        let index = match name.split_once(' ') {
            None if name == COMMAND_LINE => None,
            Some((index, url)) => {
                let is_it = |rules: &runtime::Listener| rules.url.to_string() == url;
                let index: Option<usize> = index.parse().ok();
                let same = index.filter(|index| config.listeners.get(*index).is_some_and(is_it));
                let Some(index) = same.or_else(|| config.listeners.iter().position(is_it)) else {
                    return Ok(None);
                };
                Some(index)
            }
            None => bail!("a listener called {name:?}"),
        };
        let address = rustix::net::getsockname(&fd).context("looking at a listener")?;
        let address = SocketAddr::try_from(address).ok();
        Ok(Some(Self { index, fd, address }))
    }

    pub(crate) fn into_bound(self, protocol: Protocol) -> Bound {
        let socket = match self.address {
            Some(_) => Listening::Tcp(self.fd.into()),
            None => Listening::Unix(self.fd.into()),
        };
        Bound { socket, protocol }
    }
}

/// What is spoken on a listener, above TLS if it has that.
///
/// # Errors
/// When this version does not speak it yet.
pub(crate) fn protocol(url: &ListenUrl) -> Result<Protocol> {
    match url.scheme {
        Scheme::Http => Ok(Protocol::Http),
        Scheme::Tcp => Ok(Protocol::Raw),
        Scheme::Telnet => Ok(Protocol::Telnet),
        Scheme::Auto => Ok(Protocol::Auto),
        Scheme::Framed => Ok(Protocol::Framed),
    }
}

/// The address of a socket that listens, and the index of its listener.
pub(crate) type Place = (SocketAddr, usize);

/// The values of `Host` under which the page is reached on these listeners.
pub(crate) fn hosts(
    places: &[Place],
    configured: &[runtime::Listener],
    names: &[String],
) -> Vec<String> {
    let mut hosts = Vec::new();
    for (address, index) in places {
        let Some(rules) = configured.get(*index) else {
            continue;
        };
        if !matches!(rules.url.scheme, Scheme::Http | Scheme::Auto) {
            continue;
        }
        hosts.extend(anywire_wire::admit::loopback_hosts(*address));
        let own = match &rules.url.at {
            At::Name(name, _) => Some(name),
            _ => None,
        };
        let port = address.port();
        for name in names.iter().chain(own) {
            hosts.push(format!("{name}:{port}"));
            if port == if rules.url.tls { 443 } else { 80 } {
                hosts.push(name.clone());
            }
        }
    }
    // As they are written, for a proxy in front on a port of its own.
    hosts.extend(names.iter().cloned());
    hosts.sort();
    hosts.dedup();
    hosts
}
