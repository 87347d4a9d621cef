//! `anywire config hash-password` and `anywire config new-token`: what the configuration keeps instead of a secret.

use super::password::ask;
use crate::print::print_line;
use anyhow::{Context as _, Result, bail};
use anywire_wire::admit;
use rustix::termios;
use std::io::{self, Read as _};
use std::process::ExitCode;

/// Bytes of the longest password: what somebody may type at a login.
const LONGEST: usize = 127;

/// Ask for a password, or read it from standard input, and print what stands for it in auth.users
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HashPasswordArgs {}

/// Print a new token, and what stands for it in auth.tokens
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NewTokenArgs {}

/// Runs `config hash-password`.
///
/// # Errors
/// When there is no password, it is too long, or the two that were typed differ.
pub(crate) fn hash_password(_: &HashPasswordArgs) -> Result<ExitCode> {
    let password = if termios::isatty(io::stdin()) {
        ask_twice()?
    } else {
        let mut text = String::new();
        io::stdin()
            .take(LONGEST as u64 + 3)
            .read_to_string(&mut text)
            .context("reading the password from standard input")?;
        without_end(&text).to_owned()
    };
    check(&password)?;
    print_line(admit::hash_password(&password)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `config new-token`: the token on the first line, its digest on the second.
///
/// # Errors
/// When standard output takes nothing.
pub(crate) fn new_token(_: &NewTokenArgs) -> Result<ExitCode> {
    let (token, digest) = admit::new_token();
    print_line(format!("token:  {token}\nsha256: {digest}"))?;
    Ok(ExitCode::SUCCESS)
}

fn check(password: &str) -> Result<()> {
    if password.is_empty() {
        bail!("the password is empty");
    }
    if password.len() > LONGEST {
        bail!("the password is longer than {LONGEST} bytes");
    }
    if password.chars().any(char::is_control) {
        bail!("the password has a control character in it: nobody could type that");
    }
    Ok(())
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn ask_twice() -> Result<String> {
    let password = ask("password: ")?;
    check(&password)?;
    if password != ask("again: ")? {
        bail!("the two differ; try again");
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_type_is_no_password() {
        assert!(check("correct horse").is_ok());
        for bad in ["", "a\u{7}", "a\nb", &"x".repeat(128)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert_eq!(without_end("x \r\n"), "x ");
    }
}
