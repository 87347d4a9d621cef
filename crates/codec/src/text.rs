//! Bytes that come in pieces into text that comes in pieces: UTF-8, mended where it is none.

/// At most three bytes of a character whose rest has not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    held: [u8; 3],
    len: u8,
}

/// What stands for bytes that are no UTF-8.
const REPLACEMENT: &str = "\u{fffd}";

impl Text {
    /// The most bytes of text that so many bytes and what is held become.
    #[must_use]
    pub fn longest(bytes: usize) -> usize {
        (bytes + 3) * REPLACEMENT.len()
    }

    /// Makes text of what lies behind `from` in `out`, with what was held before in front of it. A character that is
    /// not whole at the end is held; each maximal part of what is no character becomes one U+FFFD, as browsers do it.
    pub fn mend(&mut self, out: &mut Vec<u8>, from: usize) {
        let held = &self.held[..usize::from(self.len)];
        out.splice(from..from, held.iter().copied());
        self.len = 0;
        let Err(error) = std::str::from_utf8(&out[from..]) else {
            return;
        };
        let bytes = out.split_off(from + error.valid_up_to());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.extend_from_slice(chunk.valid().as_bytes());
            let rest = chunk.invalid();
            if chunks.peek().is_none() && is_beginning(rest) {
                self.held[..rest.len()].copy_from_slice(rest);
                self.len = rest.len() as u8;
            } else if !rest.is_empty() {
                out.extend_from_slice(REPLACEMENT.as_bytes());
            }
        }
    }

    /// What is still held when nothing more comes, as text.
    pub fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.len) > 0 {
            REPLACEMENT
        } else {
            ""
        }
    }
}

/// Whether more bytes could make this a character.
fn is_beginning(rest: &[u8]) -> bool {
    !rest.is_empty() && std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_pieces(pieces: &[&[u8]]) -> String {
        let (mut text, mut all) = (Text::default(), String::new());
        for piece in pieces {
            let mut out = b"before".to_vec();
            out.extend_from_slice(piece);
            text.mend(&mut out, 6);
            assert!(out.len() - 6 <= Text::longest(piece.len()));
            all += std::str::from_utf8(&out)
                .unwrap()
                .strip_prefix("before")
                .unwrap();
        }
        all + text.finish()
    }

    #[test]
    fn characters_are_put_together_and_noise_is_replaced() {
        assert_eq!(in_pieces(&[b"a\xe2\x82", b"\xac!"]), "a\u{20ac}!");
        assert_eq!(in_pieces(&[b"\xf0\x9f", b"\x98", b"\x80"]), "\u{1f600}");
        assert_eq!(
            in_pieces(&[b"x\xff\xfey", b"\xc3"]),
            "x\u{fffd}\u{fffd}y\u{fffd}"
        );
        assert_eq!(in_pieces(&[b"\xe2\x82", b"x"]), "\u{fffd}x");
    }

    proptest! {
        #[test]
        fn pieces_are_as_good_as_the_whole(bytes: Vec<u8>, text in ".{0,20}", cuts: Vec<prop::sample::Index>) {
            let bytes = [&bytes[..], text.as_bytes(), &bytes].concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(in_pieces(&pieces), String::from_utf8_lossy(&bytes));
        }
    }
}
