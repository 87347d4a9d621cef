//! `Host` and `Origin`: whether a request is meant for us, and whether a page of ours sent it.
//!
//! Exact comparison with lists, never patterns: `localhost.evil.example`, another port and `null` are other origins.
//! Loopback proves nothing, since every page in a browser on this machine can connect to it.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use std::net::{IpAddr, SocketAddr};

/// A page of another origin sent this, or may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Foreign;

/// The values of `Host` under which a listener at this address is reached from its own machine.
#[must_use]
pub fn loopback_hosts(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let mut hosts = vec![address.to_string()];
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}")));
    }
    if matches!(port, 80 | 443) {
        let end = format!(":{port}");
        let bare = hosts.iter().filter_map(|host| host.strip_suffix(&end));
        hosts.extend(bare.map(str::to_owned).collect::<Vec<_>>());
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The request's host, if it has exactly one and it is in the list or the address `at` that was connected to. A page of
/// somebody else's cannot have that one: its host is a name, or another machine's address.
pub(super) fn host<'a>(
    request: &'a Parts,
    hosts: &[String],
    at: Option<SocketAddr>,
) -> Option<&'a str> {
    let host = single(&request.headers, HOST).ok()??;
    let agrees = request
        .uri
        .authority()
        .is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host));
    let known = |host: &str| hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
    (agrees && (known(host) || at.is_some_and(|at| is_address(host, at)))).then_some(host)
}

/// Whether a value of `Host` is this address, in the one way in which browsers write it.
fn is_address(host: &str, at: SocketAddr) -> bool {
    let at = SocketAddr::new(at.ip().to_canonical(), at.port());
    let text = at.to_string();
    let bare = match at.port() {
        80 => text.strip_suffix(":80"),
        443 => text.strip_suffix(":443"),
        _ => None,
    };
    host.eq_ignore_ascii_case(&text) || bare.is_some_and(|bare| host.eq_ignore_ascii_case(bare))
}

/// Whether a value of `Host` means this machine to whoever sent it.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host_name(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse();
    name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

/// A value of `Host` without its port.
#[must_use]
pub fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, end)) if end.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a page of ours is known to have sent this; an error if another one did. A link from another site may lead
/// to the page itself, so what the browser says about the sender's site (`Sec-Fetch-Site`) only counts if `strict`.
/// Pages of the `further` origins are ours too.
pub(super) fn judge<'a>(
    headers: &HeaderMap,
    own: Own<'_>,
    mut further: impl Iterator<Item = &'a String>,
    strict: bool,
) -> Result<bool, Foreign> {
    let origin = single(headers, ORIGIN)?;
    let mut is_further = |origin: &str| origin != "null" && further.any(|known| known == origin);
    if origin.is_some_and(&mut is_further) {
        return Ok(true);
    }
    let site = headers
        .get("sec-fetch-site")
        .map(http::HeaderValue::as_bytes);
    if strict && !matches!(site, None | Some(b"same-origin" | b"none")) {
        return Err(Foreign);
    }
    match origin {
        None => Ok(false),
        Some(origin) if own.is(origin) => Ok(true),
        Some(_) => Err(Foreign),
    }
}

/// The origin of the page that this request's own address has.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) host: &'a str,
    pub(super) tls: bool,
}

impl Own<'_> {
    /// The origin of pages at another port of the same host, as a browser writes it.
    pub(super) fn at_port(self, port: u16) -> String {
        let name = host_name(self.host).to_ascii_lowercase();
        match (self.tls, port) {
            (false, 80) => format!("http://{name}"),
            (true, 443) => format!("https://{name}"),
            (false, port) => format!("http://{name}:{port}"),
            (true, port) => format!("https://{name}:{port}"),
        }
    }

    fn is(self, origin: &str) -> bool {
        let scheme = if self.tls { "https://" } else { "http://" };
        origin
            .strip_prefix(scheme)
            .is_some_and(|name| name.eq_ignore_ascii_case(self.host))
    }
}

/// A header that may stand there once.
fn single(headers: &HeaderMap, name: http::HeaderName) -> Result<Option<&str>, Foreign> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Foreign),
        _ => Err(Foreign),
    }
}
