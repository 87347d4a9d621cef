//! The figures of `connect`, for people and for programs.

use super::histogram::{Histogram, show};
use super::load::Outcome;
use serde_json::json;
use std::fmt::Write as _;

/// Connections that get a line each.
const LINES: usize = 20;

/// All that was measured.
pub(super) struct Figures {
    outcomes: Vec<Outcome>,
    seconds: f64,
    latency: Histogram,
}

impl Figures {
    pub(super) fn new(outcomes: Vec<Outcome>, seconds: f64) -> Self {
        let mut latency = Histogram::new();
        for outcome in &outcomes {
            latency.merge(&outcome.latency);
        }
        Self {
            outcomes,
            seconds,
            latency,
        }
    }

    /// Whether every byte came back on every connection.
    pub(super) fn is_whole(&self) -> bool {
        self.failed() == 0
    }

    fn failed(&self) -> usize {
        let failed =
            |outcome: &&Outcome| outcome.error.is_some() || outcome.sent != outcome.received;
        self.outcomes.iter().filter(failed).count()
    }

    fn sum(&self, of: impl Fn(&Outcome) -> u64) -> u64 {
        self.outcomes.iter().map(of).sum()
    }

    fn rate(&self) -> f64 {
        self.sum(|one| one.received) as f64 / self.seconds.max(1e-9)
    }
}

/// A table of connections (only of those that failed, if there are many), totals and a plot.
pub(super) fn text(figures: &Figures) -> String {
    let mut text = String::new();
    let all = figures.outcomes.len() <= LINES;
    let shown = figures
        .outcomes
        .iter()
        .filter(|one| all || one.error.is_some());
    for one in shown.take(LINES) {
        let result = one.error.as_deref().unwrap_or("ok");
        let _ = writeln!(
            text,
            "connection {}: {} messages sent, {} came back; {} bytes sent, {} received: {result}",
            one.number, one.sent, one.received, one.sent_bytes, one.received_bytes
        );
    }
    let _ = writeln!(
        text,
        "total: {} connections, {} failed; {} messages sent, {} came back; {} bytes sent, {} received; {:.3} s, {:.0} \
         messages/s",
        figures.outcomes.len(),
        figures.failed(),
        figures.sum(|one| one.sent),
        figures.sum(|one| one.received),
        figures.sum(|one| one.sent_bytes),
        figures.sum(|one| one.received_bytes),
        figures.seconds,
        figures.rate()
    );
    let latency = &figures.latency;
    if latency.is_empty() {
        return text;
    }
    let quantile = |share| show(latency.quantile(share));
    let _ = writeln!(
        text,
        "latency: median {}, 90 % {}, 99 % {}, most {}",
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        show(latency.max())
    );
    text + &latency.plot()
}

/// The same as JSON, in one line.
pub(super) fn json(figures: &Figures) -> serde_json::Result<String> {
    let connections: Vec<_> = figures
        .outcomes
        .iter()
        .map(|one| {
            json!({
                "connection": one.number, "messages_sent": one.sent, "messages_received": one.received,
                "bytes_sent": one.sent_bytes, "bytes_received": one.received_bytes, "error": one.error,
            })
        })
        .collect();
    let micros =
        |share| u64::try_from(figures.latency.quantile(share).as_micros()).unwrap_or(u64::MAX);
    let value = json!({
        "ok": figures.is_whole(),
        "connections": connections,
        "failed": figures.failed(),
        "messages_sent": figures.sum(|one| one.sent),
        "messages_received": figures.sum(|one| one.received),
        "bytes_sent": figures.sum(|one| one.sent_bytes),
        "bytes_received": figures.sum(|one| one.received_bytes),
        "seconds": figures.seconds,
        "messages_per_second": figures.rate(),
        "latency_us": {"p50": micros(0.5), "p90": micros(0.9), "p99": micros(0.99), "max": micros(1.0)},
    });
    Ok(serde_json::to_string(&value)? + "\n")
}
