//! Who may come in: the one place where requests and connections are judged.
//!
//! A *start code* is typed or stands in the fragment of the printed address, valid until the vault is made anew. A
//! *ticket* is minted for one use within 30 seconds. Either buys a browser a signed cookie. A program on this machine
//! that connects to the UNIX socket needs none: the kernel tells who it is.

mod backoff;
mod cookie;
mod origin;
mod vault;

pub use origin::loopback_hosts;
pub use vault::{TICKET_LIFE, VAULT_MAX};

use crate::peer::Peer;
use anywire_model::Role;
use backoff::Backoff;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use http::request::Parts;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vault::Vault;

/// How long a login lasts.
const COOKIE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps the vault's bytes where the next server finds them; called with at most [`VAULT_MAX`] bytes. Must not wait.
pub type Save = Box<dyn Fn(&[u8]) + Send + Sync>;

/// What an [`Admission`] is made of.
pub struct Options {
    /// The values of `Host` that are ours, as a browser writes them: with the port unless it is the scheme's own.
    pub hosts: Vec<String>,
    /// What `save` was last called with. Anything that is not a vault is replaced by a fresh one.
    pub vault: Option<Vec<u8>>,
    /// Keeps the vault.
    pub save: Save,
}

/// Judges requests and connections; keeps the secrets.
pub struct Admission {
    hosts: Vec<String>,
    vault: Mutex<Vault>,
    save: Save,
    failures: Mutex<Backoff>,
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name in lists and reasons.
    pub name: Arc<str>,
    /// The most that it may do; `None` where the listener decides.
    pub role: Option<Role>,
}

/// What a route asks of a request beyond `Host` and `Origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: the page itself, the login, the health check.
    Nothing,
    /// A principal.
    Principal,
    /// A principal, and if a cookie says who it is, a page of ours as the sender.
    PrincipalAndPage,
}

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this server does not answer to that host name")]
    Host,
    #[error("requests from pages of other origins are refused")]
    Origin,
    #[error("log in first: POST /api/login with a start code or a ticket")]
    Unauthorized,
    #[error("too many failures; try again later")]
    Wait(Duration),
}

/// Something that buys entry.
#[derive(Clone, Copy)]
pub(crate) enum Secret<'a> {
    Code(&'a str),
    Ticket(&'a str),
}

impl<'a> Secret<'a> {
    /// What a program sends: the length tells the two apart.
    pub(crate) fn new(secret: &'a str) -> Self {
        if secret.len() >= vault::TICKET_CHARS {
            Self::Ticket(secret)
        } else {
            Self::Code(secret)
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

impl Admission {
    /// Opens or makes the vault and saves it.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let kept = options.vault.as_deref().and_then(Vault::from_bytes);
        let vault = kept.unwrap_or_else(Vault::fresh);
        (options.save)(&vault.to_bytes());
        Self {
            hosts: options.hosts,
            vault: Mutex::new(vault),
            save: options.save,
            failures: Mutex::new(Backoff::default()),
        }
    }

    /// The start code.
    #[must_use]
    pub fn start_code(&self) -> String {
        self.vault.lock().start_code()
    }

    /// A ticket for this role at most: usable once, for [`TICKET_LIFE`].
    #[must_use]
    pub fn mint_ticket(&self, role: Option<Role>) -> String {
        let mut vault = self.vault.lock();
        let ticket = vault.mint(role, now_ms());
        (self.save)(&vault.to_bytes());
        ticket
    }

    /// Judges a request. Where the listener asks for no credentials (`auth`), every client that reaches it is let in;
    /// `Host` and `Origin` are judged all the same, since web pages of others can reach loopback too.
    pub(crate) fn request(
        &self,
        request: &Parts,
        peer: Peer,
        need: Need,
        auth: bool,
    ) -> Result<Option<Principal>, Refusal> {
        let Peer::Ip(address) = peer else {
            // A UNIX socket: no browser can reach it, and the peer was judged when it connected.
            if request.headers.contains_key(ORIGIN) {
                return Err(Refusal::Origin);
            }
            return Ok(Some(peer.principal(Some(Role::Owner))));
        };
        let host = origin::host(request, &self.hosts).ok_or(Refusal::Host)?;
        let from_page = origin::judge(&request.headers, host, need != Need::Nothing)
            .map_err(|_| Refusal::Origin)?;
        if need == Need::Nothing {
            return Ok(None);
        }
        if !auth {
            return Ok(Some(peer.principal(None)));
        }
        if let Some(secret) = bearer(&request.headers) {
            let role = self.login(address.ip(), secret)?;
            return Ok(Some(peer.principal(role)));
        }
        let role = self
            .cookie(&request.headers, host)
            .ok_or(Refusal::Unauthorized)?;
        if need == Need::PrincipalAndPage && !from_page {
            return Err(Refusal::Origin);
        }
        Ok(Some(peer.principal(role)))
    }

    /// Tries a start code or a ticket; returns the role that it grants.
    pub(crate) fn login(&self, from: IpAddr, secret: Secret<'_>) -> Result<Option<Role>, Refusal> {
        let code = match secret {
            // Nobody guesses 128 bits, so a wrong ticket is no guess and must not lock out who has a right one.
            Secret::Ticket(ticket) => {
                let mut vault = self.vault.lock();
                let granted = vault
                    .redeem(ticket, now_ms())
                    .ok_or(Refusal::Unauthorized)?;
                (self.save)(&vault.to_bytes());
                return Ok(granted);
            }
            Secret::Code(code) => code,
        };
        self.guarded(from, || self.vault.lock().is_start_code(code))?;
        Ok(None)
    }

    /// Tries a secret that could be guessed, unless this address was wrong too often.
    pub(crate) fn guarded(
        &self,
        from: IpAddr,
        is_right: impl FnOnce() -> bool,
    ) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut failures = self.failures.lock();
        if let Some(wait) = failures.wait(from, now) {
            return Err(Refusal::Wait(wait));
        }
        if is_right() {
            failures.forget(from);
            Ok(())
        } else {
            failures.failed(from, now);
            Err(Refusal::Unauthorized)
        }
    }

    /// The `Set-Cookie` value for a principal that logged in at this host.
    pub(crate) fn set_cookie(&self, host: &str, role: Option<Role>) -> String {
        let expires = now_ms() + COOKIE_LIFE.as_millis() as u64;
        let value = cookie::sign(self.vault.lock().cookie_key(), role, expires);
        format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}",
            cookie::name(host),
            COOKIE_LIFE.as_secs()
        )
    }

    /// The role of a valid cookie.
    fn cookie(&self, headers: &HeaderMap, host: &str) -> Option<Option<Role>> {
        let name = cookie::name(host);
        let vault = self.vault.lock();
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(key, _)| *key == name)
            .find_map(|(_, value)| cookie::verify(vault.cookie_key(), value, now_ms()))
    }
}

/// The secret of an `Authorization: Bearer` header, for programs that keep no cookies.
fn bearer(headers: &HeaderMap) -> Option<Secret<'_>> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Some(Secret::new(secret))
}

/// Milliseconds since 1970: the clock that cookies and tickets share with the next server.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;
