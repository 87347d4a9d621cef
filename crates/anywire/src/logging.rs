//! Logs: to standard error, as lines or as JSON, never what a program writes or a client sends.

use crate::config::file::LogFormat;
use tracing_subscriber::EnvFilter;

/// What is logged unless somebody says otherwise.
const LEVEL: &str = "warn";

/// Starts logging, once in a process. A level is anything that the filter understands: `debug`, `anywire_wire=trace`.
pub(crate) fn start(format: LogFormat, level: Option<&str>) {
    let filter = EnvFilter::try_new(level.unwrap_or(LEVEL));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(LEVEL));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if let Err(error) = started {
        eprintln!("anywire: starting the log: {error}");
    }
}
