//! The command line.

pub mod client;

use crate::{echo, logs, serve, server};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Put any program on any wire.
#[derive(Debug, Parser)]
#[command(name = "anywire", version, about, max_term_width = 100)]
struct Cli {
    /// How the log on standard error is written
    #[arg(
        long,
        global = true,
        value_enum,
        env = "ANYWIRE_LOG_FORMAT",
        default_value_t
    )]
    log_format: logs::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a program (your shell by default) to browsers and other clients
    Serve(serve::ServeArgs),
    /// Serve an echo: what comes in goes out
    Echo(echo::EchoArgs),
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
    let Cli {
        command,
        log_format,
    } = Cli::parse();
    logs::begin(log_format);
    let result = match command {
        Command::Serve(args) => serve::serve(args),
        Command::Echo(args) => echo::echo(args),
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
