//! What a server prints when it serves: where it is reached, and by which code.

use crate::access::Access;
use crate::config::runtime::Config;
use crate::hubs;
use crate::listener::{At, Listener, Scheme};
use crate::print::print_line;
use crate::server::listener_url;
use anyhow::Result;
use anywire_wire::framed;
use std::collections::HashSet;
use std::net::IpAddr;

/// Addresses that are shown for a listener on all of them: machines with containers have dozens.
const ADDRESSES: usize = 4;

/// One line for each listener, for people and for scripts; behind one that is on all addresses, indented, those at which
/// other machines reach it.
pub(crate) fn announce(listeners: &[Listener], access: &Access, config: &Config) -> Result<()> {
    if config.log.quiet {
        return Ok(());
    }
    let mut told = HashSet::new();
    let (mut code_told, mut code_asked) = (false, false);
    for listener in listeners {
        let Some(index) = listener.index() else {
            continue;
        };
        let Some(rules) = config.listeners.get(index) else {
            continue;
        };
        // localhost has two sockets and one line.
        if !told.insert(index) {
            continue;
        }
        let url = listener_url(listener, rules);
        if let (Some(dialect), Some(address)) = (rules.dialect, listener.address()) {
            print_line(hubs::ready(dialect, address, rules))?;
        }
        let web = rules.url.scheme == Scheme::Http && !matches!(rules.url.at, At::Path(_));
        let code = if web && rules.auth {
            code_told = true;
            format!("#code={}", access.admission.start_code())
        } else {
            String::new()
        };
        print_line(format!("{url}{code}"))?;
        for url in url.elsewhere(machine) {
            print_line(format!("  from other machines: {url}{code}"))?;
        }
        if code.is_empty() {
            // There it is of no use beside a password that needs no name.
            let has_own =
                rules.url.scheme == Scheme::Framed && config.auth.users.contains_key(framed::USER);
            code_asked |= rules.auth && !has_own && !matches!(rules.url.at, At::Path(_));
        }
    }
    // Raw bytes and telnet ask for it, and no address has said it.
    if code_asked && !code_told {
        print_line(format!("start code: {}", access.admission.start_code()))?;
    }
    if let Some(line) = access.fingerprint() {
        print_line(line)?;
    }
    Ok(())
}

/// The addresses of this machine at which others may reach it.
fn machine() -> Vec<IpAddr> {
    // Without them one line less is printed.
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let ours = interfaces
        .into_iter()
        .filter(|one| !one.is_loopback() && !one.is_link_local());
    ours.map(|one| one.ip()).take(ADDRESSES).collect()
}
