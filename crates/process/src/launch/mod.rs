//! Starting a program: a fresh session and process group, a terminal or three pipes, and nothing else inherited.

mod child;
mod low;
pub(crate) mod pty;
mod spawn;

use anywire_model::{Io, SessionId, Size};
use low::Low;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Rlimit};
use serde::{Deserialize, Serialize};
use spawn::{Image, Streams};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The variable that every program of a session inherits: it tells the supervisor whose a stray process is.
pub const SESSION_VARIABLE: &str = "ANYWIRE_SESSION";
/// Bytes that a pipe to or from a program may hold.
const PIPE_LEN: usize = 1 << 20;

/// How a service's programs are started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The program and its arguments; never empty.
    pub argv: Vec<String>,
    /// Whether the program is told that it is a login shell: its own name gets a leading `-`.
    #[serde(default)]
    pub login: bool,
    /// Variables set on top of the inherited environment.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// The variables that are inherited, `LC_*` meaning all that begin so; without it all, except `ANYWIRE_*`.
    #[serde(default)]
    pub keep_env: Option<Vec<String>>,
    /// Where it starts; by default where the supervisor was started.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    /// Terminal or pipes.
    pub io: Io,
    /// Output bytes kept.
    pub ring_len: usize,
    /// Milliseconds between hang-up, termination and kill when the session is ended.
    pub grace_ms: u64,
    /// Milliseconds for which children may hold the pipes of a program that has ended before its end is told.
    pub linger_ms: u64,
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
    pub(crate) pid: Pid,
    pub(crate) ends: Ends,
}

/// Starts programs.
#[derive(Debug, Default)]
pub(crate) struct Launcher {
    files: Option<Rlimit>,
    low: Option<Low>,
}

impl Launcher {
    /// One for many programs, made early, while low descriptors are free. `files` is the limit that programs get.
    pub(crate) fn new(files: Option<Rlimit>) -> io::Result<Self> {
        let low = Some(Low::new()?);
        Ok(Self { files, low })
    }

    /// Starts the program of a recipe for a session.
    pub(crate) fn launch(
        &mut self,
        recipe: &Recipe,
        id: SessionId,
        size: Size,
    ) -> Result<Launched, SpawnError> {
        let system = |doing| move |error: io::Error| SpawnError::System { doing, error };
        let image = image(recipe, id, self.files)?;
        let program = image.program.to_string_lossy().into_owned();
        let exec = |error| SpawnError::Exec { program, error };
        let low = self.low.as_mut();
        if recipe.io == Io::Pipe {
            let (ends, theirs) = pipes().map_err(system("making pipes"))?;
            let streams = Streams {
                fds: theirs.each_ref().map(AsFd::as_fd),
                terminal: false,
            };
            let pid = spawn::spawn(image, streams, low).map_err(exec)?;
            return Ok(Launched { pid, ends });
        }
        let (master, slave) = pty::open(size).map_err(system("opening a terminal"))?;
        let streams = Streams {
            fds: [slave.as_fd(); 3],
            terminal: true,
        };
        let pid = spawn::spawn(image, streams, low).map_err(exec)?;
        let ends = Ends::Pty(master);
        Ok(Launched { pid, ends })
    }
}

fn image(recipe: &Recipe, id: SessionId, files: Option<Rlimit>) -> Result<Image, SpawnError> {
    let refuse = |program: &str, error| SpawnError::Exec {
        program: program.to_owned(),
        error,
    };
    let Some(program) = recipe.argv.first() else {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "the service names no program");
        return Err(refuse("", error));
    };
    if let Some(cwd) = &recipe.cwd
        && !cwd.is_dir()
    {
        let problem = format!("its directory {} is not there", cwd.display());
        let error = io::Error::new(io::ErrorKind::NotADirectory, problem);
        return Err(refuse(program, error));
    }
    let mut argv: Vec<OsString> = recipe.argv.iter().map(OsString::from).collect();
    if recipe.login {
        let name = Path::new(program).file_name().unwrap_or_default();
        argv[0] = "-".into();
        argv[0].push(name);
    }
    Ok(Image {
        program: program.into(),
        argv,
        env: environment(recipe, id),
        cwd: recipe.cwd.clone().map(Into::into),
        files,
    })
}

/// What is inherited, what the recipe sets, and the session's id.
fn environment(recipe: &Recipe, id: SessionId) -> Vec<(OsString, OsString)> {
    let own = [(SESSION_VARIABLE.to_owned(), id.to_string())];
    let set: BTreeMap<OsString, OsString> = recipe
        .env
        .iter()
        .cloned()
        .chain(own)
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let inherited = std::env::vars_os()
        .filter(|(name, _)| !set.contains_key(name) && inherits(recipe, &name.to_string_lossy()));
    let mut env: Vec<_> = inherited.collect();
    env.extend(set);
    env
}

/// What is meant for anywire itself is not for its programs.
fn inherits(recipe: &Recipe, name: &str) -> bool {
    let matches = |pattern: &String| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    };
    let listed = recipe.keep_env.as_ref();
    !name.starts_with("ANYWIRE_") && listed.is_none_or(|list| list.iter().any(matches))
}

/// Our ends of three pipes, and the program's: standard input, output, error.
fn pipes() -> io::Result<(Ends, [OwnedFd; 3])> {
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
    let ends = Ends::Pipe {
        stdin: Some(stdin),
        stdout,
        stderr,
    };
    Ok((ends, [stdin_theirs, stdout_theirs, stderr_theirs]))
}
