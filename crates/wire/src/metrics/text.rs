//! The metrics as text: what OpenMetrics and Prometheus read.

use super::{AUTH, Metrics, RESUMES, TURNED, Traffic, Wire};
use anywire_session::Registry as Sessions;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

type Labels = Vec<(&'static str, String)>;

impl Metrics {
    /// Everything that is counted, now.
    pub(crate) fn text(&self, sessions: &Sessions) -> Result<String, fmt::Error> {
        let mut page = Page(Registry::with_prefix("anywire"));
        self.of_connections(&mut page);
        self.of_attachments(&mut page);
        of_sessions(&mut page, sessions);
        let mut text = String::new();
        encode(&mut text, &page.0)?;
        Ok(text)
    }

    fn of_connections(&self, page: &mut Page) {
        let (closed, accepted) = (self.closed.load(Relaxed), self.accepted.load(Relaxed));
        page.one_gauge(
            "connections_open",
            "Connections that are open",
            accepted.saturating_sub(closed),
        );
        page.one_counter(
            "connections_accepted",
            "Connections that were accepted",
            accepted,
        );
        page.counter(
            "connections_refused",
            "Connections that were turned away, by reason",
            named("reason", &TURNED, &self.turned),
        );
        page.counter(
            "auth",
            "Requests and logins that were judged, by result",
            named("result", &AUTH, &self.auth),
        );
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        page.gauge("build_info", "The version that runs", [(version, 1)]);
        let ready = u64::from(self.is_ready());
        page.one_gauge("ready", "Whether the server is ready", ready);
    }

    fn of_attachments(&self, page: &mut Page) {
        let sum = |wire: Wire, what: fn(&Traffic) -> &AtomicU64| -> u64 {
            let shards = self.shards.iter();
            shards
                .map(|shard| what(&shard.0[wire as usize]).load(Relaxed))
                .sum()
        };
        let wires = |value: &dyn Fn(Wire) -> u64| {
            Wire::ALL.map(|wire| (vec![("wire", wire.name().to_owned())], value(wire)))
        };
        // Who left first, so that nobody is seen to leave who did not come.
        let open = wires(&|wire| {
            let detached = sum(wire, |traffic| &traffic.detached);
            sum(wire, |traffic| &traffic.attached).saturating_sub(detached)
        });
        page.gauge("attachments_open", "Attachments by wire", open);
        page.counter(
            "attachments",
            "Attachments that were made, by wire",
            wires(&|wire| sum(wire, |traffic| &traffic.attached)),
        );
        page.counter(
            "received_bytes",
            "Bytes from clients that are attached, by wire",
            wires(&|wire| sum(wire, |traffic| &traffic.received)),
        );
        page.counter(
            "sent_bytes",
            "Bytes to clients that are attached, by wire",
            wires(&|wire| sum(wire, |traffic| &traffic.sent)),
        );
        page.counter(
            "resumes",
            "Clients that came back with an offset, by what they got",
            named("kind", &RESUMES, &self.resumes),
        );
    }
}

fn of_sessions(page: &mut Page, sessions: &Sessions) {
    let mut states: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for io in ["pty", "pipe", "handler"] {
        for state in ["running", "ended"] {
            states.insert((state, io), 0);
        }
    }
    for session in sessions.list() {
        let io = match session.io {
            anywire_model::Io::Pty => "pty",
            anywire_model::Io::Pipe => "pipe",
            anywire_model::Io::Handler => "handler",
        };
        let state = if session.exit.is_some() {
            "ended"
        } else {
            "running"
        };
        *states.entry((state, io)).or_default() += 1;
    }
    let states = states.into_iter().map(|((state, io), count)| {
        let labels = vec![("state", state.to_owned()), ("io", io.to_owned())];
        (labels, count)
    });
    page.gauge("sessions", "Sessions by state and kind", states);
    let counters = sessions.counters();
    let begun = [
        ("started", counters.sessions_started()),
        ("adopted", counters.sessions_adopted()),
    ];
    page.counter(
        "sessions_begun",
        "Sessions that were started here, or taken over from an earlier server",
        labelled("how", begun),
    );
    page.counter(
        "session_exits",
        "Ends of sessions, by reason",
        labelled("reason", counters.exits()),
    );
    page.counter(
        "lag_actions",
        "What was done to attachments that fell behind",
        labelled("action", counters.lags()),
    );
}

fn named<'a>(
    label: &'static str,
    names: &'a [&'static str],
    counts: &'a [AtomicU64],
) -> impl Iterator<Item = (Labels, u64)> + 'a {
    let counts = counts.iter().map(|count| count.load(Relaxed));
    labelled(label, names.iter().copied().zip(counts))
}

fn labelled<'a>(
    label: &'static str,
    counts: impl IntoIterator<Item = (&'static str, u64)> + 'a,
) -> impl Iterator<Item = (Labels, u64)> + 'a {
    let counts = counts.into_iter();
    counts.map(move |(name, count)| (vec![(label, name.to_owned())], count))
}

/// What is written. It is made anew for each reader: what is counted knows nothing of the format.
struct Page(Registry);

impl Page {
    fn counter(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(signed(value));
        }
        self.0.register(name, help, family);
    }

    fn one_counter(&mut self, name: &str, help: &str, value: u64) {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        self.0.register(name, help, counter);
    }

    fn one_gauge(&mut self, name: &str, help: &str, value: u64) {
        let gauge: Gauge = Gauge::default();
        gauge.set(signed(value));
        self.0.register(name, help, gauge);
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
