//! Starting a program: a fresh session and process group, a terminal or three pipes, and nothing else inherited.

#![allow(unsafe_code)]

pub(crate) mod pty;

use anywire_model::{Io, SessionId, Size};
use rustix::pipe::PipeFlags;
use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The variable that every program of a session inherits: it tells the supervisor whose a stray process is.
pub const SESSION_VARIABLE: &str = "ANYWIRE_SESSION";
/// Bytes that a pipe to or from a program may hold.
const PIPE_LEN: usize = 1 << 20;

/// How a service's programs are started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The program and its arguments; never empty.
    pub argv: Vec<String>,
    /// Variables set on top of the inherited environment.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Where it starts; by default where the supervisor was started.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    /// Terminal or pipes.
    pub io: Io,
    /// Output bytes kept.
    pub ring_len: usize,
    /// Milliseconds between hang-up, termination and kill when the session is ended.
    pub grace_ms: u64,
}

/// Why a program did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// No service has this name.
    #[error("no service is called {0:?}")]
    NoService(String),
    /// The program could not be executed.
    #[error("{program}: {error}")]
    Exec {
        /// What was to be executed.
        program: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// Terminal, pipes or memory could not be had.
    #[error("{doing}: {error}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// The supervisor refused or is gone.
    #[error("the supervisor says: {0}")]
    Supervisor(String),
}

/// Our ends of a program's terminal or pipes. All are non-blocking.
#[derive(Debug)]
pub(crate) enum Ends {
    /// The terminal's master.
    Pty(OwnedFd),
    /// Standard input (until closed), output and error.
    Pipe {
        stdin: Option<OwnedFd>,
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
}

/// A program that was just started.
pub(crate) struct Launched {
    pub(crate) child: Child,
    pub(crate) ends: Ends,
}

/// Starts the program of a recipe for a session.
pub(crate) fn launch(
    recipe: &Recipe,
    id: SessionId,
    size: Size,
    files: Option<Rlimit>,
) -> Result<Launched, SpawnError> {
    let system = |doing| move |error: io::Error| SpawnError::System { doing, error };
    let mut command = command(recipe, id)?;
    let ends = match recipe.io {
        Io::Pipe => pipes(&mut command).map_err(system("making pipes"))?,
        Io::Pty | Io::Handler => {
            let (master, slave) = pty::open(size).map_err(system("opening a terminal"))?;
            let dup = || slave.try_clone().map(Stdio::from);
            command.stdin(dup().map_err(system("opening a terminal"))?);
            command.stdout(dup().map_err(system("opening a terminal"))?);
            command.stderr(Stdio::from(slave));
            Ends::Pty(master)
        }
    };
    let terminal = matches!(ends, Ends::Pty(_));
    // SAFETY: between fork and exec only async-signal-safe calls are made: setsid, ioctl, setrlimit, sigprocmask.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            if terminal {
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            }
            if let Some(files) = files {
                rustix::process::setrlimit(Resource::Nofile, files)?;
            }
            Ok(())
        });
    }
    let child = command.spawn().map_err(|error| SpawnError::Exec {
        program: recipe.argv[0].clone(),
        error,
    })?;
    Ok(Launched { child, ends })
}

fn command(recipe: &Recipe, id: SessionId) -> Result<Command, SpawnError> {
    let Some((program, arguments)) = recipe.argv.split_first() else {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "the service names no program");
        return Err(SpawnError::Exec {
            program: String::new(),
            error,
        });
    };
    let mut command = Command::new(program);
    command.args(arguments);
    // What is meant for anywire itself is not for its programs.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ANYWIRE_") {
            command.env_remove(name);
        }
    }
    command.envs(recipe.env.iter().map(|(name, value)| (name, value)));
    command.env(SESSION_VARIABLE, id.to_string());
    if let Some(cwd) = &recipe.cwd {
        command.current_dir(cwd);
    }
    Ok(command)
}

fn pipes(command: &mut Command) -> io::Result<Ends> {
    let pipe = || -> io::Result<(OwnedFd, OwnedFd)> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        // Beyond a user's share of pipe memory the kernel refuses; the default size works too.
        let _ = rustix::pipe::fcntl_setpipe_size(&write, PIPE_LEN);
        Ok((read, write))
    };
    let (stdin_theirs, stdin) = pipe()?;
    let (stdout, stdout_theirs) = pipe()?;
    let (stderr, stderr_theirs) = pipe()?;
    for ours in [&stdin, &stdout, &stderr] {
        rustix::io::ioctl_fionbio(ours, true)?;
    }
    command
        .stdin(stdin_theirs)
        .stdout(stdout_theirs)
        .stderr(stderr_theirs);
    Ok(Ends::Pipe {
        stdin: Some(stdin),
        stdout,
        stderr,
    })
}
