//! `anywire code`: the start code of a running server, and a new one.

use super::Target;
use super::api::read;
use crate::print::print_line;
use anyhow::{Context as _, Result};
use http::Method;
use serde::Deserialize;
use std::process::ExitCode;

/// Print the start code, by which others log in
#[derive(Clone, Debug, clap::Args)]
pub struct CodeArgs {
    #[command(flatten)]
    target: Target,
    /// Make a new one first; the old one is worth nothing from then on, who is logged in stays so
    #[arg(long)]
    rotate: bool,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// Runs `code`.
///
/// # Errors
/// When no server is found, or it was asked by its URL: the code is told on its UNIX socket only.
pub async fn code(args: CodeArgs) -> Result<ExitCode> {
    let (server, _) = args.target.connect().await?;
    let body = if args.rotate {
        server.ask(Method::POST, "/api/code/rotate", "{}").await
    } else {
        server.ask(Method::GET, "/api/code", "").await
    };
    let Code { code } = read(&body.context("asking for the start code")?)?;
    print_line(code)?;
    Ok(ExitCode::SUCCESS)
}
