//! Raw TCP for programs that are no browser.
//!
//! A web page of anybody can have a browser connect to a port of this machine and send it a request with a body of the
//! page's choice; a shell would run the body's lines. No one types a request line or a TLS handshake into a shell, so a
//! connection that begins with one is closed before its first byte arrives anywhere.

use crate::dialect::{Dialect, Event, Fault, Frames, Inbound, Open, Raw, Request};
use crate::metrics::Wire;
use crate::observer::Observed;
use anywire_codec::dialect::native::ErrorCode;
use anywire_model::Size;
use std::time::Duration;

/// Methods that a browser can be made to begin with.
pub(crate) const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
];

/// Whether a connection that begins with these bytes is a browser's (or `curl`'s).
pub(super) fn is_browser(first: &[u8]) -> bool {
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or(first);
    let request =
        METHODS.iter().any(|method| first.starts_with(method)) && contains(line, b" HTTP/");
    // A TLS record of a handshake (RFC 8446 section 5.1).
    request || first.starts_with(b"\x16\x03")
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    line.windows(text.len()).any(|window| window == text)
}

/// Raw bytes, unless the first ones are a browser's.
#[derive(Debug)]
pub(super) struct RawTcp {
    begun: bool,
    size: Option<Size>,
    skip_lf: bool,
    wire: Wire,
    observed: Option<Box<Observed>>,
}

impl RawTcp {
    /// For a client with a window of this size, if it has told it; `skip_lf`: what was typed before ended with CR, and a
    /// LF that comes first belongs to that.
    pub(super) fn new(
        wire: Wire,
        size: Option<Size>,
        skip_lf: bool,
        observed: Option<Box<Observed>>,
    ) -> Self {
        Self {
            begun: false,
            size,
            skip_lf,
            wire,
            observed,
        }
    }
}

impl Dialect for RawTcp {
    fn wire(&self) -> Wire {
        self.wire
    }

    fn patience(&self) -> Duration {
        Raw::default().patience()
    }

    fn silence(&mut self) -> Result<Open<'static>, Fault> {
        Ok(Open {
            size: self.size,
            ..Open::default()
        })
    }

    fn message<'a>(&mut self, message: Inbound<'a>) -> Result<Request<'a>, Fault> {
        let mut bytes = message.bytes();
        if std::mem::take(&mut self.skip_lf) && bytes.starts_with(b"\n") {
            bytes = &bytes[1..];
            if bytes.is_empty() {
                return Ok(Request::Noted);
            }
        }
        if !std::mem::replace(&mut self.begun, true) && is_browser(bytes) {
            return Err(Fault::new(
                ErrorCode::Forbidden,
                "this port is not for HTTP or TLS",
            ));
        }
        if let Some(observed) = &self.observed {
            observed.received(bytes);
        }
        Raw::default().message(Inbound::Binary(bytes))
    }

    fn event(&mut self, event: Event<'_>, out: &mut Frames<'_>) {
        Raw::default().event(event, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_from_people() {
        for request in [
            &b"POST / HTTP/1.1\r\nHost: x\r\n\r\nrm -rf ~\n"[..],
            b"GET /x HTTP/1.0\r\n",
            b"\x16\x03\x01\x02",
        ] {
            assert!(is_browser(request));
        }
        for typed in [
            &b"ls\n"[..],
            b"GET",
            b"POST office\n",
            b"PUT it there\nHTTP/1.1\n",
            b"",
            b"\x16",
        ] {
            assert!(!is_browser(typed));
        }
    }
}
