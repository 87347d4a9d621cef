//! Telnet (RFC 854) as a server speaks it: the stream in, data, commands and answers out.
//!
//! Options are negotiated by the Q method of RFC 1143, so that no exchange can loop: ECHO (RFC 857), SUPPRESS GO AHEAD
//! (858), TERMINAL TYPE (1091), WINDOW SIZE (1073) and BINARY (856). Every other one is refused. Nothing ever waits for
//! an answer: [`Telnet::greet`] and [`Telnet::begin`] say what is offered, and the client may answer or not.
//!
//! A subnegotiation holds at most [`MAX_SUB`] bytes, all work is linear, and a byte stream means the same however it is
//! cut into pieces.

mod input;
mod options;
mod output;

pub use options::Code;
pub use output::escape_iac;

use anywire_model::Size;
use options::{Side, Table};

/// Bytes of a subnegotiation; a longer one is skipped.
pub const MAX_SUB: usize = 4096;
/// Bytes of a terminal's name (RFC 1091).
pub const MAX_TERMINAL_TYPE: usize = 40;
/// The answer to ARE YOU THERE.
pub const HERE: &[u8] = b"\r\n[anywire: yes]\r\n";

/// Interpret as command; twice in a row: a byte of data.
pub const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

/// What is behind the connection, which decides how line ends are translated and what is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A terminal, which echoes and edits by itself: Enter is CR, output is as the terminal made it.
    #[default]
    Terminal,
    /// A program that reads lines: Enter is LF, LF in output becomes CR LF, the client echoes and edits.
    Lines,
}

/// A command of the client's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// IP, Interrupt Process.
    Interrupt,
    /// BRK, the break key.
    Break,
    /// ABORT (RFC 1184).
    Abort,
    /// SUSP (RFC 1184).
    Suspend,
    /// EOF (RFC 1184).
    EndOfFile,
    /// AO, Abort Output.
    AbortOutput,
    /// EC, Erase Character.
    EraseCharacter,
    /// EL, Erase Line.
    EraseLine,
}

/// What some bytes from the client were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Bytes of data; never empty.
    Data(&'a [u8]),
    /// A command.
    Command(Command),
    /// The client's window has this size now.
    Size(Size),
    /// Send these bytes to the client, as they are.
    Reply(&'a [u8]),
    /// Nothing that matters.
    Nothing,
}

/// One connection's telnet.
#[derive(Debug, Default)]
pub struct Telnet {
    kind: Kind,
    state: input::State,
    /// What became of a carriage return that was the last byte of data: what comes next may belong to it.
    cr: input::Cr,
    /// A subnegotiation so far, its option first.
    sub: Vec<u8>,
    options: Table,
    reply: Vec<u8>,
    /// The last byte of output was a carriage return to which a NUL is still to come.
    out_cr: bool,
    terminal_type: Option<String>,
    size: Option<Size>,
}

impl Telnet {
    /// Before anything is said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the offers that let a server ask for something without an echo: one key at a time, and who is there.
    pub fn greet(&mut self, out: &mut Vec<u8>) {
        self.kind = Kind::Terminal;
        self.ask(Side::Us, Code::ECHO, true, out);
        self.ask(Side::Us, Code::SUPPRESS_GO_AHEAD, true, out);
        self.ask(Side::Him, Code::TERMINAL_TYPE, true, out);
        self.ask(Side::Him, Code::WINDOW_SIZE, true, out);
    }

    /// Appends the offers for what is behind the connection from now on.
    pub fn begin(&mut self, kind: Kind, out: &mut Vec<u8>) {
        match kind {
            Kind::Terminal => {
                self.greet(out);
                self.ask(Side::Us, Code::BINARY, true, out);
                self.ask(Side::Him, Code::BINARY, true, out);
            }
            Kind::Lines => {
                self.ask(Side::Us, Code::ECHO, false, out);
                self.ask(Side::Us, Code::SUPPRESS_GO_AHEAD, false, out);
            }
        }
        self.kind = kind;
    }

    /// What is behind the connection.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The size of the client's window, once it has told one that is possible.
    #[must_use]
    pub fn size(&self) -> Option<Size> {
        self.size
    }

    /// The name of the client's terminal: at most [`MAX_TERMINAL_TYPE`] letters, digits and punctuation marks. A
    /// claim, not for a program's environment.
    #[must_use]
    pub fn terminal_type(&self) -> Option<&str> {
        self.terminal_type.as_deref()
    }

    /// Whether data comes in as it is.
    #[must_use]
    pub fn binary_in(&self) -> bool {
        self.options.is_on(Side::Him, Code::BINARY)
    }

    /// Whether data goes out as it is, but for IAC.
    #[must_use]
    pub fn binary_out(&self) -> bool {
        self.options.is_on(Side::Us, Code::BINARY)
    }

    fn ask(&mut self, side: Side, code: Code, on: bool, out: &mut Vec<u8>) {
        if let Some(positive) = self.options.ask(side, code, on) {
            out.extend_from_slice(&[IAC, side.verb(positive), code.0]);
        }
    }
}

#[cfg(test)]
mod tests;
