//! Where a password comes from: the terminal, a file or the environment, never the command line.

use anyhow::{Context as _, Result, bail};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex as Code, Termios, tcgetattr, tcsetattr,
};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The variable that may hold it.
const VARIABLE: &str = "ANYWIRE_PASSWORD";
/// Bytes of a password.
const MAX: usize = 1024;
/// Why a password on the command line is refused.
const REFUSED: &str = "a password on the command line can be read by every process of this machine: use -p alone to be \
    asked for it, --password-file FILE, or the variable ANYWIRE_PASSWORD";

/// Options that say where the password is; without any, `ANYWIRE_PASSWORD` has it, or there is none.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PasswordArgs {
    /// Ask for the password at the terminal, without showing it [env: ANYWIRE_PASSWORD]
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "", value_name = "")]
    password: Option<String>,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    password_file: Option<PathBuf>,
}

/// What a password on the command line is answered with; it is not repeated.
///
/// # Errors
/// When there is one.
pub(crate) fn refuse(value: Option<&str>) -> Result<()> {
    match value {
        None | Some("") => Ok(()),
        Some(_) => bail!(REFUSED),
    }
}

impl PasswordArgs {
    /// The password, if there is one.
    ///
    /// # Errors
    /// When it was to be asked for and there is no terminal, or the file cannot be read or is empty.
    pub(crate) fn resolve(&self, prompt: &str) -> Result<Option<String>> {
        refuse(self.password.as_deref())?;
        if self.password.is_some() {
            return ask(prompt).map(Some);
        }
        if let Some(path) = &self.password_file {
            return read(path).map(Some);
        }
        match std::env::var(VARIABLE) {
            Ok(password) if !password.is_empty() => Ok(Some(password)),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => bail!("{VARIABLE} is not UTF-8"),
        }
    }
}

fn read(path: &Path) -> Result<String> {
    let doing = || format!("reading the password from {}", path.display());
    let file = File::open(path).with_context(doing)?;
    let mut line = String::new();
    BufReader::new(file.take(MAX as u64))
        .read_line(&mut line)
        .with_context(doing)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("{} has no password in its first line", path.display());
    }
    Ok(password.to_owned())
}

/// Asks for a password at the terminal, which does not show it.
///
/// # Errors
/// When there is no terminal, the user interrupts, or types nothing.
pub(crate) fn ask(prompt: &str) -> Result<String> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.context(
        "there is no terminal to ask for the password at; use --password-file or ANYWIRE_PASSWORD",
    )?;
    let silent = Silent::new(&terminal).context("hiding what is typed")?;
    (&terminal)
        .write_all(prompt.as_bytes())
        .context("asking for the password")?;
    let typed = silent.type_line();
    drop(silent);
    let _ = (&terminal).write_all(b"\n");
    let line = typed.context("reading the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password was typed");
    }
    Ok(password.to_owned())
}

/// A terminal that shows nothing of what is typed, until this is dropped. Its keys send no signals meanwhile, which would
/// end this process and leave it so: the one that interrupts ends the line instead.
struct Silent<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silent<'a> {
    fn new(terminal: &'a File) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        silent.local_modes |= LocalModes::ICANON;
        silent.special_codes[Code::VEOL] = before.special_codes[Code::VINTR];
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }

    /// A line, its end included.
    fn type_line(&self) -> io::Result<String> {
        // 0 is none (`_POSIX_VDISABLE`).
        let interrupt = Some(self.before.special_codes[Code::VINTR]).filter(|key| *key != 0);
        let mut terminal = self.terminal;
        let (mut buffer, mut len) = ([0; MAX], 0);
        loop {
            let more = terminal.read(&mut buffer[len..])?;
            len += more;
            let line = &buffer[..len];
            if interrupt.is_some_and(|key| line.contains(&key)) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if more == 0 || len == MAX || line.ends_with(b"\n") {
                let line = String::from_utf8(line.to_vec());
                return line.map_err(|_| io::ErrorKind::InvalidData.into());
            }
        }
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
