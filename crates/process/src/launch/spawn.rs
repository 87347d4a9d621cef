//! From a recipe's words to a process.
//!
//! As with `posix_spawn`, the child borrows our memory until it executes the program, instead of copying page tables. It
//! borrows our table of descriptors too, and leaves it with a copy of the lowest few alone: a supervisor of thousands of
//! sessions would otherwise copy thousands of descriptors for every start, and close them again.

#![allow(unsafe_code)]

use rustix::io::{DupFlags, retry_on_intr};
use rustix::process::{Pid, Rlimit, WaitOptions};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

/// Bytes of the child's stack: it calls nothing but the kernel.
const STACK_LEN: usize = 32 << 10;
/// Signals are numbered from 1 to this.
const SIGNALS: libc::c_int = 64;

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
    /// The limit on descriptors, if another one than ours.
    pub(super) files: Option<Rlimit>,
}

/// What becomes standard input, output and error.
#[derive(Clone, Copy)]
pub(super) struct Streams<'a> {
    pub(super) fds: [BorrowedFd<'a>; 3],
    /// They are a terminal's slave, which also becomes the controlling terminal.
    pub(super) terminal: bool,
}

/// Low numbers kept for what a child inherits: descriptors above its highest are not copied.
#[derive(Debug)]
pub(super) struct Low {
    nothing: OwnedFd,
    places: [OwnedFd; 3],
}

impl Low {
    /// Takes the lowest numbers that are free now.
    pub(super) fn new() -> io::Result<Self> {
        let nothing = std::fs::File::open("/dev/null")?;
        let place = || nothing.try_clone().map(OwnedFd::from);
        Ok(Self {
            places: [place()?, place()?, place()?],
            nothing: nothing.into(),
        })
    }

