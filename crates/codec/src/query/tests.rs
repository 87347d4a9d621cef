//! Replies go, keys stay, at every split; queries are found at every split; noise never panics.

use super::*;
use proptest::prelude::*;

const REPLIES: &[&[u8]] = &[
    b"\x1b[?62;1;6c",
    b"\x1b[>0;276;0c",
    b"\x1b[0n",
    b"\x1b[?997;1n",
    b"\x1b[24;80R",
    b"\x1b[1;1R",
    b"\x1b[?1;2;1R",
    b"\x1b[?2026;2$y",
    b"\x1b[4;1$y",
    b"\x1b[8;24;80t",
    b"\x1b[?1u",
    b"\x1b[2;1;1;128;128;1;0x",
    b"\x1b[I",
    b"\x1b[O",
    b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\",
    b"\x1b]11;rgb:0000/0000/0000\x07",
    b"\x1b]4;255;rgba:0000/0000/0000/ffff\x07",
    b"\x1bP1$r0m\x1b\\",
    b"\x1bP>|xterm.js(6.0.0)\x1b\\",
    b"\x1bP!|00000000\x1b\\",
    b"\x1bP0+r\x1b\\",
    b"\x1b_Gi=31;OK\x1b\\",
];

const KEYS: &[&[u8]] = &[
    b"ls -l\r",
    b"\x1b",
    b"\x1b\x1b",
    b"\x1b[A",
    b"\x1bOP",
    b"\x1b[1;5C",
    b"\x1b[1;2R",
    b"\x1b[R",
    b"\x1b[15~",
    b"\x1b[97;5u",
    b"\x1b[<0;10;20M",
    b"\x1b[<0;10;20m",
    b"\x1b[M !!",
    b"\x1b[Z",
    b"\x1b[200~pasted\x1b[201~",
    b"\x1bx",
    b"\x1b]",
    b"\x1bP",
    "äöü€".as_bytes(),
    b"\x1b]0;title\x07",
    b"\x03",
];

const QUERIES: &[&[u8]] = &[
    b"\x1b[c",
    b"\x1b[0c",
    b"\x1b[>c",
    b"\x1b[=c",
    b"\x1b[5n",
    b"\x1b[6n",
    b"\x1b[?6n",
    b"\x1b[?996n",
    b"\x1b[?2026$p",
    b"\x1b[>q",
    b"\x1b[?u",
    b"\x1b[18t",
    b"\x1b[x",
    b"\x1b]11;?\x1b\\",
    b"\x1b]4;1;?\x07",
    b"\x1b]52;c;?\x07",
    b"\x1bP$qm\x1b\\",
    b"\x1bP+q544e\x1b\\",
    b"\x1bZ",
];

const OUTPUT: &[&[u8]] = &[
    b"plain text\r\n",
    b"\x1b[31mred\x1b[0m",
    b"\x1b]0;title\x07",
    b"\x1b[2J\x1b[H",
    b"\x1b[?1049h",
    b"\x1b[22;0;0t",
    b"\x1b[4n",
    b"\x1b(B",
    b"\x1b[2 q",
    b"\x0e[c\x0f[6n",
    b"\x1b[38;5;208mcolour\x1b[m",
];

fn some(of: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<&'static [u8]>> {
    proptest::collection::vec(proptest::sample::select(of), 0..12)
}

fn filtered<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut filter, mut out) = (ReplyFilter::new(), Vec::new());
    for chunk in chunks {
        filter.feed(chunk, &mut out);
        assert!(filter.held() <= MAX_HELD);
    }
    filter.flush(&mut out);
    out
}

proptest! {
    #[test]
    fn keys_pass_at_every_split(keys in some(KEYS), size in 1..20usize) {
        let keys = keys.concat();
        prop_assert_eq!(filtered(keys.chunks(size)), keys);
    }

    #[test]
    fn noise_never_panics_and_only_escapes_go(bytes: Vec<u8>, size in 1..20usize) {
        let out = filtered(bytes.chunks(size));
        prop_assert!(out.len() <= bytes.len());
        if !bytes.contains(&ESC) {
            prop_assert_eq!(out, bytes);
        }
    }

    #[test]
    fn escape_soup_never_panics(picks in proptest::collection::vec(
        proptest::sample::select(&b"\x1b\x1b\x1b[]P_?>;:012456789$rgbRcntyu|\\\x07 +q"[..]), 0..400),
        size in 1..40usize,
    ) {
        filtered(picks.chunks(size));
        let mut scanner = QueryScanner::new();
        for chunk in picks.chunks(size) {
            scanner.feed(chunk);
        }
    }

    #[test]
    fn queries_are_found_at_every_split(
        before in some(OUTPUT), query in proptest::sample::select(QUERIES), after in some(OUTPUT),
        size in 1..40usize,
    ) {
        let plain = before.concat();
        let mut scanner = QueryScanner::new();
        for chunk in plain.chunks(size) {
            prop_assert!(!scanner.feed(chunk));
        }
        let rest = [query, &after.concat()].concat();
        let mut found = 0;
        for chunk in rest.chunks(size) {
            found += usize::from(scanner.feed(chunk));
        }
        prop_assert_eq!(found, 1);
    }
}

#[test]
fn replies_go_at_every_split_behind_their_third_byte() {
    for reply in REPLIES {
        for cut in 3..=reply.len() {
            let mut bytes = b"a".to_vec();
            bytes.extend_from_slice(reply);
            bytes.push(b'b');
            let chunks = [&bytes[..1 + cut], &bytes[1 + cut..]];
            assert_eq!(
                filtered(chunks),
                b"ab",
                "{:?} at {cut}",
                reply.escape_ascii()
            );
        }
    }
}

#[test]
fn a_person_s_escape_is_never_held() {
    for typed in [
        &b"\x1b"[..],
        b"x\x1b",
        b"\x1b[",
        b"\x1b]",
        b"\x1bP",
        b"\x1b_",
    ] {
        let (mut filter, mut out) = (ReplyFilter::new(), Vec::new());
        filter.feed(typed, &mut out);
        assert_eq!((out.as_slice(), filter.held()), (typed, 0));
    }
}

#[test]
fn what_never_ends_is_given_back() {
    let mut endless = b"\x1bP>|".to_vec();
    endless.resize(1000, b'x');
    assert_eq!(filtered(endless.chunks(7)), endless);
    let mut digits = b"\x1b[?".to_vec();
    digits.resize(1000, b'1');
    assert_eq!(filtered(digits.chunks(1)), digits);
}
