//! The binary: reads the command line, runs the command, maps the result to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    anywire::cli::run()
}
