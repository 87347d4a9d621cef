//! The server's secrets in a few bytes of fixed layout, which the next server finds where this one left them.
//!
//! | bytes | content |
//! |---|---|
//! | 16 | `anywire vault 3\n` |
//! | 32 | the key that signs cookies |
//! | 16 | the start code: 10 letters and digits, zeros |
//! | 48 x 80 | tickets: 16 bytes of SHA-256, expiry (milliseconds since 1970, big-endian), the login it came of: number, expiry; role, account: kind, length, name |
//! | 64 x 16 | logins that were ended: number, expiry of the cookie |
//! | 2 + 2400 | the server's own certificate: length (big-endian), what `tls` packed, zeros |
//! | 8 | the first bytes of the SHA-256 of all before |
//!
//! What does not check is no vault: a fresh one is made, and everybody logs in again.

use super::rules::Account;
use super::{Grant, Login};
use anywire_model::Role;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// The most bytes of a vault.
pub const VAULT_MAX: usize = 8000;
/// How long a ticket may be used.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);
/// Characters of a ticket: 128 bits in Base64.
pub(super) const TICKET_CHARS: usize = 22;

const MAGIC: &[u8; 16] = b"anywire vault 3\n";
const CODE: usize = 10;
const CODE_AT: usize = 48;
const TICKETS: usize = 48;
const TICKETS_AT: usize = 64;
const TICKET: usize = 80;
const ENDED: usize = 64;
const ENDED_AT: usize = TICKETS_AT + TICKETS * TICKET;
const CERT_AT: usize = ENDED_AT + ENDED * 16;
/// Bytes of the longest certificate with its key.
const CERT: usize = 2400;
const SUM_AT: usize = CERT_AT + 2 + CERT;
const LEN: usize = SUM_AT + 8;
/// 32 characters that are not taken for one another.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

const _: () = assert!(LEN <= VAULT_MAX);

/// A ticket as it is kept: only who holds it knows it.
#[derive(Clone)]
struct Ticket {
    /// Half of the SHA-256 of 128 random bits.
    hash: [u8; 16],
    /// 0 when the slot is free.
    expires: u64,
    grant: Grant,
}

impl Ticket {
    const FREE: Self = Self {
        hash: [0; 16],
        expires: 0,
        grant: Grant::NOBODY,
    };

    fn write(&self, out: &mut Vec<u8>) {
        let end = out.len() + TICKET;
        let (kind, name) = self.grant.account.parts();
        // A login that expires at 0 is none.
        let login = self.grant.login.unwrap_or(Login {
            id: [0; 8],
            expires: 0,
            by_ticket: false,
        });
        out.extend_from_slice(&self.hash);
        out.extend_from_slice(&self.expires.to_be_bytes());
        out.extend_from_slice(&login.id);
        out.extend_from_slice(&login.expires.to_be_bytes());
        out.extend([role_byte(self.grant.role), kind, name.len() as u8]);
        out.extend_from_slice(name.as_bytes());
        out.resize(end, 0);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let name = bytes.get(43..)?.get(..usize::from(bytes[42]))?;
        let account = match bytes[41] {
            0 => Account::Nobody,
            kind => Account::from_parts(kind, name)?,
        };
        let role = role_from(bytes[40])?;
        let login = Login {
            id: bytes[24..32].try_into().ok()?,
            expires: u64::from_be_bytes(bytes[32..40].try_into().ok()?),
            by_ticket: false,
        };
        let login = (login.expires > 0).then_some(login);
        Some(Self {
            hash: bytes[..16].try_into().ok()?,
            expires: u64::from_be_bytes(bytes[16..24].try_into().ok()?),
            grant: Grant {
                account,
                role,
                login,
            },
        })
    }
}

/// Tells logins apart: a tag of the account, and random bytes.
pub(super) type LoginId = [u8; 8];

/// Bytes of the tag.
const TAG: usize = 2;

/// The number of a new login on this account.
pub(super) fn login_id(account: &Account) -> LoginId {
    let (kind, name) = account.parts();
    let tag = Sha256::new().chain_update([kind]).chain_update(name);
    let mut id = random::<8>();
    id[..TAG].copy_from_slice(&tag.finalize()[..TAG]);
    id
}

/// A login that was ended before its cookie expired. A number that is zero but for the tag stands for all of that
/// account's logins that expire no later, and zero alone for everybody's.
#[derive(Clone, Copy, Default)]
struct Ended {
    id: LoginId,
    expires: u64,
}

/// The secrets.
pub(super) struct Vault {
    cookie_key: [u8; 32],
    start_code: [u8; CODE],
    tickets: Vec<Ticket>,
    ended: [Ended; ENDED],
    certificate: Vec<u8>,
}

impl Vault {
    /// New secrets.
    pub(super) fn fresh() -> Self {
        Self {
            cookie_key: random(),
            start_code: new_code(),
            tickets: vec![Ticket::FREE; TICKETS],
            ended: [Ended::default(); ENDED],
            certificate: Vec::new(),
        }
    }

