//! Who may come in: the one place where requests and connections are judged.
//!
//! A *start code* is typed or stands in the fragment of the printed address, valid until it is exchanged. A *ticket* is
//! minted for one use within 30 seconds. Users with *passwords* and programs with *tokens* stand in the configuration.
//! Each buys a browser a signed cookie. A program on this machine that connects to the UNIX socket needs none: the
//! kernel tells who it is.

mod backoff;
mod cookie;
mod credentials;
mod login;
mod origin;
mod password;
mod rules;
mod typed;
mod vault;

pub(crate) use backoff::prefix;
pub use origin::{host_name, loopback_hosts};
pub use password::{HashError, hash_password, new_token};
pub use rules::{Name, RuleError, Rules, Token, User};
pub use vault::{TICKET_LIFE, VAULT_MAX};

pub(crate) use credentials::{Secret, challenge, is_page_key};
pub(crate) use rules::Account;
pub(crate) use typed::{Typist, typed_login};

use crate::Listener;
use crate::link::Socket;
use crate::peer::Peer;
use anywire_model::Role;
use backoff::Failures;
use cookie::Claims;
use http::HeaderMap;
use http::header::{FORWARDED, ORIGIN};
use http::request::Parts;
use origin::Own;
use parking_lot::{Mutex, RwLock};
use password::Passwords;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vault::Vault;

/// How long a login lasts.
const COOKIE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps the vault's bytes where the next server finds them; called with at most [`VAULT_MAX`] bytes. Must not wait.
pub type Save = Box<dyn Fn(&[u8]) + Send + Sync>;
/// Is told each new start code, for who shows it to people. Must not wait.
pub type Announce = Box<dyn Fn(&str) + Send + Sync>;

/// What an [`Admission`] is made of.
pub struct Options {
    /// What the operator decides.
    pub rules: Rules,
    /// What `save` was last called with. Anything that is not a vault is replaced by a fresh one.
    pub vault: Option<Vec<u8>>,
    /// Keeps the vault.
    pub save: Save,
    /// Is told each new start code.
    pub announce: Announce,
}

impl Options {
    /// A vault that nobody keeps.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            vault: None,
            save: Box::new(|_| {}),
            announce: Box::new(|_| {}),
        }
    }
}

/// Judges requests and connections; keeps the secrets.
pub struct Admission {
    rules: RwLock<Arc<Rules>>,
    vault: Mutex<Vault>,
    save: Save,
    announce: Announce,
    failures: Arc<Failures>,
    passwords: Passwords,
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name in lists and reasons.
    pub name: Arc<str>,
    /// The most that it may do; `None` where the listener decides.
    pub role: Option<Role>,
    /// On whose account.
    pub(crate) account: Account,
    /// The login by which it came, if by one. Boxed, since most have none and all are kept.
    pub(crate) login: Option<Box<Login>>,
}

/// A browser's login, with which all ends that came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    id: vault::LoginId,
    /// Milliseconds since 1970.
    expires: u64,
    /// Whoever asks did not log in by himself: a ticket of this login let him in. Not kept with a ticket.
    pub(crate) by_ticket: bool,
}

impl Principal {
    /// What it may do at a listener.
    pub(crate) fn role_at(&self, listener: &Listener) -> Role {
        self.role.unwrap_or(listener.default_role)
    }
}

/// What a credential buys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) account: Account,
    /// `None` where the listener decides.
    pub(crate) role: Option<Role>,
    /// The login that it came of by a ticket, if by one.
    pub(crate) login: Option<Login>,
}

impl Grant {
    /// Entry on nobody's account.
    pub(crate) const NOBODY: Self = Self {
        account: Account::Nobody,
        role: None,
        login: None,
    };

    /// Who comes in by it.
    pub(crate) fn principal(self, peer: Peer) -> Principal {
        let mut principal = peer.principal(self.role);
        if let Account::User(name) | Account::Token(name) = &self.account {
            principal.name = name.clone();
        }
        principal.account = self.account;
        principal.login = self.login.map(Box::new);
        principal
    }
}

/// What a route asks of a request beyond `Host` and `Origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: the page itself, the login, the health check.
    Nothing,
    /// A principal, unless both ends of the connection are on loopback: what a monitor on this machine reads.
    PrincipalUnlessLocal,
    /// A principal.
    Principal,
    /// A principal, and if a cookie says who it is, a page of ours as the sender.
    PrincipalAndPage,
}

/// How a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) peer: Peer,
    /// Enciphered by us.
    pub(crate) tls: bool,
    /// The address that was connected to; none of a UNIX socket.
    pub(crate) at: Option<SocketAddr>,
    /// Whether the listener asks for credentials.
    pub(crate) auth: bool,
    /// Another port of the same host whose pages are ours too.
    pub(crate) pages: Option<u16>,
}

impl Way {
    /// By this socket, accepted by a listener that does or does not ask for credentials.
    pub(crate) fn of(socket: &Socket, peer: Peer, auth: bool) -> Self {
        Self {
            peer,
            tls: socket.is_tls(),
            at: socket.local_address(),
            auth,
            pages: None,
        }
    }

    /// Whether both ends are on this machine alone.
    fn is_local(self) -> bool {
        let here = |at: SocketAddr| at.ip().to_canonical().is_loopback();
        !self.peer.is_remote() && self.at.is_some_and(here)
    }

