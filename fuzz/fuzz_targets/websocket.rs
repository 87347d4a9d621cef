//! WebSocket messages: no panic, no message beyond the maximum, and the same messages however the bytes are cut.
#![no_main]

use anywire_codec::websocket::{Error, Message, Next, Reader, Side};
use libfuzzer_sys::fuzz_target;

const MAX: usize = 4096;

fn read(side: Side, deflate: bool, pieces: &[&[u8]]) -> (Vec<String>, Option<Error>) {
    let reader = Reader::new(side, MAX);
    let mut reader = if deflate {
        reader.with_deflate()
    } else {
        reader
    };
    let (mut buffer, mut messages) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match reader.next(&mut buffer) {
                Ok(Next::Frame { used, message }) => {
                    if let Some(Message::Binary(bytes)) = message {
                        assert!(bytes.len() <= MAX);
                    }
                    messages.extend(message.map(|message| format!("{message:?}")));
                    buffer.drain(..used);
                }
                Ok(Next::More) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

fuzz_target!(|input: (u16, bool, bool, &[u8])| {
    let (cut, server, deflate, bytes) = input;
    let side = if server { Side::Server } else { Side::Client };
    let (head, tail) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    assert_eq!(
        read(side, deflate, &[bytes]),
        read(side, deflate, &[head, tail])
    );
});
