//! Waiting for named events, numbers of rounds, and randomness that can be repeated.

use std::time::{Duration, Instant};

/// The longest that any one event may take. Generous: the machine may be busy with other tests.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at a condition that cannot wake us.
const POLL: Duration = Duration::from_millis(5);

/// Looks until the condition gives a value.
///
/// # Panics
/// After [`DEADLINE`], with the name of what did not happen.
pub async fn wait_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// How often a random test repeats: `$ANYWIRE_ROUNDS`, else the number given.
///
/// # Panics
/// When the variable is no number.
#[must_use]
pub fn rounds(default: usize) -> usize {
    std::env::var("ANYWIRE_ROUNDS").map_or(default, |text| {
        text.parse().expect("ANYWIRE_ROUNDS is a number")
    })
}

/// A small generator (splitmix64); the seed is printed, and `$ANYWIRE_SEED` repeats a run.
#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    /// Seeded from `$ANYWIRE_SEED`, else from the clock.
    ///
    /// # Panics
    /// When the variable is no number.
    #[must_use]
    pub fn new() -> Self {
        let seed = std::env::var("ANYWIRE_SEED").map_or_else(
            |_| {
                std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(1, |t| t.as_nanos() as u64)
            },
            |text| text.parse().expect("ANYWIRE_SEED is a number"),
        );
        println!("ANYWIRE_SEED={seed}");
        Self(seed)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

impl Default for Rng {
    fn default() -> Self {
        Self::new()
    }
}
