//! The login cookie: role and expiry, signed (HMAC-SHA256). Nothing is stored on the server, so a cookie outlives it.

use super::vault::{role_byte, role_from};
use anywire_model::Role;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Version, role, expiry.
const CLAIMS: usize = 10;
const VERSION: u8 = 1;
/// Version, role, expiry, signature.
const LEN: usize = CLAIMS + 32;

/// The cookie's name at this host. Browsers do not keep ports apart, so two servers on one machine need two names.
pub(super) fn name(host: &str) -> String {
    match host.rsplit_once(':') {
        Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("anywire-{port}")
        }
        _ => "anywire".to_owned(),
    }
}

/// The value of a cookie that is valid until `expires` (milliseconds since 1970).
pub(super) fn sign(key: &[u8; 32], role: Option<Role>, expires: u64) -> String {
    let mut value = [0; LEN];
    value[0] = VERSION;
    value[1] = role_byte(role);
    value[2..CLAIMS].copy_from_slice(&expires.to_be_bytes());
    let signature = mac(key, &value[..CLAIMS]).finalize().into_bytes();
    value[CLAIMS..].copy_from_slice(&signature);
    BASE64URL_NOPAD.encode(&value)
}

/// The role that a cookie's value stands for, if it is ours and not expired.
pub(super) fn verify(key: &[u8; 32], value: &str, now: u64) -> Option<Option<Role>> {
    if value.len() != BASE64URL_NOPAD.encode_len(LEN) {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
    let (claims, signature) = bytes.split_at_checked(CLAIMS)?;
    mac(key, claims).verify_slice(signature).ok()?;
    let expires = u64::from_be_bytes(claims[2..].try_into().ok()?);
    (claims[0] == VERSION && now < expires).then(|| role_from(claims[1]))?
}

fn mac(key: &[u8; 32], claims: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(b"anywire cookie\0");
    mac.update(claims);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ours_and_in_time() {
        let value = sign(&[1; 32], Some(Role::Viewer), 1000);
        assert_eq!(verify(&[1; 32], &value, 999), Some(Some(Role::Viewer)));
        assert_eq!(verify(&[1; 32], &value, 1000), None);
        assert_eq!(verify(&[2; 32], &value, 999), None);
        assert_eq!(verify(&[1; 32], &sign(&[1; 32], None, 9), 1), Some(None));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let value = sign(&[1; 32], Some(Role::Viewer), u64::MAX);
        let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert_eq!(verify(&[1; 32], &BASE64URL_NOPAD.encode(&bytes), 0), None);
        }
    }

    proptest! {
        #[test]
        fn noise_is_refused(value: String) {
            prop_assert_eq!(verify(&[1; 32], &value, 0), None);
        }
    }

    #[test]
    fn servers_on_one_host_do_not_share_a_name() {
        assert_eq!(name("localhost:7681"), "anywire-7681");
        assert_eq!(name("[::1]:80"), "anywire-80");
        assert_eq!(name("[::1]"), "anywire");
        assert_eq!(name("localhost"), "anywire");
    }
}
