//! The server's secrets in a few bytes of fixed layout, which the next server finds where this one left them.
//!
//! | bytes | content |
//! |---|---|
//! | 16 | `anywire vault 1\n` |
//! | 32 | the key that signs cookies |
//! | 16 | the start code: 10 letters and digits, zeros |
//! | 64 x 48 | tickets: SHA-256, expiry (milliseconds since 1970, big-endian), role, zeros |
//! | 8 | the first bytes of the SHA-256 of all before |
//!
//! What does not check is no vault: a fresh one is made, and everybody logs in again.

use anywire_model::Role;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// The most bytes of a vault.
pub const VAULT_MAX: usize = 4096;
/// How long a ticket may be used.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);
/// Characters of a ticket: 128 bits in Base64.
pub(super) const TICKET_CHARS: usize = 22;

const MAGIC: &[u8; 16] = b"anywire vault 1\n";
const CODE: usize = 10;
const CODE_AT: usize = 48;
const TICKETS: usize = 64;
const TICKETS_AT: usize = 64;
const TICKET: usize = 48;
const SUM_AT: usize = TICKETS_AT + TICKETS * TICKET;
const LEN: usize = SUM_AT + 8;
/// 32 characters that are not taken for one another.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

const _: () = assert!(LEN <= VAULT_MAX);

/// A ticket as it is kept: only who holds it knows it.
#[derive(Clone, Copy)]
struct Ticket {
    hash: [u8; 32],
    /// 0 when the slot is free.
    expires: u64,
    role: u8,
}

const FREE: Ticket = Ticket {
    hash: [0; 32],
    expires: 0,
    role: 0,
};

/// The secrets.
pub(super) struct Vault {
    cookie_key: [u8; 32],
    start_code: [u8; CODE],
    tickets: [Ticket; TICKETS],
}

impl Vault {
    /// New secrets.
    pub(super) fn fresh() -> Self {
        Self {
            cookie_key: random(),
            start_code: random::<CODE>().map(|byte| ALPHABET[usize::from(byte & 31)]),
            tickets: [FREE; TICKETS],
        }
    }

    /// The form in which it is kept.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.cookie_key);
        out.extend_from_slice(&self.start_code);
        out.resize(TICKETS_AT, 0);
        for (slot, ticket) in self.tickets.iter().enumerate() {
            out.extend_from_slice(&ticket.hash);
            out.extend_from_slice(&ticket.expires.to_be_bytes());
            out.push(ticket.role);
            out.resize(TICKETS_AT + (slot + 1) * TICKET, 0);
        }
        let sum = Sha256::digest(&out);
        out.extend_from_slice(&sum[..8]);
        out
    }

    /// Reads what [`Vault::to_bytes`] wrote; more bytes may follow.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.get(..LEN)?.split_at(SUM_AT);
        if !body.starts_with(MAGIC) || Sha256::digest(body)[..8] != *sum {
            return None;
        }
        let mut tickets = [FREE; TICKETS];
        for (ticket, bytes) in tickets.iter_mut().zip(body[TICKETS_AT..].chunks(TICKET)) {
            *ticket = Ticket {
                hash: bytes[..32].try_into().ok()?,
                expires: u64::from_be_bytes(bytes[32..40].try_into().ok()?),
                role: bytes[40],
            };
        }
        Some(Self {
            cookie_key: body[16..CODE_AT].try_into().ok()?,
            start_code: body[CODE_AT..CODE_AT + CODE].try_into().ok()?,
            tickets,
        })
    }

    pub(super) fn cookie_key(&self) -> &[u8; 32] {
        &self.cookie_key
    }

    pub(super) fn start_code(&self) -> String {
        self.start_code
            .iter()
            .map(|&byte| char::from(byte))
            .collect()
    }

    /// Compares in constant time; case, blanks and dashes do not matter.
    pub(super) fn is_start_code(&self, text: &str) -> bool {
        let mut code = [0; CODE];
        let mut typed = text
            .bytes()
            .filter(|byte| !matches!(byte, b' ' | b'-' | b'\t' | b'\r' | b'\n'));
        for slot in &mut code {
            let Some(byte) = typed.next() else {
                return false;
            };
            *slot = byte.to_ascii_uppercase();
        }
        typed.next().is_none() && bool::from(code.ct_eq(&self.start_code))
    }

    /// A new ticket. When all slots are taken, the one that expires first is overwritten.
    pub(super) fn mint(&mut self, role: Option<Role>, now: u64) -> String {
        let ticket = BASE64URL_NOPAD.encode(&random::<16>());
        let slot = self.tickets.iter_mut().min_by_key(|slot| slot.expires);
        if let Some(slot) = slot {
            *slot = Ticket {
                hash: Sha256::digest(&ticket).into(),
                expires: now + TICKET_LIFE.as_millis() as u64,
                role: role_byte(role),
            };
        }
        ticket
    }

    /// Uses a ticket up; returns the role that it was minted for.
    pub(super) fn redeem(&mut self, ticket: &str, now: u64) -> Option<Option<Role>> {
        let hash: [u8; 32] = Sha256::digest(ticket).into();
        let life = TICKET_LIFE.as_millis() as u64;
        let slot = self.tickets.iter_mut().find(|slot| {
            // A clock that was set back must not make a ticket live longer.
            let alive = slot.expires > now && slot.expires - now <= life;
            alive & bool::from(slot.hash.ct_eq(&hash))
        })?;
        role_from(std::mem::replace(slot, FREE).role)
    }
}

