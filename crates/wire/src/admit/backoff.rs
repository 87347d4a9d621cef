//! Back-off after failed logins, per address and per user, in tables of bounded size.
//!
//! Some failures are free, then each one doubles the wait from one second to one minute; ten quiet minutes are
//! forgotten. IPv6 counts by its first 64 bits, since whoever has one such address has them all. A user has more
//! failures free than an address: others, from elsewhere, must not lock out with three words who knows the password.

use super::{Name, Refusal};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures that cost nothing, per address.
const FREE: u32 = 3;
/// The same per user.
const FREE_PER_USER: u32 = 10;
const MAX_WAIT: Duration = Duration::from_secs(60);
const FORGET: Duration = Duration::from_secs(600);
/// The most that are remembered of either kind; the one that failed longest ago gives way.
const MAX_ENTRIES: usize = 1024;

/// Who failed.
#[derive(Debug)]
pub(super) struct Failures {
    addresses: Mutex<Backoff<IpAddr>>,
    users: Mutex<Backoff<String>>,
}

impl Failures {
    pub(super) fn new() -> Self {
        Self {
            addresses: Mutex::new(Backoff::new(FREE)),
            users: Mutex::new(Backoff::new(FREE_PER_USER)),
        }
    }

    /// An error while this address or this user must wait.
    pub(super) fn wait(&self, from: IpAddr, user: &str) -> Result<(), Refusal> {
        let now = Instant::now();
        let address = self.addresses.lock().wait(&prefix(from), now);
        let user = self.users.lock().wait(&key(user), now);
        address
            .max(user)
            .map_or(Ok(()), |wait| Err(Refusal::Wait(wait)))
    }

    /// How a try has ended.
    pub(super) fn tell(&self, right: bool, from: IpAddr, user: Option<&str>) {
        let now = Instant::now();
        self.addresses.lock().tell(right, prefix(from), now);
        if let Some(user) = user {
            self.users.lock().tell(right, key(user), now);
        }
    }

    /// Judges a guess from this address, unless the address must wait. One at a time, so that many at once are no way
    /// around the wait.
    pub(super) fn guess<T>(
        &self,
        from: IpAddr,
        judge: impl FnOnce() -> Option<T>,
    ) -> Result<T, Refusal> {
        let (from, now) = (prefix(from), Instant::now());
        let mut addresses = self.addresses.lock();
        if let Some(wait) = addresses.wait(&from, now) {
            return Err(Refusal::Wait(wait));
        }
        let judged = judge();
        addresses.tell(judged.is_some(), from, now);
        judged.ok_or(Refusal::Unauthorized)
    }
}

/// Those of one kind that failed.
#[derive(Debug)]
struct Backoff<K> {
    entries: HashMap<K, Entry>,
    free: u32,
}

#[derive(Debug)]
struct Entry {
    failures: u32,
    last: Instant,
}

impl Entry {
    fn until(&self, free: u32) -> Instant {
        let wait = match self.failures.checked_sub(free) {
            None | Some(0) => Duration::ZERO,
            Some(beyond) => Duration::from_secs(1 << (beyond - 1).min(6)).min(MAX_WAIT),
        };
        self.last + wait
    }
}

impl<K: Clone + Eq + Hash> Backoff<K> {
    fn new(free: u32) -> Self {
        Self {
            entries: HashMap::new(),
            free,
        }
    }

    /// How long this one must still wait.
    fn wait(&self, who: &K, now: Instant) -> Option<Duration> {
        let entry = self.entries.get(who)?;
        let until = entry.until(self.free);
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
fn key(user: &str) -> String {
    user.chars().take(Name::MAX).collect()
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
        let (mut backoff, mut now) = (Backoff::new(FREE), Instant::now());
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
    fn success_is_a_fresh_start_and_others_are_not_concerned() {
        let failures = Failures::new();
        for _ in 0..5 {
            failures.tell(false, HERE, None);
        }
        assert!(failures.wait(HERE, "alice").is_err());
        assert!(failures.wait("127.0.0.2".parse().unwrap(), "alice").is_ok());
        failures.tell(true, HERE, None);
        assert!(failures.wait(HERE, "alice").is_ok());
    }

    #[test]
    fn a_user_is_guarded_against_many_addresses() {
        let failures = Failures::new();
        let address = |host: u32| IpAddr::V4((0x7f00_0000 + host).into());
        for host in 0..20 {
            failures.tell(false, address(host), Some("alice"));
        }
        assert!(failures.wait(address(100), "alice").is_err());
        assert!(failures.wait(address(100), "bob").is_ok());
        assert!(failures.guess(address(100), || Some(())).is_ok());
    }

    #[test]
    fn the_table_is_bounded_and_a_prefix_counts_as_one() {
        let (mut backoff, now) = (Backoff::new(FREE), Instant::now());
        for host in 0..5000u32 {
            backoff.failed(host, now + Duration::from_millis(host.into()));
        }
        assert_eq!(backoff.entries.len(), MAX_ENTRIES);
        let failures = Failures::new();
        for host in 0..10u128 {
            let address = IpAddr::V6(Ipv6Addr::from_bits(0xfd << 120 | host));
            failures.tell(false, address, None);
        }
        assert_eq!(failures.addresses.lock().entries.len(), 1);
    }
}
