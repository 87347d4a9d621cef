//! The log on standard error: which events, in which format, and nothing in it that a terminal would obey.
//!
//! What is logged is never what a program writes, what a client sends, or a secret; but names and errors may hold
//! what somebody else chose, so control characters are escaped whatever the format.

use clap::ValueEnum;
use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// How an event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object in a line.
    Json,
}

static CHOSEN: OnceLock<Format> = OnceLock::new();

/// Begins to log. `ANYWIRE_LOG` chooses what (`info`, `debug`, `anywire_wire=trace`, ...); warnings by default.
pub(crate) fn begin(format: Format) {
    let _ = CHOSEN.set(format);
    let filter = EnvFilter::try_from_env("ANYWIRE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Escape(io::stderr().lock()));
    match format {
        Format::Text => log.init(),
        Format::Json => log.json().flatten_event(true).init(),
    }
}

/// The arguments with which another process of ours logs in the same format.
pub(crate) fn arguments() -> impl Iterator<Item = OsString> {
    let json = CHOSEN.get() == Some(&Format::Json);
    ["--log-format=json"]
        .into_iter()
        .filter(move |_| json)
        .map(Into::into)
}

/// Escapes control characters. Takes a whole event at once, as it is written, and leaves its line end.
struct Escape<W>(W);

impl<W: Write> Write for Escape<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        let text = String::from_utf8_lossy(line);
        if text.chars().any(char::is_control) {
            let mut clean = String::with_capacity(text.len() + 16);
            for c in text.chars() {
                if c.is_control() {
                    // A form that JSON knows too.
                    clean += &format!("\\u{:04x}", c as u32);
                } else {
                    clean.push(c);
                }
            }
            self.0.write_all(clean.as_bytes())?;
            self.0.write_all(&event[line.len()..])?;
        } else {
            self.0.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_cannot_command_a_terminal() {
        let written = |event: &str| {
            let mut out = Vec::new();
            Escape(&mut out).write_all(event.as_bytes()).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written("plain é\n"), "plain é\n");
        let evil = written("a\x1b]0;x\x07\rb\u{9b}2J\nc\n");
        assert_eq!(evil, "a\\u001b]0;x\\u0007\\u000db\\u009b2J\\u000ac\n");
        let json = format!("{{\"name\":\"{}\"}}", written("\u{9b}\x7f"));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["name"], "\u{9b}\u{7f}");
    }
}
