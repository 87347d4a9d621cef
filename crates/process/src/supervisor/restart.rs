//! When to start the next server: at once, unless servers keep dying young.

/// A server that served and lived this long is no part of a loop.
const YOUNG_MS: u64 = 1_000;
/// The longest wait.
const MAX_MS: u64 = 10_000;
/// Starts in vain that are met with an immediate restart.
const FREE: u32 = 3;
/// The wait after a server that died young: short, clients wait for it, but no busy loop.
const SERVED_MS: u64 = 20;

/// Counts servers in a row that died before they had served anybody.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    in_vain: u32,
}

impl Backoff {
    /// How long to wait after a server that lived for `lived_ms`, `served` or not.
    pub(super) fn after(&mut self, lived_ms: u64, served: bool) -> u64 {
        if served {
            self.in_vain = 0;
            return if lived_ms < YOUNG_MS { SERVED_MS } else { 0 };
        }
        self.in_vain = self.in_vain.saturating_add(1);
        match self.in_vain.saturating_sub(FREE) {
            0 => 0,
            late => (50 << late.min(8)).min(MAX_MS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_slowed_down_and_forgiven() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..12).map(|_| backoff.after(10, false)).collect();
        assert_eq!(waits[..5], [0, 0, 0, 100, 200]);
        assert_eq!(waits[11], MAX_MS);
        assert_eq!(backoff.after(10, true), SERVED_MS);
        assert_eq!(backoff.after(10, false), 0);
        assert_eq!(backoff.after(YOUNG_MS, true), 0);
    }
}
