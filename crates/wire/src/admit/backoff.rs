//! Back-off after failed logins, in tables of bounded size.
//!
//! Codes: some failures of an address are free, then each one doubles its wait from one second to one minute; ten quiet
//! minutes are forgotten. Passwords: the same for each user *at* each address, so that nobody makes anybody else wait who
//! is elsewhere, or is somebody else. Against guesses from many addresses a user has a rate besides, and against guesses
//! at many users an address has one. The user's is more than one address can use up, and does not count where the user
//! has been let in before: failures of others must not lock out who knows the password.
//!
//! IPv6 counts by its first 64 bits, since whoever has one such address has them all.

use super::{Name, Refusal};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures that cost nothing.
const FREE: u32 = 3;
const MAX_WAIT: Duration = Duration::from_secs(60);
const FORGET: Duration = Duration::from_secs(600);
/// Wrong passwords for a user from anywhere: so many at once, and another one after so long.
const USER_AT_ONCE: u32 = 10;
const USER_EVERY: Duration = Duration::from_secs(10);
/// Wrong passwords for anybody from an address.
const ADDRESS_AT_ONCE: u32 = 30;
const ADDRESS_EVERY: Duration = Duration::from_secs(2);
/// The most that are remembered of each kind; the one that failed longest ago gives way.
const MAX_ENTRIES: usize = 1024;

// An address that fails for ever, as slowly as it must, leaves something of the user's rate to others.
const _: () = assert!(USER_EVERY.as_secs() * 2 < MAX_WAIT.as_secs());

/// A user at an address.
type Pair = (IpAddr, String);

/// Who failed.
#[derive(Debug)]
pub(super) struct Failures {
    /// With codes and tokens.
    guesses: Mutex<Backoff<IpAddr>>,
    passwords: Mutex<Passwords>,
}

#[derive(Debug)]
struct Passwords {
    pairs: Backoff<Pair>,
    addresses: Rate<IpAddr>,
    users: Rate<String>,
    /// Who was let in from where, the latest last.
    known: VecDeque<Pair>,
}

impl Failures {
    pub(super) fn new() -> Self {
        Self {
            guesses: Mutex::new(Backoff::new()),
            passwords: Mutex::new(Passwords {
                pairs: Backoff::new(),
                addresses: Rate::new(ADDRESS_AT_ONCE, ADDRESS_EVERY),
                users: Rate::new(USER_AT_ONCE, USER_EVERY),
                known: VecDeque::new(),
            }),
        }
    }

    /// An error while this user must wait at this address.
    pub(super) fn wait(&self, from: IpAddr, user: &str) -> Result<(), Refusal> {
        let wait = self.passwords.lock().wait(pair(from, user), Instant::now());
        wait.map_or(Ok(()), |wait| Err(Refusal::Wait(wait)))
    }

    /// How a try with a password has ended.
    pub(super) fn tell(&self, right: bool, from: IpAddr, user: &str) {
        let mut passwords = self.passwords.lock();
        passwords.tell(right, pair(from, user), Instant::now());
    }

    /// Judges a guess from this address, unless the address must wait. One at a time, so that many at once are no way
    /// around the wait.
    pub(super) fn guess<T>(
        &self,
        from: IpAddr,
        judge: impl FnOnce() -> Option<T>,
    ) -> Result<T, Refusal> {
        let (from, now) = (prefix(from), Instant::now());
        let mut guesses = self.guesses.lock();
        if let Some(wait) = guesses.wait(&from, now) {
            return Err(Refusal::Wait(wait));
        }
        let judged = judge();
        guesses.tell(judged.is_some(), from, now);
        judged.ok_or(Refusal::Wrong)
    }
}

impl Passwords {
    fn wait(&self, who: Pair, now: Instant) -> Option<Duration> {
        let pair = self.pairs.wait(&who, now);
        let address = self.addresses.wait(&who.0, now);
        let user = self.users.wait(&who.1, now);
        let user = user.filter(|_| !self.known.contains(&who));
        pair.max(address).max(user)
    }

