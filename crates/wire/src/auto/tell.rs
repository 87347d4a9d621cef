//! What a client speaks, told by its first bytes.

use crate::tcp::METHODS;
use anywire_codec::framed::{Limits, PREFIX, sniff};

/// What can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// A TLS record of a handshake (RFC 8446 section 5.1).
    Tls,
    /// A request line.
    Http,
    /// A telnet command.
    Telnet,
    /// A message with a JSON header, behind the header's length.
    Framed,
    /// Anything else.
    Tcp,
}

/// What is known so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is this.
    Is(Wire),
    /// More must be seen; if no more comes it is this, if anything.
    Perhaps(Option<Wire>),
}

const IAC: u8 = 0xff;
const TLS_HANDSHAKE: u8 = 0x16;
const TLS_MAJOR: u8 = 0x03;
/// The high byte of a header's length: headers are shorter than 768 bytes, and nobody types such bytes first.
const FRAMED: std::ops::Range<u8> = 0..3;
/// A request line that is longer is for HTTP to refuse.
const LINE: usize = 8 * 1024;

/// Looks at all bytes so far.
pub(super) fn tell(head: &[u8]) -> Told {
    match *head {
        [] => Told::Perhaps(None),
        [IAC, ..] => Told::Is(Wire::Telnet),
        [TLS_HANDSHAKE] => Told::Perhaps(None),
        [TLS_HANDSHAKE, TLS_MAJOR, ..] => Told::Is(Wire::Tls),
        [high, ..] if FRAMED.contains(&high) => framed(head),
        _ => request(head),
    }
}

/// Whether a header begins behind two bytes; what is wrong with its rest, its own wire tells the client.
fn framed(head: &[u8]) -> Told {
    match sniff(&head[..head.len().min(PREFIX + 1)], &Limits::DEFAULT) {
        Some(true) => Told::Is(Wire::Framed),
        Some(false) => Told::Is(Wire::Tcp),
        None => Told::Perhaps(Some(Wire::Tcp)),
    }
}

/// Whether it begins with a request line: a method alone may be somebody's word.
fn request(head: &[u8]) -> Told {
    if METHODS.iter().any(|method| head.starts_with(method)) {
        let end = memchr::memchr(b'\n', &head[..head.len().min(LINE)]);
        return match end {
            Some(end) if is_request(&head[..end]) => Told::Is(Wire::Http),
            Some(_) => Told::Is(Wire::Tcp),
            None if head.len() >= LINE => Told::Is(Wire::Http),
            // Half a request must not become input for a program.
            None => Told::Perhaps(None),
        };
    }
    if METHODS.iter().any(|method| method.starts_with(head)) {
        return Told::Perhaps(Some(Wire::Tcp));
    }
    Told::Is(Wire::Tcp)
}

fn is_request(line: &[u8]) -> bool {
    memchr::memmem::find(line, b" HTTP/").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it is told to be once all is there; on the way to that, it must not be taken for anything else.
    fn whole(bytes: &[u8]) -> Told {
        let all = tell(bytes);
        for len in 0..bytes.len() {
            let told = tell(&bytes[..len]);
            assert!(
                matches!(told, Told::Perhaps(_)) || told == all,
                "{len} of {bytes:?}: {told:?}"
            );
        }
        all
    }

    #[test]
    fn told_apart_however_slowly_they_come() {
        for (bytes, wire) in [
            (&b"\x16\x03\x01\x02\x00\x01"[..], Wire::Tls),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Wire::Http),
            (b"OPTIONS * HTTP/1.1\r\n", Wire::Http),
            (b"POST /x HTTP/1.0\n", Wire::Http),
            (b"\xff\xfb\x1f", Wire::Telnet),
            (b"\x00\x54{\"byteorder\"", Wire::Framed),
            (b"ls\n", Wire::Tcp),
            (b"GETTING\n", Wire::Tcp),
            (b"PUT it there\n", Wire::Tcp),
            (b"\x16x", Wire::Tcp),
            (b"\x00\x54x", Wire::Tcp),
            (b"\x03", Wire::Tcp),
            (b"\r\n", Wire::Tcp),
            (b"\x80", Wire::Tcp),
        ] {
            let told = whole(bytes);
            assert!(
                told == Told::Is(wire) || told == Told::Perhaps(Some(wire)),
                "{bytes:?}: {told:?}"
            );
        }
        let long = [b"GET /".to_vec(), vec![b'x'; LINE]].concat();
        assert_eq!(tell(&long), Told::Is(Wire::Http));
    }

    #[test]
    fn half_a_handshake_or_request_is_nothing() {
        for bytes in [&b""[..], b"\x16", b"GET / HTTP/1.1", b"POST "] {
            assert_eq!(tell(bytes), Told::Perhaps(None), "{bytes:?}");
        }
        assert_eq!(tell(b"GET"), Told::Perhaps(Some(Wire::Tcp)));
    }
}
