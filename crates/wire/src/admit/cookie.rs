//! The login cookie: account, role and expiry, signed (HMAC-SHA256). Nothing of it is stored on the server, so it
//! outlives the server.
//!
//! Into the signature goes a *stamp* of the account: when its password or role changes, or it is removed, its cookies
//! are worth nothing. So does the *page key*, if the login named one: a secret that the page keeps where only pages of
//! its own scheme, host and port find it, and sends beside the cookie. Browsers send a cookie to every port of its host,
//! so that another user's server on the same machine may see it; without the key it is worth nothing there.

use super::rules::{Account, Name};
use super::vault::{LoginId, role_byte, role_from};
use anywire_model::Role;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const VERSION: u8 = 3;
/// Version, role, expiry, number, number of the login that it came of, kind of account; its name follows.
const FIXED: usize = 27;
const SIGNATURE: usize = 32;
const MAX: usize = FIXED + Name::MAX + SIGNATURE;

/// What a cookie says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) account: Account,
    pub(super) role: Option<Role>,
    /// Milliseconds since 1970.
    pub(super) expires: u64,
    /// By it one login is ended and no other.
    pub(super) id: LoginId,
    /// The login that this one came of by a ticket, with which it ends; else its own.
    pub(super) root: LoginId,
}

/// What a cookie is signed with beside what it says.
#[derive(Clone, Copy)]
pub(super) struct Seal<'a> {
    pub(super) key: &'a [u8; 32],
    /// The page's half of the secret, if it has one.
    pub(super) page: Option<&'a str>,
}

/// The cookie's name at this host. Browsers do not keep ports apart, so two servers on one machine need two names.
/// With TLS browsers see to it that no other host and no page without TLS has set it.
pub(super) fn name(host: &str, tls: bool) -> String {
    let prefix = if tls { "__Host-" } else { "" };
    match host.rsplit_once(':') {
        Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{prefix}anywire-{port}")
        }
        _ => format!("{prefix}anywire"),
    }
}

/// The value of a cookie that makes these claims.
pub(super) fn sign(seal: Seal<'_>, claims: &Claims, stamp: &[u8; 32]) -> String {
    let (kind, name) = claims.account.parts();
    let mut value = vec![VERSION, role_byte(claims.role)];
    value.extend(claims.expires.to_be_bytes());
    value.extend(claims.id);
    value.extend(claims.root);
    value.push(kind);
    value.extend(name.bytes());
    let signature = mac(seal, &value, stamp).finalize().into_bytes();
    value.extend(signature);
    BASE64URL_NOPAD.encode(&value)
}

/// What a cookie's value claims, if it is ours and not expired. `stamp` says what the account's is now.
pub(super) fn verify(
    seal: Seal<'_>,
    value: &str,
    now: u64,
    stamp: impl FnOnce(&Account) -> Option<[u8; 32]>,
) -> Option<Claims> {
    if value.len() > BASE64URL_NOPAD.encode_len(MAX) {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
    let (signed, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE)?)?;
    let (fixed, name) = signed.split_first_chunk::<FIXED>()?;
    let account = match (fixed[26], name) {
        (0, []) => Account::Nobody,
        (kind, name) => Account::from_parts(kind, name)?,
    };
    let stamp = stamp(&account)?;
    mac(seal, signed, &stamp).verify_slice(signature).ok()?;
    let claims = Claims {
        account,
        role: role_from(fixed[1])?,
        expires: u64::from_be_bytes(fixed[2..10].try_into().ok()?),
        id: fixed[10..18].try_into().ok()?,
        root: fixed[18..26].try_into().ok()?,
    };
    (fixed[0] == VERSION && now < claims.expires).then_some(claims)
}

fn mac(seal: Seal<'_>, claims: &[u8], stamp: &[u8; 32]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(seal.key).expect("a key may have any length");
    mac.update(b"anywire cookie\0");
    mac.update(stamp);
    mac.update(&[u8::from(seal.page.is_some())]);
    mac.update(&Sha256::digest(seal.page.unwrap_or_default()));
    mac.update(claims);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims(account: Account) -> Claims {
        Claims {
            account,
            role: Some(Role::Viewer),
            expires: 1000,
            id: [7; 8],
            root: [8; 8],
        }
    }

    const ONE: Seal<'_> = Seal {
        key: &[1; 32],
        page: None,
    };

    fn read(key: u8, value: &str, now: u64) -> Option<Claims> {
        let key = &[key; 32];
        verify(Seal { key, page: None }, value, now, |_| Some([0; 32]))
    }

    #[test]
    fn ours_and_in_time() {
        let name = "alice".into();
        for account in [
            Account::Nobody,
            Account::User(name),
            Account::Token("ci".into()),
        ] {
            let value = sign(ONE, &claims(account.clone()), &[0; 32]);
            assert_eq!(read(1, &value, 999), Some(claims(account)));
            assert_eq!(read(1, &value, 1000), None);
            assert_eq!(read(2, &value, 999), None);
        }
    }

    #[test]
    fn an_account_that_changed_or_is_gone_has_no_cookies() {
        let account = Account::User("alice".into());
        let value = sign(ONE, &claims(account), &[5; 32]);
        let with = |stamp| verify(ONE, &value, 1, |_| stamp);
        assert!(with(Some([5; 32])).is_some());
        assert_eq!(with(Some([6; 32])), None);
        assert_eq!(with(None), None);
    }

    #[test]
    fn with_a_page_s_key_it_needs_that_key() {
        let sealed = |page| Seal { page, ..ONE };
        for page in [None, Some(""), Some("a key of the page's")] {
            let value = sign(sealed(page), &claims(Account::Nobody), &[0; 32]);
            for other in [None, Some(""), Some("a key of the page's"), Some("another")] {
                let read = verify(sealed(other), &value, 1, |_| Some([0; 32]));
                assert_eq!(read.is_some(), page == other, "{page:?} {other:?}");
            }
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let value = sign(ONE, &claims(Account::User("bob".into())), &[0; 32]);
        let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert_eq!(read(1, &BASE64URL_NOPAD.encode(&bytes), 0), None);
        }
    }

    proptest! {
        #[test]
        fn noise_is_refused(value: String, bytes: Vec<u8>) {
            prop_assert_eq!(read(1, &value, 0), None);
            prop_assert_eq!(read(1, &BASE64URL_NOPAD.encode(&bytes), 0), None);
        }
    }

    #[test]
    fn servers_on_one_host_do_not_share_a_name() {
        assert_eq!(name("localhost:7681", false), "anywire-7681");
        assert_eq!(name("[::1]:80", false), "anywire-80");
        assert_eq!(name("[::1]", false), "anywire");
        assert_eq!(name("localhost", false), "anywire");
        assert_eq!(name("localhost:7681", true), "__Host-anywire-7681");
        assert_eq!(name("term.example", true), "__Host-anywire");
    }
}