    fn tell(&mut self, right: bool, who: Pair, now: Instant) {
        if right {
            self.known.retain(|known| *known != who);
            if self.known.len() == MAX_ENTRIES {
                self.known.pop_front();
            }
            self.known.push_back(who.clone());
        } else {
            self.addresses.failed(who.0, now);
            self.users.failed(who.1.clone(), now);
        }
        self.pairs.tell(right, who, now);
    }
}

/// Failures at no more than a rate: some at once, then one after each interval.
#[derive(Debug)]
struct Rate<K> {
    /// When each one's failures will be forgotten, one after each interval.
    entries: HashMap<K, Instant>,
    at_once: u32,
    every: Duration,
}

impl<K: Clone + Eq + Hash> Rate<K> {
    fn new(at_once: u32, every: Duration) -> Self {
        Self {
            entries: HashMap::new(),
            at_once,
            every,
        }
    }

    /// How long this one must still wait.
    fn wait(&self, who: &K, now: Instant) -> Option<Duration> {
        let owed = self.entries.get(who)?.checked_duration_since(now)?;
        let wait = owed.checked_sub(self.every * (self.at_once - 1))?;
        (!wait.is_zero()).then_some(wait)
    }

    fn failed(&mut self, who: K, now: Instant) {
        self.entries.retain(|_, forgotten| *forgotten > now);
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&who) {
            let least = self.entries.iter().min_by_key(|(_, forgotten)| **forgotten);
            if let Some(least) = least.map(|(who, _)| who.clone()) {
                self.entries.remove(&least);
            }
        }
        *self.entries.entry(who).or_insert(now) += self.every;
    }
}

/// Those of one kind that failed, each of whom waits longer and longer.
#[derive(Debug)]
struct Backoff<K> {
    entries: HashMap<K, Entry>,
}

#[derive(Debug)]
struct Entry {
    failures: u32,
    last: Instant,
}

impl Entry {
    fn until(&self) -> Instant {
        let wait = match self.failures.checked_sub(FREE) {
            None | Some(0) => Duration::ZERO,
            Some(beyond) => Duration::from_secs(1 << (beyond - 1).min(6)).min(MAX_WAIT),
        };
        self.last + wait
    }
}

impl<K: Clone + Eq + Hash> Backoff<K> {
    fn new() -> Self {
        Self {
            entries: HashMap::new(),
        }
    }

    /// How long this one must still wait.
    fn wait(&self, who: &K, now: Instant) -> Option<Duration> {
        let entry = self.entries.get(who)?;
        let until = entry.until();
        let wait = until.checked_duration_since(now);
        wait.filter(|wait| !wait.is_zero())
    }

    /// How a try of this one has ended: success is a fresh start.
    fn tell(&mut self, right: bool, who: K, now: Instant) {
        if right {
            self.entries.remove(&who);
        } else {
            self.failed(who, now);
        }
    }

    fn failed(&mut self, who: K, now: Instant) {
        self.entries
            .retain(|_, entry| now.duration_since(entry.last) < FORGET);
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&who) {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last);
            if let Some(oldest) = oldest.map(|(who, _)| who.clone()) {
                self.entries.remove(&oldest);
            }
        }
        let entry = self.entries.entry(who).or_insert(Entry {
            failures: 0,
            last: now,
        });
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
    }
}

/// Nobody's name is longer than this.
fn pair(from: IpAddr, user: &str) -> Pair {
    (prefix(from), user.chars().take(Name::MAX).collect())
}

