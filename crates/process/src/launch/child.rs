//! The child between its birth and the program that it executes.
//!
//! As with `posix_spawn`, it borrows our memory until then, instead of copying page tables. It borrows our table of
//! descriptors too, and leaves it with a copy of the lowest few alone: a supervisor of thousands of sessions would
//! otherwise copy thousands of descriptors for every start, and close them again.

#![allow(unsafe_code)]

use super::spawn::Streams;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Rlimit, WaitOptions};
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::ptr;

/// Bytes of the child's stack: it calls nothing but the kernel.
const STACK_LEN: usize = 32 << 10;
/// Signals are numbered from 1 to this.
const SIGNALS: libc::c_int = 64;

/// What a child does first, to no longer share descriptors.
pub(super) const OWN_DESCRIPTORS: &str = "making a table of descriptors";

/// What a child does, all prepared: it shares our memory, so it must not allocate, lock or panic.
pub(super) struct Child<'a> {
    pub(super) path: CString,
    pub(super) argv: Strings,
    pub(super) env: Strings,
    /// If another one than ours.
    pub(super) cwd: Option<CString>,
    pub(super) streams: Streams<'a>,
    pub(super) files: Option<Rlimit>,
    /// Our table of descriptors is the child's too.
    pub(super) shares: bool,
    /// What is being done, for an error's text; nothing where the error speaks of the program.
    pub(super) doing: &'static str,
    /// What went wrong, for the parent to see.
    pub(super) error: libc::c_int,
}

/// A list of strings as C wants it: pointers, and a null pointer at its end.
pub(super) struct Strings {
    pointers: Vec<*const libc::c_char>,
    _owned: Vec<CString>,
}

impl Strings {
    /// # Errors
    /// When one has a zero byte.
    pub(super) fn new(strings: impl IntoIterator<Item = OsString>) -> io::Result<Self> {
        let owned: Vec<CString> = strings
            .into_iter()
            .map(c_string)
            .collect::<io::Result<_>>()?;
        let pointers = owned.iter().map(|string| string.as_ptr());
        Ok(Self {
            pointers: pointers.chain([ptr::null()]).collect(),
            _owned: owned,
        })
    }
}

/// # Errors
/// When it has a zero byte.
pub(super) fn c_string(text: OsString) -> io::Result<CString> {
    Ok(CString::new(text.into_vec())?)
}

impl Child<'_> {
    /// Starts it, and waits until it has executed the program or failed to.
    pub(super) fn run(&mut self) -> io::Result<Pid> {
        let mut stack = Vec::<u128>::with_capacity(STACK_LEN / size_of::<u128>());
        let shared = if self.shares { libc::CLONE_FILES } else { 0 };
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD | shared;
        self.error = 0;
        let this: *mut Self = self;
        let blocked = AllBlocked::new()?;
        // SAFETY: the stack is aligned and large enough, and grows down from its end. This and what it points to live until
        // the call returns, which is when the child has executed the program or ended: until then this thread sleeps.
        let pid = unsafe {
            libc::clone(
                begin,
                stack.spare_capacity_mut().as_mut_ptr_range().end.cast(),
                flags,
                this.cast(),
            )
        };
        let error = io::Error::last_os_error();
        drop(blocked);
        let Some(pid) = Pid::from_raw(pid.max(0)) else {
            let refused = error.raw_os_error() == Some(libc::EINVAL);
            self.doing = if refused {
                OWN_DESCRIPTORS
            } else {
                "starting a process"
            };
            return Err(error);
        };
        // SAFETY: a field of ours; the child wrote to it behind the compiler's back.
        match unsafe { (&raw const (*this).error).read_volatile() } {
            0 => Ok(pid),
            error => {
                let _ = retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()));
                Err(io::Error::from_raw_os_error(error))
            }
        }
    }
}

/// The child's first and last function.
extern "C" fn begin(child: *mut libc::c_void) -> libc::c_int {
    let child: *mut Child<'_> = child.cast();
    // SAFETY: `run` gave a pointer to its own, sleeps, and reads what is written here only when this is over.
    unsafe {
        // Nothing but failure comes back.
        let _ = execute(&mut *child);
        (&raw mut (*child).error).write_volatile(*libc::__errno_location());
    }
    127
}

/// `None` after a call that failed.
///
/// # Safety
/// In a child only.
unsafe fn execute(child: &mut Child<'_>) -> Option<()> {
    let ok = |result: libc::c_int| (result != -1).then_some(());
    // SAFETY: calls to the kernel alone, with pointers that are valid by contract.
    unsafe {
        if child.shares {
            child.doing = OWN_DESCRIPTORS;
            own_descriptors(child)?;
        }
        child.doing = "beginning a session";
        ok(libc::setsid())?;
        child.doing = "giving the program its descriptors";
        for (number, fd) in (0..).zip(child.streams.fds) {
            ok(libc::dup2(fd.as_raw_fd(), number))?;
        }
        // Ours close themselves; whoever started us may have left some open that do not.
        close_range(3, 0);
        if child.streams.terminal {
            child.doing = "taking the terminal";
            ok(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
        }
        if let Some(cwd) = &child.cwd {
            child.doing = "changing the directory";
            ok(libc::chdir(cwd.as_ptr()))?;
        }
        if let Some(files) = &child.files {
            let limit = |value: Option<u64>| value.unwrap_or(libc::RLIM_INFINITY);
            let files = libc::rlimit {
                rlim_cur: limit(files.current),
                rlim_max: limit(files.maximum),
            };
            child.doing = "setting the limit of descriptors";
            ok(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const files))?;
        }
        child.doing = "";
        // Before any is let through: our handlers would run here.
        default_actions();
        set_mask(0)?;
        let (argv, env) = (&child.argv.pointers, &child.env.pointers);
        libc::execve(child.path.as_ptr(), argv.as_ptr(), env.as_ptr());
    }
    None
}

/// Leaves the shared table of descriptors for one of our own that ends with the streams.
///
/// # Safety
/// In a child only.
unsafe fn own_descriptors(child: &Child<'_>) -> Option<()> {
    let [one, two, three] = child.streams.fds.map(|fd| fd.as_raw_fd());
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

/// What the kernel does for a signal: the handler, and words that depend on the processor, 32 bytes at most. All zero, it
/// is the default action.
type Action = [u64; 4];

/// Has every signal do what it does by default. Straight to the kernel, as with [`set_mask`].
///
/// # Safety
/// In a child only.
unsafe fn default_actions() {
    let action = |signal: libc::c_int, new: *const Action, old: *mut Action| {
        // SAFETY: either is null or has room for what the kernel reads and writes.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, new, old, size_of::<u64>()) };
    };
    for signal in 1..=SIGNALS {
        let mut old = Action::default();
        action(signal, ptr::null(), &raw mut old);
        if old[0] != 0 {
            action(signal, &Action::default(), ptr::null_mut());
        }
    }
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