    /// The form in which it is kept.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.cookie_key);
        out.extend_from_slice(&self.start_code);
        out.resize(TICKETS_AT, 0);
        for ticket in &self.tickets {
            ticket.write(&mut out);
        }
        for ended in &self.ended {
            out.extend_from_slice(&ended.id);
            out.extend_from_slice(&ended.expires.to_be_bytes());
        }
        out.extend_from_slice(&(self.certificate.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.certificate);
        out.resize(SUM_AT, 0);
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
        let tickets = body[TICKETS_AT..ENDED_AT].chunks(TICKET);
        let mut ended = [Ended::default(); ENDED];
        for (ended, bytes) in ended.iter_mut().zip(body[ENDED_AT..CERT_AT].chunks(16)) {
            *ended = Ended {
                id: bytes[..8].try_into().ok()?,
                expires: u64::from_be_bytes(bytes[8..].try_into().ok()?),
            };
        }
        let (len, certificate) = body[CERT_AT..].split_first_chunk()?;
        let certificate = certificate.get(..usize::from(u16::from_be_bytes(*len)))?;
        Some(Self {
            cookie_key: body[16..CODE_AT].try_into().ok()?,
            start_code: body[CODE_AT..CODE_AT + CODE].try_into().ok()?,
            tickets: tickets.map(Ticket::read).collect::<Option<_>>()?,
            ended,
            certificate: certificate.to_vec(),
        })
    }

    /// What was kept last of the server's own certificate, if anything.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        (!self.certificate.is_empty()).then(|| self.certificate.clone())
    }

    /// Keeps the server's own certificate; one that has no room is not kept.
    pub(super) fn keep_certificate(&mut self, bytes: Vec<u8>) {
        if bytes.len() <= CERT {
            self.certificate = bytes;
        } else {
            tracing::warn!(
                "the certificate is too long to be kept; a restarted server makes another one"
            );
        }
    }

    /// Makes a new start code; the old one is worth nothing from now on.
    pub(super) fn rotate(&mut self) {
        self.start_code = new_code();
    }

    /// Ends a login whose cookie would live until `expires`. When all slots are taken by cookies that still live, two
    /// of the account that has most of them become one, which ends what else is as old: nobody makes room for a login
    /// that was ended to come back.
    pub(super) fn end_login(&mut self, id: LoginId, expires: u64, now: u64) {
        let free = self.ended.iter().position(|slot| slot.expires <= now);
        let at = free.unwrap_or_else(|| self.merge_oldest());
        self.ended[at] = Ended { id, expires };
    }

    /// Makes one of two slots; returns the one that is free then.
    fn merge_oldest(&mut self) -> usize {
        let slots = &self.ended;
        let tag = |at: usize| &slots[at].id[..TAG];
        let share = |at: usize| (0..ENDED).filter(|&other| tag(other) == tag(at)).count();
        let dearest = (0..ENDED).max_by_key(|&at| share(at)).unwrap_or(0);
        let mut id = LoginId::default();
        let mut those: Vec<usize> = (0..ENDED).collect();
        // With one slot for each account only everybody's can be made one.
        if share(dearest) > 1 {
            id[..TAG].copy_from_slice(tag(dearest));
            those.retain(|&at| tag(at) == tag(dearest));
        }
        those.sort_by_key(|&at| slots[at].expires);
        self.ended[those[1]].id = id;
        those[0]
    }

    /// Whether a login that has these numbers and this expiry was ended.
    pub(super) fn is_ended(&self, ids: &[LoginId], expires: u64) -> bool {
        let all_of = |ended: &Ended, id: &LoginId| {
            let everybody = ended.id == LoginId::default();
            let account = ended.id[TAG..] == [0; 8 - TAG] && ended.id[..TAG] == id[..TAG];
            (everybody || account) && expires <= ended.expires
        };
        let mut ended = self.ended.iter().filter(|ended| ended.expires > 0);
        ended.any(|ended| ids.iter().any(|id| ended.id == *id || all_of(ended, id)))
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
    pub(super) fn mint(&mut self, grant: Grant, now: u64) -> String {
        let ticket = BASE64URL_NOPAD.encode(&random::<16>());
        let slot = self.tickets.iter_mut().min_by_key(|slot| slot.expires);
        if let Some(slot) = slot {
            *slot = Ticket {
                hash: half(&ticket),
                expires: now + TICKET_LIFE.as_millis() as u64,
                grant,
            };
        }
        ticket
    }

    /// Uses a ticket up; returns what it was minted for.
    pub(super) fn redeem(&mut self, ticket: &str, now: u64) -> Option<Grant> {
        let hash = half(ticket);
        let life = TICKET_LIFE.as_millis() as u64;
        let slot = self.tickets.iter_mut().find(|slot| {
            // A clock that was set back must not make a ticket live longer.
            let alive = slot.expires > now && slot.expires - now <= life;
            alive & bool::from(slot.hash.ct_eq(&hash))
        })?;
        Some(std::mem::replace(slot, Ticket::FREE).grant)
    }
}

