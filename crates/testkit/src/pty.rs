//! Programs of the system on a terminal of their own, as their user meets them: `telnet`, `nc`.

use crate::wait::wait_until;
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A program on a terminal. Dropping it ends it.
#[derive(Debug)]
pub struct Pty {
    child: Child,
    master: File,
    got: Arc<Mutex<Vec<u8>>>,
    /// Ends when nobody has the terminal open any more.
    reader: JoinHandle<()>,
}

impl Pty {
    /// Starts it on a terminal of this size; a raw one changes no byte of what is written.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(program: &str, arguments: &[&str], (cols, rows): (u16, u16), raw: bool) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).expect("a terminal");
        rustix::pty::unlockpt(&master).expect("a terminal");
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).expect("a terminal");
        let size = Winsize {
            ws_row: rows,
            ws_col: cols,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&slave, size).expect("a size");
        if raw {
            let mut modes = tcgetattr(&slave).expect("modes");
            modes.make_raw();
            tcsetattr(&slave, OptionalActions::Now, &modes).expect("modes");
        }
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        // util-linux: makes the terminal the controlling one, so that its keys send signals.
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(program)
            .args(arguments)
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the program starts");
        drop(slave);
        let (master, got) = (File::from(master), Arc::new(Mutex::new(Vec::new())));
        let (mut from, to) = (master.try_clone().expect("a descriptor"), got.clone());
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                let mut got = to.lock().unwrap_or_else(PoisonError::into_inner);
                got.extend_from_slice(&buffer[..n]);
            }
        });
        Self {
            child,
            master,
            got,
            reader,
        }
    }

    /// Presses keys.
    ///
    /// # Panics
    /// When the program is gone.
    pub fn send(&mut self, keys: &str) {
        let sent = self.master.write_all(keys.as_bytes());
        sent.expect("the program takes keys");
    }

    /// All that it wrote.
    #[must_use]
    pub fn got(&self) -> Vec<u8> {
        self.got
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until it has written this.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn see(&self, text: &str) {
        let here = || {
            let got = self.got();
            let found = got.windows(text.len()).any(|part| part == text.as_bytes());
            found.then_some(())
        };
        let shown = Shown(self, text);
        wait_until("text on a terminal", here).await;
        std::mem::forget(shown);
    }

    /// Waits until it has ended and all that it wrote has come.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn end(&mut self) {
        let ended = || self.child.try_wait().ok().flatten();
        wait_until("the program's end", ended).await;
        let read = || self.reader.is_finished().then_some(());
        wait_until("the end of its output", read).await;
    }
}

/// Says what was there instead when a wait is given up.
struct Shown<'a>(&'a Pty, &'a str);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        let got = self.0.got();
        eprintln!("no {:?} in {:?}", self.1, String::from_utf8_lossy(&got));
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
