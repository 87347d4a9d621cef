//! Nothing but bytes: what comes in is input, what goes out is output. Raw TCP, and WebSocket clients without a
//! dialect.

use super::{Dialect, Event, Fault, Frames, Inbound, Open, Request};
use crate::metrics::Wire;
use anywire_model::Intent;
use std::time::Duration;

/// Resets a terminal (RIS), so that a keyframe can be drawn on it.
pub(super) const RESET: &[u8] = b"\x1bc";

/// A client that knows no dialect.
#[derive(Debug, Default)]
pub(crate) struct Raw;

impl Dialect for Raw {
    fn wire(&self) -> Wire {
        Wire::WebSocket
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    fn silence(&mut self) -> Result<Open<'static>, Fault> {
        Ok(Open::default())
    }

    fn message<'a>(&mut self, message: Inbound<'a>) -> Result<Request<'a>, Fault> {
        Ok(Request::Intent(Intent::Input {
            offset: None,
            bytes: message.bytes(),
        }))
    }

    fn event(&mut self, event: Event<'_>, out: &mut Frames<'_>) {
        match event {
            Event::Keyframe { dump, .. } => out.binary(&[RESET, dump]),
            Event::Fault(fault) => {
                let line = format!("anywire: {}\r\n", fault.message);
                out.binary(&[line.as_bytes()]);
            }
            _ => {}
        }
    }
}
