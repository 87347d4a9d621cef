//! Messages into bytes: as WebSocket frames, or just their payload on wires that have none.

use anywire_codec::telnet::escape_iac;
use anywire_codec::websocket::{Opcode, close_payload, header, header_len, write_header};

/// What is put around a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrap {
    Nothing,
    /// A message's IAC bytes are doubled; output is translated by who knows what was agreed.
    Telnet,
    WebSocket,
}

/// Bytes that are reserved in front of a message whose length is not known yet: the header of up to 65,535 bytes.
const RESERVED: usize = 4;

impl Wrap {
    /// Makes room for the header of a binary message; its payload is appended next.
    pub(crate) fn begin(self, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        if self == Self::WebSocket {
            out.extend_from_slice(&[0; RESERVED]);
        }
        start
    }

    /// Where the payload of a message begins that began at `start`.
    pub(crate) fn payload(self, start: usize) -> usize {
        match self {
            Self::Nothing | Self::Telnet => start,
            Self::WebSocket => start + RESERVED,
        }
    }

    /// Writes the header of the message that ends here. At most 65,535 bytes of payload.
    pub(crate) fn finish(self, start: usize, out: &mut Vec<u8>) {
        if self != Self::WebSocket {
            return;
        }
        let payload = out.len() - start - RESERVED;
        debug_assert!(payload <= 65_535);
        let len = header_len(payload);
        if len < RESERVED {
            // At most 125 bytes move up: cheaper than a gap.
            out.copy_within(start + RESERVED.., start + len);
            out.truncate(start + len + payload);
        }
        out[start..start + len].copy_from_slice(&header(Opcode::Binary, payload)[..len]);
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
        if self.wrap == Wrap::WebSocket {
            self.message(opcode, &[payload]);
        }
    }

    fn message(&mut self, opcode: Opcode, parts: &[&[u8]]) {
        if self.wrap == Wrap::WebSocket {
            let len = parts.iter().map(|part| part.len()).sum();
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
        fn what_was_begun_is_read_back(before in 0..3usize, len in prop_oneof![0..300usize, 65_000..65_536usize]) {
            let mut out = vec![b'x'; before];
            let start = Wrap::WebSocket.begin(&mut out);
            prop_assert_eq!(Wrap::WebSocket.payload(start), out.len());
            out.resize(out.len() + len, b'y');
            Wrap::WebSocket.finish(start, &mut out);
            let mut reader = Reader::new(Side::Client, 65_535);
            let frame = reader.next(&mut out[before..]).unwrap();
            let payload = vec![b'y'; len];
            let used = header_len(len) + len;
            prop_assert_eq!(frame, Next::Frame { used, message: Some(Message::Binary(&payload)) });
            prop_assert_eq!(out.len(), before + used);
        }
    }
}
