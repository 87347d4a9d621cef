//! Length-prefixed messages: no panic, bounded memory, the same messages however the bytes are cut, whole or in pieces.
#![no_main]

use anywire_codec::framed::{Error, Limits, Next, PREFIX, Piece, Reader, content, sniff};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    header: 512,
    content: 2048,
    depth: 8,
};

/// Messages in words, and what was wrong in the end.
type All = (Vec<String>, Option<Error>);

fn whole(pieces: &[&[u8]]) -> All {
    let (mut reader, mut buffer, mut all) = (Reader::new(LIMITS), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match reader.message(&buffer) {
                Ok(Next::Message { used, message }) => {
                    let _ = content::json(&message.header, message.content, &LIMITS);
                    // What was read can be written, and says the same again.
                    let mut again = Vec::new();
                    if message.header.write(&mut again).is_ok()
                        && again.len() <= PREFIX + LIMITS.header
                    {
                        again.extend_from_slice(message.content);
                        assert_eq!(Reader::only(&again, LIMITS).as_ref(), Ok(&message));
                    }
                    all.push(format!("{:?} {:?}", message.header, message.content));
                    buffer.drain(..used);
                }
                Ok(Next::More) => break,
                Err(error) => return (all, Some(error)),
            }
        }
        assert!(buffer.len() <= PREFIX + LIMITS.header + LIMITS.content as usize);
    }
    (all, None)
}

fn in_pieces(bytes: &[u8]) -> All {
    let (mut reader, mut rest, mut all) = (Reader::new(LIMITS), bytes, Vec::new());
    let mut open = None;
    loop {
        let used = match reader.piece(rest) {
            Ok(Piece::More) => return (all, None),
            Ok(Piece::Header { used, header }) => {
                open = Some((format!("{header:?}"), Vec::new()));
                used
            }
            Ok(Piece::Content { used, bytes, last }) => {
                if let Some((_, content)) = &mut open {
                    content.extend_from_slice(bytes);
                }
                if last && let Some((header, content)) = open.take() {
                    all.push(format!("{header} {content:?}"));
                }
                used
            }
            Err(error) => return (all, Some(error)),
        };
        rest = &rest[used..];
    }
}

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (head, tail) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    let all = whole(&[bytes]);
    assert_eq!(whole(&[head, tail]), all);
    assert_eq!(in_pieces(bytes), all);
    let _ = sniff(head, &LIMITS);
});
