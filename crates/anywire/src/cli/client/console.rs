//! The user's side of `attach`: standard input and output, and the terminal behind them if there is one.
//!
//! Reads and writes block in two threads of their own, behind bounded queues: standard input may be a file, which
//! cannot be polled, and making a terminal non-blocking would change it for the user's shell too.

use anywire_model::{Size, Stream};
use bytes::Bytes;
use rustix::termios::{self, OptionalActions, Termios};
use std::io::{self, Read as _, Write as _};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Chunks of input that wait to be sent.
const INPUT_QUEUE: usize = 4;
/// Chunks of output that wait to be written.
const OUTPUT_QUEUE: usize = 16;
/// Bytes read at once.
const READ: usize = 16 << 10;
/// The longest that a detaching user waits for a terminal that takes no output.
const DETACH_DEADLINE: Duration = Duration::from_secs(1);

/// Undoes what full-screen programs leave behind: mouse reports, bracketed paste, focus reports, application keys,
/// hidden cursor, colours, and the alternate screen (1047, since 1049 would also move the cursor).
const CALM: &[u8] =
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[?2026l\x1b[?1047l\
                      \x1b[<u\x1b[?1l\x1b>\x1b[?25h\x1b[r\x1b[m";
/// In front of a keyframe: calm, soft reset (DECSTR), home, clear.
const FRESH: &[u8] = b"\x1b[!p\x1b[H\x1b[2J";

/// Standard input and output.
pub(super) struct Console {
    /// Input; closed at end of file.
    pub(super) input: mpsc::Receiver<Vec<u8>>,
    /// Output that waits to be written; closed when standard output is.
    pub(super) output: mpsc::Sender<(Stream, Bytes)>,
    written: oneshot::Receiver<()>,
    /// Whether both ends are a terminal, so that keys and screens make sense.
    pub(super) is_terminal: bool,
    raw: Option<Raw>,
}

impl Console {
    /// Takes over standard input and output.
    pub(super) fn open() -> io::Result<Self> {
        let (send, input) = mpsc::channel(INPUT_QUEUE);
        let (output, receive) = mpsc::channel(OUTPUT_QUEUE);
        let (done, written) = oneshot::channel();
        std::thread::Builder::new()
            .name("stdin".into())
            .spawn(move || read_all(&send))?;
        std::thread::Builder::new()
            .name("stdout".into())
            .spawn(move || write_all(receive, done))?;
        let is_terminal = termios::isatty(io::stdin()) && termios::isatty(io::stdout());
        Ok(Self {
            input,
            output,
            written,
            is_terminal,
            raw: None,
        })
    }

    /// Every key goes to the program from now on, until the console is closed or dropped.
    pub(super) fn make_raw(&mut self) -> io::Result<()> {
        if self.raw.is_none() {
            self.raw = Some(Raw::enter()?);
        }
        Ok(())
    }

    pub(super) fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// The terminal's size, if there is one with a possible size.
    pub(super) fn size(&self) -> Option<Size> {
        let size = termios::tcgetwinsize(io::stdout())
            .ok()
            .filter(|_| self.is_terminal)?;
        Size::checked(size.ws_col.into(), size.ws_row.into())
    }

    /// Whether [`Console::show`] has room for everything that one message brings.
    pub(super) fn has_room(&self) -> bool {
        self.output.capacity() >= 2
    }

    /// Queues output. Call it only while there is room.
    pub(super) fn show(&self, stream: Stream, bytes: Bytes) -> io::Result<()> {
        self.output
            .try_send((stream, bytes))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Queues a picture of the screen: on a terminal it replaces what is there.
    pub(super) fn show_keyframe(&self, dump: Bytes) -> io::Result<()> {
        if self.is_terminal {
            self.show(Stream::Out, Bytes::from([CALM, FRESH].concat()))?;
        }
        self.show(Stream::Out, dump)
    }

    /// Writes all that is queued, waiting as long as it takes (`patient`) or a second, and gives the terminal back.
    pub(super) async fn close(self, patient: bool) {
        let Self {
            output,
            written,
            raw,
            ..
        } = self;
        if raw.is_some() {
            let _ = output.try_send((Stream::Out, Bytes::from_static(CALM)));
        }
        drop(output);
        if patient {
            let _ = written.await;
        } else {
            let _ = tokio::time::timeout(DETACH_DEADLINE, written).await;
        }
    }
}

/// A line for the user, beside the program's output.
pub(in crate::cli) fn note(text: &str) {
    // In raw mode a line feed alone does not return the carriage.
    let _ = write!(io::stderr(), "\r[anywire: {text}]\r\n");
}

/// A terminal in raw mode; restored on drop.
struct Raw {
    saved: Termios,
}

impl Raw {
    fn enter() -> io::Result<Self> {
        let saved = termios::tcgetattr(io::stdin())?;
        let mut raw = saved.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { saved })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.saved);
    }
}

fn read_all(send: &mpsc::Sender<Vec<u8>>) {
    let (mut stdin, mut buffer) = (io::stdin().lock(), vec![0; READ]);
    loop {
        match stdin.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(len) => {
                if send.blocking_send(buffer[..len].to_vec()).is_err() {
                    return;
                }
            }
        }
    }
}

fn write_all(mut receive: mpsc::Receiver<(Stream, Bytes)>, done: oneshot::Sender<()>) {
    while let Some((stream, bytes)) = receive.blocking_recv() {
        let wrote = match stream {
            Stream::Out => io::stdout()
                .write_all(&bytes)
                .and_then(|()| io::stdout().flush()),
            Stream::Err => io::stderr().write_all(&bytes),
        };
        if wrote.is_err() {
            return;
        }
    }
    let _ = done.send(());
}
