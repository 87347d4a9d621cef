//! Credentials as they come over HTTP: the `Authorization` header and what asks for it, and the page's key.

use super::Rules;
use super::vault::TICKET_CHARS;
use data_encoding::BASE64;
use http::header::{AUTHORIZATION, ORIGIN, SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use http::{HeaderMap, HeaderValue};

/// Something that buys entry.
#[derive(Clone, Copy)]
pub(crate) enum Secret<'a> {
    /// The start code.
    Code(&'a str),
    /// A ticket.
    Ticket(&'a str),
    /// A token from the configuration.
    Token(&'a str),
    /// Whichever of the three it is.
    Any(&'a str),
    /// A user's.
    Password { user: &'a str, password: &'a str },
}

/// What stands in an `Authorization` header.
pub(super) enum Authorization {
    Bearer(String),
    Basic { user: String, password: String },
}

impl Authorization {
    /// Without a user name, Basic's password is whatever else buys entry, so that `curl -u :CODE` works.
    pub(super) fn secret(&self) -> Secret<'_> {
        match self {
            Self::Bearer(secret) => Secret::Any(secret),
            Self::Basic { user, password } if user.is_empty() => Secret::Any(password),
            Self::Basic { user, password } => Secret::Password { user, password },
        }
    }
}

/// Reads Basic (RFC 7617) and Bearer (RFC 6750); any other scheme is as good as none.
pub(super) fn authorization(headers: &HeaderMap) -> Option<Authorization> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Authorization::Bearer(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(rest.as_bytes()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Authorization::Basic {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

/// Where a page puts its key. It cannot say more of a WebSocket than subprotocols.
const PAGE_KEY: &str = "anywire-key";
const PAGE_KEY_PROTOCOL: &str = "anywire.key.";

/// Whether a text may be a page's key: as hard to guess as a ticket, and fit for a header.
pub(crate) fn is_page_key(text: &str) -> bool {
    (TICKET_CHARS..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The key that a page has sent, if it has.
pub(super) fn page_key(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get(PAGE_KEY) {
        return key.to_str().ok();
    }
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offers = offers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    offers.find_map(|offer| offer.trim().strip_prefix(PAGE_KEY_PROTOCOL))
}

/// What a program is told that came without credentials. A browser is told nothing: it would ask for a password in a
/// window of its own, over the page that asks better, and then send it with every request from anywhere.
pub(crate) fn challenge(headers: &HeaderMap, rules: &Rules) -> Option<HeaderValue> {
    let is_mozilla = headers
        .get(USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    if is_mozilla || headers.contains_key("sec-fetch-site") || headers.contains_key(ORIGIN) {
        return None;
    }
    Some(HeaderValue::from_static(if rules.users.is_empty() {
        "Bearer realm=\"anywire\""
    } else {
        "Basic realm=\"anywire\", charset=\"UTF-8\", Bearer realm=\"anywire\""
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        authorization(&headers).map(|found| match found {
            Authorization::Bearer(secret) => (String::new(), secret),
            Authorization::Basic { user, password } => (user, password),
        })
    }

    #[test]
    fn a_page_s_key_is_in_a_header_or_among_subprotocols() {
        let key = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            page_key(&headers).map(str::to_owned)
        };
        let protocols = "sec-websocket-protocol";
        assert_eq!(key("anywire-key", "abc"), Some("abc".into()));
        assert_eq!(
            key(protocols, "anywire.v1, anywire.key.abc"),
            Some("abc".into())
        );
        assert_eq!(key(protocols, "anywire.v1, tty"), None);
        assert!(is_page_key("abcdefghijklmnopqrstu-_"));
        for bad in ["", "short", "abcdefghijklmnopqrstu v", &"x".repeat(65)] {
            assert!(!is_page_key(bad), "{bad}");
        }
    }

    #[test]
    fn both_schemes_and_nothing_else() {
        let pair = |user: &str, secret: &str| Some((user.to_owned(), secret.to_owned()));
        assert_eq!(read("bearer  CODE "), pair("", "CODE"));
        // RFC 7617 section 2.
        let aladdin = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        assert_eq!(read(aladdin), pair("Aladdin", "open sesame"));
        assert_eq!(read("basic YTpiOmM="), pair("a", "b:c"));
        for none in ["Digest x", "Basic", "Basic !", "Basic YWI=", "Basic //86"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