/// A role, or "whatever the listener gives", as one byte.
pub(super) fn role_byte(role: Option<Role>) -> u8 {
    match role {
        None => 0,
        Some(Role::Viewer) => 1,
        Some(Role::Writer) => 2,
        Some(Role::Owner) => 3,
    }
}

/// Reads [`role_byte`].
pub(super) fn role_from(byte: u8) -> Option<Option<Role>> {
    Some(match byte {
        0 => None,
        1 => Some(Role::Viewer),
        2 => Some(Role::Writer),
        3 => Some(Role::Owner),
        _ => return None,
    })
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel's random source works");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ticket_works_once_and_in_time() {
        let mut vault = Vault::fresh();
        let ticket = vault.mint(Some(Role::Viewer), 1000);
        assert_eq!(ticket.len(), TICKET_CHARS);
        assert_eq!(vault.redeem("", 1000), None);
        assert_eq!(vault.redeem(&ticket, 1000), Some(Some(Role::Viewer)));
        assert_eq!(vault.redeem(&ticket, 1000), None);
        let late = vault.mint(None, 1000);
        assert_eq!(vault.redeem(&late, 31_000), None);
        let early = vault.mint(None, 100_000);
        assert_eq!(vault.redeem(&early, 1000), None);
    }

    #[test]
    fn a_successor_finds_everything() {
        let mut vault = Vault::fresh();
        let ticket = vault.mint(None, 1000);
        let mut bytes = vault.to_bytes();
        assert!(bytes.len() <= VAULT_MAX);
        bytes.resize(VAULT_MAX, 0);
        let mut next = Vault::from_bytes(&bytes).unwrap();
        assert_eq!(next.start_code(), vault.start_code());
        assert_eq!(next.cookie_key(), vault.cookie_key());
        assert_eq!(next.redeem(&ticket, 1001), Some(None));
    }

    #[test]
    fn start_codes_are_forgiving_about_form_only() {
        let vault = Vault::fresh();
        let code = vault.start_code();
        assert!(vault.is_start_code(&code));
        assert!(vault.is_start_code(&format!(" {}-{}\r\n", &code[..5], &code[5..]).to_lowercase()));
        assert!(!vault.is_start_code(&code[1..]));
        assert!(!vault.is_start_code(&format!("{code}A")));
        assert!(!vault.is_start_code(""));
        assert_ne!(code, Vault::fresh().start_code());
    }

    #[test]
    fn tickets_are_bounded() {
        let mut vault = Vault::fresh();
        let first = vault.mint(None, 1);
        let all: Vec<String> = (0..TICKETS as u64)
            .map(|n| vault.mint(None, 2 + n))
            .collect();
        assert_eq!(vault.redeem(&first, 100), None);
        assert!(all.iter().all(|ticket| vault.redeem(ticket, 100).is_some()));
    }

    proptest! {
        #[test]
        fn a_torn_vault_is_none(at in 0..LEN, byte: u8) {
            let mut bytes = Vault::fresh().to_bytes();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            prop_assert!(Vault::from_bytes(&bytes).is_none());
            prop_assert!(Vault::from_bytes(&bytes[..at]).is_none());
        }

        #[test]
        fn noise_never_panics(bytes: Vec<u8>) {
            prop_assert!(Vault::from_bytes(&bytes).is_none());
        }
    }
}
