//! Listeners: from the URL that a user writes to a socket that listens.
//!
//! Reading order: here the URL, [`bind`] makes its sockets, [`bound`] is one of them on its way to the server.

mod bind;
mod bound;

pub(crate) use bind::bind;
pub(crate) use bound::{Listener, Place, hosts, protocol};

use crate::config::as_text;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::str::FromStr;

/// Where the page is unless somebody says otherwise.
pub(crate) const DEFAULT: &str = "http://localhost:7681";
/// Its port.
const DEFAULT_PORT: u16 = 7681;
/// Bytes of a UNIX socket's path, of the 108 that the kernel has.
const PATH_MAX: usize = 107;

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// The page, its API and WebSocket.
    Http,
    /// Raw bytes.
    Tcp,
    /// Telnet.
    Telnet,
    /// Framed messages.
    Framed,
    /// Told by the client's first bytes.
    Auto,
}

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// 127.0.0.1 and ::1.
    Localhost(u16),
    /// One address.
    Address(SocketAddr),
    /// Whatever a name stands for.
    Name(String, u16),
    /// A UNIX socket.
    Path(PathBuf),
}

/// A listener as a user writes it, without options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenUrl {
    pub(crate) scheme: Scheme,
    pub(crate) tls: bool,
    pub(crate) at: At,
}

/// Schemes as they are written; of two names for the same the first is printed.
const SCHEMES: [(&str, Scheme, bool, bool); 15] = [
    ("http", Scheme::Http, false, false),
    ("https", Scheme::Http, true, false),
    ("ws", Scheme::Http, false, false),
    ("wss", Scheme::Http, true, false),
    ("tcp", Scheme::Tcp, false, false),
    ("tcps", Scheme::Tcp, true, false),
    ("telnet", Scheme::Telnet, false, false),
    ("telnets", Scheme::Telnet, true, false),
    ("framed", Scheme::Framed, false, false),
    ("framed+tls", Scheme::Framed, true, false),
    ("auto", Scheme::Auto, false, false),
    ("autos", Scheme::Auto, true, false),
    ("unix", Scheme::Tcp, false, true),
    ("http+unix", Scheme::Http, false, true),
    ("framed+unix", Scheme::Framed, false, true),
];

impl ListenUrl {
    /// Whether other machines may reach it. A name other than `localhost` may stand for anything.
    pub(crate) fn is_beyond(&self) -> bool {
        match &self.at {
            At::Localhost(_) | At::Path(_) => false,
            At::Address(address) => !address.ip().is_loopback(),
            At::Name(..) => true,
        }
    }

    /// The addresses to bind, those that must be first.
    pub(crate) fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok(match &self.at {
            At::Localhost(port) => ["127.0.0.1", "::1"]
                .iter()
                .filter_map(|ip| ip.parse().ok())
                .map(|ip| SocketAddr::new(ip, *port))
                .collect(),
            At::Address(address) => vec![*address],
            At::Name(name, port) => (name.as_str(), *port).to_socket_addrs()?.collect(),
            At::Path(_) => Vec::new(),
        })
    }

    fn scheme_name(&self) -> &'static str {
        let unix = matches!(self.at, At::Path(_));
        let same = |(_, scheme, tls, is_unix): &&(&str, Scheme, bool, bool)| {
            (*scheme, *tls, *is_unix) == (self.scheme, self.tls, unix)
        };
        SCHEMES.iter().find(same).map_or("unix", |found| found.0)
    }

    /// The address of the page there, for a browser on this machine.
    pub(crate) fn page(&self, port: u16) -> String {
        let mut url = self.with_port(port);
        url.scheme = Scheme::Http;
        if let At::Address(address) = &mut url.at
            && address.ip().is_unspecified()
        {
            // No browser goes there; whoever listens everywhere listens here too.
            url.at = At::Localhost(port);
        }
        url.to_string()
    }

    /// Where other machines reach it, if it is on all addresses of this one: by each that `machine` gives.
    pub(crate) fn elsewhere(&self, machine: impl FnOnce() -> Vec<IpAddr>) -> Vec<Self> {
        let all = match &self.at {
            At::Address(address) if address.ip().is_unspecified() => address,
            _ => return Vec::new(),
        };
        let mut ips = machine();
        // `[::]` takes IPv4 as well.
        ips.retain(|ip| all.is_ipv6() || ip.is_ipv4());
        let with = |ip| Self {
            at: At::Address(SocketAddr::new(ip, all.port())),
            ..self.clone()
        };
        ips.into_iter().map(with).collect()
    }

    /// As it is printed when its port is known.
    pub(crate) fn with_port(&self, port: u16) -> Self {
        let mut url = self.clone();
        match &mut url.at {
            At::Localhost(known) | At::Name(_, known) => *known = port,
            At::Address(address) => address.set_port(port),
            At::Path(_) => {}
        }
        url
    }
}

impl Default for ListenUrl {
    fn default() -> Self {
        Self {
            scheme: Scheme::Http,
            tls: false,
            at: At::Localhost(DEFAULT_PORT),
        }
    }
}

impl FromStr for ListenUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let Some((name, rest)) = url.split_once("://") else {
            return Err(format!(
                "write a listener as a URL, such as {DEFAULT} or tcp://127.0.0.1:7000"
            ));
        };
        let found = SCHEMES.iter().find(|(known, ..)| *known == name);
        let &(_, scheme, tls, unix) = found.ok_or_else(|| {
            let names = SCHEMES.map(|(name, ..)| name).join(", ");
            format!("there is no wire called {name:?}; there are {names}")
        })?;
        if rest.contains(['?', '#']) {
            return Err("options have no place here".to_owned());
        }
        let at = if unix { path(rest)? } else { host(rest)? };
        Ok(Self { scheme, tls, at })
    }
}

