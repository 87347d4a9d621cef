//! Passwords: argon2id, two at once on threads of their own, so that neither workers nor memory suffer from guessing.

use super::backoff::Failures;
use super::{Refusal, vault};
use crate::limits;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Passwords that are checked at the same time: each takes 19 MiB and a processor for some 50 ms.
const AT_ONCE: usize = 2;
/// Those that may wait for their turn.
const WAITING: usize = 32;
/// Right passwords that are remembered, as keyed digests, so that Basic does not cost an argon2 for each request.
const REMEMBERED: usize = 64;
/// The most that a PHC string may ask for, in KiB and passes.
const MAX_MEMORY: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
/// What an unknown user's password is compared with, so that it takes as long as a known one's.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbA$WnP4gNFsYYQ3LwK0XYaIAHJ5TqYyWm0XlG7JXJbVYpE";

/// Hashes a password for the configuration: argon2id, 19 MiB, 2 passes, a random salt.
///
/// # Errors
/// When it is longer than 4 GiB, or the machine has no 19 MiB.
pub fn hash_password(password: &str) -> Result<String, HashError> {
    let salt: [u8; 16] = vault::random();
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|error| HashError(error.to_string()))
}

/// A password that could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("hashing the password: {0}")]
pub struct HashError(String);

/// A new token of 256 random bits, and its SHA-256 for the configuration.
#[must_use]
pub fn new_token() -> (String, String) {
    let token = format!("awt_{}", BASE64URL_NOPAD.encode(&vault::random::<32>()));
    let digest = HEXLOWER.encode(&Sha256::digest(&token));
    (token, digest)
}

/// Whether this is an argon2id hash that is not too dear to compare with.
pub(super) fn is_bearable(phc: &str) -> bool {
    let Ok(hash) = PasswordHash::new(phc) else {
        return false;
    };
    let Ok(params) = Params::try_from(&hash) else {
        return false;
    };
    Algorithm::try_from(hash.algorithm.as_str()) == Ok(Algorithm::Argon2id)
        && hash.hash.is_some()
        && hash.salt.is_some()
        && params.m_cost() <= MAX_MEMORY
        && params.t_cost() <= MAX_PASSES
}

/// Whether the password is the one of the hash. Takes its time.
fn check(password: &str, phc: &str) -> bool {
    PasswordHash::new(phc).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

/// One try to log in with a password.
pub(super) struct Try<'a> {
    pub(super) from: IpAddr,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    /// `None` if there is no such user.
    pub(super) phc: Option<Arc<str>>,
}

/// Checks passwords.
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    places: Semaphore,
    key: [u8; 32],
    right: Mutex<Vec<[u8; 32]>>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Semaphore::new(WAITING),
            key: vault::random(),
            right: Mutex::default(),
        }
    }

    /// Whether the password is right. Who is to wait after failures gets no answer at all.
    pub(super) async fn verify(
        &self,
        attempt: Try<'_>,
        failures: &Arc<Failures>,
    ) -> Result<(), Refusal> {
        failures.wait(attempt.from, attempt.user)?;
        let digest = attempt.phc.as_deref().map(|phc| self.digest(&attempt, phc));
        if digest.is_some_and(|digest| self.is_remembered(&digest)) {
            failures.tell(true, attempt.from, attempt.user);
            return Ok(());
        }
        let _place = self.places.try_acquire().map_err(|_| Refusal::Busy)?;
        let turn = timeout(limits::PASSWORD, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Refusal::Busy);
        };
        // Others may have failed while this one waited.
        failures.wait(attempt.from, attempt.user)?;
        let (from, failures) = (attempt.from, failures.clone());
        let (user, password) = (attempt.user.to_owned(), attempt.password.to_owned());
        let phc = attempt.phc;
        // What comes of it is noted there: a client that hangs up must not get its failure for nothing.
        let checking = tokio::task::spawn_blocking(move || {
            let right = check(&password, phc.as_deref().unwrap_or(NOBODY)) && phc.is_some();
            failures.tell(right, from, &user);
            drop(turn);
            right
        });
        match (checking.await, digest) {
            (Ok(true), Some(digest)) => {
                self.remember(digest);
                Ok(())
            }
            (Ok(_), _) => Err(Refusal::Wrong),
            (Err(_), _) => Err(Refusal::Busy),
        }
    }

    fn digest(&self, attempt: &Try<'_>, phc: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key may have any length");
        for part in [phc, attempt.user, attempt.password] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn is_remembered(&self, digest: &[u8; 32]) -> bool {
        let right = self.right.lock();
        right.iter().any(|known| bool::from(known.ct_eq(digest)))
    }

    fn remember(&self, digest: [u8; 32]) {
        let mut right = self.right.lock();
        if right.len() >= REMEMBERED {
            right.remove(0);
        }
        right.push(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashed_is_recognised() {
        let phc = hash_password("correct horse").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(is_bearable(&phc));
        assert!(check("correct horse", &phc));
        assert!(!check("correct horsf", &phc));
        assert_ne!(phc, hash_password("correct horse").unwrap());
    }

    #[test]
    fn what_would_be_too_dear_or_is_no_hash_is_refused() {
        let tail = "bm9ib2R5IGF0IGFsbA$WnP4gNFsYYQ3LwK0XYaIAHJ5TqYyWm0XlG7JXJbVYpE";
        for bad in [
            "",
            "secret",
            "$argon2id$v=19$m=19456,t=2,p=1$",
            &format!("$argon2i$v=19$m=19456,t=2,p=1${tail}"),
            &format!("$argon2id$v=19$m=1048576,t=2,p=1${tail}"),
            &format!("$argon2id$v=19$m=19456,t=20,p=1${tail}"),
            &format!("$2b$12${tail}"),
        ] {
            assert!(!is_bearable(bad), "{bad}");
        }
        assert!(is_bearable(NOBODY));
        assert!(!check("", NOBODY));
    }

    #[test]
    fn tokens_are_long_and_their_digest_is_theirs() {
        let (token, digest) = new_token();
        assert!(token.len() > vault::TICKET_CHARS);
        assert_eq!(digest, HEXLOWER.encode(&Sha256::digest(&token)));
    }
}
