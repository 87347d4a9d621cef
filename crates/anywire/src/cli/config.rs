//! `anywire config`: looks at configurations without running them.

use super::secrets;
use crate::config::{self, Overlay};
use crate::print::{print, print_line};
use crate::serve::ServeArgs;
use anyhow::{Context as _, Result};
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a file is worth that is no good: as clap answers to arguments that are none.
const WRONG: u8 = 2;

/// Check, explain and show configurations
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong with a file; exit code 0 if nothing is, else 2
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print the JSON schema of the file, for editors
    Schema,
    /// Print what would be in force for these options of `serve`, without secrets
    Show(Box<ServeArgs>),
    HashPassword(secrets::HashPasswordArgs),
    NewToken(secrets::NewTokenArgs),
}

pub(super) fn run(args: ConfigArgs) -> Result<ExitCode> {
    match args.command {
        ConfigCommand::Check { file } => match config::settle(Some(&file), &Overlay::default()) {
            Ok(_) => {
                print_line(format!("{}: good", file.display()))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => wrong(&error),
        },
        ConfigCommand::Schema => {
            let schema = serde_json::to_string_pretty(&config::schema()).context("the schema")?;
            print_line(schema)?;
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::HashPassword(args) => secrets::hash_password(&args),
        ConfigCommand::NewToken(args) => secrets::new_token(&args),
        ConfigCommand::Show(args) => match args.load() {
            Ok(file) => {
                print(config::show(&file)?)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => wrong(&error),
        },
    }
}

fn wrong(error: &anyhow::Error) -> Result<ExitCode> {
    eprintln!("{error:#}");
    Ok(ExitCode::from(WRONG))
}
