//! What commands print on standard output. Whoever reads may have seen enough, as `head` has: that is no error. Any other
//! failure is one, since the user believes that what was printed is there.

use anyhow::{Context as _, Result};
use std::io::{self, ErrorKind, Write as _};

/// Prints a text as it is.
///
/// # Errors
/// When standard output takes it not, unless nobody reads it any more.
pub(crate) fn print(text: impl AsRef<[u8]>) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("writing to standard output"),
    }
}

/// Prints a text and, unless it has one, a line end.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_line(text: impl AsRef<[u8]>) -> Result<()> {
    let mut text = text.as_ref().to_vec();
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    print(text)
}
