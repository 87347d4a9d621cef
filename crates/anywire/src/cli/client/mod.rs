//! Commands that talk to a running server over its UNIX socket: `ls`, `attach`, `kill`, `url`.
//!
//! Reading order: [`find`] chooses the server, [`http`] asks it one thing, [`ws`] carries messages, [`link`] gives them
//! a meaning, [`progress`] survives connections; `attach` joins them with the user's `console`.

mod attach;
mod console;
mod find;
pub mod http;
mod keys;
pub mod link;
pub mod progress;
mod table;
pub mod ws;

pub use attach::{AttachArgs, attach};
pub use find::Target;

use self::http::{Peer, exchange, success};
use ::http::Method;
use anyhow::{Context as _, Result, bail};
use std::io::Write as _;
use std::process::ExitCode;

/// List the sessions of a running server
#[derive(Clone, Debug, clap::Args)]
pub struct LsArgs {
    #[command(flatten)]
    target: Target,
    /// Print the server's own JSON array
    #[arg(long)]
    json: bool,
}

/// End a session: its program and everything that it started
#[derive(Clone, Debug, clap::Args)]
pub struct KillArgs {
    #[command(flatten)]
    target: Target,
    /// The session's id or name
    session: String,
}

/// Print an address that opens the page without a code, once, within 30 seconds
#[derive(Clone, Debug, clap::Args)]
pub struct UrlArgs {
    #[command(flatten)]
    target: Target,
}

/// Runs `ls`.
///
/// # Errors
/// When no server is found or it refuses.
pub async fn ls(args: LsArgs) -> Result<ExitCode> {
    let (_, stream) = args.target.connect().await?;
    let answer = exchange(stream, &Peer::local(), Method::GET, "/api/sessions", "").await?;
    let body = success(answer).context("listing sessions")?;
    let text = if args.json {
        [&body, &b"\n"[..]].concat()
    } else {
        let rows: Vec<table::Row> =
            serde_json::from_slice(&body).context("reading the list of sessions")?;
        table::render(&rows).into_bytes()
    };
    std::io::stdout()
        .write_all(&text)
        .context("printing the list")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `kill`. The server goes on with it when this command is gone.
///
/// # Errors
/// When no server or no such session is found.
pub async fn kill(args: KillArgs) -> Result<ExitCode> {
    let (_, stream) = args.target.connect().await?;
    let path = format!("/api/sessions/{}", path_segment(&args.session)?);
    let answer = exchange(stream, &Peer::local(), Method::DELETE, &path, "").await?;
    success(answer).with_context(|| format!("ending session {}", args.session))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `url`.
///
/// # Errors
/// When no server is found or it gives no ticket.
pub async fn url(args: UrlArgs) -> Result<ExitCode> {
    #[derive(serde::Deserialize)]
    struct Ticket {
        ticket: String,
    }
    let (server, stream) = args.target.connect().await?;
    let answer = exchange(stream, &Peer::local(), Method::POST, "/api/tickets", "{}").await?;
    let body = success(answer).context("asking for a ticket")?;
    let Ticket { ticket } = serde_json::from_slice(&body).context("reading the ticket")?;
    println!("{}#ticket={ticket}", server.page());
    Ok(ExitCode::SUCCESS)
}

/// A session's name as one segment of a path: anything but unreserved characters is percent-encoded (RFC 3986
/// section 2.1).
fn path_segment(name: &str) -> Result<String> {
    if name.is_empty() || name == "." || name == ".." {
        bail!("{name:?} is no session; `anywire ls` shows them");
    }
    Ok(name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::path_segment;

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(path_segment("shell-1").unwrap(), "shell-1");
        assert_eq!(
            path_segment("../x?y#z é").unwrap(),
            "..%2Fx%3Fy%23z%20%C3%A9"
        );
        for nothing in ["", ".", ".."] {
            assert!(path_segment(nothing).is_err());
        }
    }
}
