//! Logging in and out: from a secret to a grant, from a grant to a cookie, and back.

use super::cookie::{self, Claims, Seal};
use super::credentials::page_key;
use super::origin::Own;
use super::password::Try;
use super::vault::{self, TICKET_CHARS};
use super::{Account, Admission, COOKIE_LIFE, Grant, Name, Refusal, Rules, Secret, now_ms};
use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderValue};
use std::net::IpAddr;

impl Admission {
    /// Tries a secret that came from this address. What people choose or type is guarded against guessing, per address
    /// and per user.
    pub(crate) async fn login(&self, from: IpAddr, secret: Secret<'_>) -> Result<Grant, Refusal> {
        let rules = self.rules();
        match secret {
            Secret::Code(code) => self.guess(from, || self.code(code)),
            Secret::Ticket(ticket) => self.redeem(&rules, ticket),
            // Nobody guesses 128 bits, so a wrong one is no guess and must not lock out who has a right one.
            Secret::Token(token) if token.len() >= TICKET_CHARS => {
                token_grant(&rules, token).ok_or(Refusal::Wrong)
            }
            Secret::Token(token) => self.guess(from, || token_grant(&rules, token)),
            Secret::Any(text) if text.len() >= TICKET_CHARS => match token_grant(&rules, text) {
                Some(grant) => Ok(grant),
                None => self.redeem(&rules, text),
            },
            Secret::Any(text) => self.guess(from, || {
                self.code(text).or_else(|| token_grant(&rules, text))
            }),
            Secret::Password { user, password } => {
                self.password(&rules, from, user, password).await
            }
        }
    }

    fn guess(&self, from: IpAddr, judge: impl FnOnce() -> Option<Grant>) -> Result<Grant, Refusal> {
        self.failures.guess(from, judge)
    }

    fn code(&self, text: &str) -> Option<Grant> {
        let is_ours = self.vault.lock().is_start_code(text);
        is_ours.then_some(Grant::NOBODY)
    }

    fn redeem(&self, rules: &Rules, ticket: &str) -> Result<Grant, Refusal> {
        let mut vault = self.vault.lock();
        let grant = vault.redeem(ticket, now_ms()).ok_or(Refusal::Wrong)?;
        (self.save)(&vault.to_bytes());
        // Who minted it may be gone since, or have logged out.
        let ended = grant
            .login
            .is_some_and(|login| vault.is_ended(&[login.id], login.expires));
        let stamp = rules.stamp(&grant.account).filter(|_| !ended);
        stamp.map(|_| grant).ok_or(Refusal::Wrong)
    }

    async fn password(
        &self,
        rules: &Rules,
        from: IpAddr,
        user: &str,
        password: &str,
    ) -> Result<Grant, Refusal> {
        let known = rules.users.get_key_value(user);
        let attempt = Try {
            from,
            user,
            password,
            phc: known.map(|(_, user)| user.phc.clone()),
        };
        self.passwords.verify(attempt, &self.failures).await?;
        let (name, user) = known.ok_or(Refusal::Wrong)?;
        Ok(Grant {
            account: Account::User(Name::to_arc(name)),
            role: Some(user.role),
            login: None,
        })
    }

    /// Whether there is a user of this name.
    pub(crate) fn is_user(&self, name: &str) -> bool {
        self.rules().users.contains_key(name)
    }

    /// By what people and programs can log in beside tickets.
    pub(crate) fn methods(&self) -> Vec<&'static str> {
        let rules = self.rules();
        let all = [
            ("code", true),
            ("password", !rules.users.is_empty()),
            ("token", !rules.tokens.is_empty()),
        ];
        all.iter()
            .filter_map(|(method, is_there)| is_there.then_some(*method))
            .collect()
    }

    /// What a program that came without credentials is told to bring.
    pub(crate) fn challenge(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        super::challenge(headers, &self.rules())
    }

    /// The `Set-Cookie` value for who logged in at this host, worth something beside the page's key only if it has one;
    /// `None` if the account is gone meanwhile.
    pub(crate) fn set_cookie(
        &self,
        host: &str,
        tls: bool,
        grant: Grant,
        page: Option<&str>,
    ) -> Option<String> {
        let stamp = self.rules().stamp(&grant.account)?;
        let id = vault::login_id(&grant.account);
        let expires = now_ms() + COOKIE_LIFE.as_millis() as u64;
        let claims = Claims {
            id,
            // What came of a login neither outlives it, nor can be told of in the vault after it.
            root: grant.login.map_or(id, |login| login.id),
            expires: grant
                .login
                .map_or(expires, |login| login.expires.min(expires)),
            account: grant.account,
            role: grant.role,
        };
        let vault = self.vault.lock();
        let key = vault.cookie_key();
        let value = cookie::sign(Seal { key, page }, &claims, &stamp);
        Some(header(host, tls, &value, COOKIE_LIFE.as_secs()))
    }

    /// Ends the login that this request's cookie stands for, if it has one, and what came of it by tickets; the
    /// `Set-Cookie` value that makes the browser forget it.
    pub(crate) fn log_out(&self, headers: &HeaderMap, tls: bool) -> String {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default();
        if let Some(claims) = self.cookie(&self.rules(), headers, Own { host, tls }) {
            self.change(|vault| vault.end_login(claims.id, claims.expires, now_ms()));
        }
        header(host, tls, "", 0)
    }

    /// What a valid cookie says.
    pub(super) fn cookie(&self, rules: &Rules, headers: &HeaderMap, at: Own<'_>) -> Option<Claims> {
        let name = cookie::name(at.host, at.tls);
        let vault = self.vault.lock();
        let seal = Seal {
            key: vault.cookie_key(),
            page: page_key(headers),
        };
        let verify = |value| {
            let stamp = |account: &Account| rules.stamp(account);
            cookie::verify(seal, value, now_ms(), stamp)
                .filter(|claims| !vault.is_ended(&[claims.id, claims.root], claims.expires))
        };
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(key, _)| *key == name)
            .find_map(|(_, value)| verify(value))
    }
}

fn token_grant(rules: &Rules, text: &str) -> Option<Grant> {
    let (name, token) = rules.token(text)?;
    Some(Grant {
        account: Account::Token(name.to_arc()),
        role: Some(token.role),
        login: None,
    })
}

fn header(host: &str, tls: bool, value: &str, seconds: u64) -> String {
    let name = cookie::name(host, tls);
    let secure = if tls { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}
