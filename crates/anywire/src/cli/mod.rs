//! The command line.

pub mod client;
mod config;
mod manual;
mod messages;
pub(crate) mod password;
mod secrets;
mod tls;
mod words;
mod xwterm;

use crate::config::file::LogFormat;
use crate::{echo, framed, logging, serve, server};
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
    /// Answer length-prefixed messages as the Python sockets tutorial's application does
    #[command(disable_help_flag = true)]
    Framed(framed::FramedArgs),
    /// Open many connections to an echo, send messages, and check that they come back
    Connect(messages::ConnectArgs),
    /// Send one length-prefixed message and print the answer
    Request(messages::RequestArgs),
    Xwterm(xwterm::XwtermArgs),
    Config(config::ConfigArgs),
    #[command(flatten)]
    Client(ClientCommand),
    /// Print a script that completes commands in your shell
    Completions(manual::CompletionsArgs),
    /// Write the manual pages to a folder, or print the first one
    Man(manual::ManArgs),
}

/// What a supervisor starts: nobody's command, so neither listed nor suggested.
#[derive(Debug, Parser)]
#[command(name = "anywire")]
struct Inner {
    #[command(subcommand)]
    command: InnerCommand,
}

#[derive(Debug, Subcommand)]
enum InnerCommand {
    /// The process in which a supervisor has its configuration read again
    #[command(name = serve::RELOAD)]
    Reload(Box<serve::ServeArgs>),
    /// The process that a supervisor starts
    #[command(name = server::COMMAND)]
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
    // A supervisor starts its server as /proc/self/exe, after which lists of processes would call it `exe`.
    let _ = rustix::thread::set_name(c"anywire");
    let inner = |first| first == serve::RELOAD || first == server::COMMAND;
    let result = if std::env::args_os().nth(1).is_some_and(inner) {
        match Inner::parse().command {
            InnerCommand::Reload(args) => serve::reload(*args),
            InnerCommand::Server(args) => server::run(args),
        }
    } else {
        run_command(words::parse().command)
    };
    result.unwrap_or_else(|error| {
        eprintln!("anywire: {error:#}");
        ExitCode::FAILURE
    })
}

fn run_command(command: Command) -> anyhow::Result<ExitCode> {
    // It knows from elsewhere what to log.
    if !matches!(command, Command::Serve(_) | Command::Xwterm(_)) {
        let level = std::env::var("ANYWIRE_LOG").ok();
        // `config` tells it among other mistakes.
        if let Some(what) = level.as_deref().and_then(logging::mistake)
            && !matches!(command, Command::Config(_))
        {
            anyhow::bail!("ANYWIRE_LOG: {what}");
        }
        logging::start(LogFormat::Text, level.as_deref());
    }
    match command {
        Command::Serve(args) => serve::serve(*args),
        Command::Echo(args) => echo::echo(args),
        Command::Framed(args) => framed::framed(args),
        Command::Xwterm(args) => xwterm::run(args),
        Command::Connect(args) => messages::connect(args),
        Command::Request(args) => messages::request(args),
        Command::Config(args) => config::run(args),
        Command::Completions(args) => manual::completions(&args, &mut Cli::command()),
        Command::Man(args) => manual::man(args, Cli::command()),
        Command::Client(command) => run_client(command),
    }
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
            ClientCommand::Attach(args) => Box::pin(client::attach(args)).await,
            ClientCommand::Kill(args) => client::kill(args).await,
            ClientCommand::Url(args) => client::url(args).await,
            ClientCommand::Code(args) => client::code(args).await,
        }
    })
}

#[cfg(test)]
mod tests;
