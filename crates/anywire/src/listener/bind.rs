//! Making a listener's sockets: both families of localhost on one port, stale UNIX sockets out of the way, and errors
//! that say what to do.

use super::bound::Listener;
use super::{At, ListenUrl};
use crate::runtime_dir;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// How often a free port is looked for that is free in both families.
const TRIES: usize = 16;

/// Binds all sockets of a listener; `index` is its place in the configuration, `at_port` how its user asks for another
/// port.
///
/// # Errors
/// When an address is in use or not ours. `::1` may be missing where `localhost` was asked for.
pub(crate) fn bind(
    index: usize,
    url: &ListenUrl,
    at_port: &dyn Fn(u16) -> String,
) -> Result<Vec<Listener>> {
    if let At::Path(path) = &url.at {
        return Ok(vec![Listener::path(index, unix(path)?)]);
    }
    let addresses = url
        .addresses()
        .with_context(|| format!("looking up the addresses of {url}"))?;
    let Some(&first) = addresses.first() else {
        bail!("{url} has no address");
    };
    let mut tries = 0;
    loop {
        tries += 1;
        match both(&addresses) {
            Ok(sockets) => {
                let listener = |socket| Listener::tcp(index, socket);
                return sockets.into_iter().map(listener).collect();
            }
            // With a port of the kernel's choice, the other family's may be taken: another choice.
            Err((_, error))
                if first.port() == 0 && tries < TRIES && error.kind() == ErrorKind::AddrInUse => {}
            Err((address, error)) => bail!(explain(at_port, address, &error)),
        }
    }
}

/// One socket for each address, all on the port of the first.
fn both(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut sockets = Vec::<TcpListener>::new();
    for address in addresses {
        let mut address = *address;
        if let Some(port) = sockets.first().and_then(|first| first.local_addr().ok()) {
            address.set_port(port.port());
        }
        match listen(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) if !sockets.is_empty() && is_missing(&error) => {}
            Err(error) => return Err((address, error)),
        }
    }
    Ok(sockets)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    // The standard library sets SO_REUSEADDR: connections in TIME_WAIT do not keep a port.
    let socket = TcpListener::bind(address)?;
    // Its backlog is made for less.
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Whether this machine has no such address, or not even its family.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// What to do when a socket cannot be had.
fn explain(at_port: &dyn Fn(u16) -> String, address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            let who = match anywire_at(address) {
                Some(pid) => format!("the anywire server of process {pid} listens there already"),
                None => "another program listens there already".to_owned(),
            };
            let other = at_port(address.port().checked_add(1).unwrap_or(0));
            format!(
                "listening on {address}: the port is in use: {who}; end it, or choose another port: {other}"
            )
        }
        ErrorKind::PermissionDenied => format!(
            "listening on {address}: ports below 1024 are not for everybody; choose another one, such as {}",
            at_port(7681)
        ),
        ErrorKind::AddrNotAvailable => {
            format!("listening on {address}: this machine has no such address")
        }
        _ => format!("listening on {address}: {error}"),
    }
}

/// The process of our own that has this address, found by its socket in the runtime folder.
fn anywire_at(address: SocketAddr) -> Option<i32> {
    let dir = runtime_dir::find()?;
    let path = runtime_dir::socket(&dir, &runtime_dir::name_of(address)).ok()?;
    let peer = UnixStream::connect(path).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&peer).ok()?;
    Some(peer.pid.as_raw_nonzero().get())
}

/// A socket that only our own user may open. A file that is left over from a server that is gone is replaced.
fn unix(path: &Path) -> Result<UnixListener> {
    let shown = path.display();
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            bail!("{shown} exists and is no socket: remove it, or choose another path");
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                fs::remove_file(path).with_context(|| format!("removing the stale {shown}"))?;
            }
            Ok(_) => {
                bail!("{shown} is in use: a program listens there; end it, or choose another path")
            }
            Err(error) => return Err(error).with_context(|| format!("looking at {shown}")),
        }
    }
    // Only at the start, before there are threads: the mask is the whole process's.
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(mask);
    if bound.is_err()
        && let Some(folder) = path.parent().filter(|folder| !folder.exists())
    {
        bail!(
            "listening on {shown}: there is no folder {}: make it, or choose another path",
            folder.display()
        );
    }
    let socket = bound.with_context(|| format!("listening on {shown}"))?;
    rustix::net::listen(&socket, BACKLOG).with_context(|| format!("listening on {shown}"))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ListenUrl {
        text.parse().unwrap()
    }

    fn port(port: u16) -> String {
        format!("-P {port}")
    }

    #[test]
    fn localhost_is_both_families_on_one_port() {
        let listeners = bind(0, &url("http://localhost:0"), &port).unwrap();
        let addresses: Vec<SocketAddr> = listeners.iter().filter_map(Listener::address).collect();
        assert_eq!(addresses[0].ip(), std::net::Ipv4Addr::LOCALHOST);
        let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
        assert_eq!(addresses.len(), if has_ipv6 { 2 } else { 1 });
        assert!(addresses.iter().all(|a| a.port() == addresses[0].port()));
    }

    #[test]
    fn a_port_in_use_is_a_clear_error() {
        let first = bind(0, &url("tcp://127.0.0.1:0"), &port).unwrap();
        let address = first[0].address().unwrap();
        let error = bind(1, &url(&format!("tcp://{address}")), &port)
            .unwrap_err()
            .to_string();
        let next = address.port() + 1;
        assert_eq!(
            error,
            format!(
                "listening on {address}: the port is in use: another program listens there already; end it, or choose another port: -P {next}"
            )
        );
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        drop(UnixListener::bind(&path).unwrap());
        let live = unix(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = unix(&path).unwrap_err().to_string();
        assert!(error.contains("a program listens there"), "{error}");
        drop(live);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        let error = unix(&path).unwrap_err().to_string();
        assert!(error.contains("is no socket"), "{error}");
        let error = unix(&dir.path().join("no/x")).unwrap_err().to_string();
        assert!(error.contains("there is no folder /"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