fn path(rest: &str) -> Result<At, String> {
    if !rest.starts_with('/') {
        return Err(
            "write the socket's whole path: three slashes, as in unix:///run/x.sock".to_owned(),
        );
    }
    if rest.len() > PATH_MAX {
        return Err(format!(
            "the path of a UNIX socket has at most {PATH_MAX} bytes, this one has {}",
            rest.len()
        ));
    }
    if rest.ends_with('/') || rest.contains('\0') {
        return Err("this is no path of a socket".to_owned());
    }
    Ok(At::Path(rest.into()))
}

fn host(rest: &str) -> Result<At, String> {
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(path, "" | "ws") {
        return Err("a listener has no path: the page is at /, WebSockets are at /ws".to_owned());
    }
    let wrong =
        || format!("{address:?} is no address and port, such as 127.0.0.1:7681 or [::1]:7681");
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let port = port.parse();
    let port = port.map_err(|_| format!("{address:?}: a port is at most 65535"))?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(host).parse::<IpAddr>()
        && ip.is_ipv6() == bare.is_some()
    {
        return Ok(At::Address(SocketAddr::new(ip, port)));
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    // Digits alone would be taken for an address by the resolver.
    let named = host.chars().any(|c| c.is_ascii_alphabetic());
    match host {
        "localhost" => Ok(At::Localhost(port)),
        _ if named && host.chars().all(good) => Ok(At::Name(host.to_owned(), port)),
        _ => Err(wrong()),
    }
}

impl fmt::Display for ListenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme_name())?;
        match &self.at {
            At::Localhost(port) => write!(f, "localhost:{port}")?,
            At::Address(address) => write!(f, "{address}")?,
            At::Name(name, port) => write!(f, "{name}:{port}")?,
            At::Path(path) => return write!(f, "{}", path.display()),
        }
        match self.scheme {
            Scheme::Http => f.write_str("/"),
            _ => Ok(()),
        }
    }
}

as_text! {
    ListenUrl: {
        "description": "Where to listen: SCHEME://ADDRESS:PORT or SCHEME:///PATH, options as a query",
        "type": "string",
        "pattern": "^(http|https|ws|wss|tcp|tcps|telnet|telnets|framed|framed\\+tls|auto|autos|unix|http\\+unix|framed\\+unix)://.+$"
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(url: &str) -> ListenUrl {
        url.parse().unwrap()
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_by_each() {
        let machine = || {
            vec![
                "192.168.1.5".parse().unwrap(),
                "2001:db8::5".parse().unwrap(),
            ]
        };
        let elsewhere = |url| {
            let urls = good(url).elsewhere(machine);
            urls.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            elsewhere("https://0.0.0.0:8443"),
            ["https://192.168.1.5:8443/"]
        );
        assert_eq!(
            elsewhere("telnet://[::]:23"),
            ["telnet://192.168.1.5:23", "telnet://[2001:db8::5]:23"]
        );
        assert!(elsewhere("http://127.0.0.1:7681").is_empty());
        assert!(elsewhere("http://localhost:7681").is_empty());
    }

    #[test]
    fn urls() {
        assert_eq!(good(DEFAULT), ListenUrl::default());
        assert_eq!(
            good("ws://127.0.0.1:7000/ws"),
            good("http://127.0.0.1:7000")
        );
        assert_eq!(good("wss://[::1]:7").to_string(), "https://[::1]:7/");
        assert_eq!(
            good("unix:///run/x.sock").at,
            At::Path("/run/x.sock".into())
        );
        for (name, ..) in SCHEMES {
            let rest = if name.contains("unix") {
                "/run/x"
            } else {
                "127.0.0.1:1"
            };
            let url = good(&format!("{name}://{rest}"));
            assert_eq!(good(&url.to_string()), url, "{name}");
        }
        for bad in [
            "7681",
            "127.0.0.1:1",
            "gopher://127.0.0.1:70",
            "http://127.0.0.1",
            "http://127.0.0.1:1/x",
            "http://127.0.0.1:+1",
            "http://127.0.0.1:65536",
            "http://::1:7681",
            "http://[127.0.0.1]:1",
            "http://1234:1",
            "http://a_b:1",
            "tcp://127.0.0.1:1?role=viewer",
            "unix://run/x.sock",
            "unix:///run/",
        ] {
            assert!(bad.parse::<ListenUrl>().is_err(), "{bad}");
        }
        let high = "http://localhost:99999".parse::<ListenUrl>();
        assert!(high.unwrap_err().contains("at most 65535"));
        let long = format!("unix:///{}", "x".repeat(107)).parse::<ListenUrl>();
        assert!(long.unwrap_err().contains("at most 107 bytes"));
    }

    #[test]
    fn the_page_is_where_a_browser_finds_it() {
        for (url, page) in [
            ("http://localhost:0", "http://localhost:7/"),
            ("https://127.0.0.1:1", "https://127.0.0.1:7/"),
            ("https://0.0.0.0:1", "https://localhost:7/"),
            ("http://[::]:1", "http://localhost:7/"),
            ("autos://[::1]:1", "https://[::1]:7/"),
        ] {
            assert_eq!(good(url).page(7), page, "{url}");
        }
    }

    #[test]
    fn what_others_can_reach() {
        for url in [
            "http://0.0.0.0:7681",
            "tcp://[::]:7000",
            "http://example.org:80",
        ] {
            assert!(good(url).is_beyond(), "{url}");
        }
        for url in ["http://127.9.9.9:1", "tcp://[::1]:1", DEFAULT, "unix:///x"] {
            assert!(!good(url).is_beyond(), "{url}");
        }
    }
}
