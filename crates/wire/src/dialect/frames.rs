//! Messages into bytes: as WebSocket frames, or just their payload on wires that have none.

use anywire_codec::telnet::escape_iac;
use anywire_codec::websocket::deflate::Deflater;
use anywire_codec::websocket::{DEFLATED, Opcode, close_payload, header, header_len, write_header};
use std::cell::RefCell;

/// What is put around a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrap {
    Nothing,
    /// A message's IAC bytes are doubled; output is translated by who knows what was agreed.
    Telnet,
    WebSocket {
        /// Whether messages may be compressed.
        deflate: bool,
    },
}

/// Bytes that are reserved in front of a message whose length is not known yet: the header of up to 65,535 bytes.
const RESERVED: usize = 4;

/// The memory of a compressor and its output: of a thread, so that connections own none.
#[derive(Default)]
struct Press {
    deflater: Deflater,
    out: Vec<u8>,
}

thread_local! {
    static PRESS: RefCell<Option<Box<Press>>> = const { RefCell::new(None) };
}

/// Replaces what lies behind `start` by its compressed form if that is shorter; says whether it was.
fn deflate_tail(out: &mut Vec<u8>, start: usize) -> bool {
    PRESS.with_borrow_mut(|press| {
        let press = press.get_or_insert_default();
        let shorter = press.deflater.deflate(&out[start..], &mut press.out);
        if shorter {
            out.truncate(start);
            out.extend_from_slice(&press.out);
        }
        press.out.shrink_to(KEEP);
        shorter
    })
}

/// More is given back after a message: a large keyframe need not stay.
const KEEP: usize = 128 * 1024;

impl Wrap {
    /// Whether there are messages at all.
    pub(crate) fn is_framed(self) -> bool {
        matches!(self, Self::WebSocket { .. })
    }

    fn deflates(self) -> bool {
        self == Self::WebSocket { deflate: true }
    }

    /// Makes room for the header of a binary message; its payload is appended next.
    pub(crate) fn begin(self, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        if self.is_framed() {
            out.extend_from_slice(&[0; RESERVED]);
        }
        start
    }

    /// Where the payload of a message begins that began at `start`.
    pub(crate) fn payload(self, start: usize) -> usize {
        match self {
            Self::Nothing | Self::Telnet => start,
            Self::WebSocket { .. } => start + RESERVED,
        }
    }

    /// Writes the header of the message that ends here. At most 65,535 bytes of payload.
    pub(crate) fn finish(self, start: usize, out: &mut Vec<u8>) {
        if !self.is_framed() {
            return;
        }
        let deflated = self.deflates() && deflate_tail(out, start + RESERVED);
        let payload = out.len() - start - RESERVED;
        debug_assert!(payload <= 65_535);
        let len = header_len(payload);
        if len < RESERVED {
            // At most 125 bytes move up: cheaper than a gap.
            out.copy_within(start + RESERVED.., start + len);
            out.truncate(start + len + payload);
        }
        out[start..start + len].copy_from_slice(&header(Opcode::Binary, payload)[..len]);
        if deflated {
            out[start] |= DEFLATED;
        }
    }
}

/// Where messages are appended.
pub(crate) struct Frames<'a> {
    pub(crate) wrap: Wrap,
    pub(crate) out: &'a mut Vec<u8>,
}

impl Frames<'_> {
    /// Appends a binary message made of these parts.
    pub(crate) fn binary(&mut self, parts: &[&[u8]]) {
        self.message(Opcode::Binary, parts);
    }

    /// Appends a text message.
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.message(Opcode::Text, &[text]);
    }

    /// Answers a ping. Nothing on wires without frames.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.control(Opcode::Pong, payload);
    }

    /// Asks for a sign of life. Nothing on wires without frames.
    pub(crate) fn ping(&mut self) {
        self.control(Opcode::Ping, b"");
    }

    /// The last message. Nothing on wires without frames.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.control(Opcode::Close, &close_payload(code, reason));
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.wrap.is_framed() {
            self.frame(opcode, &[payload]);
        }
    }

    fn message(&mut self, opcode: Opcode, parts: &[&[u8]]) {
        if self.wrap.deflates() {
            let mut payload = parts.concat();
            if deflate_tail(&mut payload, 0) {
                let start = self.out.len();
                self.frame(opcode, &[&payload]);
                self.out[start] |= DEFLATED;
                return;
            }
        }
        self.frame(opcode, parts);
    }

    fn frame(&mut self, opcode: Opcode, parts: &[&[u8]]) {
        if self.wrap.is_framed() {
            let len = parts.iter().map(|part| part.len()).sum();
            self.out.reserve(RESERVED + len);
            write_header(opcode, len, self.out);
        }
        let start = self.out.len();
        for part in parts {
            self.out.extend_from_slice(part);
        }
        if self.wrap == Wrap::Telnet {
            escape_iac(self.out, start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anywire_codec::websocket::{Message, Next, Reader, Side};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_begun_is_read_back(before in 0..3usize, deflate: bool, len in prop_oneof![0..300usize, 65_000..65_536usize]) {
            let wrap = Wrap::WebSocket { deflate };
            let mut out = vec![b'x'; before];
            let start = wrap.begin(&mut out);
            prop_assert_eq!(wrap.payload(start), out.len());
            out.resize(out.len() + len, b'y');
            wrap.finish(start, &mut out);
            let payload = vec![b'y'; len];
            Frames { wrap, out: &mut out }.text(&payload);
            let mut reader = Reader::new(Side::Client, 65_535).with_deflate();
            let mut rest = &mut out[before..];
            for kind in [Message::Binary(&payload), Message::Text(std::str::from_utf8(&payload).expect("ASCII"))] {
                let Next::Frame { used, message } = reader.next(rest).unwrap() else { panic!("a whole frame") };
                prop_assert_eq!(message, Some(kind));
                let plain = header_len(len) + len;
                let small = deflate && len >= 128;
                prop_assert!(used == plain || small);
                prop_assert!(!small || used < len / 4);
                rest = &mut rest[used..];
            }
            prop_assert!(rest.is_empty());
        }
    }
}
