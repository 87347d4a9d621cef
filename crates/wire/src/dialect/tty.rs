//! ttyd's dialect, so that its page, its clients and what was written against it work unchanged.

use super::raw::RESET;
use super::{Dialect, Event, Fault, Frames, Inbound, Open, Request};
use crate::limits;
use crate::metrics::Wire;
use anywire_codec::dialect::native::ErrorCode;
use anywire_codec::dialect::tty::{Client, DecodeError, Hello, OUTPUT, Server};
use anywire_model::{Intent, Offset, Stream};
use std::time::Duration;

/// A client of ttyd.
#[derive(Debug, Default)]
pub(crate) struct Tty {
    opened: bool,
    paused: bool,
}

impl Tty {
    /// The answer to a `hello`, wherever it was read.
    pub(super) fn open(&mut self, hello: &Hello) -> Open<'static> {
        self.opened = true;
        Open {
            size: hello.size(),
            answers: true,
            ..Open::default()
        }
    }
}

impl Dialect for Tty {
    fn wire(&self) -> Wire {
        Wire::Tty
    }

    fn patience(&self) -> Duration {
        limits::HELLO
    }

    fn silence(&mut self) -> Result<Open<'static>, Fault> {
        Err(bad("no first message within 5 seconds"))
    }

    fn message<'a>(&mut self, message: Inbound<'a>) -> Result<Request<'a>, Fault> {
        let message = match Client::decode(message.bytes()) {
            Ok(Client::Hello(hello)) if !self.opened => {
                return Ok(Request::Open(Box::new(self.open(&hello))));
            }
            // ttyd ignores a second one.
            Ok(Client::Hello(_)) => return Ok(Request::Noted),
            Ok(message) => message,
            Err(error @ DecodeError::TooLarge { .. }) => {
                return Err(Fault::new(ErrorCode::TooLarge, error.to_string()));
            }
            // ttyd ignores what it does not know.
            Err(DecodeError::UnknownKind) if self.opened => return Ok(Request::Noted),
            Err(error) => return Err(bad(&error.to_string())),
        };
        if !self.opened {
            return Err(bad("the first message is JSON with the window's size"));
        }
        Ok(match message {
            Client::Input(bytes) => Request::Intent(Intent::Input {
                offset: None,
                bytes,
            }),
            Client::Resize(Some(size)) => Request::Intent(Intent::Resize(size)),
            Client::Resize(None) | Client::Hello(_) => Request::Noted,
            Client::Pause => self.pause(true),
            Client::Resume => self.pause(false),
        })
    }

    fn allowance(&self) -> usize {
        if self.paused { 0 } else { usize::MAX }
    }

    fn prefix(&self) -> usize {
        1
    }

    fn fill_prefix(&mut self, prefix: &mut [u8], _stream: Stream, _offset: Offset, _len: usize) {
        prefix[0] = OUTPUT;
    }

    fn event(&mut self, event: Event<'_>, out: &mut Frames<'_>) {
        match event {
            Event::Welcome(attachment) => {
                let name = attachment.session().info().name;
                let mut message = Vec::new();
                Server::Title(name.as_bytes()).encode(&mut message);
                out.binary(&[&message]);
                message.clear();
                Server::Preferences(b"{}").encode(&mut message);
                out.binary(&[&message]);
            }
            Event::Keyframe { dump, .. } => out.binary(&[&[OUTPUT], RESET, dump]),
            _ => {}
        }
    }
}

impl Tty {
    fn pause(&mut self, paused: bool) -> Request<'static> {
        self.paused = paused;
        Request::Noted
    }
}

fn bad(message: &str) -> Fault {
    Fault::new(ErrorCode::BadMessage, message)
}
