//! What the command line says of itself: completions for shells, and manual pages.

use crate::print::print;
use anyhow::{Context as _, Result};
use clap::Command;
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The folder, which is made if it is not there
    dir: Option<PathBuf>,
}

/// Runs `completions`.
pub(super) fn completions(args: &CompletionsArgs, command: &mut Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "anywire", &mut script);
    print(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `man`.
pub(super) fn man(args: ManArgs, command: Command) -> Result<ExitCode> {
    let Some(dir) = args.dir else {
        let mut page = Vec::new();
        let manual = clap_mangen::Man::new(command);
        manual.render(&mut page).context("making the page")?;
        print(&page)?;
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    let written = clap_mangen::generate_to(command.disable_help_subcommand(true), &dir);
    written.with_context(|| format!("writing manual pages to {}", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}
