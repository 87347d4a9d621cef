//! The WebSocket dialect of xwterm's sample server.

use super::{Dialect, Event, Fault, Frames, Inbound, Open, Request};
use crate::http::xwterm::{Entry, Hub};
use crate::limits;
use crate::metrics::Wire;
use anywire_codec::dialect::xwterm::{RESET, Unit, print_text};
use anywire_codec::text::Decoder;
use anywire_model::Size;
use anywire_session::Window;
use std::sync::Arc;
use std::time::Duration;

/// Output bytes of one message: a page draws it in one go.
const PIECE: usize = 16 * 1024;

/// A client of the sample server.
#[derive(Debug)]
pub(crate) struct Xwterm {
    hub: Arc<Hub>,
    opened: bool,
    size: Option<Size>,
    /// The session under its id, and the client's window.
    entry: Option<(Arc<Entry>, Window)>,
    decoder: Decoder,
}

impl Xwterm {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            opened: false,
            size: None,
            entry: None,
            decoder: Decoder::default(),
        }
    }

    fn tell(text: &str, out: &mut Frames<'_>) {
        if !text.is_empty() {
            let mut json = Vec::with_capacity(text.len() + 16);
            print_text(text, &mut json);
            out.text(&json);
        }
    }
}

impl Dialect for Xwterm {
    fn wire(&self) -> Wire {
        Wire::Xwterm
    }

    fn patience(&self) -> Duration {
        limits::FIRST_SIZE
    }

    fn silence(&mut self) -> Result<Open<'static>, Fault> {
        self.opened = true;
        Ok(Open {
            answers: true,
            ..Open::default()
        })
    }

    fn message<'a>(&mut self, message: Inbound<'a>) -> Result<Request<'a>, Fault> {
        let Unit { size, text: input } = match message {
            Inbound::Text(text) => Unit::decode(text),
            Inbound::Binary(bytes) => Unit {
                size: None,
                text: bytes.into(),
            },
        };
        if !std::mem::replace(&mut self.opened, true) {
            self.size = size;
            return Ok(Request::Open(Box::new(Open {
                size: size.or_else(|| self.hub.first_size()),
                answers: true,
                input,
                ..Open::default()
            })));
        }
        let size = match (&self.entry, size) {
            (Some((entry, window)), Some(size)) => self.hub.resize(entry, window, size),
            (_, size) => size,
        };
        Ok(Request::Typed { size, input })
    }

    fn translates(&self) -> bool {
        true
    }

    fn output(&mut self, bytes: &[u8], out: &mut Frames<'_>) {
        let mut text = String::new();
        for piece in bytes.chunks(PIECE) {
            text.clear();
            self.decoder.feed(piece, &mut text);
            Self::tell(&text, out);
        }
    }

    fn event(&mut self, event: Event<'_>, out: &mut Frames<'_>) {
        match event {
            Event::Welcome(attachment) => {
                let entry = self.hub.connected(attachment.session(), self.size);
                self.entry = Some((entry, attachment.window()));
            }
            Event::Keyframe { dump, .. } => {
                self.decoder = Decoder::default();
                self.output(&[RESET, dump].concat(), out);
            }
            Event::Fault(fault) => Self::tell(&format!("anywire: {}\r\n", fault.message), out),
            Event::Closed(_) => {
                let mut text = String::new();
                self.decoder.finish(&mut text);
                Self::tell(&text, out);
            }
            _ => {}
        }
    }
}
