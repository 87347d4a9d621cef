//! Bytes that come in pieces into characters: UTF-8, mended where it is none.

/// The longest UTF-8 sequence, but for its last byte.
const HELD_MAX: usize = 3;

/// Turns bytes into characters. A sequence that is cut is held back until its end comes; what can never become a
/// character is U+FFFD at once.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    held: [u8; HELD_MAX],
    len: usize,
}

impl Decoder {
    /// Appends the characters of `bytes` to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut String) {
        let joined;
        let mut rest = bytes;
        if self.len > 0 {
            joined = [&self.held[..self.len], bytes].concat();
            rest = &joined;
            self.len = 0;
        }
        for chunk in rest.utf8_chunks() {
            out.push_str(chunk.valid());
            let invalid = chunk.invalid();
            let at_end = invalid.as_ptr_range().end == rest.as_ptr_range().end;
            if at_end && is_cut(invalid) {
                self.held[..invalid.len()].copy_from_slice(invalid);
                self.len = invalid.len();
            } else if !invalid.is_empty() {
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// Bytes that are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.len
    }

    /// Nothing more comes: what was held back is no character.
    pub fn finish(&mut self, out: &mut String) {
        if std::mem::take(&mut self.len) > 0 {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Whether more bytes could make a character of it.
fn is_cut(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => false,
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_pieces(pieces: &[&[u8]]) -> String {
        let (mut decoder, mut text) = (Decoder::default(), "before".to_owned());
        for piece in pieces {
            decoder.feed(piece, &mut text);
        }
        assert!(decoder.held() <= HELD_MAX);
        decoder.finish(&mut text);
        assert_eq!(decoder.held(), 0);
        text.strip_prefix("before").unwrap().to_owned()
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
