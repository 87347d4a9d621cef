//! From the client's bytes to data, commands and answers.

use super::options::Side;
use super::{Code, Command, Event, HERE, IAC, Kind, MAX_SUB, MAX_TERMINAL_TYPE, SB, SE, Telnet};
use anywire_model::Size;
use memchr::{memchr, memchr2};

const CR: u8 = b'\r';
const LF: u8 = b'\n';
const NUL: u8 = 0;

/// TERMINAL TYPE: tell it, and it is (RFC 1091).
const SEND: u8 = 1;
const IS: u8 = 0;

/// Where the parser stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Data,
    /// Behind an IAC.
    Command,
    /// Behind WILL, WONT, DO or DONT.
    Option(u8),
    /// In a subnegotiation.
    Sub,
    /// Behind an IAC in a subnegotiation.
    SubCommand,
}

/// A carriage return of a network virtual terminal, before the byte that belongs to it (RFC 854: LF or NUL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cr {
    /// There is none.
    #[default]
    No,
    /// It was given as data.
    Given,
    /// It was not: it may become a line feed.
    Held,
}

impl Telnet {
    /// What stands at the start of `buffer`, and how many bytes of it are done with, which may be none; `None` only for
    /// an empty one. Call it until then. Data is moved together within the part that is done with.
    pub fn next<'a>(&'a mut self, buffer: &'a mut [u8]) -> Option<(usize, Event<'a>)> {
        let first = *buffer.first()?;
        Some(match self.state {
            State::Data => self.data(buffer),
            State::Command => (1, self.command(first)),
            State::Option(verb) => {
                self.state = State::Data;
                (1, self.option(verb, Code(first)))
            }
            State::Sub => (self.sub(buffer), Event::Nothing),
            State::SubCommand => self.sub_command(first),
        })
    }

    /// The client sends no more: what was held back of its data.
    pub fn finish(&mut self) -> &'static [u8] {
        match std::mem::take(&mut self.cr) {
            Cr::Held => b"\r",
            Cr::Given | Cr::No => b"",
        }
    }

    /// A run of data up to the next command.
    fn data<'a>(&mut self, buffer: &'a mut [u8]) -> (usize, Event<'a>) {
        let (mut read, mut written) = (0, 0);
        while read < buffer.len() {
            let belongs = matches!(buffer[read], LF | NUL);
            match std::mem::take(&mut self.cr) {
                Cr::Held if !belongs => {
                    // There may be no room for it in front of what follows.
                    if written == 0 {
                        return (read, Event::Data(b"\r"));
                    }
                    self.cr = Cr::Held;
                    break;
                }
                Cr::Held => {
                    buffer[written] = if buffer[read] == LF { LF } else { CR };
                    (read, written) = (read + 1, written + 1);
                    continue;
                }
                Cr::Given if belongs => {
                    read += 1;
                    continue;
                }
                Cr::Given | Cr::No => {}
            }
            let run = self.run(&buffer[read..]);
            if written != read {
                buffer.copy_within(read..read + run, written);
            }
            (read, written) = (read + run, written + run);
            match buffer.get(read) {
                None => break,
                Some(&CR) => {
                    self.cr = Cr::Held;
                    if self.kind == Kind::Terminal {
                        self.cr = Cr::Given;
                        buffer[written] = CR;
                        written += 1;
                    }
                    read += 1;
                }
                Some(_) if buffer.get(read + 1) == Some(&IAC) => {
                    buffer[written] = IAC;
                    (read, written) = (read + 2, written + 1);
                }
                Some(_) => {
                    self.state = State::Command;
                    read += 1;
                    break;
                }
            }
        }
        let event = match written {
            0 => Event::Nothing,
            _ => Event::Data(&buffer[..written]),
        };
        (read, event)
    }

    /// How many bytes of data go as they are.
    fn run(&self, bytes: &[u8]) -> usize {
        let special = if self.binary_in() {
            memchr(IAC, bytes)
        } else {
            memchr2(IAC, CR, bytes)
        };
        special.unwrap_or(bytes.len())
    }

    /// The byte behind an IAC.
    fn command(&mut self, byte: u8) -> Event<'static> {
        self.state = State::Data;
        Event::Command(match byte {
            IAC => return Event::Data(&[IAC]),
            SB => {
                self.sub.clear();
                self.state = State::Sub;
                return Event::Nothing;
            }
            251..=254 => {
                self.state = State::Option(byte);
                return Event::Nothing;
            }
            246 => return Event::Reply(HERE),
            236 => Command::EndOfFile,
            237 => Command::Suspend,
            238 => Command::Abort,
            243 => Command::Break,
            244 => Command::Interrupt,
            245 => Command::AbortOutput,
            247 => Command::EraseCharacter,
            248 => Command::EraseLine,
            // Data Mark: what it marks has been read by now. Go Ahead, No Operation, and what nobody has defined.
            _ => return Event::Nothing,
        })
    }

    /// The byte behind WILL, WONT, DO or DONT.
    fn option(&mut self, verb: u8, code: Code) -> Event<'_> {
        let Some((side, positive)) = Side::heard(verb) else {
            return Event::Nothing;
        };
        let was_on = self.options.is_on(side, code);
        self.reply.clear();
        if let Some(answer) = self.options.hear(side, code, positive, self.kind) {
            let answer = [IAC, side.verb(answer), code.0];
            self.reply.extend_from_slice(&answer);
        }
        let is_on = self.options.is_on(side, code);
        if is_on && !was_on && (side, code) == (Side::Him, Code::TERMINAL_TYPE) {
            let send = [IAC, SB, code.0, SEND, IAC, SE];
            self.reply.extend_from_slice(&send);
        }
        if self.reply.is_empty() {
            Event::Nothing
        } else {
            Event::Reply(&self.reply)
        }
    }

    /// Bytes of a subnegotiation; returns how many.
    fn sub(&mut self, buffer: &[u8]) -> usize {
        let end = memchr(IAC, buffer);
        self.keep_sub(&buffer[..end.unwrap_or(buffer.len())]);
        if end.is_some() {
            self.state = State::SubCommand;
        }
        end.map_or(buffer.len(), |end| end + 1)
    }

    /// One byte more than the maximum is kept, as the sign of too many.
    fn keep_sub(&mut self, bytes: &[u8]) {
        let room = MAX_SUB + 1 - self.sub.len();
        self.sub.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The byte behind an IAC in a subnegotiation.
    fn sub_command(&mut self, byte: u8) -> (usize, Event<'_>) {
        match byte {
            IAC => {
                self.keep_sub(&[IAC]);
                self.state = State::Sub;
                (1, Event::Nothing)
            }
            SE => {
                self.state = State::Data;
                let sub = std::mem::take(&mut self.sub);
                (1, self.negotiated(&sub))
            }
            // It lacks its end: it is forgotten, and what follows is a command.
            _ => {
                self.sub = Vec::new();
                self.state = State::Command;
                (0, Event::Nothing)
            }
        }
    }

    fn negotiated(&mut self, sub: &[u8]) -> Event<'static> {
        let Some((&code, content)) = sub.split_first().filter(|_| sub.len() <= MAX_SUB) else {
            return Event::Nothing;
        };
        let code = Code(code);
        if !self.options.is_on(Side::Him, code) {
            return Event::Nothing;
        }
        match (code, content) {
            (Code::WINDOW_SIZE, &[c1, c0, r1, r0]) => {
                let (cols, rows) = (u16::from_be_bytes([c1, c0]), u16::from_be_bytes([r1, r0]));
                // Zero is a client that does not know; giants are nobody's window.
                if let Some(size) = Size::checked(cols.into(), rows.into()) {
                    self.size = Some(size);
                    return Event::Size(size);
                }
            }
            (Code::TERMINAL_TYPE, &[IS, ref name @ ..]) => {
                let good = (1..=MAX_TERMINAL_TYPE).contains(&name.len())
                    && name.iter().all(u8::is_ascii_graphic);
                self.terminal_type = good.then(|| String::from_utf8_lossy(name).into_owned());
            }
            _ => {}
        }
        Event::Nothing
    }
}
