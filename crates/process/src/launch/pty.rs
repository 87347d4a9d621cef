//! Opening a pseudo-terminal.

use anywire_model::Size;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A terminal of this size: the master (non-blocking) and the slave.
pub(super) fn open(size: Size) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    rustix::pty::unlockpt(&master)?;
    // Opened through the master: no path in a mount namespace can be put in between.
    let slave = rustix::pty::ioctl_tiocgptpeer(
        &master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )?;
    let mut modes = rustix::termios::tcgetattr(&slave)?;
    modes.input_modes |= rustix::termios::InputModes::IUTF8;
    rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &modes)?;
    set_size(master.as_fd(), size)?;
    Ok((master, slave))
}

/// Sets the size; the kernel sends SIGWINCH to the foreground group when it changes.
pub(crate) fn set_size(master: BorrowedFd<'_>, size: Size) -> io::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(rustix::termios::tcsetwinsize(master, size)?)
}