/// The addresses that one peer has as easily as this one, as their first.
pub(crate) fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_is_forgotten() {
        let (mut backoff, mut now) = (Backoff::new(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..12 {
            backoff.failed(HERE, now);
            let wait = backoff.wait(&HERE, now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(backoff.wait(&HERE, now), None);
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        now += FORGET;
        backoff.failed(HERE, now);
        assert_eq!(backoff.wait(&HERE, now), None);
    }

    #[test]
    fn a_rate_is_some_at_once_and_then_one_each_time() {
        let (mut rate, now) = (Rate::new(3, Duration::from_secs(10)), Instant::now());
        for _ in 0..3 {
            assert_eq!(rate.wait(&HERE, now), None);
            rate.failed(HERE, now);
        }
        assert_eq!(rate.wait(&HERE, now), Some(Duration::from_secs(10)));
        let later = now + Duration::from_secs(10);
        assert_eq!(rate.wait(&HERE, later), None);
        rate.failed(HERE, later);
        assert!(rate.wait(&HERE, later).is_some());
        rate.failed(address(1), later + Duration::from_secs(30));
        assert_eq!(rate.entries.len(), 1, "what is paid is forgotten");
    }

    fn address(host: u32) -> IpAddr {
        IpAddr::V4((0x7f00_0000 + host).into())
    }

    #[test]
    fn success_is_a_fresh_start_and_others_are_not_concerned() {
        let failures = Failures::new();
        for _ in 0..5 {
            failures.tell(false, HERE, "alice");
        }
        assert!(failures.wait(HERE, "alice").is_err());
        // Neither who shares the address, nor who has another one, nor who holds a code.
        assert!(failures.wait(HERE, "bob").is_ok());
        assert!(failures.wait(address(2), "alice").is_ok());
        assert!(failures.guess(HERE, || Some(())).is_ok());
        failures.tell(true, HERE, "alice");
        assert!(failures.wait(HERE, "alice").is_ok());
    }

    #[test]
    fn a_user_is_guarded_against_many_addresses_and_not_locked_out_by_them() {
        let failures = Failures::new();
        failures.tell(true, address(50), "alice");
        for host in 0..20 {
            failures.tell(false, address(host), "alice");
        }
        assert!(failures.wait(address(100), "alice").is_err());
        assert!(
            failures.wait(address(50), "alice").is_ok(),
            "she was here before"
        );
        assert!(failures.wait(address(100), "bob").is_ok());
    }

    /// A wrong password whenever it is allowed, from one address, for an hour: the user can always come in elsewhere.
    #[test]
    fn nobody_alone_locks_a_user_out() {
        let mut passwords = Failures::new().passwords.into_inner();
        let (start, mut now) = (Instant::now(), Instant::now());
        let (attacker, owner) = (pair(HERE, "alice"), pair(address(9), "alice"));
        while now < start + Duration::from_secs(3600) {
            passwords.tell(false, attacker.clone(), now);
            assert_eq!(passwords.wait(owner.clone(), now), None);
            now += passwords.wait(attacker.clone(), now).unwrap_or_default();
        }
    }

    #[test]
    fn an_address_is_kept_from_trying_everybody() {
        let failures = Failures::new();
        for n in 0..ADDRESS_AT_ONCE {
            let user = format!("user-{n}");
            assert!(failures.wait(HERE, &user).is_ok(), "{n}");
            failures.tell(false, HERE, &user);
            // An account of one's own does not help.
            failures.tell(true, HERE, "mallory");
        }
        assert!(failures.wait(HERE, "alice").is_err());
        assert!(failures.wait(address(2), "alice").is_ok());
    }

    #[test]
    fn the_tables_are_bounded_and_a_prefix_counts_as_one() {
        let (mut backoff, now) = (Backoff::new(), Instant::now());
        let mut rate = Rate::new(1, Duration::from_secs(60));
        for host in 0..5000u32 {
            backoff.failed(host, now + Duration::from_millis(host.into()));
            rate.failed(host, now);
        }
        assert_eq!(backoff.entries.len(), MAX_ENTRIES);
        assert_eq!(rate.entries.len(), MAX_ENTRIES);
        let failures = Failures::new();
        for host in 0..10u128 {
            let address = IpAddr::V6(Ipv6Addr::from_bits(0xfd << 120 | host));
            failures.tell(false, address, "alice");
        }
        assert_eq!(failures.passwords.lock().pairs.entries.len(), 1);
        for user in 0..5000 {
            failures.tell(true, HERE, &user.to_string());
        }
        assert_eq!(failures.passwords.lock().known.len(), MAX_ENTRIES);
    }
}
