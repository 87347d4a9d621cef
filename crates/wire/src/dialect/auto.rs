//! A WebSocket without a subprotocol: ttyd's clients show themselves with their first message, everybody else means
//! bytes.

use super::{Dialect, Event, Fault, Frames, Inbound, Open, Raw, Request, Tty};
use crate::limits;
use anywire_codec::dialect::tty;
use std::time::Duration;

/// A client that has not shown which dialect it speaks.
#[derive(Debug)]
pub(crate) struct Auto {
    /// Output is sent as binary messages if it is not ttyd's.
    binary: bool,
}

impl Auto {
    pub(crate) fn new(binary: bool) -> Self {
        Self { binary }
    }

    fn raw(&self) -> Raw {
        if self.binary {
            Raw::default()
        } else {
            Raw::text()
        }
    }

    fn open<'a>(&self, input: &'a [u8]) -> Open<'a> {
        Open {
            dialect: Some(Box::new(self.raw())),
            input: input.into(),
            ..Open::default()
        }
    }
}

impl Dialect for Auto {
    fn patience(&self) -> Duration {
        limits::UNDECIDED
    }

    fn silence(&mut self) -> Result<Open<'static>, Fault> {
        Ok(self.open(&[]))
    }

    fn message<'a>(&mut self, message: Inbound<'a>) -> Result<Request<'a>, Fault> {
        let bytes = message.bytes();
        if !tty::is_hello(bytes) {
            // Who speaks in bytes is answered in bytes.
            self.binary |= matches!(message, Inbound::Binary(_));
            return Ok(Request::Open(Box::new(self.open(bytes))));
        }
        let mut dialect = Tty::default();
        let request = dialect.message(message)?;
        Ok(match request {
            Request::Open(mut open) => {
                open.dialect = Some(Box::new(dialect));
                Request::Open(open)
            }
            other => other,
        })
    }

    fn event(&mut self, event: Event<'_>, out: &mut Frames<'_>) {
        self.raw().event(event, out);
    }
}
