//! Commands about sessions as such: `ls`, `new`, `rename`, `kill`, `screen`, `url`.

use super::api::read;
use super::attach::{self, AttachArgs};
use super::{Target, table};
use crate::cli::client::table::clean;
use crate::print::print_line;
use anyhow::{Context as _, Result};
use http::Method;
use serde::Deserialize;
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

/// Start a session and print its name
#[derive(Clone, Debug, clap::Args)]
pub struct NewArgs {
    #[command(flatten)]
    target: Target,
    /// The service to start; the server's default without it
    service: Option<String>,
    /// The session's name
    #[arg(long)]
    name: Option<String>,
    /// Join it at once, as `attach` does
    #[arg(long)]
    attach: bool,
    /// Print all that the server says of it, as JSON
    #[arg(long, conflicts_with = "attach")]
    json: bool,
}

/// Give a session another name
#[derive(Clone, Debug, clap::Args)]
pub struct RenameArgs {
    #[command(flatten)]
    target: Target,
    /// The session's id or name
    session: String,
    /// Its new name: letters, digits, '-', '_' and '.'
    name: String,
}

/// End a session: its program and everything that it started
#[derive(Clone, Debug, clap::Args)]
pub struct KillArgs {
    #[command(flatten)]
    target: Target,
    /// The session's id or name
    session: String,
}

/// Print what a session's terminal shows
#[derive(Clone, Debug, clap::Args)]
pub struct ScreenArgs {
    #[command(flatten)]
    target: Target,
    /// The session's id or name
    session: String,
    /// With cursor, title, modes and the cells' attributes, as JSON
    #[arg(long)]
    json: bool,
    /// With the empty lines below
    #[arg(long, conflicts_with = "json")]
    full: bool,
}

/// Print an address that opens the page without a code, once, within 30 seconds
#[derive(Clone, Debug, clap::Args)]
pub struct UrlArgs {
    #[command(flatten)]
    target: Target,
}

/// What commands need to know of a session.
#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
}

fn print(text: &[u8]) -> Result<ExitCode> {
    print_line(text)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `ls`.
///
/// # Errors
/// When no server is found or it refuses.
pub async fn ls(args: LsArgs) -> Result<ExitCode> {
    let (server, _) = args.target.connect().await?;
    let body = server.ask(Method::GET, "/api/sessions", "").await;
    let body = body.context("listing sessions")?;
    if args.json {
        return print(&body);
    }
    let rows: Vec<table::Row> = read(&body)?;
    print(table::render(&rows).as_bytes())
}

/// Runs `new`.
///
/// # Errors
/// When no server is found, or it starts no session.
pub async fn new(args: NewArgs) -> Result<ExitCode> {
    let (server, _) = args.target.connect().await?;
    let wanted = [("service", &args.service), ("name", &args.name)];
    let wanted: serde_json::Map<_, _> = wanted
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?.into())))
        .collect();
    let wanted = serde_json::Value::from(wanted).to_string();
    let body = server.ask(Method::POST, "/api/sessions", &wanted).await;
    let body = body.context("starting a session")?;
    if args.json {
        return print(&body);
    }
    let session: Named = read(&body)?;
    if args.attach {
        let attach = attach::attach(AttachArgs::to(args.target, session.id));
        return Box::pin(attach).await;
    }
    print(session.name.as_bytes())
}

/// Runs `rename`.
///
/// # Errors
/// When no server or no such session is found, or the name cannot be had.
pub async fn rename(args: RenameArgs) -> Result<ExitCode> {
    let (server, _) = args.target.connect().await?;
    let body = serde_json::json!({ "name": args.name }).to_string();
    let renamed = server.ask_session(Method::PATCH, &args.session, "", &body);
    renamed.await.context("renaming the session")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `kill`. The server goes on with it when this command is gone.
///
/// # Errors
/// When no server or no such session is found.
pub async fn kill(args: KillArgs) -> Result<ExitCode> {
    let (server, _) = args.target.connect().await?;
    let ended = server.ask_session(Method::DELETE, &args.session, "", "");
    ended.await.context("ending the session")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `screen`.
///
/// # Errors
/// When no server or no such session is found, or it has no terminal.
pub async fn screen(args: ScreenArgs) -> Result<ExitCode> {
    let (server, _) = args.target.connect().await?;
    let rest = if args.json {
        "/screen?format=json&cells=1"
    } else {
        "/screen?format=text"
    };
    let body = server.ask_session(Method::GET, &args.session, rest, "");
    let body = body.await.context("reading the screen")?;
    if args.json || args.full {
        return print(&body);
    }
    match body.trim_ascii_end() {
        [] => Ok(ExitCode::SUCCESS),
        text => print(text),
    }
}

/// Runs `url`.
///
/// # Errors
/// When no server is found or it gives no ticket.
pub async fn url(args: UrlArgs) -> Result<ExitCode> {
    #[derive(Deserialize)]
    struct Ticket {
        ticket: String,
        /// Where the page is, in the server's own words.
        page: Option<String>,
    }
    let (server, _) = args.target.connect().await?;
    let body = server.ask(Method::POST, "/api/tickets", "{}").await;
    let Ticket { ticket, page } = read(&body.context("asking for a ticket")?)?;
    // A server's words do not steer the terminal that they are printed on.
    let (ticket, page) = (clean(&ticket), page.map(|page| clean(&page)));
    let page = server.page.or(page).context(
        "the server has no page: it listens on no address for http, such as `-l http://localhost:7681`",
    )?;
    print(format!("{page}#ticket={ticket}").as_bytes())
}
