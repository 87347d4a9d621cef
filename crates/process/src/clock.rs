//! The clock for deadlines that outlive a server: milliseconds since boot, sleep included.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds of CLOCK_BOOTTIME.
#[must_use]
pub fn boottime_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.cast_unsigned() * 1000 + now.tv_nsec.cast_unsigned() / 1_000_000
}
