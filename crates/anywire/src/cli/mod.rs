//! The command line.

pub mod client;
mod messages;
pub(crate) mod password;

use crate::{echo, framed, serve, server};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Put any program on any wire.
#[derive(Debug, Parser)]
#[command(name = "anywire", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a program (your shell by default) to browsers and other clients
    Serve(serve::ServeArgs),
    /// Serve an echo: what comes in goes out
    Echo(echo::EchoArgs),
    /// Answer length-prefixed messages as the Python sockets tutorial's application does
    #[command(disable_help_flag = true)]
    Framed(framed::FramedArgs),
    /// Open many connections to an echo, send messages, and check that they come back
    Connect(messages::ConnectArgs),
    /// Send one length-prefixed message and print the answer
    Request(messages::RequestArgs),
    #[command(flatten)]
    Client(ClientCommand),
    /// The process that a supervisor starts
    #[command(name = server::COMMAND, hide = true)]
    Server,
}

#[derive(Debug, Subcommand)]
enum ClientCommand {
    Ls(client::LsArgs),
    Attach(client::AttachArgs),
    Kill(client::KillArgs),
    Url(client::UrlArgs),
}

/// Runs the command that this process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    log_to_stderr();
    let result = match command {
        Command::Serve(args) => serve::serve(args),
        Command::Echo(args) => echo::echo(args),
        Command::Framed(args) => framed::framed(args),
        Command::Connect(args) => messages::connect(args),
        Command::Request(args) => messages::request(args),
        Command::Server => server::run(),
        Command::Client(command) => run_client(command),
    };
    result.unwrap_or_else(|error| {
        eprintln!("anywire: {error:#}");
        ExitCode::FAILURE
    })
}

fn run_client(command: ClientCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            ClientCommand::Ls(args) => client::ls(args).await,
            ClientCommand::Attach(args) => client::attach(args).await,
            ClientCommand::Kill(args) => client::kill(args).await,
            ClientCommand::Url(args) => client::url(args).await,
        }
    })
}

/// `ANYWIRE_LOG` chooses what is logged (`debug`, `anywire_wire=trace`, ...); warnings by default.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("ANYWIRE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
