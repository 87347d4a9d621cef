//! What a new server takes over from an earlier one: listeners, the vault, and the sessions that live.

use super::channel;
use super::client::Supervised;
use super::protocol::{self, Event, MESSAGE_MAX, VERSION};
use super::reload;
use super::vault::Vault;
use crate::launch::Ends;
use crate::ring::Ring;
use crate::running::Running;
use crate::stage::{StagePipe, Stages};
use anywire_model::{ExitReason, Io, SessionId, Size};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Everything that the supervisor hands to a new server.
#[derive(Debug)]
pub struct Adopted {
    /// Starts programs and hears of their ends.
    pub spawn: Arc<Supervised>,
    /// What the root gave the supervisor.
    pub config: String,
    /// How many servers there were, this one included.
    pub epoch: u64,
    /// Memory for secrets that outlive a server; see [`Vault`].
    pub vault: Vault,
    /// Listening sockets and their names.
    pub listeners: Vec<(String, OwnedFd)>,
    /// Sessions that an earlier server had, whose logs are complete as far as they were written.
    pub orphans: Vec<Orphan>,
}

/// A session to be adopted. [`Orphan::adopt`] starts moving its output in the runtime that it is called in.
#[derive(Debug)]
pub struct Orphan {
    id: SessionId,
    service: String,
    pid: u32,
    ends: Ends,
    linger: Duration,
    log: Arc<Ring>,
    exit: Option<ExitReason>,
    spawn: Arc<Supervised>,
}

impl Orphan {
    /// Takes the program over.
    ///
    /// # Errors
    /// When its descriptors cannot be watched; then the program is ended.
    pub fn adopt(self) -> io::Result<Running> {
        let Self {
            id,
            service,
            pid,
            ends,
            linger,
            log,
            exit,
            spawn,
        } = self;
        let running = spawn.run(id, service, pid, ends, linger, log);
        let running = running.inspect_err(|_| spawn.discard(id))?;
        if let Some(reason) = exit {
            spawn.exited(id, reason);
        }
        Ok(running)
    }
}

/// Says hello to the supervisor at the other end of `socket` and takes what it hands over. Logs are repaired on the
/// way: what the last server was doing when it died is finished.
///
/// # Errors
/// When the supervisor is gone, speaks a later version, or its memory is damaged.
pub fn adopt(socket: OwnedFd) -> io::Result<Adopted> {
    rustix::io::ioctl_fionbio(&socket, false)?;
    let mut hand = Hand {
        socket,
        buffer: vec![0; MESSAGE_MAX],
    };
    let (Event::Hello { version, epoch }, fds) = hand.next()? else {
        return Err(unexpected("no hello"));
    };
    if version > VERSION {
        return Err(unexpected(
            "it is of a later version: start the server from the same build",
        ));
    }
    let Ok([vault, page, config]) = <[OwnedFd; 3]>::try_from(fds) else {
        return Err(unexpected("hello without memory"));
    };
    let config = read_config(config)?;
    let vault = Vault::open(vault.as_fd())?;
    let (mut pipes, mut listeners, mut found) = (Vec::new(), Vec::new(), Vec::new());
    let mut lost = Vec::new();
    loop {
        match hand.next()? {
            (Event::Stage, fds) => {
                let Ok([read, write]) = <[OwnedFd; 2]>::try_from(fds) else {
                    return Err(unexpected("half a stage"));
                };
                pipes.push(StagePipe { read, write });
            }
            (Event::Listener { name }, fds) => {
                let socket = fds.into_iter().next();
                let socket = socket.ok_or_else(|| unexpected("a listener without its socket"))?;
                listeners.push((name, socket));
            }
            (
                Event::Session {
                    id,
                    service,
                    io,
                    pid,
                    size,
                    input,
                    linger_ms,
                    exit,
                },
                fds,
            ) => match found_session(io, size, input, fds) {
                Ok((ends, log)) => {
                    let linger = Duration::from_millis(linger_ms);
                    found.push((id, service, pid, ends, linger, log, exit));
                }
                Err(error) => {
                    tracing::error!(session = %id, %error, "adopting");
                    lost.push(id);
                }
            },
            (Event::Adopt, _) => break,
            (event, _) => {
                return Err(unexpected(&format!(
                    "{event:?} before everything was handed over"
                )));
            }
        }
    }
    let stages = Arc::new(Stages::new(page.as_fd(), pipes)?);
    let logs: HashMap<SessionId, Arc<Ring>> = found
        .iter()
        .map(|(id, .., log, _)| (*id, log.clone()))
        .collect();
    stages.recover(|id| logs.get(&id).cloned())?;
    let spawn = Supervised::new(hand.socket, stages)?;
    // Nobody could reach them.
    lost.into_iter().for_each(|id| spawn.discard(id));
    let orphans = found
        .into_iter()
        .map(|(id, service, pid, ends, linger, log, exit)| Orphan {
            id,
            service,
            pid,
            ends,
            linger,
            log,
            exit,
            spawn: spawn.clone(),
        });
    let orphans = orphans.collect();
    Ok(Adopted {
        spawn,
        config,
        epoch,
        vault,
        listeners,
        orphans,
    })
}

pub(super) fn read_config(letter: OwnedFd) -> io::Result<String> {
    let bytes = reload::read(&letter.into())?;
    String::from_utf8(bytes).map_err(|_| unexpected("the configuration is no text"))
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the supervisor's message: {what}"),
    )
}

struct Hand {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Hand {
    fn next(&mut self) -> io::Result<(Event, Vec<OwnedFd>)> {
        let (len, fds) = channel::receive(self.socket.as_fd(), &mut self.buffer)?;
        if len == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the supervisor is gone",
            ));
        }
        Ok((protocol::decode_event(&self.buffer[..len])?, fds))
    }
}

pub(super) fn found_session(
    io: Io,
    size: Size,
    input: bool,
    fds: Vec<OwnedFd>,
) -> io::Result<(Ends, Arc<Ring>)> {
    let mut fds = fds.into_iter();
    let mut next = || {
        fds.next()
            .ok_or_else(|| unexpected("its descriptors are missing: are too many open?"))
    };
    let log = Arc::new(Ring::open(next()?.as_fd(), size)?);
    let ends = match io {
        Io::Pty => Ends::Pty(next()?),
        Io::Pipe => {
            let stdin = if input { Some(next()?) } else { None };
            Ends::Pipe {
                stdin,
                stdout: next()?,
                stderr: next()?,
            }
        }
        Io::Handler => return Err(unexpected("a handler is no process")),
    };
    Ok((ends, log))
}
