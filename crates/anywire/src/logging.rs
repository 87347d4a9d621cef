//! The log on standard error: which events, in which format, and nothing in it that a terminal would obey.
//!
//! What is logged is never what a program writes, what a client sends, or a secret; but names and errors may hold
//! what somebody else chose, so control characters are escaped whatever the format.

use crate::config::file::LogFormat;
use std::io::{self, Write};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What is logged unless somebody says otherwise.
const LEVEL: &str = "warn";

/// Our parts, as logs name them.
const PARTS: [&str; 7] = [
    "anywire",
    "anywire_codec",
    "anywire_handler",
    "anywire_model",
    "anywire_process",
    "anywire_session",
    "anywire_wire",
];

/// Starts logging, once in a process. A level is anything that the filter understands: `debug`, `anywire_wire=trace`.
pub(crate) fn start(format: LogFormat, level: Option<&str>) {
    let filter = EnvFilter::try_new(level.unwrap_or(LEVEL));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(LEVEL));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Escape(io::stderr().lock()));
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        eprintln!("anywire: starting the log: {error}");
    }
}

/// What is wrong with a level. A word alone would be taken for a part of a program, all of which is logged: it is more
/// likely a level misspelt.
pub(crate) fn mistake(level: &str) -> Option<String> {
    if let Err(error) = level.parse::<EnvFilter>() {
        return Some(format!(
            "{level:?} is no filter of logs, such as info or anywire_wire=debug: {error}"
        ));
    }
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ':');
    let is_known = |word: &str| {
        let part = word.split("::").next().unwrap_or_default();
        word.is_empty() || word.parse::<LevelFilter>().is_ok() || PARTS.contains(&part)
    };
    let mut words = level.split(',').map(str::trim);
    let wrong = words.find(|word| word.chars().all(is_plain) && !is_known(word))?;
    Some(format!(
        "{wrong:?} is no level of logs: off, error, warn, info, debug or trace; for a part alone, such as anywire_wire=debug"
    ))
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
