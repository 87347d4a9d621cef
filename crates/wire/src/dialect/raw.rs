//! Nothing but bytes: what comes in is input, what goes out is output. Raw TCP, and WebSocket clients without a
//! dialect, which may want text.

use super::{Dialect, Event, Fault, Frames, Inbound, Open, Request};
use crate::metrics::Wire;
use anywire_codec::text::Decoder;
use anywire_model::Intent;
use std::time::Duration;

/// Resets a terminal (RIS), so that a keyframe can be drawn on it.
pub(super) const RESET: &[u8] = b"\x1bc";

/// A client that knows no dialect.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    /// Output is text.
    text: Option<Decoder>,
}

impl Raw {
    /// A client that gets text messages.
    pub(crate) fn text() -> Self {
        Self {
            text: Some(Decoder::default()),
        }
    }

    fn say(&self, parts: &[&[u8]], out: &mut Frames<'_>) {
        if self.text.is_some() {
            out.text(String::from_utf8_lossy(&parts.concat()).as_bytes());
        } else {
            out.binary(parts);
        }
    }
}

impl Dialect for Raw {
    fn wire(&self) -> Wire {
        Wire::WebSocket
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    fn is_bytes(&self) -> bool {
        true
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

    fn translates(&self) -> bool {
        self.text.is_some()
    }

    fn output(&mut self, bytes: &[u8], out: &mut Frames<'_>) {
        let mut text = String::new();
        if let Some(decoder) = &mut self.text {
            decoder.feed(bytes, &mut text);
        }
        // A part of a character waits for the rest.
        if !text.is_empty() {
            out.text(text.as_bytes());
        }
    }

    fn event(&mut self, event: Event<'_>, out: &mut Frames<'_>) {
        match event {
            Event::Keyframe { dump, .. } => self.say(&[RESET, dump], out),
            Event::Fault(fault) => {
                let line = format!("anywire: {}\r\n", fault.message);
                self.say(&[line.as_bytes()], out);
            }
            Event::Closed(_) => {
                let mut rest = String::new();
                if let Some(decoder) = &mut self.text {
                    decoder.finish(&mut rest);
                }
                if !rest.is_empty() {
                    out.text(rest.as_bytes());
                }
            }
            _ => {}
        }
    }
}
