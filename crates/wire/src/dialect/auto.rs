//! A WebSocket without a subprotocol: ttyd's clients show themselves with their first message, everybody else means
//! bytes.

use super::{Dialect, Event, Fault, Frames, Inbound, Open, Raw, Request, Tty};
use crate::limits;
use anywire_codec::dialect::tty;
use std::time::Duration;

/// A client that has not shown which dialect it speaks.
#[derive(Debug, Default)]
pub(crate) struct Auto;

impl Dialect for Auto {
    fn patience(&self) -> Duration {
        limits::UNDECIDED
    }

    fn silence(&mut self) -> Result<Open<'static>, Fault> {
        Ok(raw(&[]))
    }

    fn message<'a>(&mut self, message: Inbound<'a>) -> Result<Request<'a>, Fault> {
        let bytes = message.bytes();
        if !tty::is_hello(bytes) {
            return Ok(Request::Open(Box::new(raw(bytes))));
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
        Raw.event(event, out);
    }
}

fn raw(input: &[u8]) -> Open<'_> {
    Open {
        dialect: Some(Box::new(Raw)),
        input: input.into(),
        ..Open::default()
    }
}