    /// Has `act` see the same streams under low numbers.
    fn lower<T>(
        &mut self,
        streams: Streams<'_>,
        act: impl FnOnce(Streams<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        for (place, fd) in self.places.iter_mut().zip(streams.fds) {
            rustix::io::dup3(fd, place, DupFlags::CLOEXEC)?;
        }
        let fds = self.places.each_ref().map(AsFd::as_fd);
        let result = act(Streams { fds, ..streams });
        // A program's end is seen only when nobody else holds what it held.
        for place in &mut self.places {
            let _ = rustix::io::dup3(&self.nothing, place, DupFlags::CLOEXEC);
        }
        result
    }
}

/// Starts a program as the leader of a session of its own, with default signals. Its descriptors are the three and
/// no others: ours are all closed on `exec`.
pub(super) fn spawn(image: Image, streams: Streams<'_>, low: Option<&mut Low>) -> io::Result<Pid> {
    match low {
        Some(low) => low.lower(streams, |streams| start(image, streams)),
        None => start(image, streams),
    }
}

fn start(image: Image, streams: Streams<'_>) -> io::Result<Pid> {
    let path = c_string(find(&image)?)?;
    let argv = c_strings(image.argv)?;
    let env = c_strings(image.env.into_iter().map(|(name, value)| {
        let mut pair = name;
        pair.push("=");
        pair.push(value);
        pair
    }))?;
    let cwd = image.cwd.map(c_string).transpose()?;
    let (argv, env) = (pointers(&argv), pointers(&env));
    let fds = streams.fds.map(|fd| fd.as_raw_fd());
    if fds.iter().any(|fd| *fd <= libc::STDERR_FILENO) {
        // One would be overwritten by another. Whoever has a runtime has descriptors there.
        return Err(io::Error::other(
            "standard input, output or error is closed",
        ));
    }
    let mut child = Child {
        path: path.as_ptr(),
        argv: argv.as_ptr(),
        env: env.as_ptr(),
        cwd: cwd.as_ref().map_or(ptr::null(), |cwd| cwd.as_ptr()),
        fds,
        terminal: streams.terminal,
        files: image.files,
        changed: changed_signals(),
        error: 0,
    };
    let mut stack = Vec::<u128>::with_capacity(STACK_LEN / size_of::<u128>());
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::SIGCHLD;
    let blocked = AllBlocked::new()?;
    // SAFETY: the stack is aligned and large enough, and grows down from its end. `child` and what it points to live until
    // this call returns, which is when the child has executed the program or ended: until then this thread sleeps.
    let pid = unsafe {
        libc::clone(
            begin,
            stack.spare_capacity_mut().as_mut_ptr_range().end.cast(),
            flags,
            (&raw mut child).cast(),
        )
    };
    let error = io::Error::last_os_error();
    drop(blocked);
    let pid = Pid::from_raw(pid.max(0)).ok_or(error)?;
    // SAFETY: a field of ours; the child wrote to it behind the compiler's back.
    match unsafe { (&raw const child.error).read_volatile() } {
        0 => Ok(pid),
        error => {
            let _ = retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()));
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

/// What a child does, all prepared: it shares our memory, so it must not allocate, lock or panic.
struct Child {
    path: *const libc::c_char,
    argv: *const *const libc::c_char,
    env: *const *const libc::c_char,
    /// Null for ours.
    cwd: *const libc::c_char,
    fds: [libc::c_int; 3],
    terminal: bool,
    files: Option<Rlimit>,
    /// Signals that we handle or ignore: a bit each.
    changed: u64,
    /// What went wrong, for the parent to see.
    error: libc::c_int,
}

/// The child's first and last function.
extern "C" fn begin(child: *mut libc::c_void) -> libc::c_int {
    let child: *mut Child = child.cast();
    // SAFETY: `start` gave a pointer to its own, sleeps, and reads `error` only when this is over.
    unsafe {
        // Nothing but failure comes back.
        let _ = execute(&*child);
        (&raw mut (*child).error).write_volatile(*libc::__errno_location());
    }
    127
}

/// `None` after a call that failed.
///
/// # Safety
/// In a child only, whose pointers are valid.
unsafe fn execute(child: &Child) -> Option<()> {
    let ok = |result: libc::c_int| (result != -1).then_some(());
    // SAFETY: calls to the kernel alone, with pointers that are valid by contract.
    unsafe {
        own_descriptors(child)?;
        ok(libc::setsid())?;
        for (number, fd) in (0..).zip(child.fds) {
            ok(libc::dup2(fd, number))?;
        }
        // Ours close themselves; whoever started us may have left some open that do not.
        close_range(3, 0);
        if child.terminal {
            ok(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
        }
        if !child.cwd.is_null() {
            ok(libc::chdir(child.cwd))?;
        }
        if let Some(files) = &child.files {
            let limit = |value: Option<u64>| value.unwrap_or(libc::RLIM_INFINITY);
            let files = libc::rlimit {
                rlim_cur: limit(files.current),
                rlim_max: limit(files.maximum),
            };
            ok(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const files))?;
        }
        // Before any is let through: our handlers would run here.
        for signal in (1..=SIGNALS).filter(|signal| child.changed & bit(*signal) != 0) {
            signal_action(signal, Some(&Action::default()))?;
        }
        set_mask(0)?;
        libc::execve(child.path, child.argv.cast(), child.env.cast());
    }
    None
}

/// Leaves the shared table of descriptors for one of our own that ends with the streams.
///
/// # Safety
/// In a child only.
unsafe fn own_descriptors(child: &Child) -> Option<()> {
    let [one, two, three] = child.fds;
    let above = one.max(two).max(three).cast_unsigned() + 1;
    // SAFETY: what is closed is the child's copy. The call is unknown to kernels before 5.9 and to some filters.
    unsafe {
        (close_range(above, libc::CLOSE_RANGE_UNSHARE) || libc::unshare(libc::CLONE_FILES) == 0)
            .then_some(())
    }
}

/// Closes all descriptors from `first` on.
///
/// # Safety
/// They must not be in use.
unsafe fn close_range(first: libc::c_uint, flags: libc::c_uint) -> bool {
    // SAFETY: plain numbers.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) == 0 }
}

/// The signals that are not at their default: only these need to be put back.
fn changed_signals() -> u64 {
    // SAFETY: asks only.
    let action = |signal| unsafe { signal_action(signal, None) };
    let changed = |signal: &libc::c_int| action(*signal).is_some_and(|[handler, ..]| handler != 0);
    (1..=SIGNALS).filter(changed).map(bit).sum()
}

/// What the kernel does for a signal: the handler, and three words that depend on the processor. All zero, it is the
/// default action.
type Action = [libc::c_ulong; 4];

/// Sets what happens for a signal, and returns what happened before. As with [`set_mask`], for all signals there are.
///
/// # Safety
/// The action's handler must be one.
unsafe fn signal_action(signal: libc::c_int, action: Option<&Action>) -> Option<Action> {
    let mut before = Action::default();
    // SAFETY: both have room for what the kernel reads and writes, 32 bytes at most.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            action.map_or(ptr::null(), ptr::from_ref),
            &raw mut before,
            size_of::<u64>(),
        )
    };
    (result == 0).then_some(before)
}

fn bit(signal: libc::c_int) -> u64 {
    1 << (signal - 1)
}

/// No signal reaches this thread, nor a child before it is ready, until this is dropped.
struct AllBlocked {
    before: u64,
}

impl AllBlocked {
    fn new() -> io::Result<Self> {
        // SAFETY: changes this thread's mask alone.
        let before = unsafe { set_mask(u64::MAX) };
        before
            .map(|before| Self { before })
            .ok_or_else(io::Error::last_os_error)
    }
}

