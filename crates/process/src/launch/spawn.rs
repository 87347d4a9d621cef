//! From a recipe's words to a process: `posix_spawn`, so that a supervisor of thousands of sessions shares its memory
//! with the child until `exec` instead of copying its page tables.

#![allow(unsafe_code)]

use rustix::process::{Pid, Resource, Rlimit};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What is executed, and how.
pub(super) struct Image {
    /// A path, or a name that is looked for in the `PATH` of `env`.
    pub(super) program: OsString,
    /// The arguments, the program's own name first.
    pub(super) argv: Vec<OsString>,
    /// The whole environment.
    pub(super) env: Vec<(OsString, OsString)>,
    /// The working directory, if another one than ours.
    pub(super) cwd: Option<OsString>,
}

/// What becomes standard input, output and error.
pub(super) enum Streams<'a> {
    /// The slave of a terminal, which also becomes the controlling terminal.
    Terminal(BorrowedFd<'a>),
    /// One descriptor for each.
    Three([BorrowedFd<'a>; 3]),
}

/// Starts a program as the leader of a session of its own, with default signals. Its descriptors are the three and
/// no others: ours are all closed on `exec`.
pub(super) fn spawn(image: Image, streams: &Streams<'_>, files: Option<Rlimit>) -> io::Result<Pid> {
    let path = c_string(find(&image)?)?;
    let argv = c_strings(image.argv)?;
    let env = c_strings(image.env.into_iter().map(|(name, value)| {
        let mut pair = name;
        pair.push("=");
        pair.push(value);
        pair
    }))?;
    let mut actions = Actions::new()?;
    match streams {
        Streams::Terminal(slave) => {
            // A session's leader that opens a terminal gets it as its controlling one. Through our descriptor, so that
            // no path in a mount namespace can be put in between.
            let slave = CString::new(format!("/proc/self/fd/{}", slave.as_raw_fd()))?;
            actions.open(0, &slave)?;
            actions.duplicate(0, 1)?;
            actions.duplicate(0, 2)?;
        }
        Streams::Three(three) => {
            for (fd, number) in three.iter().zip(0..) {
                actions.duplicate(fd.as_raw_fd(), number)?;
            }
        }
    }
    if let Some(cwd) = image.cwd {
        actions.change_directory(&c_string(cwd)?)?;
    }
    let attributes = Attributes::new()?;
    let _lowered = files.map(Lowered::new).transpose()?;
    execute(&path, &actions, &attributes, &argv, &env)
}

fn execute(
    path: &CString,
    actions: &Actions,
    attributes: &Attributes,
    argv: &[CString],
    env: &[CString],
) -> io::Result<Pid> {
    let (argv, env) = (pointers(argv), pointers(env));
    let mut pid = 0;
    // SAFETY: `path`, both lists and what they point to live until the call returns, the lists end with a null
    // pointer, and actions and attributes are initialised.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            actions.0.as_ptr(),
            attributes.0.as_ptr(),
            argv.as_ptr(),
            env.as_ptr(),
        )
    };
    check(error)?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::other("the kernel gave no process id"))
}

/// The program's path: a name without a slash is looked for as the program itself would.
fn find(image: &Image) -> io::Result<OsString> {
    if image.program.as_bytes().contains(&b'/') {
        return Ok(image.program.clone());
    }
    let path = image.env.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or(OsStr::new("/bin:/usr/bin"), |(_, path)| path);
    let mut refused = io::ErrorKind::NotFound.into();
    for folder in std::env::split_paths(path) {
        let candidate = folder.join(&image.program);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate.into()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => refused = error,
            Err(_) => {}
        }
    }
    Err(refused)
}

fn executable(path: &Path) -> io::Result<()> {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK)?;
    if path.is_dir() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(())
}

/// The limit on descriptors that a child inherits, in force until this is dropped. Descriptors beyond it stay open.
struct Lowered(Rlimit);

impl Lowered {
    fn new(files: Rlimit) -> io::Result<Self> {
        let old = rustix::process::getrlimit(Resource::Nofile);
        rustix::process::setrlimit(Resource::Nofile, files)?;
        Ok(Self(old))
    }
}

impl Drop for Lowered {
    fn drop(&mut self) {
        // The hard limit was not lowered, so it can be raised again.
        let _ = rustix::process::setrlimit(Resource::Nofile, self.0);
    }
}

/// What the child does before `exec`.
struct Actions(Box<MaybeUninit<libc::posix_spawn_file_actions_t>>);

impl Actions {
    fn new() -> io::Result<Self> {
        let mut actions = Box::new(MaybeUninit::uninit());
        // SAFETY: the call initialises what it is given.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        Ok(Self(actions))
    }

    fn open(&mut self, fd: i32, path: &CString) -> io::Result<()> {
        // SAFETY: the actions are initialised, and the path is copied.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(
                self.0.as_mut_ptr(),
                fd,
                path.as_ptr(),
                libc::O_RDWR,
                0,
            )
        })
    }

    fn duplicate(&mut self, from: i32, to: i32) -> io::Result<()> {
        // SAFETY: the actions are initialised.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(self.0.as_mut_ptr(), from, to) })
    }

    fn change_directory(&mut self, path: &CString) -> io::Result<()> {
        // SAFETY: the actions are initialised, and the path is copied.
        check(unsafe {
            libc::posix_spawn_file_actions_addchdir_np(self.0.as_mut_ptr(), path.as_ptr())
        })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised, and never used again.
        unsafe { libc::posix_spawn_file_actions_destroy(self.0.as_mut_ptr()) };
    }
}

/// A session of its own, all signals at their defaults and none blocked.
struct Attributes(Box<MaybeUninit<libc::posix_spawnattr_t>>);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = Box::new(MaybeUninit::uninit());
        let mut set = MaybeUninit::uninit();
        let signals = libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
        let session =
            libc::c_short::try_from(libc::POSIX_SPAWN_SETSID).map_err(io::Error::other)?;
        // SAFETY: each call initialises what it is given or works on what was initialised before it.
        unsafe {
            check(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            let this = Self(attributes);
            let raw = this.0.as_ptr().cast_mut();
            libc::sigfillset(set.as_mut_ptr());
            check(libc::posix_spawnattr_setsigdefault(raw, set.as_ptr()))?;
            libc::sigemptyset(set.as_mut_ptr());
            check(libc::posix_spawnattr_setsigmask(raw, set.as_ptr()))?;
            check(libc::posix_spawnattr_setflags(
                raw,
                signals as libc::c_short | session,
            ))?;
            Ok(this)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised, and never used again.
        unsafe { libc::posix_spawnattr_destroy(self.0.as_mut_ptr()) };
    }
}

fn check(error: i32) -> io::Result<()> {
    if error == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(error))
    }
}

fn c_string(text: OsString) -> io::Result<CString> {
    Ok(CString::new(text.into_vec())?)
}

fn c_strings(texts: impl IntoIterator<Item = OsString>) -> io::Result<Vec<CString>> {
    texts.into_iter().map(c_string).collect()
}

/// The list as C wants it, with a null pointer at its end.
fn pointers(strings: &[CString]) -> Vec<*mut libc::c_char> {
    let pointers = strings.iter().map(|string| string.as_ptr().cast_mut());
    pointers.chain([std::ptr::null_mut()]).collect()
}
