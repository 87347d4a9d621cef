//! `send`: text and keys into a session, all of them or an error that says how many.

use super::Target;
use super::api::read;
use super::find::Server;
use super::typing::{Typed, is_arrow};
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use std::io::Read as _;
use std::process::ExitCode;

/// Input in one request.
const PIECE: usize = 256 << 10;

/// Type into a session: text, then keys
#[derive(Clone, Debug, clap::Args)]
pub struct SendArgs {
    #[command(flatten)]
    target: Target,
    /// The session's id or name
    session: String,
    /// The text as it is, or - for standard input
    #[arg(required_unless_present_any = ["keys", "enter", "eof"], allow_hyphen_values = true)]
    text: Option<String>,
    /// Keys such as ctrl-c, up, f5, alt-x, one after the other
    #[arg(long, value_name = "KEY,...", value_delimiter = ',')]
    keys: Vec<Typed>,
    /// Press Enter behind it all
    #[arg(long)]
    enter: bool,
    /// End the input: a program with pipes reads end of file
    #[arg(long)]
    eof: bool,
}

/// Runs `send`.
///
/// # Errors
/// When no server or no such session is found, or the program does not take its input.
pub async fn send(args: SendArgs) -> Result<ExitCode> {
    let (server, _) = args.target.connect().await?;
    let mut bytes = Vec::new();
    match args.text.as_deref() {
        Some("-") => {
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.context("reading standard input")?;
        }
        text => bytes.extend_from_slice(text.unwrap_or_default().as_bytes()),
    }
    let application = args.keys.iter().any(is_arrow) && application(&server, &args.session).await;
    for key in &args.keys {
        bytes.extend_from_slice(&key.bytes(application));
    }
    if args.enter {
        bytes.push(b'\r');
    }
    give(&server, &args.session, bytes.into(), args.eof).await?;
    Ok(ExitCode::SUCCESS)
}

async fn give(server: &Server, session: &str, mut bytes: Bytes, eof: bool) -> Result<()> {
    #[derive(Deserialize)]
    struct Answer {
        taken: usize,
    }
    let all = bytes.len();
    loop {
        let piece = bytes.slice(..bytes.len().min(PIECE));
        let last = eof && piece.len() == bytes.len();
        let rest = if last { "/input?eof=1" } else { "/input" };
        let body = server.post_bytes(session, rest, piece.clone()).await;
        let Answer { taken } = read(&body.with_context(|| {
            format!(
                "sending input: {} of {all} bytes arrived",
                all - bytes.len()
            )
        })?)?;
        bytes = bytes.slice(taken.min(bytes.len())..);
        if bytes.is_empty() {
            return Ok(());
        }
        if taken == 0 {
            bail!(
                "the program does not read: it took {} of {all} bytes",
                all - bytes.len()
            );
        }
    }
}

/// Whether the program wants arrow keys in their application form.
async fn application(server: &Server, session: &str) -> bool {
    let screen = server
        .ask_session(Method::GET, session, "/screen?format=json", "")
        .await;
    let screen = screen.ok();
    let screen: Option<serde_json::Value> =
        screen.and_then(|body| serde_json::from_slice(&body).ok());
    screen.is_some_and(|screen| screen["modes"]["application_cursor"] == true)
}
