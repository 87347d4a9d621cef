//! Telnet: the wire whose client is a terminal with manners. What it negotiates lies in the codec; here is what its
//! events mean to a session.

use crate::link::Item;
use anywire_codec::telnet::{Command, Event, Kind, Telnet};
use anywire_model::{Intent, Io, Signal};

/// How a program is presented.
pub(crate) fn kind(io: Io) -> Kind {
    match io {
        Io::Pty => Kind::Terminal,
        Io::Pipe | Io::Handler => Kind::Lines,
    }
}

/// The next thing in `buffer` and how many bytes it took; `None` if nothing is there.
pub(crate) fn next<'a>(telnet: &'a mut Telnet, buffer: &'a mut [u8]) -> Option<(usize, Item<'a>)> {
    let kind = telnet.kind();
    let (used, event) = telnet.next(buffer)?;
    let item = match event {
        Event::Data(bytes) => Item::Message(crate::dialect::Inbound::Binary(bytes)),
        Event::Command(command) => intent(command, kind).map_or(Item::Nothing, Item::Intent),
        Event::Size(size) => Item::Intent(Intent::Resize(size)),
        Event::Reply(reply) => Item::Reply(reply),
        Event::Nothing => Item::Nothing,
    };
    Some((used, item))
}

/// What a command asks of the session: on a terminal, the key that does it there.
fn intent(command: Command, kind: Kind) -> Option<Intent<'static>> {
    let key = |bytes| Intent::Input {
        offset: None,
        bytes,
    };
    Some(match (kind, command) {
        (Kind::Terminal, Command::Interrupt) => key(b"\x03"),
        (Kind::Terminal, Command::Break | Command::Abort) => key(b"\x1c"),
        (Kind::Terminal, Command::Suspend) => key(b"\x1a"),
        (Kind::Terminal, Command::EraseCharacter) => key(b"\x7f"),
        (Kind::Terminal, Command::EraseLine) => key(b"\x15"),
        (_, Command::EndOfFile) => Intent::CloseInput,
        (Kind::Lines, Command::Interrupt | Command::Break) => Intent::Signal(Signal::Int),
        (Kind::Lines, Command::Abort) => Intent::Signal(Signal::Quit),
        // What is erased is erased by the client, before it sends a line. Output that is on its way is not called back.
        (Kind::Lines, Command::Suspend | Command::EraseCharacter | Command::EraseLine)
        | (_, Command::AbortOutput) => return None,
    })
}
