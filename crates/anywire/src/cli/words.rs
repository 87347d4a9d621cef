//! The words of the command line on their way to the parser, and what it says of those that it does not take.

use super::Cli;
use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::ffi::OsString;

/// Options of all commands that talk to a server, which may stand before the command too.
const EARLY: [&str; 2] = ["--server", "--url"];

/// The command that this process was started with. Ends the process if it is none.
pub(super) fn parse() -> Cli {
    let words: Vec<OsString> = std::env::args_os().collect();
    read(words).unwrap_or_else(|error| error.exit())
}

fn read(words: Vec<OsString>) -> Result<Cli, Error> {
    let words = in_order(words);
    Cli::try_parse_from(&words).map_err(|error| with_tip(error, &words))
}

/// The same with the command first.
fn in_order(mut words: Vec<OsString>) -> Vec<OsString> {
    let mut early = 1;
    while let Some(word) = words.get(early).and_then(|word| word.to_str()) {
        match word.split_once('=') {
            _ if EARLY.contains(&word) => early += 2,
            Some((option, _)) if EARLY.contains(&option) => early += 1,
            _ => break,
        }
    }
    // Without a command the parser says what is missing.
    if early > 1 && early < words.len() {
        words[1..=early].rotate_right(1);
    }
    words
}

/// Who writes a program behind `serve` is told how.
fn with_tip(mut error: Error, words: &[OsString]) -> Error {
    let serves = words.get(1).is_some_and(|word| word == "serve");
    let ContextValue::String(word) = error
        .get(ContextKind::InvalidArg)
        .cloned()
        .unwrap_or(ContextValue::None)
    else {
        return error;
    };
    if error.kind() == ErrorKind::UnknownArgument && serves && !word.starts_with('-') {
        let tip = format!("a program goes behind `--`: anywire serve -- {word}");
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_be_named_before_the_command() {
        for (line, ordered) in [
            ("a --server game ls --json", "a ls --server game --json"),
            (
                "a --url=http://x --server=y ls",
                "a ls --url=http://x --server=y",
            ),
            ("a ls --server game", "a ls --server game"),
            ("a --server game", "a --server game"),
            ("a --server", "a --server"),
            ("a --json ls", "a --json ls"),
            ("a", "a"),
        ] {
            let words =
                |line: &str| -> Vec<OsString> { line.split(' ').map(OsString::from).collect() };
            assert_eq!(in_order(words(line)), words(ordered), "{line}");
        }
    }

    #[test]
    fn a_program_without_its_dashes_is_understood() {
        let tip = "a program goes behind `--`: anywire serve -- bash";
        for (line, told) in [
            ("anywire serve bash", true),
            ("anywire serve --pipe bash -l", true),
            ("anywire serve --bash", false),
            ("anywire ls bash", false),
        ] {
            let words = line.split(' ').map(OsString::from).collect();
            let error = read(words).unwrap_err().to_string();
            assert_eq!(error.contains(tip), told, "{line}: {error}");
        }
    }
}
