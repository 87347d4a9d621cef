//! Back-off after failed logins, per address, in a table of bounded size.
//!
//! Three failures are free, then each one doubles the wait from one second to one minute. An address is forgotten
//! after ten quiet minutes. IPv6 counts by its first 64 bits, since whoever has one such address has them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

const FREE: u32 = 3;
const MAX_WAIT: Duration = Duration::from_secs(60);
const FORGET: Duration = Duration::from_secs(600);
/// The most addresses that are remembered; the one that failed longest ago gives way.
const MAX_ADDRESSES: usize = 1024;

/// Addresses that failed.
#[derive(Debug, Default)]
pub(super) struct Backoff(HashMap<IpAddr, Entry>);

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

impl Backoff {
    /// How long this address must still wait.
    pub(super) fn wait(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let entry = self.0.get(&prefix(from))?;
        entry
            .until()
            .checked_duration_since(now)
            .filter(|wait| !wait.is_zero())
    }

    /// This address failed.
    pub(super) fn failed(&mut self, from: IpAddr, now: Instant) {
        self.0
            .retain(|_, entry| now.duration_since(entry.last) < FORGET);
        let from = prefix(from);
        if self.0.len() >= MAX_ADDRESSES && !self.0.contains_key(&from) {
            let oldest = self.0.iter().min_by_key(|(_, entry)| entry.last);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.0.remove(&oldest);
            }
        }
        let entry = self.0.entry(from).or_insert(Entry {
            failures: 0,
            last: now,
        });
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
    }

    /// This address succeeded.
    pub(super) fn forget(&mut self, from: IpAddr) {
        self.0.remove(&prefix(from));
    }
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
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..12 {
            backoff.failed(HERE, now);
            let wait = backoff.wait(HERE, now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(backoff.wait(HERE, now), None);
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        now += FORGET;
        backoff.failed(HERE, now);
        assert_eq!(backoff.wait(HERE, now), None);
    }

    #[test]
    fn success_is_a_fresh_start_and_others_are_not_concerned() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for _ in 0..5 {
            backoff.failed(HERE, now);
        }
        assert_eq!(backoff.wait("127.0.0.2".parse().unwrap(), now), None);
        backoff.forget(HERE);
        assert_eq!(backoff.wait(HERE, now), None);
    }

    #[test]
    fn the_table_is_bounded_and_a_prefix_counts_as_one() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for host in 0..5000u32 {
            backoff.failed(
                IpAddr::V4(host.into()),
                now + Duration::from_millis(host.into()),
            );
        }
        assert_eq!(backoff.0.len(), MAX_ADDRESSES);
        let mut backoff = Backoff::default();
        for host in 0..10u128 {
            backoff.failed(IpAddr::V6(Ipv6Addr::from_bits(0xfd << 120 | host)), now);
        }
        assert_eq!(backoff.0.len(), 1);
    }
}
