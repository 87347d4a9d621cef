//! Another configuration while everything runs: a short-lived child reads it, so that the supervisor parses no file and
//! a bad one harms nobody; what the child writes replaces what the supervisor and its servers go by.

use super::held::kill;
use super::parent::NAME;
use crate::launch::Recipe;
use rustix::fs::MemfdFlags;
use rustix::process::{Signal, WaitStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// How long the child may take.
const READING_MS: u64 = 10_000;
/// Bytes of a configuration.
const LEN_MAX: usize = 16 << 20;

/// What can be replaced while everything runs: the child writes it to its standard output as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rules {
    /// The services that a server may ask for.
    pub services: BTreeMap<String, Recipe>,
    /// Handed to every server as it is.
    pub config: String,
}

/// The configuration that is in force, and the child that reads the next one.
#[derive(Debug)]
pub(super) struct Reload {
    arguments: Vec<OsString>,
    config: OwnedFd,
    reader: Option<Reader>,
    /// It was asked for again while the child was at work, which may have read the file before it changed.
    again: bool,
}

#[derive(Debug)]
struct Reader {
    pid: i32,
    out: File,
    until_ms: u64,
}

impl Reload {
    pub(super) fn new(arguments: Vec<OsString>, config: &str) -> io::Result<Self> {
        Ok(Self {
            arguments,
            config: letter(config.as_bytes())?,
            reader: None,
            again: false,
        })
    }

    /// Whether there is anything to read again.
    pub(super) fn is_possible(&self) -> bool {
        !self.arguments.is_empty()
    }

    /// What goes to servers.
    pub(super) fn config(&self) -> BorrowedFd<'_> {
        self.config.as_fd()
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.reader.as_ref().map(|reader| reader.until_ms)
    }

    /// Starts a child that reads the configuration.
    pub(super) fn start(&mut self, now_ms: u64) {
        if self.reader.is_some() {
            self.again = true;
            return;
        }
        match self.spawn() {
            Ok((pid, out)) => {
                let until_ms = now_ms + READING_MS;
                self.reader = Some(Reader { pid, out, until_ms });
            }
            Err(error) => tracing::error!(%error, "starting to read the configuration again"),
        }
    }

    fn spawn(&self) -> io::Result<(i32, File)> {
        let out = File::from(letter(b"")?);
        let child = Command::new("/proc/self/exe")
            .arg0(NAME)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .spawn()?;
        Ok((child.id().cast_signed(), out))
    }

    /// Ends a child that takes too long.
    pub(super) fn advance(&mut self, now_ms: u64) {
        if let Some(reader) = self.reader.as_mut().filter(|r| r.until_ms <= now_ms) {
            kill(reader.pid, Signal::KILL);
            reader.until_ms = now_ms + READING_MS;
        }
    }

    /// If this was the child, and it has read a good configuration: that is in force from now on.
    pub(super) fn ended(
        &mut self,
        pid: i32,
        status: WaitStatus,
        now_ms: u64,
    ) -> Option<BTreeMap<String, Recipe>> {
        let reader = self.reader.take_if(|reader| reader.pid == pid)?;
        if std::mem::take(&mut self.again) {
            self.start(now_ms);
            return None;
        }
        match take(&reader.out, status)
            .and_then(|rules| Ok((letter(rules.config.as_bytes())?, rules)))
        {
            Ok((config, rules)) => {
                tracing::info!(
                    services = rules.services.len(),
                    "the configuration was read again"
                );
                self.config = config;
                Some(rules.services)
            }
            Err(error) => {
                tracing::error!(%error, "the configuration stays as it was");
                None
            }
        }
    }
}

fn take(out: &File, status: WaitStatus) -> io::Result<Rules> {
    if status.exit_status() != Some(0) {
        return Err(io::Error::other("the file is no good"));
    }
    Ok(serde_json::from_slice(&read(out)?)?)
}

/// Memory that holds these bytes, to be sent as a descriptor: messages are too small for it.
fn letter(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create("anywire-config", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    Ok(file.into())
}

/// The bytes of a letter, whatever its file position.
pub(super) fn read(letter: &File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(letter.metadata()?.len()).unwrap_or(usize::MAX);
    if len > LEN_MAX {
        let what = format!("{len} bytes are more than a configuration may have");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let mut bytes = vec![0; len];
    letter.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_from_its_beginning_by_everybody() {
        let text = "x".repeat(100_000);
        let fd = letter(text.as_bytes()).unwrap();
        for _ in 0..2 {
            let file = File::from(fd.try_clone().unwrap());
            assert_eq!(read(&file).unwrap(), text.as_bytes());
        }
    }
}
