//! The time on the wall, as this machine's users have it.

use std::time::{SystemTime, UNIX_EPOCH};
use tz::{DateTime, TimeZone};

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Where this machine is, as far as it knows.
pub(super) struct Zone(TimeZone);

impl Zone {
    /// Reads the machine's settings.
    pub(super) fn here() -> Self {
        Self(TimeZone::local().unwrap_or_else(|_| TimeZone::utc()))
    }

    /// `YYYY/MM/DD HH:MM:SS` in local time, or in UTC on a machine that does not know where it is.
    pub(super) fn local(&self, seconds: i64) -> String {
        let time = DateTime::from_timespec(seconds, 0, self.0.as_ref())
            .or_else(|_| DateTime::from_timespec(seconds, 0, TimeZone::utc().as_ref()));
        time.map_or_else(
            |_| String::new(),
            |time| {
                format!(
                    "{:04}/{:02}/{:02} {:02}:{:02}:{:02}",
                    time.year(),
                    time.month(),
                    time.month_day(),
                    time.hour(),
                    time.minute(),
                    time.second()
                )
            },
        )
    }
}