fn half(ticket: &str) -> [u8; 16] {
    let whole: [u8; 32] = Sha256::digest(ticket).into();
    std::array::from_fn(|at| whole[at])
}

fn new_code() -> [u8; CODE] {
    random::<CODE>().map(|byte| ALPHABET[usize::from(byte & 31)])
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

/// Bytes from the kernel's random source.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel's random source works");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn viewer() -> Grant {
        Grant {
            account: Account::User("a-name-of-thirty-two-characters-".into()),
            role: Some(Role::Viewer),
            login: Some(Login {
                id: [5; 8],
                expires: 90_000,
                by_ticket: false,
            }),
        }
    }

    #[test]
    fn a_ticket_works_once_and_in_time() {
        let mut vault = Vault::fresh();
        let ticket = vault.mint(viewer(), 1000);
        assert_eq!(ticket.len(), TICKET_CHARS);
        assert_eq!(vault.redeem("", 1000), None);
        assert_eq!(vault.redeem(&ticket, 1000), Some(viewer()));
        assert_eq!(vault.redeem(&ticket, 1000), None);
        let late = vault.mint(Grant::NOBODY, 1000);
        assert_eq!(vault.redeem(&late, 31_000), None);
        let early = vault.mint(Grant::NOBODY, 100_000);
        assert_eq!(vault.redeem(&early, 1000), None);
    }

    #[test]
    fn a_successor_finds_everything() {
        let mut vault = Vault::fresh();
        let ticket = vault.mint(Grant::NOBODY, 1000);
        let mut bytes = vault.to_bytes();
        assert!(bytes.len() <= VAULT_MAX);
        bytes.resize(VAULT_MAX, 0);
        let mut next = Vault::from_bytes(&bytes).unwrap();
        assert_eq!(next.start_code(), vault.start_code());
        assert_eq!(next.cookie_key(), vault.cookie_key());
        assert_eq!(next.redeem(&ticket, 1001), Some(Grant::NOBODY));
    }

    #[test]
    fn logins_codes_and_the_certificate_are_kept_too() {
        let mut vault = Vault::fresh();
        vault.end_login([9; 8], 5000, 1000);
        vault.keep_certificate(vec![1; CERT]);
        vault.keep_certificate(vec![2; CERT + 1]);
        let code = vault.start_code();
        vault.rotate();
        assert!(!vault.is_start_code(&code));
        let ticket = vault.mint(viewer(), 1000);
        let mut next = Vault::from_bytes(&vault.to_bytes()).unwrap();
        assert!(next.is_ended(&[[9; 8]], 5000) && !next.is_ended(&[[0; 8]], 5000));
        assert_eq!(next.certificate(), Some(vec![1; CERT]));
        assert_eq!(next.redeem(&ticket, 1001), Some(viewer()));
        assert!(next.is_start_code(&vault.start_code()));
    }

    /// Whoever may log in could log out again and again, until a stolen cookie that was ended is worth something again.
    #[test]
    fn logins_that_were_ended_are_not_pushed_out() {
        let mut vault = Vault::fresh();
        let of = |name: &str| login_id(&Account::User(name.into()));
        let stolen = of("alice");
        vault.end_login(stolen, 5000, 1000);
        let mut all = Vec::new();
        for n in 0..3 * ENDED as u64 {
            all.push((of("mallory"), 6000 + n));
            vault.end_login(all[n as usize].0, 6000 + n, 1000);
        }
        assert!(vault.is_ended(&[stolen], 5000));
        assert!(
            all.iter()
                .all(|(id, expires)| vault.is_ended(&[*id], *expires))
        );
        // What went is the rest of what is that old, of that account only.
        assert!(vault.is_ended(&[of("mallory")], 6000));
        assert!(!vault.is_ended(&[of("mallory")], 6000 + 3 * ENDED as u64));
        assert!(!vault.is_ended(&[of("alice")], 5000) && !vault.is_ended(&[of("bob")], 6000));
        // What has expired makes room first.
        let (one, two) = (of("bob"), of("bob"));
        vault.end_login(one, 9000, 5000);
        vault.end_login(two, 9000, 5000);
        assert!(!vault.is_ended(&[stolen], 5000));
        assert!(vault.is_ended(&[one], 9000) && vault.is_ended(&[two], 9000));
    }

    /// As many accounts as there are slots, and more.
    #[test]
    fn of_many_accounts_none_comes_back() {
        let mut vault = Vault::fresh();
        let all: Vec<_> = (0..200u64)
            .map(|n| {
                (
                    login_id(&Account::User(format!("user-{n}").into())),
                    5000 + n,
                )
            })
            .collect();
        for (id, expires) in &all {
            vault.end_login(*id, *expires, 1000);
        }
        assert!(
            all.iter()
                .all(|(id, expires)| vault.is_ended(&[*id], *expires))
        );
        let young = login_id(&Account::User("user-0".into()));
        assert!(!vault.is_ended(&[young], 5200));
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
        let first = vault.mint(Grant::NOBODY, 1);
        let all: Vec<String> = (0..TICKETS as u64)
            .map(|n| vault.mint(Grant::NOBODY, 2 + n))
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
