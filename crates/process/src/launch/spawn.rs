//! From a recipe's words to a process.

use super::child::{Child, OWN_DESCRIPTORS, Strings, c_string};
use super::low::Low;
use rustix::process::{Pid, Rlimit};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Starts a program as the leader of a session of its own, with default signals. Its descriptors are the three and
/// no others: ours are all closed on `exec`, and those that others left open before it, where the kernel can (5.9).
pub(super) fn spawn(image: Image, streams: Streams<'_>, low: Option<&mut Low>) -> io::Result<Pid> {
    match low {
        Some(low) => low.lower(streams, |streams| start(image, streams)),
        None => start(image, streams),
    }
}

fn start(image: Image, streams: Streams<'_>) -> io::Result<Pid> {
    if (streams.fds.iter()).any(|fd| fd.as_raw_fd() <= libc::STDERR_FILENO) {
        // One would be overwritten by another. Whoever has a runtime has descriptors there.
        return Err(io::Error::other(
            "standard input, output or error is closed",
        ));
    }
    let path = c_string(find(&image)?)?;
    let env = image.env.into_iter().map(|(name, value)| {
        let mut pair = name;
        pair.push("=");
        pair.push(value);
        pair
    });
    let mut child = Child {
        path,
        argv: Strings::new(image.argv)?,
        env: Strings::new(env)?,
        cwd: image.cwd.map(c_string).transpose()?,
        streams,
        files: image.files,
        shares: SHARES.load(Ordering::Relaxed),
        doing: "",
        error: 0,
    };
    match child.run() {
        Err(_) if child.shares && child.doing == OWN_DESCRIPTORS => {
            // Old kernels in a container, and emulators: then copies it is.
            SHARES.store(false, Ordering::Relaxed);
            child.shares = false;
            child.run()
        }
        started => started,
    }
    .map_err(|error| match child.doing {
        "" => error,
        doing => io::Error::new(error.kind(), format!("{doing}: {error}")),
    })
}

/// Whether children may share our descriptors until they have their own.
static SHARES: AtomicBool = AtomicBool::new(true);

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

#[cfg(test)]
mod tests {
    #![allow(unsafe_code)]

    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use rustix::process::WaitOptions;
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::AsFd;

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

    /// As in a container with an old filter of system calls; for this thread and its children.
    fn refuse(calls: [libc::c_long; 2]) {
        let statement = |code: u32, k: u32| libc::sock_filter {
            code: u16::try_from(code).unwrap(),
            jt: 0,
            jf: 0,
            k,
        };
        let equals = |call: libc::c_long, jt, jf| libc::sock_filter {
            jt,
            jf,
            ..statement(
                libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                u32::try_from(call).unwrap(),
            )
        };
        let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
        let mut filter = [
            statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
            equals(calls[0], 1, 0),
            equals(calls[1], 0, 1),
            statement(libc::BPF_RET | libc::BPF_K, refused),
            statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog {
            len: 5,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: the filter is well formed (the kernel checks it), and copied.
        unsafe {
            assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
            let mode = libc::SECCOMP_MODE_FILTER;
            assert_eq!(
                libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program),
                0
            );
        }
    }

    /// Where it cannot leave our descriptors, a child gets a copy of them: with the first start that finds that out, and with
    /// those after it.
    #[test]
    fn where_descriptors_cannot_be_shared_they_are_copied() {
        let filtered = std::thread::spawn(|| {
            refuse([libc::SYS_close_range, libc::SYS_unshare]);
            let mut low = Low::new().unwrap();
            let list = || image("exec ls /proc/self/fd");
            [None, Some(&mut low)].map(|low| output(list(), low).unwrap())
        });
        for listing in filtered.join().unwrap() {
            let has = |fd: &str| listing.lines().any(|line| line == fd);
            assert!(["0", "1", "2"].into_iter().all(has), "{listing}");
        }
        assert!(!SHARES.load(Ordering::Relaxed));
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
        // SAFETY: as above.
        unsafe {
            assert_eq!(libc::signal(libc::SIGUSR1, libc::SIG_DFL), libc::SIG_IGN);
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
        }
        let own = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(own.contains("SigBlk:\t0000000000000000"), "{own}");
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
        let left = std::fs::read_to_string("/proc/thread-self/children").unwrap();
        assert_eq!(left, "");
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
