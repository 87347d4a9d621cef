//! The command line.

pub mod client;
mod config;
mod manual;
mod secrets;
mod xwterm;

use crate::config::file::LogFormat;
use crate::{echo, logging, serve, server};
use clap::{CommandFactory as _, Parser, Subcommand};
use std::process::ExitCode;

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
    Serve(Box<serve::ServeArgs>),
    /// Serve an echo: what comes in goes out
    Echo(echo::EchoArgs),
    Xwterm(xwterm::XwtermArgs),
    Config(config::ConfigArgs),
    #[command(flatten)]
    Client(ClientCommand),
    /// Print a script that completes commands in your shell
    Completions(manual::CompletionsArgs),
    /// Write the manual pages to a folder, or print the first one
    Man(manual::ManArgs),
    /// The process in which a supervisor has its configuration read again
    #[command(name = serve::RELOAD, hide = true)]
    Reload(Box<serve::ServeArgs>),
    /// The process that a supervisor starts
    #[command(name = server::COMMAND, hide = true)]
    Server(server::ServerArgs),
}

#[derive(Debug, Subcommand)]
enum ClientCommand {
    Ls(client::LsArgs),
    New(client::NewArgs),
    Attach(client::AttachArgs),
    Send(client::SendArgs),
    Logs(client::LogsArgs),
    Screen(client::ScreenArgs),
    Rename(client::RenameArgs),
    Kill(client::KillArgs),
    Url(client::UrlArgs),
    Code(client::CodeArgs),
}

/// Runs the command that this process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    // These know from elsewhere what to log.
    if !matches!(
        command,
        Command::Serve(_) | Command::Xwterm(_) | Command::Server(_) | Command::Reload(_)
    ) {
        let level = std::env::var("ANYWIRE_LOG").ok();
        logging::start(LogFormat::Text, level.as_deref());
    }
    let result = match command {
        Command::Serve(args) => serve::serve(*args),
        Command::Echo(args) => echo::echo(args),
        Command::Xwterm(args) => xwterm::run(args),
        Command::Reload(args) => serve::reload(*args),
        Command::Config(args) => config::run(args),
        Command::Server(args) => server::run(args),
        Command::Completions(args) => manual::completions(&args, &Cli::command()),
        Command::Man(args) => manual::man(args, &Cli::command()),
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
            ClientCommand::New(args) => client::new(args).await,
            ClientCommand::Send(args) => client::send(args).await,
            ClientCommand::Logs(args) => client::logs(args).await,
            ClientCommand::Screen(args) => client::screen(args).await,
            ClientCommand::Rename(args) => client::rename(args).await,
            ClientCommand::Attach(args) => client::attach(args).await,
            ClientCommand::Kill(args) => client::kill(args).await,
            ClientCommand::Url(args) => client::url(args).await,
            ClientCommand::Code(args) => client::code(args).await,
        }
    })
}
