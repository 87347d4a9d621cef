//! When to start the next server: at once, unless servers keep dying young.

/// A server that lives this long was not a failure of the start.
const YOUNG_MS: u64 = 5_000;
/// The longest wait.
const MAX_MS: u64 = 10_000;
/// Deaths in youth that are met with an immediate restart.
const FREE: u32 = 3;
/// The wait after a server that had served: short, clients wait for it, but no busy loop.
const SERVED_MS: u64 = 20;

/// Counts deaths in youth.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    young: u32,
}

impl Backoff {
    /// How long to wait after a server that lived for `lived_ms`, `served` or not.
    pub(super) fn after(&mut self, lived_ms: u64, served: bool) -> u64 {
        if lived_ms >= YOUNG_MS {
            self.young = 0;
            return 0;
        }
        self.young = self.young.saturating_add(1);
        match self.young.saturating_sub(FREE) {
            0 => 0,
            _ if served => SERVED_MS,
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
        assert_eq!(backoff.after(YOUNG_MS, true), 0);
        assert_eq!(backoff.after(10, false), 0);
    }
}
