//! Latencies: counted in buckets of a fixed relative width, shown as a plot of text.

use std::fmt::Write as _;
use std::time::Duration;

/// Buckets for each doubling.
const FINE: usize = 8;
/// From a microsecond to more than an hour.
const BUCKETS: usize = 32 * FINE;
/// Characters of the longest bar.
const BAR: u64 = 50;

/// Counts of latencies, each known within an eighth of its doubling.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            count: 0,
            max: Duration::ZERO,
        }
    }

    pub(super) fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let doubling = micros.ilog2() as usize;
        let rest = micros - (1 << doubling);
        let fine = (u128::from(rest) * FINE as u128) >> doubling;
        let bucket = (doubling * FINE + fine as usize).min(BUCKETS - 1);
        self.counts[bucket] += 1;
        self.count += 1;
        self.max = self.max.max(latency);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += other;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The latency that this share of all is not above, as the upper end of its bucket.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper(bucket).min(self.max);
            }
        }
        self.max
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn max(&self) -> Duration {
        self.max
    }

    /// A line for each doubling between the first and the last that has any.
    pub(super) fn plot(&self) -> String {
        let rows: Vec<u64> = self
            .counts
            .chunks(FINE)
            .map(|row| row.iter().sum())
            .collect();
        let first = rows.iter().position(|count| *count > 0);
        let last = rows.iter().rposition(|count| *count > 0);
        let (Some(first), Some(last)) = (first, last) else {
            return String::new();
        };
        let most = rows.iter().copied().max().unwrap_or(1);
        let mut plot = String::new();
        for (row, count) in rows.iter().enumerate().take(last + 1).skip(first) {
            let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
            let below = show(upper((row + 1) * FINE - 1));
            let _ = writeln!(plot, "  < {below:>9} {count:>10} {bar}");
        }
        plot
    }
}

/// The end of a bucket.
fn upper(bucket: usize) -> Duration {
    let (doubling, fine) = (bucket / FINE, bucket % FINE);
    let start = 1u64 << doubling;
    Duration::from_micros(start + (start * (fine as u64 + 1)) / FINE as u64)
}

/// A duration for people.
pub(super) fn show(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..10_000 => format!("{micros} us"),
        10_000..10_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quantile_is_off_by_an_eighth_at_most(micros in proptest::collection::vec(1..10_000_000u64, 1..100)) {
            let mut histogram = Histogram::new();
            for micros in &micros {
                histogram.add(Duration::from_micros(*micros));
            }
            let mut sorted = micros.clone();
            sorted.sort_unstable();
            let median = sorted[sorted.len().div_ceil(2) - 1] as f64;
            let got = histogram.quantile(0.5).as_micros() as f64;
            prop_assert!(got >= median && got <= median * 1.13 + 2.0, "{got} for {median}");
            prop_assert_eq!(histogram.quantile(1.0), histogram.max());
        }
    }

    #[test]
    fn the_plot_has_a_line_per_doubling() {
        let mut histogram = Histogram::new();
        let mut other = Histogram::new();
        for micros in [3, 3, 10] {
            histogram.add(Duration::from_micros(micros));
        }
        other.add(Duration::ZERO);
        histogram.merge(&other);
        let plot = histogram.plot();
        assert_eq!(plot.lines().count(), 4, "{plot}");
        assert!(
            plot.lines().nth(1).unwrap().ends_with(&"#".repeat(50)),
            "{plot}"
        );
        histogram.add(Duration::MAX);
        assert_eq!(Histogram::new().plot(), "");
    }
}
