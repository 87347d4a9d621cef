//! Terminal queries and replies: no panic, bounded memory, and nothing that is not a reply is lost or moved.
#![no_main]

use anywire_codec::query::{MAX_HELD, QueryScanner, ReplyFilter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (head, tail) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));

    let mut scanner = QueryScanner::new();
    scanner.feed(head);
    scanner.feed(tail);

    let (mut filter, mut out) = (ReplyFilter::new(), Vec::new());
    for piece in [head, tail] {
        filter.feed(piece, &mut out);
        assert!(filter.held() <= MAX_HELD);
    }
    filter.flush(&mut out);
    let mut rest = bytes.iter();
    assert!(
        out.iter().all(|byte| rest.any(|other| other == byte)),
        "the output is a part of the input, in order"
    );
});