    /// The same where pages of this port of the host are ours too.
    pub(crate) fn with_pages(self, pages: Option<u16>) -> Self {
        Self { pages, ..self }
    }
}

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "this server does not answer to that host name; if it is its own, `auth.hosts` is to name it"
    )]
    Host,
    #[error("requests from pages of other origins are refused")]
    Origin,
    #[error(
        "log in first: POST /api/login with a start code, a ticket, a token or user and password"
    )]
    Unauthorized,
    /// Does not say which of them it was, nor who is a user.
    #[error("that start code, token or password is wrong, or that ticket has been used")]
    Wrong,
    #[error("too many failures; try again in {}", seconds(retry_after(*.0)))]
    Wait(Duration),
    #[error("too many passwords are being checked; try again in a moment")]
    Busy,
}

fn seconds(count: u64) -> String {
    format!("{count} second{}", if count == 1 { "" } else { "s" })
}

/// A wait in whole seconds, none too few.
pub(crate) fn retry_after(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission")
            .field("rules", &self.rules())
            .finish_non_exhaustive()
    }
}

impl Admission {
    /// Opens the vault, or makes and saves it and announces its start code.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let kept = options.vault.as_deref().and_then(Vault::from_bytes);
        let vault = kept.unwrap_or_else(|| {
            let fresh = Vault::fresh();
            (options.announce)(&fresh.start_code());
            fresh
        });
        (options.save)(&vault.to_bytes());
        Self {
            rules: RwLock::new(Arc::new(options.rules)),
            vault: Mutex::new(vault),
            save: options.save,
            announce: options.announce,
            failures: Arc::new(Failures::new()),
            passwords: Passwords::new(),
        }
    }

    /// Exchanges the rules. Cookies of users and tokens that are gone or changed are worth nothing from now on;
    /// connections that exist stay.
    pub fn reload(&self, rules: Rules) {
        *self.rules.write() = Arc::new(rules);
    }

    fn rules(&self) -> Arc<Rules> {
        self.rules.read().clone()
    }

    /// The start code.
    #[must_use]
    pub fn start_code(&self) -> String {
        self.vault.lock().start_code()
    }

    /// Makes a new start code, announces and returns it. The old one is worth nothing from now on; cookies that it
    /// bought stay.
    pub fn rotate(&self) -> String {
        let code = self.change(|vault| {
            vault.rotate();
            vault.start_code()
        });
        (self.announce)(&code);
        code
    }

    /// A ticket that buys this: usable once, for [`TICKET_LIFE`].
    pub(crate) fn mint_ticket(&self, grant: Grant) -> String {
        self.change(|vault| vault.mint(grant, now_ms()))
    }

    /// What was kept of the server's own certificate.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        self.vault.lock().certificate()
    }

    /// Keeps the server's own certificate for the next server.
    pub(crate) fn keep_certificate(&self, bytes: Vec<u8>) {
        self.change(|vault| vault.keep_certificate(bytes));
    }

    /// Changes the vault and saves it.
    fn change<T>(&self, what: impl FnOnce(&mut Vault) -> T) -> T {
        let mut vault = self.vault.lock();
        let result = what(&mut vault);
        (self.save)(&vault.to_bytes());
        result
    }

    /// Judges a request. Where the listener asks for no credentials, every client that reaches it is let in; `Host`
    /// and `Origin` are judged all the same, since web pages of others can reach loopback too.
    pub(crate) async fn request(
        &self,
        request: &Parts,
        way: Way,
        need: Need,
    ) -> Result<Option<Principal>, Refusal> {
        let (headers, peer) = (&request.headers, way.peer);
        let Peer::Ip(address) = peer else {
            // A UNIX socket: no browser can reach it, and the peer was judged when it connected.
            if headers.contains_key(ORIGIN) {
                return Err(Refusal::Origin);
            }
            return Ok(Some(peer.principal(None)));
        };
        let rules = self.rules();
        let host = origin::host(request, &rules.hosts, way.at).ok_or(Refusal::Host)?;
        let own = Own { host, tls: way.tls };
        let neighbour = way.pages.map(|port| own.at_port(port));
        let further = rules.origins.iter().chain(&neighbour);
        let from_page = origin::judge(headers, own, further, need != Need::Nothing)
            .map_err(|_| Refusal::Origin)?;
        if need == Need::Nothing {
            return Ok(None);
        }
        // A proxy on this machine passes on what came from others, and may say so in the one way or the other.
        let is_local = way.is_local() && !is_forwarded(headers) && origin::is_loopback(host);
        if !way.auth || (need == Need::PrincipalUnlessLocal && is_local) {
            return Ok(Some(peer.principal(None)));
        }
        if let Some(credentials) = credentials::authorization(headers) {
            let grant = self.login(address.ip(), credentials.secret()).await?;
            return Ok(Some(grant.principal(peer)));
        }
        let claims = self
            .cookie(&rules, headers, own)
            .ok_or(Refusal::Unauthorized)?;
        if need == Need::PrincipalAndPage && !from_page {
            return Err(Refusal::Origin);
        }
        let Claims {
            account,
            role,
            expires,
            id,
            root,
        } = claims;
        let login = Some(Login {
            id: root,
            expires,
            by_ticket: id != root,
        });
        let grant = Grant {
            account,
            role,
            login,
        };
        Ok(Some(grant.principal(peer)))
    }
}

/// Whether a proxy says that it only passes this on: then the other end of the connection is not who asks.
fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED) || headers.contains_key("x-forwarded-for")
}

/// Milliseconds since 1970: the clock that cookies and tickets share with the next server.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;
