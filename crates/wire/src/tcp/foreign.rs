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

/// Bytes of a first line with a method in front, from which on it is a request's whose address is merely long. A page
/// chooses how long it is; less than this of it never arrives alone.
const LONG: usize = 512;

/// Whether a connection that begins with these bytes is a browser's (or `curl`'s).
pub(super) fn is_browser(first: &[u8]) -> bool {
    let line = first_line(first);
    let is_request = contains(line, b" HTTP/") || (line.len() == first.len() && line.len() >= LONG);
    // A TLS record of a handshake (RFC 8446 section 5.1).
    (has_method(first) && is_request) || first.starts_with(b"\x16\x03")
}

fn has_method(first: &[u8]) -> bool {
    METHODS.iter().any(|method| first.starts_with(method))
}

/// Without its end, if that has come.
fn first_line(first: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'\r', b'\n', first);
    &first[..end.unwrap_or(first.len())]
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    line.windows(text.len()).any(|window| window == text)
}

/// Raw bytes, unless the first ones are a browser's.
#[derive(Debug)]
pub(super) struct RawTcp {
    begun: bool,
    /// A first line that begins as a request does and has not ended.
    line: Vec<u8>,
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
            line: Vec::new(),
            size,
            skip_lf,
            wire,
            observed,
        }
    }

    /// Whether these bytes, which come next, show that the client is a browser.
    fn is_browser(&mut self, bytes: &[u8]) -> bool {
        let first = !std::mem::replace(&mut self.begun, true);
        if !first && self.line.is_empty() {
            return false;
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(&bytes[..bytes.len().min(LONG)]);
        let found = is_browser(&line);
        if !found && has_method(&line) && first_line(&line).len() == line.len() {
            self.line = line;
        }
        found
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
        if self.is_browser(bytes) {
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

    fn refuses(pieces: &[&[u8]]) -> bool {
        let mut dialect = RawTcp::new(Wire::Tcp, None, false, None);
        let mut told = pieces
            .iter()
            .map(|piece| dialect.message(Inbound::Binary(piece)));
        told.any(|told| told.is_err())
    }

    /// A page chooses its address: one that is longer than what is read at once must not hide the end of the line.
    #[test]
    fn a_long_address_hides_no_request() {
        let end = b" HTTP/1.1\r\nHost: x\r\n\r\nrm -rf ~\n";
        for len in [1, 100, LONG - 6, LONG, 1460, 65_536] {
            let begin = [b"POST /".as_slice(), &vec![b'a'; len]].concat();
            assert!(refuses(&[&begin, end]), "{len}");
        }
        assert!(refuses(&[b"GET /", b"a HT", b"TP/1.1\r\n"]));
    }

    #[test]
    fn a_word_that_is_a_method_may_be_typed() {
        let long = [b'x'; 2 * LONG];
        assert!(!refuses(&[b"PUT ", b"it there\n", b"POST / HTTP/1.1\n"]));
        assert!(!refuses(&[b"GET ready\n", &long]));
        assert!(!refuses(&[&long, &long]));
        assert!(!refuses(&[b"G", b"E", b"T", b" ", b"/", &long]));
    }
}