impl Drop for AllBlocked {
    fn drop(&mut self) {
        // SAFETY: as it was before.
        unsafe { set_mask(self.before) };
    }
}

/// Sets the mask of blocked signals; returns the one before. Straight to the kernel: the C library would leave out those
/// that it uses itself, whose handlers must not run in a child either.
///
/// # Safety
/// Changes which handlers may run here.
unsafe fn set_mask(mask: u64) -> Option<u64> {
    let mut before = 0_u64;
    // SAFETY: both masks have the eight bytes that the kernel is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            size_of::<u64>(),
        )
    };
    (result == 0).then_some(before)
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

fn c_string(text: OsString) -> io::Result<CString> {
    Ok(CString::new(text.into_vec())?)
}

fn c_strings(texts: impl IntoIterator<Item = OsString>) -> io::Result<Vec<CString>> {
    texts.into_iter().map(c_string).collect()
}

/// The list as C wants it, with a null pointer at its end.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    let pointers = strings.iter().map(|string| string.as_ptr());
    pointers.chain([ptr::null()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::fs::File;
    use std::io::Read as _;

    fn image(script: &str) -> Image {
        Image {
            program: "sh".into(),
            argv: ["sh", "-c", script].map(OsString::from).into(),
            env: vec![("PATH".into(), "/bin:/usr/bin".into())],
            cwd: None,
            files: None,
        }
    }

    /// Runs a program with its output in a pipe, which ends when nobody holds it any more; returns what it wrote.
    fn output(image: Image, low: Option<&mut Low>) -> io::Result<String> {
        let nothing = File::open("/dev/null")?;
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let streams = Streams {
            fds: [nothing.as_fd(), write.as_fd(), write.as_fd()],
            terminal: false,
        };
        let started = spawn(image, streams, low);
        drop(write);
        let mut text = String::new();
        File::from(read).read_to_string(&mut text)?;
        rustix::process::waitpid(Some(started?), WaitOptions::empty())?;
        Ok(text)
    }

    #[test]
    fn a_program_gets_three_descriptors_and_we_keep_ours() {
        let mut low = Low::new().unwrap();
        let many: Vec<File> = (0..300).map(|_| File::open("/dev/null").unwrap()).collect();
        // Such as whoever starts us may leave open.
        rustix::io::fcntl_setfd(&many[7], rustix::io::FdFlags::empty()).unwrap();
        for low in [None, Some(&mut low)] {
            let listing = output(image("exec ls /proc/self/fd"), low).unwrap();
            assert_eq!(listing, "0\n1\n2\n3\n", "the last is the listing's own");
        }
        assert!(many.iter().all(|file| file.metadata().is_ok()));
    }

    #[test]
    fn signals_are_at_their_defaults() {
        // SAFETY: sets dispositions that no handler belongs to.
        unsafe {
            libc::signal(libc::SIGUSR1, libc::SIG_IGN);
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
        }
        let text = output(image("exec grep -E 'Sig(Ign|Blk)' /proc/self/status"), None).unwrap();
        assert_eq!(text.matches("0000000000000000").count(), 2, "{text}");
        // And ours are as they were.
        let own = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(own.contains("SigBlk:\t0000000000000000"), "{own}");
        assert_eq!(changed_signals() & bit(libc::SIGUSR1), bit(libc::SIGUSR1));
    }

    #[test]
    fn what_cannot_be_executed_says_why_and_leaves_no_process() {
        let broken = |change: fn(&mut Image)| {
            let mut image = image("exit");
            change(&mut image);
            output(image, None).unwrap_err().kind()
        };
        let missing = broken(|image| image.program = "/nowhere/sh".into());
        assert_eq!(missing, io::ErrorKind::NotFound);
        let unknown = broken(|image| image.program = "no-such-program".into());
        assert_eq!(unknown, io::ErrorKind::NotFound);
        let text = broken(|image| image.program = "/etc/passwd".into());
        assert_eq!(text, io::ErrorKind::PermissionDenied);
        let nowhere = broken(|image| image.cwd = Some("/nowhere".into()));
        assert_eq!(nowhere, io::ErrorKind::NotFound);
        let none = rustix::process::wait(WaitOptions::NOHANG);
        assert!(matches!(none, Err(rustix::io::Errno::CHILD)), "{none:?}");
    }

    #[test]
    fn directory_and_limit_are_the_programs_own() {
        let mut image = image("pwd; ulimit -n");
        image.cwd = Some("/usr".into());
        image.files = Some(Rlimit {
            current: Some(123),
            maximum: Some(456),
        });
        assert_eq!(output(image, None).unwrap(), "/usr\n123\n");
        let ours = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_ne!(ours.current, Some(123));
    }
}
